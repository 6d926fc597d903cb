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

/// A rule with a test; `{at}` is when it is expected to fire.
const TESTED: &str = "groups:
- name: g
  every: 5s
  rules:
  - rule: Hot
    sql: SELECT host, max(value) AS celsius FROM room_celsius WHERE time > now() - INTERVAL '10 seconds' GROUP BY host HAVING max(value) > 30
    for: 10s
    remediate: [{backend: k8s, action: scale_out, target: {kind: Deployment, name: fan}, by: 1}]
tests:
- name: heat is told and acted on
  input: [{series: 'room_celsius{host=\"a\"}', every: 5s, values: '20x3 35x9'}]
  expect: [{at: {at}, alerts: [{rule: Hot, labels: {host: a}, values: {celsius: 35}}], actions: [{backend: k8s, action: scale_out}]}]
";

#[test]
fn rules_test_runs_the_tests_beside_the_rules_and_reports_in_three_forms() {
    let dir = flyball::temp_dir();
    let written = |name: &str, text: String| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).expect("written");
        file.display().to_string()
    };
    let good = written("good.yaml", TESTED.replace("{at}", "30s"));
    let passed = call(&["rules", "test", &good]);
    assert_eq!(passed.status.code(), Some(0), "{}{}", passed.stdout, passed.stderr);
    assert_eq!(passed.stdout, format!("ok      {good}:10:3  heat is told and acted on\n1 test in 1 file: 1 passed\n"));

    let early = written("early.yaml", TESTED.replace("{at}", "25s"));
    let failed = call(&["rules", "test", &early]);
    assert_eq!(failed.status.code(), Some(1));
    let expected = format!(
        "\
FAILED  {early}:10:3  heat is told and acted on
  at 25s, the alerts are not as expected:
      expected                       found
    ! Hot{{host=a}} firing celsius=35  Hot{{host=a}} pending celsius=35
  at 25s, the actions are not as expected:
      expected       found
    - k8s scale_out  nothing
  Hot: 6 evaluations until 25s, each a character
    host=a  ....pp
                 ^ 25s
  (. inactive, p pending, F firing, r resolved, - waits for data, E error)
1 test in 1 file: 0 passed, 1 failed
"
    );
    assert_eq!(failed.stdout, expected);
    let json = call(&["rules", "test", "--format", "json", &early]);
    assert_eq!(json.status.code(), Some(1));
    let document: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(
        (&document["failed"], &document["tests"][0]["timelines"][0]["rows"]["host=a"]),
        (&json!(1), &json!("....pp"))
    );
    let junit = call(&["rules", "test", "--format", "junit", &early]);
    assert_eq!(junit.status.code(), Some(1));
    assert!(junit.stdout.contains("<failure message=\"alerts, actions not as expected at 25s\">"), "{}", junit.stdout);

    // Both define the rule Hot, which is wrong as it is for a server.
    let twice = call(&["rules", "test", &dir.path().display().to_string()]);
    assert_eq!(twice.status.code(), Some(64), "{}", twice.stdout);
    assert!(twice.stderr.contains("the rule 'Hot' is defined twice"), "{}", twice.stderr);
    let wrong = written("wrong.yaml", TESTED.replace("20x3 35x9", "20x3 35y9").replace("{at}", "30s"));
    for command in ["test", "check"] {
        let refused = call(&["rules", command, &wrong]);
        let output = format!("{}{}", refused.stdout, refused.stderr);
        assert_eq!(refused.status.code(), Some(if command == "test" { 64 } else { 1 }), "{output}");
        assert!(output.contains(&format!("{wrong}:11:73: 'y9' after the value is neither a count")), "{output}");
    }
    let none = written("none.yaml", "groups: []\n".to_owned());
    assert_eq!(call(&["rules", "test", &none]).status.code(), Some(1));
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
