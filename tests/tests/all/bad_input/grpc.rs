//! OTLP over gRPC, sent as raw bytes by gRPC's own client for Python.

use std::fmt::Write;

use flyball_tests::otlp::{gauge, metrics, point};
use flyball_tests::time::now_nanos;
use flyball_tests::{Flyball, Python};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use serde_json::{Value, json};

use super::{check_good_point, check_ledger, start};

const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// One call: code, details and the answer's bytes.
#[track_caller]
fn call(python: &Python, flyball: &Flyball, method: &str, body: &[u8], compression: &str) -> (String, String, Vec<u8>) {
    let mut hex = String::new();
    for byte in body {
        write!(hex, "{byte:02x}").expect("a string grows without errors");
    }
    let request = json!([{"method": method, "body": hex, "compression": compression}]).to_string();
    // In a file: a body in hex may be longer than an argument can be.
    let file = flyball.dir().join("calls.json");
    std::fs::write(&file, request).expect("the folder can be written");
    let answers = python.run("grpc_raw.py", &[&flyball.otlp_grpc, &file.display().to_string()]);
    let answers: Value = serde_json::from_str(&answers).expect("JSON");
    let text = |name: &str| answers[0][name].as_str().unwrap_or_default().to_owned();
    let body = text("body");
    let bytes = (0..body.len()).step_by(2).map(|at| u8::from_str_radix(&body[at..at + 2], 16).expect("hex"));
    (text("code"), text("details"), bytes.collect())
}

fn good() -> Vec<u8> {
    metrics(&[], vec![gauge("good", vec![point(&[], now_nanos(), 1.0)])]).encode_to_vec()
}

#[test]
fn calls_that_cannot_be_taken_get_their_code_and_a_line() {
    let Some(python) = Python::need() else { return };
    let large =
        metrics(&[], vec![gauge("large", (0..4_000).map(|_| point(&[], now_nanos(), 1.0)).collect())]).encode_to_vec();
    let bomb = metrics(&[], vec![gauge(&"x".repeat(1_000_000), vec![])]).encode_to_vec();
    let good = good();
    for (what, method, body, compression, code, lines) in [
        (
            "truncated",
            METRICS,
            &good[..good.len() - 3],
            "none",
            "INVALID_ARGUMENT",
            &[("rejected", "malformed", 1)][..],
        ),
        ("over the limit", METRICS, &large, "none", "RESOURCE_EXHAUSTED", &[("rejected", "body_too_large", 1)]),
        ("a gzip bomb", METRICS, &bomb, "gzip", "RESOURCE_EXHAUSTED", &[("rejected", "body_too_large", 1)]),
        ("deflate", METRICS, &good, "deflate", "UNIMPLEMENTED", &[("rejected", "content_encoding", 1)]),
        ("an unknown service", "/no.Service/Call", &good, "none", "UNIMPLEMENTED", &[]),
    ] {
        let flyball = start();
        let (found, details, _) = call(&python, &flyball, method, body, compression);
        assert_eq!(found, code, "{what}: {details}");
        assert!(!details.is_empty(), "{what}: the answer says why");
        check_ledger(&flyball, lines);
    }
}

#[test]
fn a_partial_success_names_count_and_reason_and_gzip_is_taken() {
    let Some(python) = Python::need() else { return };
    let flyball = start();
    let now = now_nanos();
    let request = metrics(&[], vec![gauge("good", vec![point(&[], now, 1.0)]), gauge("", vec![point(&[], now, 2.0)])]);
    let (code, details, body) = call(&python, &flyball, METRICS, &request.encode_to_vec(), "gzip");
    assert_eq!(code, "OK", "{details}");
    let response = ExportMetricsServiceResponse::decode(body.as_slice()).expect("the protocol's answer");
    let partial = response.partial_success.expect("one point was refused");
    assert_eq!(partial.rejected_data_points, 1);
    assert!(partial.error_message.contains("empty_metric_name"), "{}", partial.error_message);
    check_good_point(&flyball);
    check_ledger(&flyball, &[("stored", "", 1), ("rejected", "empty_metric_name", 1)]);
}

#[test]
fn bad_spans_are_a_partial_success() {
    let Some(python) = Python::need() else { return };
    let flyball = start();
    let old = Span { start_time_unix_nano: 1, end_time_unix_nano: 2, ..Span::default() };
    let scope_spans = vec![ScopeSpans { spans: vec![old.clone(), Span::default(), old], ..ScopeSpans::default() }];
    let request =
        ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] };
    let (code, details, body) = call(&python, &flyball, TRACES, &request.encode_to_vec(), "none");
    assert_eq!(code, "OK", "{details}");
    let response = ExportTraceServiceResponse::decode(body.as_slice()).expect("the protocol's answer");
    let partial = response.partial_success.expect("two spans were refused");
    assert_eq!(partial.rejected_spans, 2);
    assert!(partial.error_message.contains("too_old"), "{}", partial.error_message);
    check_ledger(&flyball, &[("stored", "", 1), ("rejected", "too_old", 2)]);
}
