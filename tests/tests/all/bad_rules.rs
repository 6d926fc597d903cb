//! A rule that cannot be evaluated errs and shows it; the others go on.

use flyball_tests::{Flyball, otlp};
use serde_json::json;

const RULES: &str = r#"
groups:
- name: mixed
  every: 200ms
  rules:
  - {rule: TwoRowsOfOneIdentity, sql: "SELECT 'all' AS rooms, value FROM room_temperature"}
  - {rule: NoSuchColumn, sql: "SELECT room, floor, value FROM room_temperature"}
  - {rule: DivisionByZero, sql: "SELECT room, 1 / CAST(value - value AS BIGINT) AS share FROM room_temperature"}
  - {rule: Endless, sql: "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT max(n) AS n FROM t"}
  - {rule: Healthy, sql: "SELECT room, max(value) AS celsius FROM room_temperature GROUP BY room HAVING max(value) > 30"}
"#;

#[test]
fn rules_that_cannot_be_evaluated_show_their_error_and_the_others_go_on() {
    let dir = flyball_tests::flyball::temp_dir();
    let rules = dir.path().join("rules.yaml");
    std::fs::write(&rules, RULES).expect("the folder can be written");
    let flyball = Flyball::start_in(dir.path(), json!({"rules": [rules]}));
    for (room, value) in [("north", 35.0), ("south", 20.0)] {
        otlp::send_gauge(&flyball.http, "room.temperature", &[("room", room)], value);
    }

    let healthy = "SELECT instance FROM flyball.violations WHERE rule = 'Healthy' AND state = 'firing'";
    assert_eq!(flyball.wait_for_rows(healthy, |rows| !rows.is_empty()).rows, [[json!("room=north")]]);
    for (rule, word) in
        [("TwoRowsOfOneIdentity", "all"), ("NoSuchColumn", "floor"), ("DivisionByZero", "zero"), ("Endless", "stopped")]
    {
        let sql = format!("SELECT state, errors, last_error FROM flyball.rules WHERE rule = '{rule}' AND errors > 0");
        let row = flyball.wait_for_rows(&sql, |rows| !rows.is_empty() && rows.text(0, "last_error").contains(word));
        assert_eq!(row.text(0, "state"), "error", "{rule}");
    }

    // What was missing has come: the rule is well again by itself.
    otlp::send_gauge(&flyball.http, "room.temperature", &[("room", "attic"), ("floor", "3")], 22.0);
    let sql = "SELECT state, last_error FROM flyball.rules WHERE rule = 'NoSuchColumn' AND state <> 'error'";
    flyball.wait_for_rows(sql, |rows| !rows.is_empty());

    // The healthy one was never touched by any of it.
    let rows = flyball.sql("SELECT errors FROM flyball.rules WHERE rule = 'Healthy'");
    let missing_table_at_first = 1.0;
    assert!(rows.number(0, "errors") <= missing_table_at_first, "{rows:?}");
}
