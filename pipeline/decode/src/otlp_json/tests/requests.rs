//! A whole request of each signal, as an exporter sends it.

use opentelemetry_proto::tonic::common::v1::{AnyValue, EntityRef, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar, metric::Data,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use super::*;

const TIME: u64 = 1_767_225_600_000_000_001;

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

fn scope() -> Option<InstrumentationScope> {
    let attributes = vec![attribute("build", Value::IntValue(7))];
    Some(InstrumentationScope {
        name: "pump.lib".into(),
        version: "1.2".into(),
        attributes,
        dropped_attributes_count: 1,
    })
}

const SCOPE: &str = r#"{"name":"pump.lib","version":"1.2","droppedAttributesCount":1,"attributes":[{"key":"build","value":{"intValue":"7"}}]}"#;

#[test]
fn a_request_with_logs_is_read() {
    let json = format!(
        r#"{{ "resourceLogs": [ {{
            "resource": {{
                "attributes": [ {{ "key": "service.name", "value": {{ "stringValue": "pump" }} }} ],
                "entityRefs": [ {{ "schemaUrl": "s", "type": "service", "idKeys": [ "service.name" ], "descriptionKeys": [ "a", "b" ] }} ]
            }},
            "schemaUrl": "https://example.org/1",
            "scopeLogs": [ {{ "scope": {SCOPE}, "schemaUrl": "https://example.org/2", "logRecords": [ {{
                "timeUnixNano": "{TIME}", "observedTimeUnixNano": {TIME}, "severityNumber": 10, "severityText": "Information",
                "eventName": "valve.opened", "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174", "flags": 1,
                "body": {{ "stringValue": "valve 3 is open" }}, "droppedAttributesCount": 2,
                "attributes": [ {{ "key": "ratio", "value": {{ "doubleValue": 637.704 }} }}, {{ "key": "raw", "value": {{ "bytesValue": "AQI=" }} }} ]
            }} ] }} ]
        }} ] }}"#
    );
    let record = LogRecord {
        time_unix_nano: TIME,
        observed_time_unix_nano: TIME,
        severity_number: 10,
        severity_text: "Information".into(),
        event_name: "valve.opened".into(),
        trace_id: 0x5B8E_FFF7_9803_8103_D269_B633_813F_C60C_u128.to_be_bytes().to_vec(),
        span_id: 0xEEE1_9B7E_C3C1_B174_u64.to_be_bytes().to_vec(),
        flags: 1,
        body: Some(AnyValue { value: Some(Value::StringValue("valve 3 is open".into())) }),
        attributes: vec![
            attribute("ratio", Value::DoubleValue(637.704)),
            attribute("raw", Value::BytesValue(vec![1, 2])),
        ],
        dropped_attributes_count: 2,
    };
    let entity = EntityRef {
        schema_url: "s".into(),
        r#type: "service".into(),
        id_keys: vec!["service.name".into()],
        description_keys: vec!["a".into(), "b".into()],
    };
    let resource =
        Resource { attributes: vec![text("service.name", "pump")], entity_refs: vec![entity], ..Default::default() };
    let scope_logs =
        vec![ScopeLogs { scope: scope(), log_records: vec![record], schema_url: "https://example.org/2".into() }];
    let resource_logs =
        vec![ResourceLogs { resource: Some(resource), scope_logs, schema_url: "https://example.org/1".into() }];
    assert_eq!(logs(&json), Ok(ExportLogsServiceRequest { resource_logs }));
}

