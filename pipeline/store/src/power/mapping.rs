//! Which metric of which exporter says what of whom.

use std::sync::Arc;

use flyball_model::host::host_of;

use super::LABEL_COLUMNS;

/// The text columns of a row, in the order of [`LABEL_COLUMNS`].
pub(super) type Labels = [Option<Arc<str>>; LABEL_COLUMNS.len()];

/// What a metric's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    /// Power, a gauge.
    Watts,
    /// Energy, a counter.
    Joules,
}

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// The machine itself, as one figure.
    Host,
    /// A zone of the machine.
    Zone,
    Gpu,
    Process,
    Container,
    Pod,
    Vm,
}

/// Where the zone's name stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Zone {
    /// The exporter gives one figure for all.
    None,
    /// In the metric's name.
    Fixed(String),
    /// In this label.
    Label(&'static str),
    /// Scaphandre's host figure: `value_source` tells what it was read from.
    ValueSource,
}

/// What is known from a metric's name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Template {
    pub(super) source: &'static str,
    pub(super) quantity: Quantity,
    /// To watts or joules.
    pub(super) scale: f64,
    /// The gauge beside this counter, without `_total`; where it is known, watts are not derived from the counter.
    pub(super) gauge: Option<String>,
    /// Whether a 0 means that the exporter did not know.
    pub(super) zero_is_unknown: bool,
    subject: Subject,
    zone: Zone,
}

/// The template of a metric, `None` for one that is not a reading of power; `_total` may be at the end or not.
pub(super) fn template(metric: &str) -> Option<Template> {
    let name = metric.strip_suffix("_total").unwrap_or(metric);
    if let Some(name) = name.strip_prefix("scaph_") {
        scaphandre(name)
    } else if let Some(name) = name.strip_prefix("kepler_") {
        kepler(name)
    } else {
        rapl(name.strip_prefix("node_rapl_")?)
    }
}

fn scaphandre(name: &str) -> Option<Template> {
    use Quantity::{Joules, Watts};
    let (subject, zone, quantity, gauge) = match name {
        "host_power_microwatts" => (Subject::Host, Zone::ValueSource, Watts, None),
        "host_energy_microjoules" => (Subject::Host, Zone::ValueSource, Joules, Some("scaph_host_power_microwatts")),
        "socket_power_microwatts" => (Subject::Zone, Zone::Fixed("package".into()), Watts, None),
        "socket_energy_microjoules" => {
            (Subject::Zone, Zone::Fixed("package".into()), Joules, Some("scaph_socket_power_microwatts"))
        }
        "domain_power_microwatts" => (Subject::Zone, Zone::Label("domain_name"), Watts, None),
        "domain_energy_microjoules" => {
            (Subject::Zone, Zone::Label("domain_name"), Joules, Some("scaph_domain_power_microwatts"))
        }
        "process_power_consumption_microwatts" => (Subject::Process, Zone::None, Watts, None),
        _ => return None,
    };
    Some(Template {
        source: "scaphandre",
        quantity,
        scale: 1e-6,
        gauge: gauge.map(str::to_owned),
        zero_is_unknown: subject == Subject::Zone && quantity == Watts,
        subject,
        zone,
    })
}

fn kepler(name: &str) -> Option<Template> {
    let template = |source, subject, zone, quantity, gauge| {
        Some(Template { source, quantity, scale: 1.0, gauge, zero_is_unknown: false, subject, zone })
    };
    if name == "platform_watts" {
        // Read from the machine's BMC, beside Kepler's own figures: another source, so that neither is counted twice.
        return template("ipmi", Subject::Host, Zone::Fixed("platform".into()), Quantity::Watts, None);
    }
    let (of, rest) = name.split_once('_')?;
    let subject = match of {
        "node" => Subject::Zone,
        "process" => Subject::Process,
        "container" => Subject::Container,
        "pod" => Subject::Pod,
        "vm" => Subject::Vm,
        _ => return None,
    };
    let gauge = |device: &str| Some(format!("kepler_{of}_{device}_watts"));
    let gpu = if subject == Subject::Zone { Subject::Gpu } else { subject };
    match rest {
        "cpu_watts" => template("kepler", subject, Zone::Label("zone"), Quantity::Watts, None),
        "cpu_joules" => template("kepler", subject, Zone::Label("zone"), Quantity::Joules, gauge("cpu")),
        "gpu_watts" => template("kepler", gpu, Zone::Fixed("gpu".into()), Quantity::Watts, None),
        "gpu_joules" => template("kepler", gpu, Zone::Fixed("gpu".into()), Quantity::Joules, gauge("gpu")),
        "joules" if subject != Subject::Zone => template("kepler", subject, Zone::None, Quantity::Joules, None),
        _ => match rest.strip_suffix("_joules")? {
            zone @ ("package" | "core" | "uncore" | "dram" | "other" | "platform") => {
                template("kepler", subject, Zone::Fixed(zone.into()), Quantity::Joules, None)
            }
            _ => None,
        },
    }
}

