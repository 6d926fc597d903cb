//! Findings as SARIF 2.1.0, the interchange format of static analysis (OASIS, <https://docs.oasis-open.org/sarif/sarif/v2.1.0/>).

use std::path::Path;

use flyball_rules::check::codes::{CODES, Code};
use flyball_rules::definition::{Level, Problem};
use serde_json::{Value, json};

use crate::rule_paths::LIBRARY_PREFIX;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// One run with all findings.
pub(super) fn document(problems: &[Problem]) -> Value {
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "flyball rules check",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": CODES.iter().map(rule).collect::<Vec<_>>(),
            }},
            // Columns count characters.
            "columnKind": "unicodeCodePoints",
            "results": problems.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

fn rule(code: &Code) -> Value {
    json!({
        "id": code.id,
        "name": code.name,
        "shortDescription": {"text": code.meaning},
        "help": {"text": code.help},
        "defaultConfiguration": {"level": level(code.level)},
    })
}

fn result(problem: &Problem) -> Value {
    let text = match &problem.hint {
        Some(hint) => format!("{} ({hint})", problem.message),
        None => problem.message.clone(),
    };
    let mut result = json!({
        "level": level(problem.level),
        "message": {"text": text},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": uri(&problem.place.file)},
            "region": {"startLine": problem.place.line, "startColumn": problem.place.column},
        }}],
    });
    // A server of another version may know codes that this program does not.
    if let Some(code) = &problem.code {
        result["ruleId"] = json!(code);
        if let Some(index) = CODES.iter().position(|known| known.id == code) {
            result["ruleIndex"] = json!(index);
        }
    }
    result
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
    }
}

/// A path as a URI: absolute ones as `file:`, others relative to where the check ran.
fn uri(file: &str) -> String {
    if file.starts_with(LIBRARY_PREFIX) {
        return encoded(file, b":/");
    }
    let path = encoded(file, b"/");
    if Path::new(file).is_absolute() { format!("file://{path}") } else { path }
}

/// Percent-encoded but for what RFC 3986 calls unreserved, and `kept`.
fn encoded(text: &str, kept: &[u8]) -> String {
    let mut uri = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            byte if kept.contains(&byte) => uri.push(char::from(byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use flyball_rules::definition::Place;

    use super::*;

    fn at(file: &str, line: usize, column: usize) -> Place {
        Place { file: file.into(), line, column }
    }

    /// What the published schema demands of the parts that are written here: required properties, types, words, least values, patterns,
    /// and no properties that it does not know.
    fn check_schema(document: &Value) {
        let keys = |value: &Value, known: &[&str]| {
            for key in value.as_object().expect("an object").keys() {
                assert!(known.contains(&key.as_str()), "the schema has no '{key}' here: {value}");
            }
        };
        let words = ["none", "note", "warning", "error"];
        keys(document, &["$schema", "version", "runs"]);
        assert_eq!(document["version"], "2.1.0");
        for run in document["runs"].as_array().expect("runs are required") {
            keys(run, &["tool", "columnKind", "results"]);
            assert!(["utf16CodeUnits", "unicodeCodePoints"].contains(&run["columnKind"].as_str().expect("a word")));
            let driver = &run["tool"]["driver"];
            keys(driver, &["name", "semanticVersion", "rules"]);
            assert!(driver["name"].is_string(), "required");
            let rules = driver["rules"].as_array().expect("a list");
            let ids: BTreeSet<_> = rules.iter().map(|rule| rule["id"].as_str().expect("required")).collect();
            assert_eq!(ids.len(), rules.len(), "items are unique");
            for rule in rules {
                keys(rule, &["id", "name", "shortDescription", "help", "defaultConfiguration"]);
                assert!(rule["shortDescription"]["text"].is_string() && rule["help"]["text"].is_string());
                assert!(words.contains(&rule["defaultConfiguration"]["level"].as_str().expect("a word")));
            }
            for result in run["results"].as_array().expect("a list") {
                keys(result, &["ruleId", "ruleIndex", "level", "message", "locations"]);
                assert!(result["message"]["text"].is_string(), "required");
                assert!(words.contains(&result["level"].as_str().expect("a word")));
                if let Some(index) = result.get("ruleIndex") {
                    let index = index.as_i64().expect("an integer of at least -1") as usize;
                    assert_eq!(rules[index]["id"], result["ruleId"], "both name one rule");
                }
                for location in result["locations"].as_array().expect("a list") {
                    let place = &location["physicalLocation"];
                    keys(place, &["artifactLocation", "region"]);
                    let uri = place["artifactLocation"]["uri"].as_str().expect("a URI reference");
                    assert!(uri.is_ascii() && !uri.contains(' '), "{uri}");
                    for number in ["startLine", "startColumn"] {
                        assert!(place["region"][number].as_u64().is_some_and(|number| number >= 1), "at least 1");
                    }
                }
            }
        }
    }

    #[test]
    fn the_document_is_what_the_schema_demands() {
        let problems = [
            Problem::warning(at("rules/my rules.yaml", 3, 7), "it waits").code("FB103"),
            Problem::error(at("/etc/flyball/größe.yaml", 1, 1), "it can't be").hint("mend it").code("FB104"),
            Problem::error(at("library:host", 1, 1), "of a newer server"),
            Problem { code: Some("FB999".into()), ..Problem::warning(at("a", 1, 1), "of another") },
        ];
        let document = document(&problems);
        check_schema(&document);
        let results = &document["runs"][0]["results"];
        assert_eq!(
            results[1],
            json!({
                "ruleId": "FB104",
                "ruleIndex": CODES.iter().position(|code| code.id == "FB104"),
                "level": "error",
                "message": {"text": "it can't be (mend it)"},
                "locations": [{"physicalLocation": {
                    "artifactLocation": {"uri": "file:///etc/flyball/gr%C3%B6%C3%9Fe.yaml"},
                    "region": {"startLine": 1, "startColumn": 1},
                }}],
            })
        );
        let uri = |at: usize| &results[at]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        assert_eq!((uri(0), uri(2)), (&json!("rules/my%20rules.yaml"), &json!("library:host")));
        assert_eq!((results[2].get("ruleId"), results[3].get("ruleIndex")), (None, None));
    }
}
