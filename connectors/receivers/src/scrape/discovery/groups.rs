//! Target groups as `file_sd` and `http_sd` write them: `[{"targets": ["host:port"], "labels": {"name": "value"}}]`.

use std::collections::BTreeMap;

use flyball_model::relabel::LabelSet;
use flyball_yaml::{Node, Reader, Source, Value, parse};
use serde::Deserialize;

use super::super::TARGETS_MAX;

/// A group in JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    targets: Vec<String>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

/// Reads JSON; each target also gets `origin`, a label and its value.
///
/// # Errors
/// A sentence with the place.
pub(super) fn from_json(text: &[u8], origin: (&str, &str)) -> Result<Vec<LabelSet>, String> {
    let groups: Vec<Group> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let groups = groups.into_iter().map(|group| (group.targets, group.labels.unwrap_or_default()));
    flatten(groups.collect(), origin)
}

/// Reads YAML, and JSON with it. `name` stands in messages.
///
/// # Errors
/// The first problem, with its place.
pub(super) fn from_yaml(name: &str, text: &str, origin: (&str, &str)) -> Result<Vec<LabelSet>, String> {
    let source = Source::new(name, text);
    let root = parse(&source).map_err(|problem| problem.to_string())?;
    let mut reader = Reader::new(source);
    let mut groups = Vec::new();
    let items: &[Node] = match root.value {
        Value::Null => &[],
        _ => reader.items(&root, "a file of targets"),
    };
    for item in items {
        let Some(fields) = reader.fields(item, "a target group", &["targets", "labels"]) else { continue };
        reader.require(fields, "targets");
        let targets = fields.get("targets").map_or(&[][..], |node| reader.items(node, "'targets'"));
        let targets = reader.parse_nodes(targets, "targets", |text| Ok(text.to_owned()));
        let labels = match fields.get("labels") {
            Some(node) if !matches!(node.value, Value::Null) => reader.entries(node, "'labels'"),
            _ => Vec::new(),
        };
        let labels = labels.into_iter().filter_map(|(name, node)| {
            let value = reader.parse_node(node, name.as_str(), |text| Ok(text.to_owned()))?;
            Some((name.as_str().to_owned(), value))
        });
        groups.push((targets, labels.collect()));
    }
    match reader.finish().first() {
        None => flatten(groups, origin),
        Some(problem) => Err(problem.to_string()),
    }
}

fn flatten(groups: Vec<(Vec<String>, LabelSet)>, origin: (&str, &str)) -> Result<Vec<LabelSet>, String> {
    let targets: usize = groups.iter().map(|(targets, _)| targets.len()).sum();
    if targets > TARGETS_MAX {
        return Err(format!("{targets} targets, the limit is {TARGETS_MAX}"));
    }
    let mut found = Vec::with_capacity(targets);
    for (targets, labels) in groups {
        for target in targets {
            let mut labels = labels.clone();
            labels.insert("__address__".to_owned(), target);
            labels.insert(origin.0.to_owned(), origin.1.to_owned());
            found.push(labels);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(found: Result<Vec<LabelSet>, String>) -> String {
        match found {
            Ok(found) => found.iter().map(|labels| format!("{labels:?}\n")).collect(),
            Err(error) => error,
        }
    }

    #[test]
    fn groups_are_read_from_json_and_yaml_alike() {
        let expected = "{\"__address__\": \"a:1\", \"__meta\": \"x\", \"env\": \"lab\"}\n\
                        {\"__address__\": \"b:2\", \"__meta\": \"x\", \"env\": \"lab\"}\n\
                        {\"__address__\": \"c:3\", \"__meta\": \"x\"}\n";
        let json = r#"[{"targets": ["a:1", "b:2"], "labels": {"env": "lab"}}, {"targets": ["c:3"]}]"#;
        let yaml = "- targets: ['a:1', b:2]\n  labels:\n    env: lab\n- targets:\n  - c:3\n";
        let origin = ("__meta", "x");
        assert_eq!(shown(from_json(json.as_bytes(), origin)), expected);
        assert_eq!(shown(from_yaml("f", json, origin)), expected);
        assert_eq!(shown(from_yaml("f", yaml, origin)), expected);
        assert_eq!(shown(from_yaml("f", "", origin)), "");
        assert_eq!(shown(from_json(b"[]", origin)), "");
    }

    #[test]
    fn what_is_wrong_stands_with_its_place() {
        let origin = ("__meta", "x");
        for (yaml, expected) in [
            ("- targets: a\n", "f:1:12: 'targets' is a list, and here is a single value"),
            ("- labels: {}\n", "f:1:3: a target group needs 'targets'"),
            ("- {targets: [], label: {}}\n", "f:1:17: a target group has no key 'label' (did you mean 'labels'?)"),
            ("targets: []\n", "f:1:1: a file of targets is a list"),
            ("- [", "this is not YAML"),
        ] {
            let found = shown(from_yaml("f", yaml, origin));
            assert!(found.contains(expected), "{found}");
        }
        for (json, expected) in [
            (r#"{"targets": []}"#, "expected a sequence at line 1 column 0"),
            (r#"[{"targets": [1]}]"#, "expected a string at line 1 column 15"),
            (r#"[{"targets": [], "x": 1}]"#, "unknown field `x`"),
        ] {
            let found = shown(from_json(json.as_bytes(), origin));
            assert!(found.contains(expected), "{found}");
        }
    }
}
