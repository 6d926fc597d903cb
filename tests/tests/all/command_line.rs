//! The commands beside `serve`.

use flyball_tests::process::{Finished, run};
use flyball_tests::{Flyball, flyball, otlp};
use serde_json::{Value, json};

fn call(arguments: &[&str]) -> Finished {
    run(flyball::command().args(arguments))
}

#[test]
fn config_check_prints_every_problem_with_its_place() {
    let dir = flyball::temp_dir();
    let file = dir.path().join("bad.yaml");
    std::fs::write(&file, "http: {listen: nowhere}\nlimits:\n  series: many\n  lables: 3\nrulez: []\n")
        .expect("written");
    let file = file.display().to_string();
    let checked = call(&["config", "check", &file]);
    assert_eq!(checked.status.code(), Some(64));
    let output = format!("{}{}", checked.stdout, checked.stderr);
    for place in [":1:16: ", ":3:11: ", ":4:3: ", ":5:1: "] {
        assert!(output.contains(&format!("{file}{place}")), "no {place} in {output}");
    }
    assert!(output.contains("labels"), "the nearest key is named: {output}");
    // And `serve` does not start on it.
    assert_eq!(call(&["serve", "--config", &file]).status.code(), Some(64));
}

#[test]
fn the_default_configuration_is_good() {
    let default = call(&["config", "default"]);
    assert!(default.status.success());
    let dir = flyball::temp_dir();
    let file = dir.path().join("default.yaml");
    std::fs::write(&file, default.stdout).expect("written");
    let checked = call(&["config", "check", &file.display().to_string()]);
    assert!(checked.status.success(), "{}{}", checked.stdout, checked.stderr);
}

#[test]
fn rules_check_prints_every_problem_with_its_place() {
    let dir = flyball::temp_dir();
    let file = dir.path().join("rules.yaml");
    let text = "groups:\n- name: g\n  rules:\n  - rule: A\n    sql: SELECT hots, watts FROM power\n  - rule: B\n    sql: SELECT 1 AS n\n    for: soon\n";
    std::fs::write(&file, text).expect("written");
    let checked = call(&["rules", "check", &file.display().to_string()]);
    assert_eq!(checked.status.code(), Some(1));
    let output = format!("{}{}", checked.stdout, checked.stderr);
    for words in [["rules.yaml:5:", "host"], ["rules.yaml:8:", "soon"]] {
        assert!(words.iter().all(|word| output.contains(word)), "no {words:?} in {output}");
    }
    assert!(call(&["rules", "check", "library:*"]).status.success());
}

#[test]
fn wrong_usage_is_exit_2() {
    assert_eq!(call(&["serve", "--colour"]).status.code(), Some(2));
    assert_eq!(call(&["dance"]).status.code(), Some(2));
}

#[test]
fn query_prints_tables_with_units_csv_json_and_arrow() {
    let flyball = Flyball::start(json!({}));
    let mut gauge = otlp::gauge(
        "room.temperature",
        vec![otlp::point(&[("room", "north")], flyball_tests::time::now_nanos(), 21.5)],
    );
    gauge.unit = "Cel".to_owned();
    otlp::send(&flyball.http, &otlp::metrics(&[], vec![gauge])).expect_status(200);
    let query = |format: &str| {
        let sql = "SELECT room, value FROM room_temperature";
        let finished = call(&["query", "--url", flyball.http.base(), "--format", format, sql]);
        assert!(finished.status.success(), "{}", finished.stderr);
        finished.stdout
    };
    let table = query("table");
    assert!(["room", "value", "Cel", "north", "21.5"].iter().all(|word| table.contains(word)), "{table}");
    assert_eq!(query("csv").lines().collect::<Vec<_>>(), ["room,value", "north,21.5"]);
    assert_eq!(serde_json::from_str::<Value>(&query("json")).expect("JSON")["rows"], json!([["north", 21.5]]));
    assert!(!query("arrow").is_empty());

    let wrong = call(&["query", "--url", flyball.http.base(), "SELECT rom FROM room_temperature"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(wrong.stderr.contains("room"), "{}", wrong.stderr);
    let nobody = format!("http://127.0.0.1:{}", flyball_tests::ports::free_port());
    let unanswered = call(&["query", "--url", &nobody, "SELECT 1"]);
    assert_eq!(unanswered.status.code(), Some(1));
    assert!(unanswered.stderr.contains(&nobody), "{}", unanswered.stderr);
}

#[test]
fn the_twin_is_printed_as_one_document_and_served_entity_by_entity() {
    let flyball = Flyball::start(json!({}));
    let point = vec![otlp::point(&[], flyball_tests::time::now_nanos(), 0.75)];
    otlp::send(&flyball.http, &otlp::metrics(&[("host.name", "edge-1")], vec![otlp::gauge("node_load1", point)]))
        .expect_status(200);
    flyball.wait_for_rows("SELECT id FROM twin.node", |rows| !rows.is_empty());

    let printed = call(&["twin", "--url", flyball.http.base()]);
    assert!(printed.status.success(), "{}", printed.stderr);
    let document: Value = serde_json::from_str(&printed.stdout).expect("JSON");
    assert_eq!(document["nodes"][0]["id"], "edge-1");
    assert_eq!(document["nodes"][0]["attributes"]["load1"]["value"], 0.75);

    let node = flyball.http.get("/api/v1/twin/node/edge-1").expect_status(200).json();
    assert_eq!(node["id"], "edge-1");
    let missing = flyball.http.get("/api/v1/twin/node/edge-2").expect_status(404).json();
    assert!(missing["error"]["message"].as_str().is_some_and(|message| message.contains("edge-2")), "{missing}");
}
