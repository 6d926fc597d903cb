//! Spans come in and are asked for: in memory, in the history, and beside the logs of their trace.

use flyball_tests::time::now_nanos;
use flyball_tests::{Flyball, flyball, otlp};
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::{Span, Status, span::Event, span::Link};
use prost::Message;
use serde_json::{Value, json};

const TRACE: [u8; 16] = [0xa1; 16];

/// A request that failed after 250 ms, with the query that it made.
fn spans(at: u64) -> Vec<Span> {
    let request = Span {
        trace_id: TRACE.to_vec(),
        span_id: vec![1; 8],
        name: "GET /cart".to_owned(),
        kind: 2,
        start_time_unix_nano: at,
        end_time_unix_nano: at + 250_000_000,
        attributes: otlp::attributes(&[("http.route", "/cart")]),
        events: vec![Event {
            time_unix_nano: at + 100,
            name: "exception".to_owned(),
            attributes: otlp::attributes(&[("exception.type", "Timeout")]),
            dropped_attributes_count: 0,
        }],
        links: vec![Link { trace_id: vec![0xb2; 16], span_id: vec![2; 8], ..Link::default() }],
        status: Some(Status { code: 2, message: "timed out".to_owned() }),
        ..Span::default()
    };
    let query = Span {
        trace_id: TRACE.to_vec(),
        span_id: vec![3; 8],
        parent_span_id: vec![1; 8],
        name: "SELECT".to_owned(),
        kind: 3,
        start_time_unix_nano: at + 1_000_000,
        end_time_unix_nano: at + 201_000_000,
        ..Span::default()
    };
    vec![request, query]
}

/// Every answer about [`spans`] and a log record of the same trace.
fn check(flyball: &Flyball, at: u64) {
    for (sql, expected) in [
        (
            "SELECT service_name, name, kind, status, status_message, duration, CAST(time AS BIGINT) AS nanos, parent_span_id \
             FROM spans ORDER BY time",
            vec![
                vec![
                    json!("shop"),
                    json!("GET /cart"),
                    json!("server"),
                    json!("error"),
                    json!("timed out"),
                    json!(0.25),
                    json!(at),
                    Value::Null,
                ],
                vec![
                    json!("shop"),
                    json!("SELECT"),
                    json!("client"),
                    json!("unset"),
                    Value::Null,
                    json!(0.2),
                    json!(at + 1_000_000),
                    json!("0101010101010101"),
                ],
            ],
        ),
        (
            "SELECT attributes['http.route'], attributes['nothing'] FROM spans WHERE status = 'error'",
            vec![vec![json!("/cart"), Value::Null]],
        ),
        (
            "SELECT events[1]['name'], CAST(events[1]['time'] AS BIGINT), events[1]['attributes']['exception.type'], \
             links[1]['trace_id'] FROM spans WHERE kind = 'server'",
            vec![vec![json!("exception"), json!(at + 100), json!("Timeout"), json!("b2".repeat(16))]],
        ),
        ("SELECT e['name'] FROM (SELECT unnest(events) AS e FROM spans)", vec![vec![json!("exception")]]),
        (
            "SELECT s.name, l.body FROM spans s JOIN logs l ON l.trace_id = s.trace_id AND l.span_id = s.span_id",
            vec![vec![json!("GET /cart"), json!("the query timed out")]],
        ),
        (
            "SELECT c.name, p.name FROM spans c JOIN spans p ON c.parent_span_id = p.span_id",
            vec![vec![json!("SELECT"), json!("GET /cart")]],
        ),
    ] {
        assert_eq!(flyball.sql(sql).rows, expected, "{sql}");
    }
}

#[test]
fn spans_are_asked_for_alone_and_beside_their_logs_also_after_a_restart() {
    let dir = flyball::temp_dir();
    let at = now_nanos() - 1_000_000_000;
    let resource = &[("service.name", "shop")];
    {
        let mut first = Flyball::start_in(dir.path(), json!({}));
        let request = otlp::traces(resource, spans(at)).encode_to_vec();
        let answer = first.http.post("/v1/traces", otlp::PROTOBUF, request).expect_status(200);
        assert!(answer.body.is_empty(), "nothing was refused");
        let record = LogRecord {
            time_unix_nano: at,
            trace_id: TRACE.to_vec(),
            span_id: vec![1; 8],
            body: Some(AnyValue { value: Some(any_value::Value::StringValue("the query timed out".to_owned())) }),
            ..LogRecord::default()
        };
        let request = otlp::logs(resource, vec![record]).encode_to_vec();
        first.http.post("/v1/logs", otlp::PROTOBUF, request).expect_status(200);
        check(&first, at);
        let ledger = first.sql("SELECT outcome, reason, points FROM flyball.ledger WHERE signal = 'traces'");
        assert_eq!(ledger.rows, [[json!("stored"), json!(""), json!(2)]]);
        assert!(first.stop().success());
    }
    check(&Flyball::start_in(dir.path(), json!({})), at);
}

#[test]
fn a_span_that_ends_before_it_starts_is_kept_and_its_sender_warned() {
    let flyball = Flyball::start(json!({}));
    let at = now_nanos();
    let span = Span { start_time_unix_nano: at, end_time_unix_nano: at - 5, ..Span::default() };
    let request = otlp::traces(&[], vec![span]).encode_to_vec();
    let answer = flyball.http.post("/v1/traces", otlp::PROTOBUF, request).expect_status(200);
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(text.contains("end_before_start"), "{text}");
    assert_eq!(flyball.sql("SELECT duration FROM spans").rows, [[json!(0.0)]]);
    let ledger = flyball.sql("SELECT outcome, reason, points FROM flyball.ledger WHERE signal = 'traces'");
    assert_eq!(ledger.rows, [[json!("stored"), json!("end_before_start"), json!(1)]]);
}
