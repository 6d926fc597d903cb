//! OTLP requests in few words.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use crate::http::{Answer, Http};

/// The headers of a protobuf body.
pub const PROTOBUF: &[(&str, &str)] = &[("content-type", "application/x-protobuf")];

/// Attributes with text values.
pub fn attributes(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    let text = |value: &str| AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) };
    pairs
        .iter()
        .map(|(key, value)| KeyValue { key: (*key).to_owned(), value: Some(text(value)), ..KeyValue::default() })
        .collect()
}

/// A point of a gauge.
pub fn point(labels: &[(&str, &str)], time_nanos: u64, value: f64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(labels),
        time_unix_nano: time_nanos,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

/// A gauge.
pub fn gauge(name: &str, points: Vec<NumberDataPoint>) -> Metric {
    Metric {
        name: name.to_owned(),
        data: Some(metric::Data::Gauge(Gauge { data_points: points })),
        ..Metric::default()
    }
}

/// A request with metrics of one resource.
pub fn metrics(resource: &[(&str, &str)], metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource { attributes: attributes(resource), ..Resource::default() }),
            scope_metrics: vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }],
            ..ResourceMetrics::default()
        }],
    }
}

/// A request with logs of one resource.
pub fn logs(resource: &[(&str, &str)], log_records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource { attributes: attributes(resource), ..Resource::default() }),
            scope_logs: vec![ScopeLogs { log_records, ..ScopeLogs::default() }],
            ..ResourceLogs::default()
        }],
    }
}

/// A request with spans of one resource.
pub fn traces(resource: &[(&str, &str)], spans: Vec<Span>) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource { attributes: attributes(resource), ..Resource::default() }),
            scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }],
    }
}

/// Sends metrics over HTTP.
///
/// # Panics
/// When no answer comes.
#[track_caller]
pub fn send(http: &Http, request: &ExportMetricsServiceRequest) -> Answer {
    http.post("/v1/metrics", PROTOBUF, request.encode_to_vec())
}

/// Sends one point of one gauge over HTTP, and expects that it is taken.
///
/// # Panics
/// When it is not.
#[track_caller]
pub fn send_gauge(http: &Http, name: &str, labels: &[(&str, &str)], value: f64) {
    let request = metrics(&[], vec![gauge(name, vec![point(labels, crate::time::now_nanos(), value)])]);
    let answer = send(http, &request).expect_status(200);
    assert_eq!(partial_success(&answer), (0, String::new()));
}

/// What a 200 to metrics says of refused points: how many, and why.
///
/// # Panics
/// When the body is not the protocol's.
#[track_caller]
pub fn partial_success(answer: &Answer) -> (i64, String) {
    let response = ExportMetricsServiceResponse::decode(answer.body.as_slice()).expect("OTLP's answer in protobuf");
    response.partial_success.map(|partial| (partial.rejected_data_points, partial.error_message)).unwrap_or_default()
}
