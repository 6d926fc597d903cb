//! The answers that clients of Prometheus read, measured by the real one's.

use std::collections::BTreeSet;
use std::time::Duration;

use flyball_tests::counterparts::Prometheus;
use flyball_tests::flyball::temp_dir;
use flyball_tests::{Flyball, Http, wait_until};
use serde_json::{Value, json};

#[test]
fn rules_and_alerts_have_all_that_prometheus_shows() {
    let dir = temp_dir();
    let file = dir.path().join("prometheus-rules.yml");
    let rules = "groups:\n- name: greenhouse\n  rules:\n  - {alert: Steady, expr: vector(0.41) > 0.3, labels: {severity: critical}, annotations: {summary: it is, runbook_url: 'https://runbooks.example/steady'}}\n";
    std::fs::write(&file, rules).expect("the folder can be written");
    let Some(prometheus) = Prometheus::start_with_rules(&file) else { return };
    let file = dir.path().join("rules.yaml");
    let rules = "groups:\n- name: greenhouse\n  rules:\n  - {rule: Steady, sql: SELECT 0.41 AS value, severity: critical, summary: it is, runbook: 'https://runbooks.example/steady'}\n";
    std::fs::write(&file, rules).expect("the folder can be written");
    let flyball = Flyball::start_in(dir.path(), json!({"rules": [file]}));

    let firing = |http: &Http| {
        wait_until("an alert that fires", Duration::from_secs(30), || {
            let alerts = http.get("/api/v1/alerts").expect_status(200).json();
            if alerts["data"]["alerts"][0]["state"] == "firing" { Ok(alerts) } else { Err(alerts.to_string()) }
        })
    };
    let (theirs, ours) = (firing(&prometheus.http), firing(&flyball.http));
    assert_eq!(shape(&ours), shape(&theirs));
    let (theirs, ours) = (&theirs["data"]["alerts"][0], &ours["data"]["alerts"][0]);
    for key in ["labels", "annotations", "state", "value"] {
        assert_eq!(ours[key], theirs[key], "{key}");
    }

    let of = |http: &Http, query: &str| http.get(&format!("/api/v1/rules{query}")).expect_status(200).json();
    let (theirs, ours) = (of(&prometheus.http, ""), of(&flyball.http, ""));
    let (theirs, mut ours) = (shape(&theirs), shape(&ours));
    // What flyball says and this version of Prometheus may not yet.
    let newer = |path: &String| path.ends_with("keepFiringFor: number") || path.ends_with("limit: number");
    ours.retain(|path| theirs.contains(path) || !newer(path));
    assert_eq!(ours, theirs);
    for query in ["?type=alert", "?rule_name[]=Steady", "?rule_group[]=other", "?type=record"] {
        let names = |answer: Value| -> Vec<String> {
            let groups = answer["data"]["groups"].as_array().cloned().unwrap_or_default();
            let rules = groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default());
            rules.map(|rule| rule["name"].to_string()).collect()
        };
        // This version of Prometheus knows only the type.
        let expected = if query.contains("type") {
            names(of(&prometheus.http, query))
        } else {
            vec!["\"Steady\"".to_owned(); usize::from(query.contains("Steady"))]
        };
        assert_eq!(names(of(&flyball.http, query)), expected, "{query}");
    }
}

/// The paths of a document with the types that stand there.
fn shape(document: &Value) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    let mut left = vec![(String::new(), document)];
    while let Some((path, value)) = left.pop() {
        match value {
            Value::Object(fields) => {
                left.extend(fields.iter().map(|(name, value)| (format!("{path}.{name}"), value)));
            }
            Value::Array(items) => left.extend(items.iter().map(|item| (format!("{path}[]"), item))),
            Value::String(_) => drop(paths.insert(format!("{path}: text"))),
            Value::Number(_) => drop(paths.insert(format!("{path}: number"))),
            Value::Bool(_) => drop(paths.insert(format!("{path}: truth"))),
            Value::Null => drop(paths.insert(format!("{path}: null"))),
        }
    }
    paths
}
