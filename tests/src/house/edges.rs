//! Who may import whom.

use std::collections::BTreeMap;

use super::Graph;

/// Each package of flyball and the packages of flyball that its production code may import.
///
/// The directions are the design: words flow up from `model`, connectors know only the ports in it and the client that
/// they share, and never each other, the runtime knows no connector, and only the program knows them all.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("flyball-model", &[]),
    ("flyball-yaml", &[]),
    ("flyball-decode", &["flyball-model"]),
    ("flyball-normalize", &["flyball-decode", "flyball-model"]),
    ("flyball-log", &["flyball-model"]),
    ("flyball-store", &["flyball-log", "flyball-model"]),
    ("flyball-twin", &["flyball-model", "flyball-yaml"]),
    ("flyball-remediation", &["flyball-model", "flyball-twin"]),
    ("flyball-rules", &["flyball-model", "flyball-store", "flyball-yaml"]),
    ("flyball-rules-library", &[]),
    ("flyball-rules-import", &["flyball-yaml"]),
    (
        "flyball-rules-testing",
        &["flyball-model", "flyball-remediation", "flyball-rules", "flyball-store", "flyball-twin", "flyball-yaml"],
    ),
    ("flyball-client", &["flyball-model"]),
    ("flyball-receivers", &["flyball-client", "flyball-model", "flyball-yaml"]),
    ("flyball-store-influxdb", &["flyball-model"]),
    ("flyball-backend-alertmanager", &["flyball-client", "flyball-model"]),
    ("flyball-backend-webhook", &["flyball-client", "flyball-model"]),
    (
        "flyball-runtime",
        &[
            "flyball-decode",
            "flyball-log",
            "flyball-model",
            "flyball-normalize",
            "flyball-remediation",
            "flyball-rules",
            "flyball-rules-library",
            "flyball-store",
            "flyball-twin",
        ],
    ),
    (
        "flyball",
        &[
            "flyball-backend-alertmanager",
            "flyball-backend-webhook",
            "flyball-decode",
            "flyball-log",
            "flyball-model",
            "flyball-normalize",
            "flyball-receivers",
            "flyball-remediation",
            "flyball-rules",
            "flyball-rules-import",
            "flyball-rules-library",
            "flyball-rules-testing",
            "flyball-runtime",
            "flyball-store",
            "flyball-store-influxdb",
            "flyball-twin",
            "flyball-yaml",
        ],
    ),
    // Outside of production: they drive the program as users do.
    ("flyball-bench", &[]),
    ("flyball-tests", &["flyball-prompb"]),
    // Messages for tests, of any package.
    ("flyball-prompb", &[]),
];

/// Nothing may import these, not even for its tests.
const NEVER_IMPORTED: &[&str] = &["flyball", "flyball-bench", "flyball-tests"];

/// Every import between packages of the workspace that the design does not allow, every package it does not know, and
/// every package it knows that is gone. A package's own tests may import any library but those of
/// `NEVER_IMPORTED`.
pub fn forbidden_edges(graph: &Graph) -> Vec<String> {
    let edges = graph.members().flat_map(|from| {
        graph.edges(&from.id).iter().filter(|edge| graph.is_member(&edge.to)).map(move |edge| {
            let to = graph.package(&edge.to).name.as_str();
            (from.name.as_str(), to, edge.dev_only)
        })
    });
    check(&graph.members().map(|package| package.name.as_str()).collect::<Vec<_>>(), edges)
}

fn check<'a>(members: &[&str], edges: impl Iterator<Item = (&'a str, &'a str, bool)>) -> Vec<String> {
    let may_import: BTreeMap<_, _> = MAY_IMPORT.iter().copied().collect();
    let mut problems = Vec::new();
    for member in members.iter().filter(|member| !may_import.contains_key(*member)) {
        problems.push(format!("{member} has no row in MAY_IMPORT: write down what it may import"));
    }
    for known in may_import.keys().filter(|known| !members.contains(known)) {
        problems.push(format!("{known} is gone, its row in MAY_IMPORT is not"));
    }
    for (from, to, dev_only) in edges {
        let allowed = if dev_only {
            !NEVER_IMPORTED.contains(&to)
        } else {
            may_import.get(from).is_some_and(|allowed| allowed.contains(&to))
        };
        if !allowed {
            let why = if dev_only { " for its tests" } else { "" };
            problems.push(format!("{from} imports {to}{why}, against the directions of the design"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_edge(from: &str, to: &str, dev_only: bool) -> usize {
        let members: Vec<_> = MAY_IMPORT.iter().map(|row| row.0).collect();
        check(&members, [(from, to, dev_only)].into_iter()).len()
    }

    #[test]
    fn an_edge_against_the_directions_is_found() {
        for (from, to, dev_only, problems) in [
            ("flyball-normalize", "flyball-decode", false, 0),
            ("flyball-decode", "flyball-normalize", false, 1),
            ("flyball-receivers", "flyball-store-influxdb", false, 1),
            ("flyball-runtime", "flyball-receivers", false, 1),
            ("flyball-twin", "flyball-store", true, 0),
            ("flyball-twin", "flyball-tests", true, 1),
            ("flyball", "flyball-tests", false, 1),
            ("flyball-decode", "flyball-prompb", true, 0),
            ("flyball-decode", "flyball-prompb", false, 1),
        ] {
            assert_eq!(check_edge(from, to, dev_only), problems, "{from} -> {to}, dev only: {dev_only}");
        }
    }

    #[test]
    fn a_package_without_a_row_and_a_row_without_a_package_are_found() {
        let mut members: Vec<_> = MAY_IMPORT.iter().skip(1).map(|row| row.0).collect();
        members.push("flyball-new");
        assert_eq!(check(&members, std::iter::empty()).len(), 2);
    }

    #[test]
    fn the_table_has_no_way_back() {
        let may_import: BTreeMap<_, _> = MAY_IMPORT.iter().copied().collect();
        for (from, tos) in MAY_IMPORT {
            for to in *tos {
                assert!(!may_import[to].contains(from), "{from} and {to} may import each other");
            }
        }
    }
}
