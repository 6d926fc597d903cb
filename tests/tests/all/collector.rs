//! An OpenTelemetry Collector hands on what it got.

use flyball_tests::counterparts::Collector;
use flyball_tests::time::now_nanos;
use flyball_tests::{Flyball, otlp};
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Metric, NumberDataPoint, Sum, Summary,
    SummaryDataPoint, exemplar, metric, number_data_point, summary_data_point::ValueAtQuantile,
};
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use prost::Message;
use serde_json::{Value, json};

#[test]
fn a_collector_exports_over_grpc() {
    check("otlp", |flyball| format!("{{endpoint: '{}', tls: {{insecure: true}}}}", flyball.otlp_grpc));
}

#[test]
fn a_collector_exports_over_http() {
    check("otlphttp", |flyball| format!("{{endpoint: '{}', compression: none}}", flyball.otlp_http.base()));
}

#[test]
fn a_collector_exports_gzipped_json_over_http() {
    check("otlphttp", |flyball| format!("{{endpoint: '{}', encoding: json, compression: gzip}}", flyball.http.base()));
}

#[track_caller]
fn check(kind: &str, exporter: impl Fn(&Flyball) -> String) {
    let flyball = Flyball::start(json!({}));
    let Some(collector) = Collector::start(kind, &exporter(&flyball)) else { return };
    let at = now_nanos();
    let resource = [("host.name", "edge-4")];
    let request = otlp::metrics(&resource, metrics(at));
    otlp::send(&collector.otlp_http, &request).expect_status(200);
    let request = otlp::logs(&resource, vec![log_record(at)]);
    collector.otlp_http.post("/v1/logs", otlp::PROTOBUF, request.encode_to_vec()).expect_status(200);
    let request = otlp::traces(&resource, vec![span(at)]);
    collector.otlp_http.post("/v1/traces", otlp::PROTOBUF, request.encode_to_vec()).expect_status(200);

    let sums = "SELECT count(*) AS points, sum(value) AS total, min(host_name) AS host, min(CAST(time AS BIGINT)) AS nanos FROM soil_moisture";
    let moisture = vec![json!(1_000), json!(999.0 * 1_000.0 / 16.0), json!("edge-4"), json!(at)];
    let exponential = "SELECT count, sum, min, max, CAST(start_time AS BIGINT) AS start, histogram['scale'], histogram['zero_count'], \
        histogram['positive_offset'], histogram['positive'], histogram['negative_offset'], histogram['negative'] FROM payload_size";
    let hex = |byte: &str, bytes: usize| json!(byte.repeat(bytes));
    for (sql, expected) in [
        (sums, vec![moisture]),
        // An integer is an integer on every way, however it is written.
        ("SELECT CAST(value AS BIGINT) AS value FROM litres_total", vec![vec![json!(9_007_199_254_740_991_i64)]]),
        (
            exponential,
            vec![vec![
                json!(7.0),
                json!(-1.5),
                json!(-4.0),
                json!(3.0),
                json!(at - 1_000),
                json!(1),
                json!(1.0),
                json!(-1),
                json!([1.0, 0.0, 2.0]),
                json!(3),
                json!([3.0]),
            ]],
        ),
        (
            "SELECT quantile, value FROM waiting WHERE quantile IS NOT NULL ORDER BY quantile",
            vec![vec![json!("0.5"), json!(0.25)], vec![json!("1"), json!("NaN")]],
        ),
        ("SELECT s.value, c.value FROM waiting_sum s, waiting_count c", vec![vec![json!(8.5), json!(4.0)]]),
        (
            "SELECT name, value, trace_id, span_id, attributes FROM exemplars",
            vec![vec![json!("litres_total"), json!(3.0), hex("a1", 16), hex("01", 8), json!({"tap": "7"})]],
        ),
        (
            "SELECT host_name, severity_number, body, trace_id, event_name, dropped_attributes_count, attributes['valve'], attributes['raw'] FROM logs",
            vec![vec![
                json!("edge-4"),
                json!(9),
                json!("opened"),
                hex("a1", 16),
                json!("valve"),
                json!(2),
                json!("7"),
                json!("AP8="),
            ]],
        ),
        (
            "SELECT host_name, name, kind, status, duration, trace_id, span_id, parent_span_id, CAST(time AS BIGINT) AS nanos FROM spans",
            vec![vec![
                json!("edge-4"),
                json!("open"),
                json!("consumer"),
                json!("ok"),
                json!(0.5),
                hex("a1", 16),
                hex("01", 8),
                Value::Null,
                json!(at),
            ]],
        ),
    ] {
        let found = flyball.wait_for_rows(sql, |rows| !rows.is_empty() && *rows.get(0, &rows.columns[0]) != json!(0));
        assert_eq!(found.rows, expected, "{sql}");
    }
    let refused = flyball.sql("SELECT * FROM flyball.ledger WHERE outcome <> 'stored'");
    assert!(refused.is_empty(), "{refused:?}");
}

