//! OTLP messages of any shape.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar, metric::Data,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::Event, span::Link};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::Schema;

/// Which fields of a value are messages.
pub(crate) static ANY_VALUE: Schema = Schema(&[(5, &Schema(&[(1, &ANY_VALUE)])), (6, &Schema(&[(1, &KEY_VALUE)]))]);

/// Which fields of an attribute are messages.
pub(crate) static KEY_VALUE: Schema = Schema(&[(2, &ANY_VALUE)]);

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        vec(any::<char>(), 0..6).prop_map(String::from_iter),
        vec(prop::char::range('a', 'e'), 1..4).prop_map(String::from_iter),
        (100..300usize).prop_map(|length| "x".repeat(length)),
    ]
}

/// An attribute value.
pub(crate) fn any_value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        4 => text().prop_map(Value::StringValue),
        1 => any::<bool>().prop_map(Value::BoolValue),
        1 => any::<i64>().prop_map(Value::IntValue),
        1 => any::<u64>().prop_map(|bits| Value::DoubleValue(f64::from_bits(bits))),
        1 => vec(any::<u8>(), 0..9).prop_map(Value::BytesValue),
        1 => any::<i32>().prop_map(Value::StringValueStrindex),
    ];
    let leaf = option::weighted(0.95, leaf).prop_map(|value| AnyValue { value });
    leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|values| Value::ArrayValue(ArrayValue { values })),
            vec(key_value(inner), 0..4).prop_map(|values| Value::KvlistValue(KeyValueList { values })),
        ]
        .prop_map(|value| AnyValue { value: Some(value) })
    })
}

fn key_value(value: impl Strategy<Value = AnyValue>) -> impl Strategy<Value = KeyValue> {
    (text(), option::weighted(0.95, value), 0..2i32).prop_map(|(key, value, key_strindex)| KeyValue {
        key,
        value,
        key_strindex,
    })
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    vec(key_value(any_value()), 0..4)
}

fn resource() -> impl Strategy<Value = Option<Resource>> {
    let resource = (attributes(), any::<u32>()).prop_map(|(attributes, dropped_attributes_count)| Resource {
        attributes,
        dropped_attributes_count,
        ..Resource::default()
    });
    option::weighted(0.9, resource)
}

fn scope() -> impl Strategy<Value = Option<InstrumentationScope>> {
    let scope = (text(), text(), attributes(), any::<u32>()).prop_map(
        |(name, version, attributes, dropped_attributes_count)| InstrumentationScope {
            name,
            version,
            attributes,
            dropped_attributes_count,
        },
    );
    option::of(scope)
}

fn exemplars() -> impl Strategy<Value = Vec<Exemplar>> {
    let value = prop_oneof![
        any::<u64>().prop_map(|bits| exemplar::Value::AsDouble(f64::from_bits(bits))),
        any::<i64>().prop_map(exemplar::Value::AsInt),
    ];
    let exemplar = (any::<u64>(), attributes(), option::weighted(0.9, value), id(), id()).prop_map(
        |(time_unix_nano, filtered_attributes, value, span_id, trace_id)| Exemplar {
            time_unix_nano,
            filtered_attributes,
            value,
            span_id,
            trace_id,
        },
    );
    vec(exemplar, 0..2)
}

fn number_point() -> impl Strategy<Value = NumberDataPoint> {
    let value = option::weighted(
        0.9,
        prop_oneof![
            any::<u64>().prop_map(|bits| number_data_point::Value::AsDouble(f64::from_bits(bits))),
            any::<i64>().prop_map(number_data_point::Value::AsInt),
        ],
    );
    (attributes(), any::<u64>(), any::<u64>(), exemplars(), 0..3u32, value).prop_map(
        |(attributes, start_time_unix_nano, time_unix_nano, exemplars, flags, value)| NumberDataPoint {
            attributes,
            start_time_unix_nano,
            time_unix_nano,
            exemplars,
            flags,
            value,
        },
    )
}

