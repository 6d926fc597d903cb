//! The OpenTelemetry SDK for Python exports metrics and logs; they arrive as rows, exact.

use flyball_tests::{Flyball, Python};
use serde_json::{Value, json};

#[test]
fn what_the_sdk_exports_over_grpc_arrives_exactly() {
    check("grpc", |flyball| flyball.otlp_grpc.clone());
}

#[test]
fn what_the_sdk_exports_over_http_with_gzip_arrives_exactly() {
    check("http", |flyball| flyball.otlp_http.base().to_owned());
}

#[test]
fn what_the_sdk_exports_to_the_main_port_arrives_exactly() {
    check("http", |flyball| flyball.http.base().to_owned());
}

#[track_caller]
fn check(protocol: &str, endpoint: impl Fn(&Flyball) -> String) {
    let Some(python) = Python::need() else { return };
    let flyball = Flyball::start(json!({}));
    python.run("otel_export.py", &[protocol, &endpoint(&flyball), "r1"]);

    // The SDK exports each instrument again when it shuts down: the same values, later.
    let rooms =
        flyball.sql("SELECT DISTINCT room, value, host_name, service_name, run FROM room_temperature ORDER BY room");
    assert_eq!(
        rooms.rows,
        [
            [json!("cold store"), json!(-3.0e-7), json!("edge-7"), json!("greenhouse"), json!("r1")],
            [json!("north"), json!(21.53125), json!("edge-7"), json!("greenhouse"), json!("r1")],
        ]
    );
    // Cast, because a reader of JSON may round what is at the limit of a double.
    let doors = flyball.sql("SELECT DISTINCT door, CAST(value AS BIGINT) AS value FROM door_opened ORDER BY door");
    assert_eq!(doors.rows, [[json!("main"), json!(7)], [json!("revolving"), json!(9_007_199_254_740_991_i64)]]);
    assert_eq!(flyball.sql("SELECT DISTINCT value FROM people_inside").rows, [[json!(-2.0)]]);

    let info = flyball.sql("SELECT original, unit, monotonic, temporality, help FROM flyball.metric_info WHERE metric IN ('door_opened', 'room_temperature') ORDER BY metric");
    assert_eq!(
        info.rows,
        [
            [json!("door.opened"), json!("1"), json!(true), json!("cumulative"), Value::Null],
            [json!("room.temperature"), json!("Cel"), Value::Null, Value::Null, json!("air in a room")],
        ]
    );
    check_logs(&flyball);
    let refused = flyball.sql("SELECT * FROM flyball.ledger WHERE outcome <> 'stored'");
    assert!(refused.is_empty(), "{refused:?}");
}

#[track_caller]
fn check_logs(flyball: &Flyball) {
    let logs = flyball.sql(
        "SELECT severity, severity_number, body, service_name, attributes FROM logs WHERE run = 'r1' ORDER BY time",
    );
    assert_eq!(logs.len(), 2, "{logs:?}");
    assert_eq!(
        logs.rows[0],
        [
            json!("WARN"),
            json!(13),
            json!("door left open: größer als 5 min"),
            json!("greenhouse"),
            json!({"door": "main", "minutes": "6", "alarm": "true", "share": "0.5", "otel.scope.name": "tests"}),
        ]
    );
    let body: Value = serde_json::from_str(&logs.text(1, "body")).expect("what is not text is JSON");
    assert_eq!(body, json!({"state": "closed", "by": ["ada", "ben"]}));
}
