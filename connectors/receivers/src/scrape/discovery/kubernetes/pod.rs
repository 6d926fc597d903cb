//! Pods: a target for each declared port of each container.

use flyball_model::relabel::LabelSet;
use serde::Deserialize;

use super::follow::Object;
use super::meta::{Meta, bracketed, join, put};

#[derive(Debug, Deserialize)]
pub(super) struct Pod {
    metadata: Meta,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    node_name: Option<String>,
    containers: Option<Vec<Container>>,
    init_containers: Option<Vec<Container>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Container {
    name: String,
    image: String,
    ports: Option<Vec<Port>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Port {
    name: Option<String>,
    container_port: u16,
    protocol: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    phase: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    #[serde(rename = "hostIP")]
    host_ip: Option<String>,
    conditions: Option<Vec<Condition>>,
    container_statuses: Option<Vec<ContainerStatus>>,
    init_container_statuses: Option<Vec<ContainerStatus>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Condition {
    r#type: String,
    status: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerStatus {
    name: String,
    #[serde(rename = "containerID")]
    container_id: Option<String>,
}

impl Object for Pod {
    fn path(namespace: Option<&str>) -> String {
        match namespace {
            Some(namespace) => format!("api/v1/namespaces/{namespace}/pods"),
            None => "api/v1/pods".to_owned(),
        }
    }

    fn meta(&self) -> &Meta {
        &self.metadata
    }

    /// Nothing as long as the pod has no address.
    fn targets(&self) -> Vec<LabelSet> {
        let Some(ip) = self.status.pod_ip.as_deref().filter(|ip| !ip.is_empty()) else { return Vec::new() };
        let labels = self.labels(ip);
        let mut targets = Vec::new();
        let all = [
            ("false", &self.spec.containers, &self.status.container_statuses),
            ("true", &self.spec.init_containers, &self.status.init_container_statuses),
        ];
        for (init, containers, statuses) in all {
            for container in containers.iter().flatten() {
                let mut labels = labels.clone();
                put(&mut labels, "pod_container_name", &container.name);
                put(&mut labels, "pod_container_image", &container.image);
                put(&mut labels, "pod_container_init", init);
                let status = statuses.iter().flatten().find(|status| status.name == container.name);
                if let Some(id) = status.and_then(|status| status.container_id.as_deref()) {
                    put(&mut labels, "pod_container_id", id);
                }
                let ports = container.ports.as_deref().unwrap_or_default();
                if ports.is_empty() {
                    labels.insert("__address__".to_owned(), bracketed(ip));
                    targets.push(labels);
                    continue;
                }
                targets.extend(ports.iter().map(|port| {
                    let mut labels = labels.clone();
                    labels.insert("__address__".to_owned(), join(ip, port.container_port));
                    put(&mut labels, "pod_container_port_name", port.name.as_deref().unwrap_or_default());
                    put(&mut labels, "pod_container_port_number", port.container_port.to_string());
                    put(&mut labels, "pod_container_port_protocol", port.protocol.as_deref().unwrap_or("TCP"));
                    labels
                }));
            }
        }
        targets
    }
}

impl Pod {
    fn labels(&self, ip: &str) -> LabelSet {
        let mut labels = LabelSet::new();
        self.metadata.add_to(&mut labels, "pod");
        put(&mut labels, "pod_name", &self.metadata.name);
        put(&mut labels, "pod_ip", ip);
        put(&mut labels, "pod_ready", self.ready());
        let texts = [
            ("pod_phase", &self.status.phase),
            ("pod_node_name", &self.spec.node_name),
            ("pod_host_ip", &self.status.host_ip),
            ("pod_uid", &self.metadata.uid),
        ];
        for (name, text) in texts {
            put(&mut labels, name, text.as_deref().unwrap_or_default());
        }
        if let Some(owner) = self.metadata.controller() {
            put(&mut labels, "pod_controller_kind", &owner.kind);
            put(&mut labels, "pod_controller_name", &owner.name);
        }
        labels
    }

    fn ready(&self) -> String {
        let ready = self.status.conditions.iter().flatten().find(|condition| condition.r#type == "Ready");
        ready.map_or_else(|| "unknown".to_owned(), |condition| condition.status.to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_is_a_target_for_each_port() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {
                "name": "web-1", "namespace": "shop", "uid": "u-1", "labels": {"app.kubernetes.io/name": "web"},
                "annotations": {"prometheus.io/scrape": "true", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
                "ownerReferences": [{"kind": "ReplicaSet", "name": "web", "controller": true}],
            },
            "spec": {
                "nodeName": "edge-1",
                "containers": [
                    {"name": "app", "image": "web:1", "ports": [
                        {"name": "http", "containerPort": 80, "protocol": "TCP"}, {"containerPort": 9090},
                    ]},
                    {"name": "side", "image": "side:2"},
                ],
                "initContainers": [{"name": "init", "image": "init:3", "ports": null}],
            },
            "status": {
                "phase": "Running", "podIP": "fd00::7", "hostIP": "10.0.0.1",
                "conditions": [{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": "True"}],
                "containerStatuses": [{"name": "app", "containerID": "containerd://c0"}],
            },
        }))
        .expect("a pod");
        let targets = pod.targets();
        let field = |name: &str| -> Vec<&str> {
            targets.iter().map(|labels| labels.get(name).map_or("", String::as_str)).collect()
        };
        assert_eq!(field("__address__"), ["[fd00::7]:80", "[fd00::7]:9090", "[fd00::7]", "[fd00::7]"]);
        assert_eq!(field("__meta_kubernetes_pod_container_name"), ["app", "app", "side", "init"]);
        assert_eq!(field("__meta_kubernetes_pod_container_port_name"), ["http", "", "", ""]);
        assert_eq!(field("__meta_kubernetes_pod_container_port_number"), ["80", "9090", "", ""]);
        assert_eq!(field("__meta_kubernetes_pod_container_port_protocol"), ["TCP", "TCP", "", ""]);
        assert_eq!(field("__meta_kubernetes_pod_container_init"), ["false", "false", "false", "true"]);
        assert_eq!(field("__meta_kubernetes_pod_container_id")[..2], ["containerd://c0"; 2]);
        for (name, expected) in [
            ("namespace", "shop"),
            ("pod_name", "web-1"),
            ("pod_ip", "fd00::7"),
            ("pod_host_ip", "10.0.0.1"),
            ("pod_uid", "u-1"),
            ("pod_phase", "Running"),
            ("pod_ready", "true"),
            ("pod_node_name", "edge-1"),
            ("pod_controller_kind", "ReplicaSet"),
            ("pod_controller_name", "web"),
            ("pod_label_app_kubernetes_io_name", "web"),
            ("pod_labelpresent_app_kubernetes_io_name", "true"),
            ("pod_annotation_prometheus_io_scrape", "true"),
            ("pod_annotationpresent_prometheus_io_scrape", "true"),
            ("pod_annotation_kubectl_kubernetes_io_last_applied_configuration", ""),
        ] {
            assert_eq!(field(&format!("__meta_kubernetes_{name}")), [expected; 4], "{name}");
        }
    }

    #[test]
    fn a_pod_without_an_address_is_no_target() {
        let pod: Pod =
            serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": {"containers": [{}]}})).expect("a pod");
        assert!(pod.targets().is_empty());
    }
}