/// Times, count, sum, least and greatest, flags.
type Totals = (u64, u64, u64, Option<f64>, Option<f64>, Option<f64>, u32);

fn totals() -> impl Strategy<Value = Totals> {
    let number = || option::of(any::<f64>());
    (any::<u64>(), any::<u64>(), any::<u64>(), number(), number(), number(), 0..3u32)
}

fn histogram_point() -> impl Strategy<Value = HistogramDataPoint> {
    (attributes(), totals(), vec(any::<u64>(), 0..6), vec(any::<f64>(), 0..5), exemplars()).prop_map(
        |(attributes, totals, bucket_counts, explicit_bounds, exemplars)| {
            let (start_time_unix_nano, time_unix_nano, count, sum, min, max, flags) = totals;
            HistogramDataPoint {
                attributes,
                start_time_unix_nano,
                time_unix_nano,
                count,
                sum,
                bucket_counts,
                explicit_bounds,
                exemplars,
                flags,
                min,
                max,
            }
        },
    )
}

fn exponential_point() -> impl Strategy<Value = ExponentialHistogramDataPoint> {
    let buckets = || {
        let buckets = (any::<i32>(), vec(any::<u64>(), 0..6));
        option::of(buckets.prop_map(|(offset, bucket_counts)| Buckets { offset, bucket_counts }))
    };
    let zero = (any::<i32>(), any::<u64>(), any::<f64>());
    (attributes(), totals(), zero, buckets(), buckets(), exemplars()).prop_map(
        |(attributes, totals, (scale, zero_count, zero_threshold), positive, negative, exemplars)| {
            let (start_time_unix_nano, time_unix_nano, count, sum, min, max, flags) = totals;
            ExponentialHistogramDataPoint {
                attributes,
                start_time_unix_nano,
                time_unix_nano,
                count,
                sum,
                scale,
                zero_count,
                positive,
                negative,
                flags,
                exemplars,
                min,
                max,
                zero_threshold,
            }
        },
    )
}

fn summary_point() -> impl Strategy<Value = SummaryDataPoint> {
    let quantile = (any::<f64>(), any::<f64>()).prop_map(|(quantile, value)| ValueAtQuantile { quantile, value });
    (attributes(), totals(), any::<f64>(), vec(quantile, 0..4)).prop_map(
        |(attributes, totals, sum, quantile_values)| {
            let (start_time_unix_nano, time_unix_nano, count, .., flags) = totals;
            SummaryDataPoint { attributes, start_time_unix_nano, time_unix_nano, count, sum, quantile_values, flags }
        },
    )
}

fn metric() -> impl Strategy<Value = Metric> {
    let points = || vec(number_point(), 0..4);
    let data = prop_oneof![
        3 => points().prop_map(|data_points| Data::Gauge(Gauge { data_points })),
        3 => (points(), 0..4i32, any::<bool>()).prop_map(|(data_points, aggregation_temporality, is_monotonic)| {
            Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic })
        }),
        2 => (vec(histogram_point(), 0..4), 0..4i32).prop_map(|(data_points, aggregation_temporality)| {
            Data::Histogram(Histogram { data_points, aggregation_temporality })
        }),
        2 => (vec(exponential_point(), 0..4), 0..4i32).prop_map(|(data_points, aggregation_temporality)| {
            Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality })
        }),
        1 => vec(summary_point(), 0..4).prop_map(|data_points| Data::Summary(Summary { data_points })),
    ];
    (text(), text(), text(), option::weighted(0.95, data), attributes())
        .prop_map(|(name, description, unit, data, metadata)| Metric { name, description, unit, metadata, data })
}

/// A request with metrics.
pub(crate) fn export_metrics() -> impl Strategy<Value = ExportMetricsServiceRequest> {
    let scope_metrics = (scope(), vec(metric(), 0..4), text()).prop_map(|(scope, metrics, schema_url)| ScopeMetrics {
        scope,
        metrics,
        schema_url,
    });
    let resource_metrics = (resource(), vec(scope_metrics, 0..3), text())
        .prop_map(|(resource, scope_metrics, schema_url)| ResourceMetrics { resource, scope_metrics, schema_url });
    vec(resource_metrics, 0..3).prop_map(|resource_metrics| ExportMetricsServiceRequest { resource_metrics })
}

