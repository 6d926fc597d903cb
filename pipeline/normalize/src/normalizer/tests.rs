//! Bodies as senders make them (by prost) in, points and the account out.

mod account;
mod histograms;
mod logs;
mod otlp_json;
mod otlp_metrics;
mod received;
mod remote_write;
mod remote_write2;
mod spans;
mod totals;

use std::collections::BTreeMap;

use flyball_model::ledger::Reason;
use flyball_model::ledger::Signal;
use flyball_model::{Kind, MetricInfo, SeriesRef};
use flyball_prompb::v1 as prompb;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use super::*;

/// When all bodies of the tests are received: 2026-01-01T00:00:10Z.
const NOW: UnixNanos = UnixNanos::from_secs(1_767_225_610);
const NOW_NANOS: u64 = NOW.0 as u64;

/// A normaliser with its registry.
struct Bench {
    registry: Arc<SeriesRegistry>,
    normalizer: Normalizer,
}

impl Default for Bench {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let registry = Arc::new(SeriesRegistry::new(limits.series));
        Self { normalizer: Normalizer::new(Arc::clone(&registry), limits), registry }
    }

    fn take(&self, format: Format, body: &[u8]) -> Normalized {
        self.normalizer.normalize(format, body, None, NOW).expect("a well-formed body")
    }

    fn otlp(&self, resources: Vec<ResourceMetrics>) -> Normalized {
        let request = ExportMetricsServiceRequest { resource_metrics: resources };
        self.take(Format::Otlp(Signal::Metrics), &request.encode_to_vec())
    }

    fn remote_write(&self, request: &prompb::WriteRequest) -> Normalized {
        self.take(Format::RemoteWrite1, &request.encode_to_vec())
    }

    /// `name{a="1"}` of a series.
    fn series(&self, series: SeriesRef) -> String {
        let view = self.registry.labels_in_memory();
        let labels: Vec<_> = view.labels(series).map(|(name, value)| format!("{name}={value:?}")).collect();
        format!("{}{{{}}}", view.metric_name(view.metric_of(series)), labels.join(","))
    }

    /// The points as text: the series, nanoseconds after [`NOW`], and the value.
    fn points(&self, normalized: &Normalized) -> Vec<(String, i64, f64)> {
        normalized.points.iter().map(|(series, time, value)| (self.series(series), time.0 - NOW.0, value)).collect()
    }

    fn info(&self, metric: &str) -> Option<MetricInfo> {
        let view = self.registry.read();
        view.metric(metric).map(|metric| view.info(metric).clone())
    }
}

/// The refused points by reason.
fn refused(normalized: &Normalized) -> BTreeMap<Reason, u64> {
    normalized.rejections.iter().map(|rejection| (rejection.reason, rejection.points)).collect()
}

fn attributes(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    let value = |text: &str| Some(AnyValue { value: Some(Value::StringValue(text.into())) });
    pairs.iter().map(|(key, text)| KeyValue { key: (*key).into(), value: value(text), ..Default::default() }).collect()
}

fn resource(pairs: &[(&str, &str)], metrics: Vec<Metric>) -> ResourceMetrics {
    ResourceMetrics {
        resource: Some(Resource { attributes: attributes(pairs), ..Default::default() }),
        scope_metrics: vec![ScopeMetrics { metrics, ..Default::default() }],
        ..Default::default()
    }
}

fn point(pairs: &[(&str, &str)], time: u64, value: f64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(pairs),
        time_unix_nano: time,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..Default::default()
    }
}

fn gauge(name: &str, data_points: Vec<NumberDataPoint>) -> Metric {
    Metric { name: name.into(), data: Some(Data::Gauge(Gauge { data_points })), ..Default::default() }
}

fn sum(name: &str, aggregation_temporality: i32, is_monotonic: bool, data_points: Vec<NumberDataPoint>) -> Metric {
    let data = Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic });
    Metric { name: name.into(), data: Some(data), ..Default::default() }
}

#[test]
fn a_body_that_becomes_more_than_a_batch_holds_is_refused() {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    let mut bench = Bench::default();
    bench.normalizer.bounds = Bounds { points: 3, records: 3, text_bytes: 100, ..BOUNDS };
    let metrics = |temporality, points| {
        let metric = sum("m", temporality, true, vec![point(&[], 0, 1.0); points]);
        let request = ExportMetricsServiceRequest { resource_metrics: vec![resource(&[], vec![metric])] };
        bench
            .normalizer
            .normalize(Format::Otlp(Signal::Metrics), &request.encode_to_vec(), None, NOW)
            .map(|taken| taken.points.len())
    };
    let logs = |scope: &str, records| {
        let scope = Some(InstrumentationScope { name: scope.into(), ..Default::default() });
        let scope_logs =
            vec![ScopeLogs { scope, log_records: vec![LogRecord::default(); records], ..Default::default() }];
        let resource_logs = vec![ResourceLogs { scope_logs, ..Default::default() }];
        let body = ExportLogsServiceRequest { resource_logs }.encode_to_vec();
        bench.normalizer.normalize(Format::Otlp(Signal::Logs), &body, None, NOW).map(|taken| taken.count())
    };
    for temporality in [1, 2] {
        assert_eq!(metrics(temporality, 3), Ok(3));
        assert_eq!(metrics(temporality, 4), Err(DecodeError::TooMany { what: "points", max: 3 }));
    }
    assert_eq!(logs("", 3), Ok(3));
    assert_eq!(logs("", 4), Err(DecodeError::TooMany { what: "records", max: 3 }));
    // The scope's name becomes an attribute of each record.
    let long = "x".repeat(50);
    assert_eq!(logs(&long, 1), Ok(1));
    assert!(logs(&long, 2).is_err_and(|error| error.reason() == Reason::BodyTooLarge));
}

#[test]
fn a_malformed_body_leaves_no_total_and_no_description_behind() {
    let bench = Bench::default();
    let delta = |name: &str| sum(name, 1, true, vec![point(&[], NOW_NANOS, 1.0)]);
    let request = |metric| ExportMetricsServiceRequest { resource_metrics: vec![resource(&[], vec![metric])] };
    let mut broken = request(delta("d")).encode_to_vec();
    broken.extend([10, 50]);
    let error = bench.normalizer.normalize(Format::Otlp(Signal::Metrics), &broken, None, NOW).expect_err("cut off");
    assert!(error.to_string().contains("in ExportMetricsServiceRequest: field 1 needs 50 bytes"), "{error}");
    assert_eq!(bench.info("d").map(|info| info.kind), Some(Kind::Unknown), "the series stays, undescribed");
    let normalized = bench.take(Format::Otlp(Signal::Metrics), &request(delta("d")).encode_to_vec());
    assert_eq!(bench.points(&normalized), [("d{}".into(), 0, 1.0)]);
}
