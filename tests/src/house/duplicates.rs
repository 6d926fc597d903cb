//! One version of each package, unless a reason is written down.

use std::collections::{BTreeMap, BTreeSet};

use super::{Deny, Graph};

/// Every package of which two versions are built without a reason in `deny.toml`, and every reason nobody needs.
pub fn unexplained_duplicates(graph: &Graph, deny: &Deny) -> Vec<String> {
    let mut problems = Vec::new();
    let mut excused = BTreeSet::new();
    for (list, whole_tree) in [(&deny.bans.skip, false), (&deny.bans.skip_tree, true)] {
        for skip in list {
            let spec = &skip.package.0;
            if skip.reason.trim().is_empty() {
                problems.push(format!("deny.toml: skip of {spec} without a reason"));
            }
            let roots: Vec<_> = graph.packages().filter(|package| skip.package.matches(package)).collect();
            if roots.is_empty() {
                problems.push(format!("deny.toml: {spec} is skipped, and is not in the build any more"));
            }
            for root in roots {
                excused.insert(root.id.clone());
                if whole_tree {
                    excused.extend(graph.tree(&root.id));
                }
            }
        }
    }

    let mut versions: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for package in graph.packages() {
        versions.entry(package.name.as_str()).or_default().push(package);
    }
    for (name, packages) in versions {
        let unexcused = packages.iter().filter(|package| !excused.contains(&package.id));
        if unexcused.count() > 1 {
            let versions: Vec<_> = packages.iter().map(|package| package.version.to_string()).collect();
            problems.push(format!(
                "{name} is built in versions {}; see `cargo tree -i {name}@{}`, and either get rid of one or give the reason in deny.toml",
                versions.join(", "),
                versions[0],
            ));
        }
    }
    problems
}