fn log_record() -> impl Strategy<Value = LogRecord> {
    let id = || vec(any::<u8>(), 0..17);
    (
        (any::<u64>(), any::<u64>(), any::<i32>(), text()),
        (option::of(any_value()), attributes(), any::<u32>(), any::<u32>()),
        (id(), id(), text()),
    )
        .prop_map(
            |((time, observed_time, severity_number, severity_text), rest, (trace_id, span_id, event_name))| {
                let (body, attributes, dropped_attributes_count, flags) = rest;
                LogRecord {
                    time_unix_nano: time,
                    observed_time_unix_nano: observed_time,
                    severity_number,
                    severity_text,
                    body,
                    attributes,
                    dropped_attributes_count,
                    flags,
                    trace_id,
                    span_id,
                    event_name,
                }
            },
        )
}

/// A request with logs.
pub(crate) fn export_logs() -> impl Strategy<Value = ExportLogsServiceRequest> {
    let scope_logs = (scope(), vec(log_record(), 0..4), text())
        .prop_map(|(scope, log_records, schema_url)| ScopeLogs { scope, log_records, schema_url });
    let resource_logs = (resource(), vec(scope_logs, 0..3), text())
        .prop_map(|(resource, scope_logs, schema_url)| ResourceLogs { resource, scope_logs, schema_url });
    vec(resource_logs, 0..3).prop_map(|resource_logs| ExportLogsServiceRequest { resource_logs })
}

fn id() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..17)
}

fn event() -> impl Strategy<Value = Event> {
    (any::<u64>(), text(), attributes(), any::<u32>()).prop_map(
        |(time_unix_nano, name, attributes, dropped_attributes_count)| Event {
            time_unix_nano,
            name,
            attributes,
            dropped_attributes_count,
        },
    )
}

fn link() -> impl Strategy<Value = Link> {
    (id(), id(), text(), attributes(), any::<u32>(), any::<u32>()).prop_map(
        |(trace_id, span_id, trace_state, attributes, dropped_attributes_count, flags)| Link {
            trace_id,
            span_id,
            trace_state,
            attributes,
            dropped_attributes_count,
            flags,
        },
    )
}

fn span() -> impl Strategy<Value = Span> {
    let status = (text(), any::<i32>()).prop_map(|(message, code)| Status { message, code });
    (
        (id(), id(), text(), id(), any::<u32>()),
        (text(), any::<i32>(), any::<u64>(), any::<u64>(), option::of(status)),
        (attributes(), vec(event(), 0..3), vec(link(), 0..3)),
        (any::<u32>(), any::<u32>(), any::<u32>()),
    )
        .prop_map(|(context, own, (attributes, events, links), dropped)| {
            let (trace_id, span_id, trace_state, parent_span_id, flags) = context;
            let (name, kind, start_time_unix_nano, end_time_unix_nano, status) = own;
            let (dropped_attributes_count, dropped_events_count, dropped_links_count) = dropped;
            Span {
                trace_id,
                span_id,
                trace_state,
                parent_span_id,
                flags,
                name,
                kind,
                start_time_unix_nano,
                end_time_unix_nano,
                attributes,
                dropped_attributes_count,
                events,
                dropped_events_count,
                links,
                dropped_links_count,
                status,
            }
        })
}

/// A request with spans.
pub(crate) fn export_traces() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let scope_spans = (scope(), vec(span(), 0..4), text()).prop_map(|(scope, spans, schema_url)| ScopeSpans {
        scope,
        spans,
        schema_url,
    });
    let resource_spans = (resource(), vec(scope_spans, 0..3), text())
        .prop_map(|(resource, scope_spans, schema_url)| ResourceSpans { resource, scope_spans, schema_url });
    vec(resource_spans, 0..3).prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}
