//! Without a configuration flyball reads the machine it runs on.

use flyball_tests::Flyball;
use flyball_tests::counterparts::NodeExporter;
use serde_json::json;

fn start() -> Flyball {
    Flyball::start(json!({"receivers": {"host": {"enabled": true, "every": "1s"}}, "rules": ["library:*"]}))
}

#[test]
fn the_machine_has_metrics_a_node_in_the_twin_and_rules_of_the_library() {
    let flyball = start();
    let memory = flyball.wait_for_rows("SELECT value FROM node_memory_MemTotal_bytes", |rows| !rows.is_empty());
    assert!(memory.number(0, "value") > 1e8, "{memory:?}");
    let node = flyball.wait_for_rows("SELECT id, memory_total_bytes FROM twin.node", |rows| !rows.is_empty());
    assert_eq!(node.len(), 1, "one machine is one node: {node:?}");
    assert_eq!(node.number(0, "memory_total_bytes"), memory.number(0, "value"));

    let rules = "SELECT rule, state, evaluations FROM flyball.rules WHERE evaluations > 0";
    let rules = flyball.wait_for_rows(rules, |rows| rows.len() >= 8);
    assert!((0..rules.len()).all(|row| !rules.text(row, "state").is_empty()), "{rules:?}");
}

#[test]
fn what_the_node_exporter_has_too_is_the_same() {
    let Some(exporter) = NodeExporter::start() else { return };
    let flyball = start();
    flyball.wait_for_rows("SELECT value FROM node_memory_MemTotal_bytes", |rows| !rows.is_empty());
    let page = flyball_tests::Http::at(&exporter.address).get("/metrics").expect_status(200).text();

    // Constant while the machine runs, so they must agree to the byte.
    for metric in ["node_memory_MemTotal_bytes", "node_boot_time_seconds"] {
        let rows = flyball.sql(&format!("SELECT DISTINCT value FROM {metric}"));
        let theirs = page.lines().find_map(|line| line.strip_prefix(metric)?.trim().parse::<f64>().ok());
        assert_eq!(Some(rows.number(0, "value")), theirs, "{metric}");
    }
    // Every name that looks like one of the node exporter's is one, but for those that say otherwise.
    let names = flyball.sql("SELECT metric FROM flyball.metric_info WHERE metric LIKE 'node_%' ORDER BY metric");
    let unknown: Vec<_> = (0..names.len())
        .map(|row| names.text(row, "metric"))
        .filter(|name| !page.contains(&format!("# TYPE {name} ")))
        .collect();
    assert_eq!(unknown, Vec::<String>::new(), "the node exporter has no such metrics here");
}
