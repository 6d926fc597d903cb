//! A reading as an OTLP request.

use bytes::Bytes;
use flyball_model::UnixNanos;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use super::family::{Family, Kind, Point};

/// The `job` of all points; with `instance` it stands where a Prometheus would put its scrape target's labels.
const JOB: &str = "flyball";

/// Whose metrics these are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: String,
    /// When it was started, if known: the start of its counters.
    pub(super) booted_at: Option<UnixNanos>,
}

/// Encodes a reading. Families without points are left out.
pub(super) fn request(host: &Host, families: Vec<Family>, at: UnixNanos) -> Bytes {
    let metrics = families
        .into_iter()
        .filter(|family| !family.points.is_empty())
        .map(|family| metric(host, family, at))
        .collect();
    let scope = InstrumentationScope {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Default::default()
    };
    let resource = Resource {
        attributes: vec![
            attribute("host.name", host.name.clone()),
            attribute("host.arch", arch(std::env::consts::ARCH).to_owned()),
            attribute("os.type", os(std::env::consts::OS).to_owned()),
        ],
        ..Default::default()
    };
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource),
            scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics, ..Default::default() }],
            ..Default::default()
        }],
    };
    request.encode_to_vec().into()
}

fn metric(host: &Host, family: Family, at: UnixNanos) -> Metric {
    let Family { name, help, unit, kind, points } = family;
    let start = match kind {
        Kind::Gauge => None,
        Kind::Counter => host.booted_at,
    };
    let data_points = points.into_iter().map(|point| data_point(host, point, start, at)).collect();
    let data = match kind {
        Kind::Gauge => Data::Gauge(Gauge { data_points }),
        Kind::Counter => Data::Sum(Sum {
            data_points,
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic: true,
        }),
    };
    Metric {
        name: name.into_owned(),
        description: help.into_owned(),
        unit: unit.to_owned(),
        data: Some(data),
        ..Default::default()
    }
}

fn data_point(host: &Host, point: Point, start: Option<UnixNanos>, at: UnixNanos) -> NumberDataPoint {
    let mut attributes: Vec<_> = point.labels.into_iter().map(|(name, value)| attribute(name, value)).collect();
    attributes.push(attribute("instance", host.name.clone()));
    attributes.push(attribute("job", JOB.to_owned()));
    NumberDataPoint {
        attributes,
        start_time_unix_nano: start.map_or(0, wire_time),
        time_unix_nano: wire_time(at),
        value: Some(number_data_point::Value::AsDouble(point.value)),
        ..Default::default()
    }
}

/// OTLP's times are unsigned; what is before 1970 is unknown there.
fn wire_time(time: UnixNanos) -> u64 {
    u64::try_from(time.0).unwrap_or(0)
}

fn attribute(key: &str, value: String) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value)) });
    KeyValue { key: key.to_owned(), value, ..Default::default() }
}

/// `host.arch` in the words of OpenTelemetry's semantic conventions.
fn arch(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc" => "ppc32",
        "powerpc64" => "ppc64",
        other => other,
    }
}

/// `os.type` in the words of OpenTelemetry's semantic conventions.
fn os(os: &str) -> &str {
    match os {
        "macos" => "darwin",
        "dragonfly" => "dragonflybsd",
        other => other,
    }
}
