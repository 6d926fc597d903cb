//! Which host a series speaks of. The twin and the table `power` must agree on it.

/// Labels that name a host, the surest first. `k8s_node_name` stands before `host_name`, which in a pod is the pod's own name;
/// `instance` comes last: it is where a scraper found the exporter, not what the host is called.
pub const HOST_LABELS: [&str; 10] = [
    "k8s_node_name",
    "kubernetes_node_name",
    "host_name",
    "node_name",
    "nodename",
    "node",
    "hostname",
    "host",
    "exported_instance",
    "instance",
];

/// The host that a label set names, found by asking for one label after the other; the port is cut off.
///
/// Scaphandre sets no host label when it is scraped, so the scraper's `instance` is all there is.
pub fn host_of<'a>(label: impl Fn(&str) -> Option<&'a str>) -> Option<&'a str> {
    HOST_LABELS.iter().find_map(|name| label(name)).map(without_port).filter(|host| !host.is_empty())
}

/// `edge-1:9100` → `edge-1`, `[::1]:9100` → `::1`; what has no port stays.
pub fn without_port(address: &str) -> &str {
    if let Some(bracketed) = address.strip_prefix('[') {
        return bracketed.split(']').next().unwrap_or(bracketed);
    }
    match address.rsplit_once(':') {
        Some((host, port))
            if !host.contains(':') && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            host
        }
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surest_label_names_the_host_and_ports_are_cut_off() {
        let labels = [("instance", "10.0.0.1:9100"), ("node_name", "edge-2")];
        let find = |labels: &'static [(&str, &'static str)]| {
            host_of(move |name| labels.iter().find(|label| label.0 == name).map(|label| label.1))
        };
        assert_eq!(host_of(|name| labels.iter().find(|l| l.0 == name).map(|l| l.1)), Some("edge-2"));
        assert_eq!(find(&[("instance", "10.0.0.1:9100")]), Some("10.0.0.1"));
        assert_eq!(find(&[("instance", "[::1]:9100")]), Some("::1"));
        assert_eq!(find(&[("instance", "::1")]), Some("::1"));
        assert_eq!(find(&[("job", "x")]), None);
    }
}
