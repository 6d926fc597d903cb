//! Services: a target for each port, under the service's name in the cluster's DNS.

use flyball_model::relabel::LabelSet;
use serde::Deserialize;

use super::follow::Object;
use super::meta::{Meta, put};

#[derive(Debug, Deserialize)]
pub(super) struct Service {
    metadata: Meta,
    #[serde(default)]
    spec: Spec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    r#type: Option<String>,
    #[serde(rename = "clusterIP")]
    cluster_ip: Option<String>,
    external_name: Option<String>,
    #[serde(rename = "loadBalancerIP")]
    load_balancer_ip: Option<String>,
    ports: Option<Vec<Port>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Port {
    name: Option<String>,
    port: u16,
    protocol: Option<String>,
}

impl Object for Service {
    fn path(namespace: Option<&str>) -> String {
        match namespace {
            Some(namespace) => format!("api/v1/namespaces/{namespace}/services"),
            None => "api/v1/services".to_owned(),
        }
    }

    fn meta(&self) -> &Meta {
        &self.metadata
    }

    fn targets(&self) -> Vec<LabelSet> {
        let Self { metadata, spec } = self;
        let kind = spec.r#type.as_deref().unwrap_or("ClusterIP");
        let mut labels = LabelSet::new();
        metadata.add_to(&mut labels, "service");
        put(&mut labels, "service_name", &metadata.name);
        put(&mut labels, "service_type", kind);
        let (name, text) = match kind {
            "ExternalName" => ("service_external_name", &spec.external_name),
            _ => ("service_cluster_ip", &spec.cluster_ip),
        };
        put(&mut labels, name, text.as_deref().unwrap_or_default());
        if kind == "LoadBalancer" {
            put(&mut labels, "service_loadbalancer_ip", spec.load_balancer_ip.as_deref().unwrap_or_default());
        }
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let ports = spec.ports.iter().flatten();
        let target = |port: &Port| {
            let mut labels = labels.clone();
            labels.insert("__address__".to_owned(), format!("{}.{namespace}.svc:{}", metadata.name, port.port));
            put(&mut labels, "service_port_name", port.name.as_deref().unwrap_or_default());
            put(&mut labels, "service_port_number", port.port.to_string());
            put(&mut labels, "service_port_protocol", port.protocol.as_deref().unwrap_or("TCP"));
            labels
        };
        ports.map(target).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_service_is_a_target_for_each_port() {
        let service: Service = serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
            "spec": {"clusterIP": "10.0.0.9", "type": "ClusterIP", "ports": [
                {"name": "http", "port": 80, "protocol": "TCP"}, {"port": 443},
            ]},
        }))
        .expect("a service");
        let targets = service.targets();
        let addresses: Vec<_> = targets.iter().map(|labels| labels["__address__"].as_str()).collect();
        assert_eq!(addresses, ["web.shop.svc:80", "web.shop.svc:443"]);
        for (name, expected) in [
            ("namespace", "shop"),
            ("service_name", "web"),
            ("service_type", "ClusterIP"),
            ("service_cluster_ip", "10.0.0.9"),
            ("service_label_app", "web"),
            ("service_labelpresent_app", "true"),
            ("service_port_name", "http"),
            ("service_port_number", "80"),
            ("service_port_protocol", "TCP"),
        ] {
            assert_eq!(targets[0][&format!("__meta_kubernetes_{name}")], expected, "{name}");
        }
    }

    #[test]
    fn an_external_name_has_no_address_in_the_cluster() {
        let service: Service = serde_json::from_value(json!({
            "metadata": {"name": "db", "namespace": "shop"},
            "spec": {"type": "ExternalName", "externalName": "db.example", "ports": [{"port": 5432}]},
        }))
        .expect("a service");
        let labels = &service.targets()[0];
        assert_eq!(labels["__meta_kubernetes_service_external_name"], "db.example");
        assert!(!labels.contains_key("__meta_kubernetes_service_cluster_ip"));
    }
}
