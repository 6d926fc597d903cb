//! Each kind of expectation, met and not met, over rules that really run.

use crate::testing::{report_of, verdicts};

const RULES: &str = "
groups:
- name: g
  every: 5s
  rules:
  - rule: Hot
    sql: SELECT host, max(value) AS celsius FROM room_temperature_celsius WHERE time > now() - INTERVAL '10 seconds' GROUP BY host HAVING max(value) > 30
    for: 10s
    severity: critical
    labels: {team: ops}
    summary: \"{{ host }} has {{ celsius | round(1) }} degrees\"
    remediate:
    - {backend: k8s, action: scale_out, target: {kind: Deployment, name: \"fan-{{ host }}\"}, by: 1, max: 5}
    - {backend: pager, action: notify}
  - rule: Loud
    sql: SELECT service_name, count(*) AS errors FROM logs WHERE severity_number >= 17 AND body LIKE '%refused%' AND time > now() - INTERVAL '10 seconds' GROUP BY service_name HAVING count(*) >= 3
  - rule: Hungry
    sql: SELECT host, max(watts) AS watts FROM power WHERE scope = 'host' AND time > now() - INTERVAL '10 seconds' GROUP BY host HAVING max(watts) > 100
  - rule: NotReady
    sql: SELECT id, \"cluster\", phase, ready FROM twin.pod WHERE ready < 1
  - rule: Broken
    sql: SELECT host, 1 / (value - value) AS x FROM divided
";

/// Runs one test, whose input and expectation are given, with one rule, and says what is reported but for the first line.
async fn check(rule: &str, input: &str, expect: &str) -> String {
    let text = format!("{RULES}tests:\n- name: t\n  rules: {rule}\n  input: [{input}]\n  expect: [{expect}]\n");
    let report = report_of(&text).await;
    report.split_once('\n').map(|(_, rest)| rest.to_owned()).unwrap_or_default()
}

async fn passes(rule: &str, input: &str, expect: &str) {
    assert_eq!(check(rule, input, expect).await, "", "{expect}");
}

/// The lines with a mark.
async fn differs(rule: &str, input: &str, expect: &str, expected: &[&str]) {
    let report = check(rule, input, expect).await;
    let lines = report.lines().filter(|line| ["    ! ", "    - ", "    + "].iter().any(|mark| line.starts_with(mark)));
    let squeezed = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>();
    assert_eq!(squeezed, expected, "{expect}\n{report}");
}

const HEAT: &str = "{series: 'room_temperature_celsius{host=\"a\"}', every: 5s, values: '20x3 35x5 20x9'}";

#[tokio::test]
async fn alerts_are_pending_firing_and_resolved_when_they_are() {
    for expect in [
        "{at: 19s, alerts: []}",
        "{at: 20s, alerts: [{rule: Hot, state: pending}]}",
        "{at: 29s, alerts: [{rule: Hot, state: pending, labels: {host: a, team: ops}}]}",
        "{at: 30s, alerts: [{rule: Hot, labels: {host: a}, values: {celsius: 35}, severity: critical, summary: a has 35 degrees}]}",
        // The last hot point is of 45 s, and looked at for less than ten seconds.
        "{at: 54s, alerts: [{rule: Hot}]}",
        "{at: 55s, alerts: [{rule: Hot, state: resolved, labels: {host: a}}]}",
        "{at: 60s, alerts: []}",
    ] {
        passes("Hot", HEAT, expect).await;
    }
}

#[tokio::test]
async fn alerts_that_are_not_as_expected_stand_beside_each_other() {
    for (expect, expected) in [
        ("{at: 20s, alerts: []}", &["+ nothing Hot{host=a,team=ops} pending celsius=35"][..]),
        ("{at: 19s, alerts: [{rule: Hot}]}", &["- Hot{} firing nothing"]),
        (
            "{at: 20s, alerts: [{rule: Hot, labels: {host: a}}]}",
            &["! Hot{host=a} firing Hot{host=a,team=ops} pending celsius=35"],
        ),
        (
            "{at: 30s, alerts: [{rule: Hot, labels: {host: b}}]}",
            &["- Hot{host=b} firing nothing", "+ nothing Hot{host=a,team=ops} firing celsius=35"],
        ),
        (
            "{at: 30s, alerts: [{rule: Hot, values: {celsius: 36}}]}",
            &["! Hot{} firing celsius=36 Hot{host=a,team=ops} firing celsius=35"],
        ),
        (
            "{at: 30s, alerts: [{rule: Hot, summary: a is hot}]}",
            &["! Hot{} firing \"a is hot\" Hot{host=a,team=ops} firing celsius=35 \"a has 35 degrees\""],
        ),
        (
            "{at: 30s, alerts: [{rule: Hot, severity: info}]}",
            &["! Hot{} firing severity=info Hot{host=a,team=ops} firing celsius=35 severity=critical"],
        ),
        (
            "{at: 30s, alerts: [{rule: Hot, state: resolved}]}",
            &["! Hot{} resolved Hot{host=a,team=ops} firing celsius=35"],
        ),
        ("{at: 60s, alerts: [{rule: Hot}]}", &["! Hot{} firing Hot{host=a,team=ops} resolved celsius=35"]),
    ] {
        differs("Hot", HEAT, expect, expected).await;
    }
}

#[tokio::test]
async fn actions_are_what_was_asked_since_they_were_looked_at() {
    let asked = "{backend: k8s, action: scale_out, rule: Hot, target: {name: fan-a}, by: 1, max: 5}";
    for expect in [
        format!("{{at: 30s, actions: [{asked}]}}"),
        // Telling is not asking; it is looked at where it is named.
        format!("{{at: 30s, actions: [{asked}, {{backend: pager, action: notify}}]}}"),
        format!("{{at: 60s, actions: [{asked}, {{backend: k8s, action: notify, state: resolved}}]}}"),
        format!("{{at: 29s, actions: []}}, {{at: 30s, alerts: [{{rule: Hot}}]}}, {{at: 40s, actions: [{asked}]}}"),
        format!("{{at: 30s, actions: [{asked}]}}, {{at: 60s, actions: []}}"),
    ] {
        passes("Hot", HEAT, &expect).await;
    }
    for (expect, expected) in [
        ("{at: 30s, actions: []}", &["+ nothing k8s scale_out {kind=Deployment,name=fan-a} by=1 max=5 by Hot"][..]),
        ("{at: 29s, actions: [{backend: k8s, action: scale_out}]}", &["- k8s scale_out nothing"]),
        (
            "{at: 30s, actions: [{backend: k8s, action: scale_out, by: 2}]}",
            &["! k8s scale_out by=2 k8s scale_out {kind=Deployment,name=fan-a} by=1 max=5 by Hot"],
        ),
        (
            "{at: 29s, actions: [{backend: pager, action: notify}]}",
            &["! pager notify firing pager notify pending by Hot"],
        ),
    ] {
        differs("Hot", HEAT, expect, expected).await;
    }
}

#[tokio::test]
async fn limits_of_action_hold_as_they_do_live() {
    let twice = "{series: 'room_temperature_celsius{host=\"a\"}', every: 5s, values: '35x3 20x3 35x6'}";
    let asked = "{backend: k8s, action: scale_out}";
    passes("Hot", twice, &format!("{{at: 60s, actions: [{asked}]}}")).await;
    let report = check("Hot", twice, &format!("{{at: 60s, actions: [{asked}, {asked}]}}")).await;
    assert!(
        report.contains("held back: backend 'k8s' was asked to act on kind=Deployment,name=fan-a 40s ago"),
        "{report}"
    );
}

#[tokio::test]
async fn values_are_the_rows_of_a_query_at_that_time() {
    let sql = "sql: 'SELECT host, value, value > 30 AS hot FROM latest(room_temperature_celsius)'";
    for rows in ["[{host: a, value: 35, hot: true}]", "[{value: 35.0000001}]", "[{}]"] {
        passes("Hot", HEAT, &format!("{{at: 30s, values: [{{{sql}, rows: {rows}}}]}}")).await;
    }
    for (rows, expected) in [
        ("[]", &["+ nothing host=a value=35 hot=true"][..]),
        ("[{host: a, value: 20}]", &["! host=a value=20 host=a value=35 hot=true"]),
        ("[{host: a}, {host: b}]", &["- host=b nothing"]),
    ] {
        differs("Hot", HEAT, &format!("{{at: 30s, values: [{{{sql}, rows: {rows}}}]}}"), expected).await;
    }
    let wrong =
        check("Hot", HEAT, "{at: 30s, values: [{sql: SELECT hots FROM room_temperature_celsius, rows: []}]}").await;
    assert!(wrong.contains("rules.yaml:27:44: ") && wrong.contains("host"), "{wrong}");
}

#[tokio::test]
async fn logs_power_and_twin_come_in_as_they_do_live() {
    let errors =
        "{logs: {service_name: web}, severity: ERROR, body: connection refused, every: 5s, values: '0x1 1x1 2 0x9'}";
    passes(
        "Loud",
        errors,
        "{at: 19s, alerts: []}, {at: 20s, alerts: [{rule: Loud, labels: {service_name: web}, values: {errors: 3}}]}",
    )
    .await;
    // The readings become those of an exporter, so the twin sees them too.
    let power =
        "{power: {host: edge-1}, every: 5s, values: '90 120x3'}, {power: {host: edge-2}, every: 5s, values: '90x4'}";
    let watts = "values: [{sql: 'SELECT id, power_watts FROM twin.node', rows: [{id: edge-1, power_watts: 120}, {id: edge-2, power_watts: 90}]}]";
    passes("Hungry", power, &format!("{{at: 4s, alerts: []}}, {{at: 5s, alerts: [{{rule: Hungry, labels: {{host: edge-1}}, values: {{watts: 120}}}}], {watts}}}")).await;
    let pod = "{twin: pod, id: shop/web, parents: {cluster: c1}, labels: {app: web}, attributes: {ready: '1 1 0'}, states: {phase: Running}, every: 5s}";
    let row = "values: [{sql: \"SELECT labels['app'] AS app, first_seen_at FROM twin.pod\", rows: [{app: web, first_seen_at: '2026-01-01T00:00:00Z'}]}]";
    passes("NotReady", pod, &format!("{{at: 9s, alerts: [], {row}}}, {{at: 10s, alerts: [{{rule: NotReady, labels: {{id: shop/web, cluster: c1, phase: Running}}, values: {{ready: 0}}}}]}}")).await;
}

#[tokio::test]
async fn a_reading_of_each_scope_is_a_row_of_the_table_power() {
    let (mut input, mut rows) = (Vec::new(), Vec::new());
    for (scope, columns) in [
        ("host", ""),
        ("socket", ", socket: 1"),
        ("domain", ", domain: dram, socket: 1"),
        ("process", ", pid: 41, exe: train, cmdline: train -x, container_id: c, pod: p, namespace: n"),
        ("container", ", container_id: c, domain: package, pod: p, namespace: n"),
        ("pod", ", pod: p, namespace: n, domain: package"),
        ("vm", ", vm: v, domain: package"),
        ("gpu", ", gpu: g"),
    ] {
        input.push(format!("{{power: {{host: a, scope: {scope}{columns}}}, values: 12.5}}"));
        rows.push(format!("{{host: a, scope: {scope}, watts: 12.5{columns}}}"));
    }
    let values = format!("values: [{{sql: SELECT * FROM power, rows: [{}]}}]", rows.join(", "));
    passes("Hungry", &input.join(", "), &format!("{{at: 1s, {values}}}")).await;
}

#[tokio::test]
async fn staleness_and_the_time_of_day_are_those_of_the_test() {
    let stale = "{series: 'room_temperature_celsius{host=\"a\"}', every: 5s, values: '35x2 stale'}";
    let sql = "sql: SELECT host FROM latest(room_temperature_celsius)";
    passes(
        "Hot",
        stale,
        &format!("{{at: 14s, values: [{{{sql}, rows: [{{host: a}}]}}]}}, {{at: 15s, values: [{{{sql}, rows: []}}]}}"),
    )
    .await;
    let text = format!(
        "{RULES}tests:\n- name: t\n  start: 2024-02-29T23:59:50Z\n  rules: []\n  input: []\n  expect: [{{at: 20s, values: [{{sql: SELECT now() AS t, rows: [{{t: '2024-03-01T00:00:10Z'}}]}}]}}]\n"
    );
    let report = report_of(&text).await;
    assert!(report.starts_with("ok "), "{report}");
}

#[tokio::test]
async fn an_error_of_a_rule_is_an_alert_in_the_state_error_with_what_it_said() {
    let input = "{series: 'divided{host=\"a\"}', values: 1}";
    passes("Broken", input, "{at: 1s, alerts: [{rule: Broken, state: error}]}").await;
    let report = check("Broken", input, "{at: 1s, alerts: []}").await;
    assert!(report.contains("Broken{} error: ") && report.contains("(the rule)  E"), "{report}");
}

#[tokio::test]
async fn a_rule_without_its_table_or_its_part_in_the_test_is_told_of() {
    let report = check("Hot", "", "{at: 20s, alerts: [{rule: Hot}]}").await;
    let wanted = ["Hot waits for the first point of the table 'room_temperature_celsius'", "(the rule)  -----"];
    assert!(wanted.iter().all(|words| report.contains(words)), "{report}");
    let report = check("Hot", HEAT, "{at: 1s, alerts: [{rule: Loud}]}").await;
    assert!(report.contains("Loud takes no part: the test's 'rules' do not name it"), "{report}");
}

#[tokio::test]
async fn a_test_that_would_never_end_is_refused_before_it_begins() {
    let report = check("Hot", HEAT, "{at: 366d, alerts: []}").await;
    assert!(report.contains("evaluations until 366d, and 1000000 are the most"), "{report}");
}

#[tokio::test]
async fn the_example_of_the_interface_passes() {
    let verdicts = verdicts(include_str!("../../../engine/src/definition/tests/example.yaml")).await;
    assert!(verdicts.len() == 1 && verdicts[0].is_good(), "{verdicts:#?}");
}

#[tokio::test]
async fn silence_flapping_dependencies_and_severities_are_as_they_are_live() {
    let text = r#"
groups:
- name: g
  every: 5s
  rules:
  - rule: PodDown
    sql: SELECT host, pod, value AS up FROM latest(pod_up) WHERE value = 0
    unless: [NodeDown on host]
  - rule: NodeDown
    sql: |
      SELECT host, value AS up FROM latest(node_up) WHERE value = 0
    no_data: fire
    no_data_after: 30s
  - rule: Load
    sql: |
      SELECT host, value AS load, CASE WHEN value > 8 THEN 'critical' ELSE 'warning' END AS severity
      FROM latest(load) WHERE value > 4
    flaps: {max: 2, within: 40s}
    remediate:
    - {backend: ops, action: notify}
tests:
- name: a dead node does not page for its pods
  rules: [PodDown, NodeDown]
  input:
  - {series: 'node_up{host="a"}', every: 10s, values: '1 1 0 0 1 1'}
  - {series: 'node_up{host="b"}', every: 10s, values: '1x5'}
  - {series: 'pod_up{host="a",pod="p"}', every: 10s, values: '1 1 0 0 0 1'}
  - {series: 'pod_up{host="b",pod="q"}', every: 10s, values: '1 1 0 0 1 1'}
  expect:
  - {at: 20s, alerts: [{rule: NodeDown, labels: {host: a}}, {rule: PodDown, labels: {pod: q}}]}
  - {at: 40s, alerts: [{rule: PodDown, labels: {pod: p}}]}
  - {at: 50s, alerts: []}
- name: a node that went silent is told, and its pods are not
  rules: [PodDown, NodeDown]
  input:
  - {series: 'node_up{host="a"}', every: 10s, values: '1x2 _x4 1'}
  - {series: 'node_up{host="b"}', every: 10s, values: '1x9'}
  - {series: 'pod_up{host="a",pod="p"}', from: 60s, every: 10s, values: '0x3'}
  expect:
  - {at: 45s, alerts: []}
  - {at: 60s, alerts: [{rule: NodeDown, labels: {host: a}, state: no_data}]}
  - {at: 85s, alerts: [{rule: PodDown}, {rule: NodeDown, labels: {host: a}, state: resolved}]}
- name: severities follow the row
  rules: [Load]
  input:
  - {series: 'load{host="a"}', every: 10s, values: '5 9 1 9 1 1 1 1 1'}
  expect:
  - {at: 0s, alerts: [{rule: Load, severity: warning}], actions: [{backend: ops, action: notify}]}
  - {at: 10s, alerts: [{rule: Load, severity: critical}]}
  - {at: 20s, alerts: [{rule: Load, state: resolved}]}
  - {at: 30s, alerts: [{rule: Load, severity: critical, summary: "Load: host=a (flapping: it changed more than 2 times within 40s)"}]}
  - {at: 75s, alerts: [{rule: Load}]}
  - {at: 80s, alerts: []}
"#;
    let report = report_of(text).await;
    assert!(!report.contains("FAILED"), "{report}");
}
