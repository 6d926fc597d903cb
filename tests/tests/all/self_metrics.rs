//! What flyball says of itself.

use std::collections::HashSet;

use flyball_tests::process::run;
use flyball_tests::{Flyball, need, otlp};
use serde_json::json;

#[test]
fn the_page_of_metrics_is_prometheus_text_format() {
    let flyball = Flyball::start(json!({"rules": ["library:*"]}));
    otlp::send_gauge(&flyball.http, "room.temperature", &[("room", "north")], 21.0);
    let answer = flyball.http.get("/metrics").expect_status(200);
    assert!(
        answer.header("content-type").starts_with("text/plain; version=0.0.4"),
        "{}",
        answer.header("content-type")
    );
    let page = answer.text();

    let typed: HashSet<_> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    for family in [
        "flyball_points_total",
        "flyball_batches_total",
        "flyball_received_bytes_total",
        "flyball_queue_depth",
        "flyball_rule_evaluations_total",
        "flyball_rule_errors_total",
        "flyball_stage_duration_seconds",
    ] {
        assert!(typed.contains(family), "{family} is missing");
    }
    assert!(
        page.contains(
            "flyball_points_total{receiver=\"otlp_http\",signal=\"metrics\",outcome=\"stored\",reason=\"\"} 1\n"
        ),
        "{page}"
    );

    // Prometheus' own checker reads all of it.
    let Some(promtool) = need("promtool", "apt-get install prometheus") else { return };
    let file = flyball.dir().join("page.txt");
    std::fs::write(&file, &page).expect("the folder can be written");
    let checked =
        run(std::process::Command::new("sh").args(["-c", "\"$0\" check metrics <\"$1\""]).arg(promtool).arg(&file));
    assert!(checked.status.success(), "{}{}", checked.stdout, checked.stderr);
}

#[test]
fn the_stretches_of_a_points_way_are_timed() {
    let flyball = Flyball::start(json!({}));
    for value in 0..10 {
        otlp::send_gauge(&flyball.http, "room.temperature", &[("room", "north")], f64::from(value));
    }
    let rows = flyball.sql("SELECT count, p50_us, p99_us, max_us FROM flyball.stages WHERE stage = 'receive_to_ack'");
    assert!(rows.number(0, "count") >= 10.0, "{rows:?}");
    assert!(rows.number(0, "p50_us") > 0.0 && rows.number(0, "p50_us") <= rows.number(0, "max_us"), "{rows:?}");
}

#[test]
fn health_and_readiness_answer() {
    let flyball = Flyball::start(json!({}));
    for path in ["/healthz", "/readyz", "/", "/openapi.json"] {
        flyball.http.get(path).expect_status(200);
    }
    let nothing = flyball.http.get("/nothing/here").expect_status(404).json();
    assert!(nothing["error"]["code"].is_string(), "{nothing}");
}
