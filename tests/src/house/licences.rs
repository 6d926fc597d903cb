//! Licences and sources of all that is built.

use super::deny::Deny;
use super::{Graph, spdx};

/// Every dependency whose licence `deny.toml` does not allow.
pub fn forbidden_licences(graph: &Graph, deny: &Deny) -> Vec<String> {
    let mut problems = Vec::new();
    for package in graph.packages() {
        let subject = format!("{} {}", package.name, package.version);
        let Some(licence) = &package.license else {
            problems.push(format!("{subject} names no licence"));
            continue;
        };
        let exceptions = deny.licenses.exceptions.iter().filter(|exception| exception.package.matches(package));
        let exceptions: Vec<_> = exceptions.flat_map(|exception| &exception.allow).collect();
        let allowed = |id: &str| deny.licenses.allow.iter().chain(exceptions.iter().copied()).any(|known| known == id);
        match spdx::satisfied(licence, allowed) {
            Ok(true) => {}
            Ok(false) => problems.push(format!("{subject} is under `{licence}`, which deny.toml does not allow")),
            Err(error) => problems.push(format!("{subject}: the licence `{licence}` can't be read: {error}")),
        }
    }
    for exception in &deny.licenses.exceptions {
        if !graph.packages().any(|package| exception.package.matches(package)) {
            problems
                .push(format!("deny.toml: a licence exception for {}, which is not in the build", exception.package.0));
        }
    }
    problems
}

/// Every dependency that comes neither from this workspace nor from the registry.
pub fn foreign_sources(graph: &Graph) -> Vec<String> {
    graph
        .packages()
        .filter(|package| match &package.source {
            Some(source) => !source.is_crates_io(),
            None => !graph.is_member(&package.id),
        })
        .map(|package| format!("{} {} does not come from the registry", package.name, package.version))
        .collect()
}
