//! Recording rules in simulated time.

use std::time::Duration;

use crate::testing::report_of;

const RULES: &str = "
groups:
- name: g
  every: 15s
  rules:
  - rule: RackHungry
    sql: SELECT rack, value AS watts FROM latest(rack_watts) WHERE value > 100
  - {record: rack_watts, sql: 'SELECT rack, sum(value) AS value FROM latest(node_watts, INTERVAL ''20 seconds'') GROUP BY rack', labels: {site: x}}
  - {record: node_watts, sql: 'SELECT host, rack, watts AS value FROM (SELECT host, rack, value / 1e6 AS watts FROM latest(microwatts, INTERVAL ''20 seconds'')) AS m'}
";

#[tokio::test]
async fn what_is_recorded_is_there_in_the_same_round_and_ends_with_its_row() {
    let tests = "
tests:
- name: a chain
  input:
  - {series: 'microwatts{host=\"a\",rack=\"r\"}', every: 15s, values: '80e6x3 20e6x4'}
  - {series: 'microwatts{host=\"b\",rack=\"r\"}', every: 15s, values: '30e6x7'}
  - {series: 'microwatts{host=\"c\",rack=\"s\"}', every: 15s, values: '30e6x1'}
  expect:
  - at: 0s
    alerts: [{rule: RackHungry, labels: {rack: r}, values: {watts: 110}}]
    values: [{sql: 'SELECT rack, site, value FROM latest(rack_watts)', rows: [{rack: r, site: x, value: 110}, {rack: s, site: x, value: 30}]}]
  - {at: 59s, alerts: [{rule: RackHungry, labels: {rack: r}}]}
  - at: 60s
    alerts: [{rule: RackHungry, labels: {rack: r}, state: resolved}]
    values:
    - {sql: 'SELECT rack, value FROM latest(rack_watts)', rows: [{rack: r, value: 50}]}
    - {sql: 'SELECT count(*) AS markers FROM rack_watts WHERE value IS NULL', rows: [{markers: 1}]}
    - {sql: 'SELECT rack, time FROM rack_watts GROUP BY rack, time HAVING count(*) > 1', rows: []}
";
    let report = report_of(&format!("{RULES}{tests}")).await;
    assert!(report.starts_with("ok"), "{report}");
}

#[tokio::test]
async fn an_error_of_a_recording_rule_is_an_alert_in_error() {
    let text = "
groups:
- name: g
  every: 15s
  rules:
  - {record: share, sql: 'SELECT host, value / (value - value) AS value FROM latest(load)'}
tests:
- name: broken
  input: [{series: 'load{host=\"a\"}', values: 1}]
  expect: [{at: 15s, alerts: [{rule: share, state: error}]}]
";
    let report = report_of(text).await;
    assert!(report.starts_with("ok"), "{report}");
}

#[tokio::test]
async fn an_objective_without_an_event_waits_beside_one_that_counts_by_other_columns() {
    let text = "
groups:
- name: g
  rules:
  - rule: Web
    slo:
      objective: 99.9
      good: SELECT host, sum(value) AS value FROM increase(good, INTERVAL '{{ window }}') GROUP BY host
      total: SELECT host, sum(value) AS value FROM increase(requests, INTERVAL '{{ window }}') GROUP BY host
  - rule: Mail
    slo:
      objective: 99.9
      good: SELECT job, sum(value) AS value FROM increase(delivered, INTERVAL '{{ window }}', 'job') GROUP BY job
      total: SELECT job, sum(value) AS value FROM increase(mails, INTERVAL '{{ window }}', 'job') GROUP BY job
tests:
- name: nothing is in error
  input:
  - {series: 'requests{host=\"a\"}', every: 15s, values: '0+10x40'}
  - {series: 'good{host=\"a\"}', every: 15s, values: '0+10x40'}
  - {series: 'mails{job=\"x\"}', from: 6m, every: 15s, values: '0+10x16'}
  expect:
  - {at: 6m, alerts: []}
  - {at: 10m, alerts: [{rule: Mail_1h}, {rule: Mail_6h}, {rule: Mail_1d}, {rule: Mail_3d}]}
";
    let report = report_of(text).await;
    assert!(report.starts_with("ok"), "{report}");
}

#[tokio::test]
async fn an_objective_fires_above_its_burn_rates_and_not_below() {
    // Of 1,000 requests every 15 s some fail: 1.5 % is 15 times as fast as 99.9 % allows, 1.4 % is 14 times, and 14.4 is the first bound.
    for (bad, alerts) in [
        (0, "[]"),
        (14, "[{rule: Web_6h}, {rule: Web_1d}, {rule: Web_3d}]"),
        (15, "[{rule: Web_1h, values: {burn_long: 15}}, {rule: Web_6h}, {rule: Web_1d}, {rule: Web_3d}]"),
    ] {
        let text = format!(
            "
groups:
- name: g
  rules:
  - rule: Web
    slo:
      objective: 99.9
      good: SELECT sum(value) AS value FROM increase(requests, INTERVAL '{{{{ window }}}}') WHERE code = '200'
      total: SELECT sum(value) AS value FROM increase(requests, INTERVAL '{{{{ window }}}}')
tests:
- name: burns
  input:
  - {{series: 'requests{{code=\"200\"}}', every: 15s, values: '0+{}x40 _x80'}}
  - {{series: 'requests{{code=\"500\"}}', every: 15s, values: '0+{bad}x40 _x80'}}
  expect:
  - {{at: 10m, alerts: {alerts}}}
  # The short windows have seen nothing bad, and nothing at all, for a while.
  - {{at: 19m, alerts: {}}}
",
            1000 - bad,
            alerts.replace("{rule: Web_1h, values: {burn_long: 15}}, ", ""),
        );
        let report = report_of(&text).await;
        assert!(report.starts_with("ok"), "{bad}: {report}");
    }
}

#[tokio::test]
async fn a_query_that_never_ends_is_stopped_once_and_rests_and_the_others_go_on() {
    let text = "
groups:
- name: g
  rules:
  - {rule: Endless, sql: 'SELECT ''a'' AS k, count(*) AS n FROM generate_series(1, 100000000000)'}
  - {rule: Good, sql: 'SELECT host, value FROM latest(load) WHERE value > 3'}
tests:
- name: endless
  input: [{series: 'load{host=\"a\"}', every: 5s, values: '1x4 5x4'}]
  expect:
  - {at: 20s, alerts: [{rule: Endless, state: error}]}
  - {at: 40s, alerts: [{rule: Endless, state: error}, {rule: Good}]}
";
    let start = tokio::time::Instant::now();
    let report = report_of(text).await;
    assert!(report.starts_with("ok"), "{report}");
    // One evaluation of five seconds, and no forty.
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}