fn metrics(at: u64) -> Vec<Metric> {
    let points =
        (0..1_000).map(|index| otlp::point(&[("sensor", &format!("s{index:03}"))], at, f64::from(index) / 8.0));
    let exemplar = Exemplar {
        filtered_attributes: otlp::attributes(&[("tap", "7")]),
        time_unix_nano: at,
        span_id: vec![1; 8],
        trace_id: vec![0xa1; 16],
        value: Some(exemplar::Value::AsInt(3)),
    };
    let litres = NumberDataPoint {
        value: Some(number_data_point::Value::AsInt(9_007_199_254_740_991)),
        exemplars: vec![exemplar],
        ..otlp::point(&[], at, 0.0)
    };
    let litres = Sum { data_points: vec![litres], aggregation_temporality: 2, is_monotonic: true };
    let sizes = ExponentialHistogramDataPoint {
        start_time_unix_nano: at - 1_000,
        time_unix_nano: at,
        count: 7,
        sum: Some(-1.5),
        min: Some(-4.0),
        max: Some(3.0),
        scale: 1,
        zero_count: 1,
        positive: Some(Buckets { offset: -1, bucket_counts: vec![1, 0, 2] }),
        negative: Some(Buckets { offset: 3, bucket_counts: vec![3] }),
        ..ExponentialHistogramDataPoint::default()
    };
    let sizes = ExponentialHistogram { data_points: vec![sizes], aggregation_temporality: 2 };
    let quantile_values =
        vec![ValueAtQuantile { quantile: 0.5, value: 0.25 }, ValueAtQuantile { quantile: 1.0, value: f64::NAN }];
    let waiting =
        SummaryDataPoint { time_unix_nano: at, count: 4, sum: 8.5, quantile_values, ..SummaryDataPoint::default() };
    let metric = |name: &str, data| Metric { name: name.to_owned(), data: Some(data), ..Metric::default() };
    vec![
        otlp::gauge("soil.moisture", points.collect()),
        metric("litres.total", metric::Data::Sum(litres)),
        metric("payload.size", metric::Data::ExponentialHistogram(sizes)),
        metric("waiting", metric::Data::Summary(Summary { data_points: vec![waiting] })),
    ]
}

fn log_record(at: u64) -> LogRecord {
    let mut attributes = otlp::attributes(&[("valve", "7"), ("raw", "")]);
    attributes[1].value = Some(AnyValue { value: Some(any_value::Value::BytesValue(vec![0, 255])) });
    LogRecord {
        time_unix_nano: at,
        attributes,
        severity_number: 9,
        body: Some(AnyValue { value: Some(any_value::Value::StringValue("opened".to_owned())) }),
        trace_id: vec![0xa1; 16],
        span_id: vec![1; 8],
        event_name: "valve".to_owned(),
        dropped_attributes_count: 2,
        ..LogRecord::default()
    }
}

fn span(at: u64) -> Span {
    Span {
        trace_id: vec![0xa1; 16],
        span_id: vec![1; 8],
        name: "open".to_owned(),
        kind: 5,
        start_time_unix_nano: at,
        end_time_unix_nano: at + 500_000_000,
        status: Some(Status { code: 1, ..Status::default() }),
        ..Span::default()
    }
}
