//! The part of `deny.toml` that the house test checks by itself.

use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::Package;
use serde::Deserialize;

/// `deny.toml`, as far as it is read here.
#[derive(Debug, Deserialize)]
pub struct Deny {
    pub(super) licenses: Licenses,
    pub(super) bans: Bans,
}

#[derive(Debug, Deserialize)]
pub(super) struct Licenses {
    pub(super) allow: Vec<String>,
    #[serde(default)]
    pub(super) exceptions: Vec<Exception>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Exception {
    #[serde(rename = "crate")]
    pub(super) package: Spec,
    pub(super) allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Bans {
    #[serde(default)]
    pub(super) skip: Vec<Skip>,
    #[serde(default, rename = "skip-tree")]
    pub(super) skip_tree: Vec<Skip>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Skip {
    #[serde(rename = "crate")]
    pub(super) package: Spec,
    #[serde(default)]
    pub(super) reason: String,
}

/// `name` or `name@version`.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(super) struct Spec(pub(super) String);

impl Spec {
    pub(super) fn matches(&self, package: &Package) -> bool {
        match self.0.split_once('@') {
            Some((name, version)) => package.name.as_str() == name && package.version.to_string() == version,
            None => package.name.as_str() == self.0,
        }
    }
}

impl Deny {
    /// Reads the file.
    ///
    /// # Errors
    /// When it is not there or not what cargo-deny takes.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        toml::from_str(&text).with_context(|| path.display().to_string())
    }
}
