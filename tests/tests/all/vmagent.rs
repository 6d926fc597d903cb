//! A vmagent scrapes and writes on.

use flyball_tests::Flyball;
use flyball_tests::counterparts::{Exposition, Vmagent};
use serde_json::{Value, json};

#[test]
fn what_vmagent_scrapes_arrives_exactly() {
    let target = Exposition::serve_as("requests.om", Some("text/plain; version=0.0.4"));
    let flyball = Flyball::start(json!({}));
    let remote_write = format!("{}/api/v1/write", flyball.http.base());
    let Some(_vmagent) = Vmagent::start("classic", &target.address, &remote_write) else { return };

    let bucket = |le: &str, value: f64| vec![json!("/cart"), json!(le), json!(value)];
    for (sql, expected) in [
        (
            "SELECT DISTINCT route, le, value FROM http_request_duration_seconds_bucket ORDER BY value, le",
            vec![bucket("0.1", 3.0), bucket("1.0", 5.0), bucket("10.0", 5.0), bucket("+Inf", 6.0)],
        ),
        ("SELECT DISTINCT value FROM http_request_duration_seconds_sum", vec![vec![json!(14.25)]]),
        ("SELECT DISTINCT value FROM http_request_duration_seconds_count", vec![vec![json!(6.0)]]),
        (
            "SELECT DISTINCT worker, value, instance FROM jobs_total",
            vec![vec![json!("größer, \"w\" 1"), json!(42.0), json!(target.address)]],
        ),
        (
            "SELECT DISTINCT room, value FROM room_temperature_celsius ORDER BY room",
            vec![
                vec![json!("broken"), json!("NaN")],
                vec![json!("cold store"), json!(-3.0e-7)],
                vec![json!("north"), json!(21.53125)],
                vec![json!("sun"), json!("+Inf")],
            ],
        ),
        ("SELECT DISTINCT version, value FROM build_info", vec![vec![json!("1.2.3"), json!(1.0)]]),
        ("SELECT DISTINCT job, value FROM up", vec![vec![json!("classic"), json!(1.0)]]),
    ] {
        let found = flyball.wait_for_rows(sql, |rows| rows.len() >= expected.len());
        assert_eq!(found.rows, expected, "{sql}");
    }
    let refused = flyball.sql("SELECT * FROM flyball.ledger WHERE outcome <> 'stored'");
    assert_eq!(refused.rows, Vec::<Vec<Value>>::new());
}