#[test]
fn a_request_with_metrics_is_read() {
    let json = format!(
        r#"{{ "resourceMetrics": [ {{ "scopeMetrics": [ {{ "scope": {SCOPE}, "metrics": [
            {{ "name": "requests", "unit": "1", "description": "d", "metadata": [ {{ "key": "m", "value": {{ "boolValue": true }} }} ],
               "sum": {{ "aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [ {{
                   "asInt": "9007199254740993", "startTimeUnixNano": "1", "timeUnixNano": "{TIME}", "flags": 1,
                   "attributes": [ {{ "key": "a", "value": {{ "stringValue": "b" }} }} ],
                   "exemplars": [ {{ "timeUnixNano": "2", "asDouble": 0.5, "spanId": "01", "traceId": "02",
                       "filteredAttributes": [ {{ "key": "c", "value": {{ "stringValue": "d" }} }} ] }} ] }} ] }} }},
            {{ "name": "latency", "histogram": {{ "aggregationTemporality": 1, "dataPoints": [ {{
                   "timeUnixNano": "{TIME}", "count": "3", "sum": 2.5, "min": 0, "max": 2,
                   "bucketCounts": [ "1", "2" ], "explicitBounds": [ 1 ] }} ] }} }},
            {{ "name": "size", "exponentialHistogram": {{ "aggregationTemporality": 2, "dataPoints": [ {{
                   "timeUnixNano": "{TIME}", "count": "3", "sum": 10, "scale": -1, "zeroCount": "1", "zeroThreshold": 0.001,
                   "positive": {{ "offset": 1, "bucketCounts": [ "0", "2" ] }}, "negative": {{ "offset": -4 }} }} ] }} }},
            {{ "name": "old", "summary": {{ "dataPoints": [ {{ "timeUnixNano": "{TIME}", "count": "2", "sum": 3.5,
                   "quantileValues": [ {{ "quantile": 0.5, "value": 1.5 }}, {{ "quantile": 1, "value": 2 }} ] }} ] }} }}
        ] }} ] }} ] }}"#
    );
    let exemplar = Exemplar {
        filtered_attributes: vec![text("c", "d")],
        time_unix_nano: 2,
        span_id: vec![1],
        trace_id: vec![2],
        value: Some(exemplar::Value::AsDouble(0.5)),
    };
    let point = NumberDataPoint {
        attributes: vec![text("a", "b")],
        start_time_unix_nano: 1,
        time_unix_nano: TIME,
        exemplars: vec![exemplar],
        flags: 1,
        value: Some(number_data_point::Value::AsInt(9_007_199_254_740_993)),
    };
    let explicit = HistogramDataPoint {
        time_unix_nano: TIME,
        count: 3,
        sum: Some(2.5),
        min: Some(0.0),
        max: Some(2.0),
        bucket_counts: vec![1, 2],
        explicit_bounds: vec![1.0],
        ..Default::default()
    };
    let exponential = ExponentialHistogramDataPoint {
        time_unix_nano: TIME,
        count: 3,
        sum: Some(10.0),
        scale: -1,
        zero_count: 1,
        zero_threshold: 0.001,
        positive: Some(Buckets { offset: 1, bucket_counts: vec![0, 2] }),
        negative: Some(Buckets { offset: -4, bucket_counts: vec![] }),
        ..Default::default()
    };
    let summary = SummaryDataPoint {
        time_unix_nano: TIME,
        count: 2,
        sum: 3.5,
        quantile_values: vec![
            ValueAtQuantile { quantile: 0.5, value: 1.5 },
            ValueAtQuantile { quantile: 1.0, value: 2.0 },
        ],
        ..Default::default()
    };
    let metric = |name: &str, data| Metric { name: name.into(), data: Some(data), ..Default::default() };
    let metrics_sent = vec![
        Metric {
            unit: "1".into(),
            description: "d".into(),
            metadata: vec![attribute("m", Value::BoolValue(true))],
            ..metric(
                "requests",
                Data::Sum(Sum { data_points: vec![point], aggregation_temporality: 2, is_monotonic: true }),
            )
        },
        metric("latency", Data::Histogram(Histogram { data_points: vec![explicit], aggregation_temporality: 1 })),
        metric(
            "size",
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![exponential],
                aggregation_temporality: 2,
            }),
        ),
        metric("old", Data::Summary(Summary { data_points: vec![summary] })),
    ];
    let scope_metrics = vec![ScopeMetrics { scope: scope(), metrics: metrics_sent, ..Default::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..Default::default() }];
    assert_eq!(metrics(&json), Ok(ExportMetricsServiceRequest { resource_metrics }));
}

#[test]
fn a_request_with_traces_is_read() {
    let json = format!(
        r#"{{ "resourceSpans": [ {{ "resource": {{ "droppedAttributesCount": 3 }}, "scopeSpans": [ {{ "scope": {SCOPE}, "spans": [ {{
            "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174", "parentSpanId": "EEE19B7EC3C1B173",
            "traceState": "a=b", "flags": 257, "name": "GET /", "kind": 2, "startTimeUnixNano": "1", "endTimeUnixNano": "{TIME}",
            "attributes": [ {{ "key": "a", "value": {{ "stringValue": "b" }} }} ],
            "events": [ {{ "timeUnixNano": "2", "name": "exception", "attributes": [ {{ "key": "c", "value": {{ "stringValue": "d" }} }} ], "droppedAttributesCount": 4 }} ],
            "links": [ {{ "traceId": "01", "spanId": "02", "traceState": "c=d", "flags": 1, "droppedAttributesCount": 5 }} ],
            "droppedAttributesCount": 6, "droppedEventsCount": 7, "droppedLinksCount": 8,
            "status": {{ "code": 2, "message": "no such pump" }}
        }} ] }} ] }} ] }}"#
    );
    let event = Event {
        time_unix_nano: 2,
        name: "exception".into(),
        attributes: vec![text("c", "d")],
        dropped_attributes_count: 4,
    };
    let link = Link {
        trace_id: vec![1],
        span_id: vec![2],
        trace_state: "c=d".into(),
        flags: 1,
        dropped_attributes_count: 5,
        ..Default::default()
    };
    let span = Span {
        trace_id: 0x5B8E_FFF7_9803_8103_D269_B633_813F_C60C_u128.to_be_bytes().to_vec(),
        span_id: 0xEEE1_9B7E_C3C1_B174_u64.to_be_bytes().to_vec(),
        parent_span_id: 0xEEE1_9B7E_C3C1_B173_u64.to_be_bytes().to_vec(),
        trace_state: "a=b".into(),
        flags: 257,
        name: "GET /".into(),
        kind: 2,
        start_time_unix_nano: 1,
        end_time_unix_nano: TIME,
        attributes: vec![text("a", "b")],
        events: vec![event],
        links: vec![link],
        dropped_attributes_count: 6,
        dropped_events_count: 7,
        dropped_links_count: 8,
        status: Some(Status { message: "no such pump".into(), code: 2 }),
    };
    let resource = Resource { dropped_attributes_count: 3, ..Default::default() };
    let scope_spans = vec![ScopeSpans { scope: scope(), spans: vec![span], ..Default::default() }];
    let resource_spans = vec![ResourceSpans { resource: Some(resource), scope_spans, ..Default::default() }];
    assert_eq!(traces(&json), Ok(ExportTraceServiceRequest { resource_spans }));
}
