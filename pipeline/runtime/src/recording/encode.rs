//! Recorded points as OTLP requests.

use bytes::Bytes;
use flyball_rules::recording::{HELP, RecordedPoint};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    DataPointFlags, Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, number_data_point,
};
use prost::Message;

/// What a point takes beside its labels, and a label beside its texts, at the most.
const POINT_BYTES: usize = 48;
const LABEL_BYTES: usize = 16;

/// Requests with all points, in order, each of about `bytes_max` bytes at the most.
pub(super) fn bodies(metric: &str, unit: Option<&str>, points: &[RecordedPoint], bytes_max: usize) -> Vec<Bytes> {
    let mut bodies = Vec::new();
    let (mut from, mut bytes) = (0, 0);
    for (place, point) in points.iter().enumerate() {
        let labels: usize = point.labels.iter().map(|(name, value)| name.len() + value.len() + LABEL_BYTES).sum();
        if bytes + POINT_BYTES + labels > bytes_max && place > from {
            bodies.push(body(metric, unit, &points[from..place]));
            (from, bytes) = (place, 0);
        }
        bytes += POINT_BYTES + labels;
    }
    if from < points.len() {
        bodies.push(body(metric, unit, &points[from..]));
    }
    bodies
}

fn body(metric: &str, unit: Option<&str>, points: &[RecordedPoint]) -> Bytes {
    let metric = Metric {
        name: metric.to_owned(),
        description: HELP.to_owned(),
        unit: unit.unwrap_or_default().to_owned(),
        data: Some(Data::Gauge(Gauge { data_points: points.iter().map(data_point).collect() })),
        ..Default::default()
    };
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..Default::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..Default::default() }];
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec().into()
}

fn data_point(point: &RecordedPoint) -> NumberDataPoint {
    let attribute = |(name, value): (&String, &String)| KeyValue {
        key: name.clone(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(value.clone())) }),
        ..Default::default()
    };
    NumberDataPoint {
        attributes: point.labels.iter().map(attribute).collect(),
        // OTLP's times are unsigned; the earliest is no time at all there.
        time_unix_nano: u64::try_from(point.time.0).unwrap_or_default().max(1),
        value: point.value.map(number_data_point::Value::AsDouble),
        // OTLP's staleness marker.
        flags: if point.value.is_none() { DataPointFlags::NoRecordedValueMask as u32 } else { 0 },
        ..Default::default()
    }
}