/// node_exporter's names: the zone's own name, made fit, with the package's number taken off.
fn rapl(name: &str) -> Option<Template> {
    let zone = name.strip_suffix("_joules")?;
    // `package-0-die-1` of large processors is `package_0_die`.
    let zone = if zone.starts_with("package") { "package" } else { zone };
    Some(Template {
        source: "rapl",
        quantity: Quantity::Joules,
        scale: 1.0,
        gauge: None,
        zero_is_unknown: false,
        subject: Subject::Zone,
        zone: Zone::Fixed(zone.to_owned()),
    })
}

impl Template {
    /// Whether its series speak of the machine and its parts, of which there are few, and not of what runs on it, which comes and goes.
    pub(super) fn is_of_machine(&self) -> bool {
        matches!(self.subject, Subject::Host | Subject::Zone | Subject::Gpu)
    }

    /// The text columns of a series' rows; `None` when the series counts something again that another one counts.
    pub(super) fn labels<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> Option<Labels> {
        let path = label("path").unwrap_or_default();
        if path.contains("mmio") || label("value_source").is_some_and(|source| source.contains("mmio")) {
            return None;
        }
        let first = |names: &[&str]| names.iter().find_map(|name| label(name));
        let zone = match &self.zone {
            Zone::None => None,
            Zone::Fixed(zone) => Some(zone.as_str()),
            Zone::Label(name) => label(name),
            Zone::ValueSource => label("value_source").and_then(|source| match source.rsplit('_').next() {
                Some("psys") => Some("psys"),
                Some("pkg") => Some("package+dram"),
                _ => None,
            }),
        };
        let scope = match (self.subject, zone) {
            (Subject::Host, _) | (Subject::Zone, Some("psys" | "platform")) => "host",
            (Subject::Zone, Some("package")) => "socket",
            (Subject::Zone, _) => "domain",
            (Subject::Gpu, _) => "gpu",
            (Subject::Process, _) => "process",
            (Subject::Container, _) => "container",
            (Subject::Pod, _) => "pod",
            (Subject::Vm, _) => "vm",
        };
        let container: &[&str] =
            if scope == "container" { &["container_id", "container_name"] } else { &["container_id"] };
        let socket = if matches!(scope, "socket" | "domain") {
            first(&["socket_id", "package"]).or_else(|| socket_of(path)).or_else(|| label("index"))
        } else {
            None
        };
        let columns = [
            host_of(&label),
            Some(scope),
            zone,
            label("pid"),
            first(&["exe", "comm", "command"]),
            label("cmdline"),
            first(container),
            first(&["pod_name", "kubernetes_pod_name"]),
            first(&["pod_namespace", "container_namespace", "kubernetes_pod_namespace"]),
            Some(self.source),
            socket,
            first(&["gpu_uuid", "gpu"]),
            first(&["vm_name", "vmname", "vm_id"]),
        ];
        Some(columns.map(|text| text.filter(|text| !text.is_empty()).map(Arc::from)))
    }
}

