//! `power: {host: edge-1, scope: host}`: a reading of power in watts, by the columns of the table `power`.
//!
//! That table is made of what exporters send, so an input becomes the series that Scaphandre or Kepler would send: everything that reads
//! them, the twin too, sees them as it would live.

use std::collections::BTreeMap;

use flyball_yaml::{Fields, Problem, Reader, nearest};

use super::labels;
use crate::test::Signal;

/// Who is measured, and whose series says it.
struct Scope {
    name: &'static str,
    metric: &'static str,
    /// From watts to what the metric counts in.
    scale: f64,
    /// The columns that it has beside `host`, each with the exporter's label.
    columns: &'static [(&'static str, &'static str)],
    /// Of these it must have the first.
    needs_first: bool,
}

const MICRO: f64 = 1e6;

const SCOPES: [Scope; 8] = [
    Scope { name: "host", metric: "scaph_host_power_microwatts", scale: MICRO, columns: &[], needs_first: false },
    Scope {
        name: "socket",
        metric: "scaph_socket_power_microwatts",
        scale: MICRO,
        columns: &[("socket", "socket_id")],
        needs_first: true,
    },
    Scope {
        name: "domain",
        metric: "scaph_domain_power_microwatts",
        scale: MICRO,
        columns: &[("domain", "domain_name"), ("socket", "socket_id")],
        needs_first: true,
    },
    Scope {
        name: "process",
        metric: "scaph_process_power_consumption_microwatts",
        scale: MICRO,
        columns: &[
            ("pid", "pid"),
            ("exe", "exe"),
            ("cmdline", "cmdline"),
            ("container_id", "container_id"),
            ("pod", "kubernetes_pod_name"),
            ("namespace", "kubernetes_pod_namespace"),
        ],
        needs_first: true,
    },
    Scope {
        name: "container",
        metric: "kepler_container_cpu_watts",
        scale: 1.0,
        columns: &[
            ("container_id", "container_id"),
            ("domain", "zone"),
            ("pod", "pod_name"),
            ("namespace", "container_namespace"),
        ],
        needs_first: true,
    },
    Scope {
        name: "pod",
        metric: "kepler_pod_cpu_watts",
        scale: 1.0,
        columns: &[("pod", "pod_name"), ("namespace", "pod_namespace"), ("domain", "zone")],
        needs_first: true,
    },
    Scope {
        name: "vm",
        metric: "kepler_vm_cpu_watts",
        scale: 1.0,
        columns: &[("vm", "vm_name"), ("domain", "zone")],
        needs_first: true,
    },
    Scope {
        name: "gpu",
        metric: "kepler_node_gpu_watts",
        scale: 1.0,
        columns: &[("gpu", "gpu_uuid")],
        needs_first: true,
    },
];

/// The series of a power input.
pub(super) fn signal(reader: &mut Reader, fields: Fields<'_>) -> Option<Signal> {
    let node = fields.get("power")?;
    let mut given = labels(reader, node, "'power'");
    let word = given.remove("scope").unwrap_or_else(|| "host".to_owned());
    let Some(scope) = SCOPES.iter().find(|scope| scope.name == word) else {
        let names = || SCOPES.iter().map(|scope| scope.name);
        let hint = match nearest(&word, names()) {
            Some(meant) => format!("did you mean '{meant}'?"),
            None => format!("the scopes are {}", names().collect::<Vec<_>>().join(", ")),
        };
        reader.error_with_hint(node, format!("power has no scope '{word}'"), hint);
        return None;
    };
    if !given.contains_key("host") {
        reader.error_with_hint(node, "a power input needs a host", "write power: {host: edge-1, scope: host}");
        return None;
    }
    let missing = scope.columns.first().filter(|(column, _)| scope.needs_first && !given.contains_key(*column));
    if let Some((column, _)) = missing {
        reader.error(node, format!("power of the scope '{word}' needs '{column}'"));
        return None;
    }
    let mut series = BTreeMap::new();
    for (column, value) in given {
        let label = match column.as_str() {
            "host" => Some("host"),
            column => scope.columns.iter().find(|known| known.0 == column).map(|known| known.1),
        };
        match label {
            Some(label) => drop(series.insert(label.to_owned(), value)),
            None => {
                let columns: Vec<_> = ["host"].into_iter().chain(scope.columns.iter().map(|known| known.0)).collect();
                let message = format!("power of the scope '{word}' has no '{column}'");
                let hint = format!("it has {}; for all else write the exporter's own series", columns.join(", "));
                reader.note(Problem::error(reader.place(node), message).hint(hint));
                return None;
            }
        }
    }
    Some(Signal::Point { metric: scope.metric.to_owned(), labels: series, scale: scope.scale })
}
