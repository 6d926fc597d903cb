//! An OpenTelemetry Collector hands on what it got.

use flyball_tests::counterparts::Collector;
use flyball_tests::time::now_nanos;
use flyball_tests::{Flyball, otlp};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use serde_json::json;

#[test]
fn a_collector_exports_over_grpc() {
    check("otlp", |flyball| format!("{{endpoint: '{}', tls: {{insecure: true}}}}", flyball.otlp_grpc));
}

#[test]
fn a_collector_exports_over_http() {
    check("otlphttp", |flyball| format!("{{endpoint: '{}'}}", flyball.otlp_http.base()));
}

#[track_caller]
fn check(kind: &str, exporter: impl Fn(&Flyball) -> String) {
    let flyball = Flyball::start(json!({}));
    let Some(collector) = Collector::start(kind, &exporter(&flyball)) else { return };

    let at = now_nanos();
    let points =
        (0..1_000).map(|index| otlp::point(&[("sensor", &format!("s{index:03}"))], at, f64::from(index) / 8.0));
    let request = otlp::metrics(&[("host.name", "edge-4")], vec![otlp::gauge("soil.moisture", points.collect())]);
    otlp::send(&collector.otlp_http, &request).expect_status(200);
    let record = LogRecord {
        time_unix_nano: at,
        attributes: otlp::attributes(&[("valve", "7")]),
        severity_number: 9,
        ..LogRecord::default()
    };
    let request = otlp::logs(&[("host.name", "edge-4")], vec![record]);
    collector.otlp_http.post("/v1/logs", otlp::PROTOBUF, request.encode_to_vec()).expect_status(200);

    let sums = "SELECT count(*) AS points, sum(value) AS total, min(host_name) AS host, min(CAST(time AS BIGINT)) AS nanos FROM soil_moisture";
    let found = flyball.wait_for_rows(sums, |rows| rows.number(0, "points") >= 1_000.0);
    assert_eq!(found.rows, [[json!(1_000), json!(999.0 * 1_000.0 / 16.0), json!("edge-4"), json!(at)]]);
    let logs = flyball.wait_for_rows("SELECT host_name, attributes FROM logs", |rows| !rows.is_empty());
    assert_eq!(logs.rows, [[json!("edge-4"), json!({"valve": "7"})]]);
}