/// `/sys/class/powercap/intel-rapl:0:1` → `0`.
fn socket_of(path: &str) -> Option<&str> {
    let socket = path.rsplit('/').next()?.split(':').nth(1)?;
    socket.bytes().all(|byte| byte.is_ascii_digit()).then_some(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `host|scope|domain|pid|exe|cmdline|container|pod|namespace|source|socket|gpu|vm` of a series.
    fn row(metric: &str, labels: &[(&str, &'static str)]) -> Option<String> {
        let find = |name: &str| labels.iter().find(|label| label.0 == name).map(|label| label.1);
        let columns = template(metric)?.labels(find)?;
        Some(columns.map(|text| text.as_deref().unwrap_or("-").to_owned()).join("|"))
    }

    #[test]
    fn every_known_name_has_its_row() {
        for (metric, labels, expected) in [
            (
                "scaph_host_power_microwatts",
                &[("value_source", "powercap_rapl_psys")][..],
                "-|host|psys|-|-|-|-|-|-|scaphandre|-|-|-",
            ),
            ("scaph_host_energy_microjoules_total", &[("instance", "a:1")], "a|host|-|-|-|-|-|-|-|scaphandre|-|-|-"),
            ("scaph_socket_power_microwatts", &[("socket_id", "1")], "-|socket|package|-|-|-|-|-|-|scaphandre|1|-|-"),
            (
                "scaph_domain_power_microwatts",
                &[("socket_id", "1"), ("domain_name", "dram")],
                "-|domain|dram|-|-|-|-|-|-|scaphandre|1|-|-",
            ),
            (
                "scaph_process_power_consumption_microwatts",
                &[("pid", "7"), ("exe", "a"), ("cmdline", "a b"), ("vmname", "v")],
                "-|process|-|7|a|a b|-|-|-|scaphandre|-|-|v",
            ),
            (
                "kepler_node_cpu_watts",
                &[("node_name", "n"), ("zone", "package"), ("path", "/sys/class/powercap/intel-rapl:1")],
                "n|socket|package|-|-|-|-|-|-|kepler|1|-|-",
            ),
            ("kepler_node_cpu_joules_total", &[("zone", "psys")], "-|host|psys|-|-|-|-|-|-|kepler|-|-|-"),
            ("kepler_node_gpu_watts", &[("gpu", "0"), ("gpu_uuid", "u")], "-|gpu|gpu|-|-|-|-|-|-|kepler|-|u|-"),
            (
                "kepler_process_cpu_watts",
                &[("pid", "7"), ("comm", "c"), ("zone", "dram")],
                "-|process|dram|7|c|-|-|-|-|kepler|-|-|-",
            ),
            (
                "kepler_pod_cpu_joules_total",
                &[("pod_name", "p"), ("pod_namespace", "s"), ("zone", "package")],
                "-|pod|package|-|-|-|-|p|s|kepler|-|-|-",
            ),
            (
                "kepler_vm_cpu_watts",
                &[("vm_id", "i"), ("vm_name", "v"), ("zone", "core")],
                "-|vm|core|-|-|-|-|-|-|kepler|-|-|v",
            ),
            ("kepler_platform_watts", &[("node_name", "n")], "n|host|platform|-|-|-|-|-|-|ipmi|-|-|-"),
            (
                "kepler_node_package_joules_total",
                &[("package", "0"), ("exported_instance", "n"), ("instance", "k:1")],
                "n|socket|package|-|-|-|-|-|-|kepler|0|-|-",
            ),
            ("kepler_node_platform_joules_total", &[], "-|host|platform|-|-|-|-|-|-|kepler|-|-|-"),
            (
                "kepler_container_package_joules_total",
                &[("container_id", "c"), ("pod_name", "p"), ("container_namespace", "s")],
                "-|container|package|-|-|-|c|p|s|kepler|-|-|-",
            ),
            ("kepler_container_joules_total", &[("container_name", "db")], "-|container|-|-|-|-|db|-|-|kepler|-|-|-"),
            (
                "node_rapl_package_joules_total",
                &[("index", "0"), ("path", "/sys/class/powercap/intel-rapl:0")],
                "-|socket|package|-|-|-|-|-|-|rapl|0|-|-",
            ),
            ("node_rapl_dram_joules_total", &[("index", "3")], "-|domain|dram|-|-|-|-|-|-|rapl|3|-|-"),
            ("node_rapl_psys_joules_total", &[("index", "0")], "-|host|psys|-|-|-|-|-|-|rapl|-|-|-"),
        ] {
            assert_eq!(row(metric, labels).as_deref(), Some(expected), "{metric}");
        }
    }

    #[test]
    fn what_is_counted_elsewhere_or_is_not_power_has_no_row() {
        for (metric, labels) in [
            ("kepler_node_cpu_active_watts", &[("zone", "package")][..]),
            ("kepler_node_cpu_idle_joules_total", &[("zone", "package")]),
            ("kepler_node_cpu_usage_ratio", &[]),
            ("kepler_container_bpf_cpu_time_ms_total", &[]),
            ("scaph_domain_rapl_mmio_energy_microjoules", &[]),
            ("scaph_process_cpu_usage_percentage", &[]),
            ("node_rapl_package_joules_total", &[("path", "/sys/class/powercap/intel-rapl-mmio:0")]),
            ("node_cpu_seconds_total", &[]),
        ] {
            assert_eq!(row(metric, labels), None, "{metric}");
        }
    }
}
