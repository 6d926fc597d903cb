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
fn config_check_finds_what_serve_would_stop_at() {
    let dir = flyball::temp_dir();
    let file = dir.path().join("c.yaml");
    let text = "backends:\n  meta: {kind: webhook, url: \"http://169.254.169.254/\"}\n  ops: {kind: webhook, url: \"http://127.0.0.1:1/\", secret: whsec_nonsense!}\nrules: [library:hots]\n";
    std::fs::write(&file, text).expect("written");
    let file = file.display().to_string();
    let checked = call(&["config", "check", &file]);
    assert_eq!(checked.status.code(), Some(64), "{}", checked.stdout);
    for words in [[":2:9: ", "169.254.169.254"], [":3:8: ", "base64"], [":4:8: ", "'hots'"]] {
        assert!(words.iter().all(|word| checked.stdout.contains(word)), "no {words:?} in {}", checked.stdout);
    }
    assert_eq!(call(&["serve", "--config", &file]).status.code(), Some(64));

    // What stands in files may be on another machine.
    std::fs::write(&file, "http: {tls: {cert: nowhere.pem, key: nowhere.key}}\nrules: [nowhere.yaml]\n")
        .expect("written");
    let checked = call(&["config", "check", &file]);
    assert!(checked.status.success(), "{}", checked.stdout);
    for place in [":1:13: warning: there is no nowhere.pem", ":2:8: warning: there is no nowhere.yaml"] {
        assert!(checked.stdout.contains(place), "no {place} in {}", checked.stdout);
    }

    // Rules that are there, and stores.
    let rules = dir.path().join("r.yaml");
    let rule = |sql: &str| {
        format!(
            "groups:\n- name: g\n  rules:\n  - {{rule: R, sql: \"{sql}\", remediate: [{{backend: opps, action: notify}}]}}\n"
        )
    };
    let store = "store: {influxdb: [{url: \"http://u:sekret@127.0.0.1:1/?q=sekret\", version: 1, bucket: b}]}\n";
    for (text, sql, words) in [
        ("", "SELEC 1", "r.yaml:4:"),
        ("", "SELECT 1 AS one", "[FB401]"),
        (store, "SELECT 1 AS one", ":1:19: store.influxdb[0]: "),
    ] {
        std::fs::write(&rules, rule(sql)).expect("written");
        std::fs::write(&file, format!("{text}rules: ['{}']\n", rules.display())).expect("written");
        let checked = call(&["config", "check", &file]);
        assert_eq!(checked.status.code(), Some(64), "{}", checked.stdout);
        assert!(
            checked.stdout.contains(words) && !checked.stdout.contains("sekret"),
            "no {words} in {}",
            checked.stdout
        );
        let served = call(&["serve", "--config", &file]);
        assert_eq!(served.status.code(), Some(64));
        assert!(!served.stderr.contains("sekret"), "{}", served.stderr);
    }
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

/// Its own test says which columns there are. The two findings are an unknown column and rows of one identity.
const CHECKED: &str = "groups:
- name: g
  rules:
  - rule: Hot
    sql: SELECT rom, value FROM latest(room_celsius) WHERE value > 30
  - rule: Warm
    sql: SELECT value FROM latest(room_celsius) WHERE value > 25
    remediate: [{backend: opps, action: notify}]
tests:
- name: heat
  rules: [Warm]
  input: [{series: 'room_celsius{room=\"a\"}', every: 5s, values: '20x9'}, {series: 'room_celsius{room=\"b\"}', every: 5s, values: '20x9'}]
  expect: [{at: 30s, alerts: []}]
";

#[test]
fn rules_check_knows_what_the_tests_send_and_reports_in_three_forms() {
    let dir = flyball::temp_dir();
    let written = |name: &str, text: &str| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).expect("written");
        file.display().to_string()
    };
    let file = written("rules.yaml", CHECKED);
    let checked = call(&["rules", "check", &file]);
    assert_eq!(checked.status.code(), Some(1), "{}", checked.stderr);
    let expected = format!(
        "{file}:5:17: unknown column 'rom': did you mean room? [FB104]\n\
         {file}:7:35: warning: series of 'room_celsius' differ in room, which is not selected, so several rows have one identity \
         (add room to SELECT, or aggregate with GROUP BY) [FB208]\n\
         2 rules in 1 file: 1 error, 1 warning\n"
    );
    assert_eq!(checked.stdout, expected);

    let json = call(&["rules", "check", "--format", "json", &file]);
    let document: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!((&document["errors"], &document["problems"][1]["code"]), (&json!(1), &json!("FB208")));
    let sarif = call(&["rules", "check", "--format", "sarif", &file]);
    assert_eq!(sarif.status.code(), Some(1));
    let document: Value = serde_json::from_str(&sarif.stdout).expect("JSON");
    let result = &document["runs"][0]["results"][0];
    assert_eq!((&document["version"], &result["ruleId"]), (&json!("2.1.0"), &json!("FB104")));
    assert_eq!(result["locations"][0]["physicalLocation"]["region"], json!({"startLine": 5, "startColumn": 17}));

    // Without the error there is a warning, which may be denied.
    let warned = written("warned.yaml", &CHECKED.replace("SELECT rom,", "SELECT room,"));
    for (deny, status) in
        [(&[][..], 0), (&["--deny", "warnings"], 1), (&["--deny", "FB208"], 1), (&["--deny", "FB203"], 0)]
    {
        let checked = call(&[&["rules", "check", &warned], deny].concat());
        assert_eq!(checked.status.code(), Some(status), "{deny:?}: {}", checked.stdout);
    }
    assert_eq!(call(&["rules", "check", "--deny", "everything", &warned]).status.code(), Some(2));

    // Backends are those of the configuration that is given.
    let config = written("flyball.yaml", "backends:\n  ops: {kind: webhook, url: 'http://127.0.0.1:9/'}\n");
    let checked = call(&["rules", "check", "--config", &config, &warned]);
    assert!(checked.stdout.contains("there is no backend 'opps' (did you mean 'ops'?) [FB401]"), "{}", checked.stdout);
}

#[test]
fn rules_check_plans_against_the_folder_that_a_server_left() {
    let dir = flyball::temp_dir();
    let mut server = Flyball::start_in(dir.path(), json!({}));
    otlp::send_gauge(&server.http, "room.temperature", &[("room", "north")], 21.0);
    let file = dir.path().join("rules.yaml");
    std::fs::write(&file, "groups: [{name: g, rules: [{rule: A, sql: 'SELECT rom FROM latest(room_temperature)'}]}]\n")
        .expect("written");
    let file = file.display().to_string();
    let data = dir.path().join("data").display().to_string();
    let busy = call(&["rules", "check", "--data-dir", &data, &file]);
    assert_eq!(busy.status.code(), Some(1));
    assert!(busy.stderr.contains("--url"), "{}", busy.stderr);
    server.stop();
    let checked = call(&["rules", "check", "--data-dir", &data, &file]);
    assert!(
        checked.stdout.contains("unknown column 'rom': did you mean room? [FB104]"),
        "{}{}",
        checked.stdout,
        checked.stderr
    );
    let nowhere = dir.path().join("nowhere").display().to_string();
    assert!(call(&["rules", "check", "--data-dir", &nowhere, &file]).stderr.contains("there is no such folder"));
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
  (. inactive, p pending, F firing, N no data, r resolved, - waits for data, E error)
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
