//! The kinds of entities, and what is fixed about each: its words and the columns of its table.

use std::fmt;

/// A kind of entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityKind {
    /// A machine. Its id is the host's name.
    Node,
    /// A Kubernetes pod. Its id is `namespace/name`.
    Pod,
    /// A Kubernetes deployment. Its id is `namespace/name`.
    Deployment,
    /// A cluster. Its id is its name.
    Cluster,
    /// A process. Its id is `host/pid`.
    Process,
    /// Something attached to a node.
    Device,
    /// What governs a cluster.
    Controller,
    /// A way between two places.
    Link,
}

/// What a column of a kind's table holds beside the ones that every table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The id of a parent; text.
    Parent,
    /// A label; text.
    Label,
    /// An attribute that is a word; text.
    State,
    /// An attribute that is a number, with its unit in UCUM.
    Number(&'static str),
}

use Source::{Label, Number, Parent, State};

type Columns = &'static [(&'static str, Source)];

const NODE: Columns = &[
    ("cluster", Parent),
    ("cpu_usage_ratio", Number("1")),
    ("cpu_cores", Number("{cpu}")),
    ("load1", Number("1")),
    ("load5", Number("1")),
    ("load15", Number("1")),
    ("memory_total_bytes", Number("By")),
    ("memory_available_bytes", Number("By")),
    ("filesystem_size_bytes", Number("By")),
    ("filesystem_available_bytes", Number("By")),
    ("network_receive_bytes_per_second", Number("By/s")),
    ("network_transmit_bytes_per_second", Number("By/s")),
    ("temperature_celsius", Number("Cel")),
    ("power_watts", Number("W")),
    ("energy_joules", Number("J")),
    ("boot_time_seconds", Number("s")),
    ("ready", Number("1")),
    ("unschedulable", Number("1")),
];

const POD: Columns = &[
    ("cluster", Parent),
    ("node", Parent),
    ("namespace", Parent),
    ("deployment", Parent),
    ("phase", State),
    ("ready", Number("1")),
    ("restarts", Number("1")),
    ("cpu_usage_cores", Number("{cpu}")),
    ("memory_working_set_bytes", Number("By")),
    ("power_watts", Number("W")),
    ("energy_joules", Number("J")),
];

const DEPLOYMENT: Columns = &[
    ("cluster", Parent),
    ("namespace", Parent),
    ("replicas_desired", Number("1")),
    ("replicas_current", Number("1")),
    ("replicas_ready", Number("1")),
    ("replicas_available", Number("1")),
    ("replicas_unavailable", Number("1")),
    ("replicas_updated", Number("1")),
];

const CLUSTER: Columns = &[("nodes", Number("1")), ("pods_running", Number("1")), ("power_watts", Number("W"))];

const PROCESS: Columns = &[
    ("cluster", Parent),
    ("node", Parent),
    ("pod", Parent),
    ("exe", Label),
    ("cmdline", Label),
    ("cpu_usage_ratio", Number("1")),
    ("memory_bytes", Number("By")),
    ("power_watts", Number("W")),
    ("energy_joules", Number("J")),
];

const DEVICE: Columns = &[("cluster", Parent), ("node", Parent), ("power_watts", Number("W"))];
const CONTROLLER: Columns = &[("cluster", Parent)];
const LINK: Columns = &[("from", Parent), ("to", Parent), ("delay_seconds", Number("s"))];

impl EntityKind {
    /// All of them, in the order of the document.
    pub const ALL: [EntityKind; 8] = [
        EntityKind::Node,
        EntityKind::Pod,
        EntityKind::Deployment,
        EntityKind::Cluster,
        EntityKind::Process,
        EntityKind::Device,
        EntityKind::Controller,
        EntityKind::Link,
    ];

    /// The word in mapping rules, table names (`twin.node`) and paths.
    pub const fn as_str(self) -> &'static str {
        match self {
            EntityKind::Node => "node",
            EntityKind::Pod => "pod",
            EntityKind::Deployment => "deployment",
            EntityKind::Cluster => "cluster",
            EntityKind::Process => "process",
            EntityKind::Device => "device",
            EntityKind::Controller => "controller",
            EntityKind::Link => "link",
        }
    }

    /// The key of the document's list.
    pub const fn plural(self) -> &'static str {
        match self {
            EntityKind::Node => "nodes",
            EntityKind::Pod => "pods",
            EntityKind::Deployment => "deployments",
            EntityKind::Cluster => "clusters",
            EntityKind::Process => "processes",
            EntityKind::Device => "devices",
            EntityKind::Controller => "controllers",
            EntityKind::Link => "links",
        }
    }

    /// The kind of a word, singular or plural.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| word == kind.as_str() || word == kind.plural())
    }

    /// The measurement of its snapshots.
    pub(crate) const fn measurement(self) -> &'static str {
        match self {
            EntityKind::Node => "twin_node",
            EntityKind::Pod => "twin_pod",
            EntityKind::Deployment => "twin_deployment",
            EntityKind::Cluster => "twin_cluster",
            EntityKind::Process => "twin_process",
            EntityKind::Device => "twin_device",
            EntityKind::Controller => "twin_controller",
            EntityKind::Link => "twin_link",
        }
    }

    /// Parents that are part of the id, so that an entity never changes them; they are tags of its snapshots.
    pub(crate) const fn identity_parents(self) -> &'static [&'static str] {
        match self {
            EntityKind::Pod | EntityKind::Deployment => &["namespace"],
            EntityKind::Process => &["node"],
            EntityKind::Node | EntityKind::Cluster | EntityKind::Device | EntityKind::Controller | EntityKind::Link => {
                &[]
            }
        }
    }

    /// What its parents are called.
    pub fn parents(self) -> impl Iterator<Item = &'static str> {
        self.columns().iter().filter(|(_, source)| *source == Parent).map(|&(name, _)| name)
    }

    /// The columns of its own.
    pub(crate) const fn columns(self) -> Columns {
        match self {
            EntityKind::Node => NODE,
            EntityKind::Pod => POD,
            EntityKind::Deployment => DEPLOYMENT,
            EntityKind::Cluster => CLUSTER,
            EntityKind::Process => PROCESS,
            EntityKind::Device => DEVICE,
            EntityKind::Controller => CONTROLLER,
            EntityKind::Link => LINK,
        }
    }
}

impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_either_word() {
        for kind in EntityKind::ALL {
            assert_eq!(EntityKind::parse(kind.as_str()), Some(kind));
            assert_eq!(EntityKind::parse(kind.plural()), Some(kind));
        }
        assert_eq!(EntityKind::parse("nodus"), None);
    }

    #[test]
    fn tables_find_a_kind_by_its_place_in_the_list() {
        for (place, kind) in EntityKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
        }
    }
}
