//! Recording rules: what they store is accounted for to the point, also across kills.

use std::time::Duration;

use flyball_tests::{Flyball, otlp};
use serde_json::json;

const RULES: &str = "
groups:
- name: g
  every: 100ms
  rules:
  - {rule: Hot, sql: 'SELECT room, value FROM latest(room_top) WHERE value > 30'}
  - {record: room_top, sql: 'SELECT room, max(value) AS value FROM latest(room_temperature) GROUP BY room'}
";

/// Every account is even, and that of the rule is of what is stored; no time of a series stands twice.
#[track_caller]
fn is_exact(flyball: &Flyball) {
    let balances = flyball.http.get("/metrics").expect_status(200).text();
    assert!(balances.lines().any(|line| line == "flyball_ledger_balanced 1"), "{balances}");
    assert!(flyball.sql("SELECT room, time FROM room_top GROUP BY room, time HAVING count(*) > 1").is_empty());
}

#[test]
fn what_a_rule_records_survives_kills_and_is_counted_once() {
    let dir = flyball_tests::flyball::temp_dir();
    let rules = dir.path().join("rules.yaml");
    std::fs::write(&rules, RULES).expect("the folder can be written");
    let config = json!({"rules": [rules]});
    let mut points = 0.0;
    for round in 0..3 {
        let mut flyball = Flyball::start_in(dir.path(), config.clone());
        otlp::send_gauge(&flyball.http, "room.temperature", &[("room", "north")], 35.0 + f64::from(round));
        flyball
            .wait_for_rows("SELECT count(*) AS points FROM room_top", |rows| rows.number(0, "points") > points + 5.0);
        flyball.wait_for_rows("SELECT firing FROM flyball.rules WHERE rule = 'Hot'", |rows| {
            rows.number(0, "firing") == 1.0
        });
        is_exact(&flyball);
        points = flyball.sql("SELECT count(*) AS points FROM room_top").number(0, "points");
        if round < 2 {
            flyball.process().signal("KILL");
            flyball.process().wait_for_end(Duration::from_secs(10));
        }
    }
}
