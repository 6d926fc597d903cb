//! Nodes: each one's kubelet.

use flyball_model::relabel::LabelSet;
use serde::Deserialize;

use super::follow::Object;
use super::meta::{Meta, clean, join, put};

/// Addresses of a node, the one to reach it by first.
const ADDRESSES: [&str; 6] = ["InternalIP", "InternalDNS", "ExternalIP", "ExternalDNS", "LegacyHostIP", "Hostname"];

/// The kubelet's port where the node does not say.
const KUBELET_PORT: u16 = 10250;

#[derive(Debug, Deserialize)]
pub(super) struct Node {
    metadata: Meta,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    #[serde(rename = "providerID")]
    provider_id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    addresses: Option<Vec<Address>>,
    daemon_endpoints: Endpoints,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Address {
    r#type: String,
    address: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Endpoints {
    kubelet_endpoint: Endpoint,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Endpoint {
    #[serde(rename = "Port")]
    port: u16,
}

impl Object for Node {
    fn path(_: Option<&str>) -> String {
        "api/v1/nodes".to_owned()
    }

    fn meta(&self) -> &Meta {
        &self.metadata
    }

    /// Nothing as long as the node has no address.
    fn targets(&self) -> Vec<LabelSet> {
        let addresses = self.status.addresses.as_deref().unwrap_or_default();
        let of = |kind: &str| addresses.iter().find(|address| address.r#type == kind);
        let Some(first) = ADDRESSES.into_iter().find_map(of) else { return Vec::new() };
        let port = match self.status.daemon_endpoints.kubelet_endpoint.port {
            0 => KUBELET_PORT,
            port => port,
        };
        let mut labels = LabelSet::new();
        self.metadata.add_to(&mut labels, "node");
        put(&mut labels, "node_name", &self.metadata.name);
        put(&mut labels, "node_provider_id", self.spec.provider_id.as_deref().unwrap_or_default());
        for address in addresses {
            let name = format!("__meta_kubernetes_node_address_{}", clean(&address.r#type));
            labels.entry(name).or_insert_with(|| address.address.clone());
        }
        labels.insert("__address__".to_owned(), join(&first.address, port));
        labels.insert("instance".to_owned(), self.metadata.name.clone());
        vec![labels]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_is_its_kubelet() {
        let node: Node = serde_json::from_value(json!({
            "metadata": {"name": "edge-1", "labels": {"zone": "a"}},
            "spec": {"providerID": "aws:///i-1"},
            "status": {
                "addresses": [
                    {"type": "Hostname", "address": "edge-1.local"}, {"type": "InternalIP", "address": "10.0.0.1"},
                    {"type": "InternalIP", "address": "fd00::1"},
                ],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": 10999}},
            },
        }))
        .expect("a node");
        let targets = node.targets();
        assert_eq!(targets.len(), 1);
        for (name, expected) in [
            ("__address__", "10.0.0.1:10999"),
            ("instance", "edge-1"),
            ("__meta_kubernetes_node_name", "edge-1"),
            ("__meta_kubernetes_node_provider_id", "aws:///i-1"),
            ("__meta_kubernetes_node_label_zone", "a"),
            ("__meta_kubernetes_node_labelpresent_zone", "true"),
            ("__meta_kubernetes_node_address_InternalIP", "10.0.0.1"),
            ("__meta_kubernetes_node_address_Hostname", "edge-1.local"),
        ] {
            assert_eq!(targets[0][name], expected, "{name}");
        }
        let bare: Node = serde_json::from_value(json!({"metadata": {"name": "n"}})).expect("a node");
        assert!(bare.targets().is_empty());
    }
}
