//! What all Kubernetes objects have, and how it becomes labels.

use std::collections::BTreeMap;

use flyball_model::relabel::LabelSet;
use serde::Deserialize;

/// `metadata` of an object, as far as it is used.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    pub(super) uid: Option<String>,
    pub(super) resource_version: String,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<Owner>>,
}

/// Who made an object.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Owner {
    pub(super) kind: String,
    pub(super) name: String,
    controller: Option<bool>,
}

/// The annotation in which kubectl keeps the whole object: of no use as a label, and it may be 256 KiB long.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl Meta {
    /// What tells an object from others of its kind.
    pub(super) fn key(&self) -> String {
        format!("{}/{}", self.namespace.as_deref().unwrap_or_default(), self.name)
    }

    /// The object that controls this one.
    pub(super) fn controller(&self) -> Option<&Owner> {
        self.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
    }

    /// Adds the namespace, and the labels and annotations under `kind`: `__meta_kubernetes_pod_label_app`.
    pub(super) fn add_to(&self, labels: &mut LabelSet, kind: &str) {
        if let Some(namespace) = &self.namespace {
            labels.insert("__meta_kubernetes_namespace".to_owned(), namespace.clone());
        }
        for (what, pairs) in [("label", &self.labels), ("annotation", &self.annotations)] {
            for (name, value) in pairs.iter().flatten().filter(|(name, _)| name.as_str() != LAST_APPLIED) {
                let name = clean(name);
                labels.insert(format!("__meta_kubernetes_{kind}_{what}_{name}"), value.clone());
                labels.insert(format!("__meta_kubernetes_{kind}_{what}present_{name}"), "true".to_owned());
            }
        }
    }
}

/// A name whose other characters than letters, digits and `_` became `_`; it stands behind a prefix, so a digit may be first.
pub(super) fn clean(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Inserts a label under `__meta_kubernetes_`.
pub(super) fn put(labels: &mut LabelSet, name: &str, value: impl Into<String>) {
    labels.insert(format!("__meta_kubernetes_{name}"), value.into());
}

/// `host:port`; an IPv6 address gets its brackets.
pub(super) fn join(host: &str, port: u16) -> String {
    format!("{}:{port}", bracketed(host))
}

/// A host as it stands in an address.
pub(super) fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}
