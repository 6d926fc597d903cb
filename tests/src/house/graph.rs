//! The packages of a build of the whole workspace, and who depends on whom.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

/// The resolved dependencies on this machine's platform, tests and build scripts included.
#[derive(Debug)]
pub struct Graph {
    packages: BTreeMap<PackageId, Package>,
    members: BTreeSet<PackageId>,
    edges: BTreeMap<PackageId, Vec<Edge>>,
}

/// One package needs another.
#[derive(Debug, Clone)]
pub struct Edge {
    /// The one that is needed.
    pub to: PackageId,
    /// Only for tests, benches and examples.
    pub dev_only: bool,
}

impl Graph {
    /// Asks cargo about the workspace around `manifest`.
    ///
    /// # Errors
    /// When cargo cannot resolve the workspace with its `Cargo.lock` as it is.
    pub fn read(manifest: &Path) -> Result<Self> {
        let version = Command::new("rustc").arg("-vV").output().context("rustc -vV")?;
        let version = String::from_utf8(version.stdout)?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names no host")?;
        // Other platforms' packages are left out: a machine that only ran the tests never downloaded them.
        let metadata = MetadataCommand::new()
            .manifest_path(manifest)
            .other_options(["--locked".to_owned(), format!("--filter-platform={host}")])
            .exec()?;
        Self::from_metadata(metadata)
    }

    /// The graph in an answer of `cargo metadata`.
    ///
    /// # Errors
    /// When the answer has no resolved dependencies (`--no-deps`).
    pub fn from_metadata(metadata: Metadata) -> Result<Self> {
        let resolve = metadata.resolve.context("cargo metadata without resolved dependencies")?;
        let mut edges = BTreeMap::new();
        for node in resolve.nodes {
            let needs = node.deps.into_iter().map(|dep| Edge {
                dev_only: dep.dep_kinds.iter().all(|kind| kind.kind == DependencyKind::Development),
                to: dep.pkg,
            });
            edges.insert(node.id, needs.collect());
        }
        let packages = metadata.packages.into_iter().map(|package| (package.id.clone(), package));
        Ok(Self {
            packages: packages.filter(|(id, _)| edges.contains_key(id)).collect(),
            members: metadata.workspace_members.into_iter().collect(),
            edges,
        })
    }

    /// All packages of the build, those of the workspace included.
    pub fn packages(&self) -> impl Iterator<Item = &Package> {
        self.packages.values()
    }

    /// The packages of the workspace.
    pub fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages().filter(|package| self.is_member(&package.id))
    }

    /// Whether a package belongs to the workspace.
    pub fn is_member(&self, id: &PackageId) -> bool {
        self.members.contains(id)
    }

    /// What a package needs.
    pub fn edges(&self, from: &PackageId) -> &[Edge] {
        self.edges.get(from).map_or(&[], Vec::as_slice)
    }

    /// A package of the graph.
    pub fn package(&self, id: &PackageId) -> &Package {
        &self.packages[id]
    }

    /// A package and all that it needs, directly or not.
    pub fn tree(&self, root: &PackageId) -> BTreeSet<PackageId> {
        let mut seen = BTreeSet::from([root.clone()]);
        let mut queue = vec![root.clone()];
        while let Some(id) = queue.pop() {
            for edge in self.edges(&id) {
                if seen.insert(edge.to.clone()) {
                    queue.push(edge.to.clone());
                }
            }
        }
        seen
    }
}
