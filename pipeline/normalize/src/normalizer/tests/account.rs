//! received = stored + rejected, to the point, whatever comes.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Histogram, HistogramDataPoint, Summary,
    SummaryDataPoint,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Names of which some are bad, and some become the same in Prometheus form.
fn name() -> impl Strategy<Value = String> {
    select(vec!["a", "a.b", "a_b", "b", "", "ö", "too_long_to_be_taken"]).prop_map(str::to_owned)
}

fn time() -> impl Strategy<Value = u64> {
    select(vec![NOW_NANOS, NOW_NANOS - 1, NOW_NANOS + 1, 0, 1, u64::MAX])
}

fn pairs() -> impl Strategy<Value = Vec<KeyValue>> {
    let value = prop_oneof![name().prop_map(Value::StringValue), any::<i64>().prop_map(Value::IntValue)];
    let pair = (name(), prop::option::of(value)).prop_map(|(key, value)| KeyValue {
        key,
        value: Some(AnyValue { value }),
        ..Default::default()
    });
    vec(pair, 0..4)
}

fn number_point() -> impl Strategy<Value = NumberDataPoint> {
    let value = prop::option::of(any::<f64>().prop_map(number_data_point::Value::AsDouble));
    (pairs(), time(), value, 0..2u32).prop_map(|(attributes, time_unix_nano, value, flags)| NumberDataPoint {
        attributes,
        time_unix_nano,
        value,
        flags,
        ..Default::default()
    })
}

/// Of which some fit and some don't.
fn histogram_point() -> impl Strategy<Value = HistogramDataPoint> {
    (pairs(), time(), 0..3u64, vec(0..2u64, 0..4), vec(any::<f64>(), 0..3), 0..2u32).prop_map(
        |(attributes, time_unix_nano, count, bucket_counts, explicit_bounds, flags)| HistogramDataPoint {
            exemplars: vec![Exemplar { time_unix_nano, filtered_attributes: attributes.clone(), ..Default::default() }],
            attributes,
            time_unix_nano,
            count,
            bucket_counts,
            explicit_bounds,
            flags,
            ..Default::default()
        },
    )
}

fn exponential_point() -> impl Strategy<Value = ExponentialHistogramDataPoint> {
    (pairs(), time(), 0..3u64, 0..3u64, -11..22i32, any::<f64>()).prop_map(
        |(attributes, time_unix_nano, count, zero_count, scale, zero_threshold)| ExponentialHistogramDataPoint {
            attributes,
            time_unix_nano,
            count,
            zero_count,
            scale,
            zero_threshold,
            ..Default::default()
        },
    )
}

fn summary_point() -> impl Strategy<Value = SummaryDataPoint> {
    let value = prop_oneof![any::<f64>(), select(vec![f64::NAN, f64::INFINITY])];
    let quantile = (0.0..1.0, value).prop_map(|(quantile, value)| ValueAtQuantile { quantile, value });
    (pairs(), time(), vec(quantile, 0..3), 0..2u32).prop_map(|(attributes, time_unix_nano, quantile_values, flags)| {
        SummaryDataPoint { attributes, time_unix_nano, quantile_values, flags, ..Default::default() }
    })
}

fn metrics() -> impl Strategy<Value = ExportMetricsServiceRequest> {
    let points = || vec(number_point(), 0..5);
    let data = prop_oneof![
        points().prop_map(|data_points| Data::Gauge(Gauge { data_points })),
        (points(), 0..3i32, any::<bool>()).prop_map(|(data_points, aggregation_temporality, is_monotonic)| {
            Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic })
        }),
        (vec(histogram_point(), 0..4), 0..3i32).prop_map(|(data_points, aggregation_temporality)| {
            Data::Histogram(Histogram { data_points, aggregation_temporality })
        }),
        (vec(exponential_point(), 0..4), 0..3i32).prop_map(|(data_points, aggregation_temporality)| {
            Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality })
        }),
        vec(summary_point(), 0..4).prop_map(|data_points| Data::Summary(Summary { data_points })),
    ];
    let metric = (name(), prop::option::of(data)).prop_map(|(name, data)| Metric { name, data, ..Default::default() });
    let resource = (pairs(), vec(metric, 0..4)).prop_map(|(attributes, metrics)| ResourceMetrics {
        resource: Some(Resource { attributes, ..Default::default() }),
        scope_metrics: vec![ScopeMetrics { metrics, ..Default::default() }],
        ..Default::default()
    });
    vec(resource, 0..4).prop_map(|resource_metrics| ExportMetricsServiceRequest { resource_metrics })
}

fn metric_points(request: &ExportMetricsServiceRequest) -> usize {
    let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    scopes
        .flat_map(|scope| &scope.metrics)
        .map(|metric| match &metric.data {
            None => 0,
            Some(Data::Gauge(data)) => data.data_points.len(),
            Some(Data::Sum(data)) => data.data_points.len(),
            Some(Data::Histogram(data)) => data.data_points.len(),
            Some(Data::ExponentialHistogram(data)) => data.data_points.len(),
            Some(Data::Summary(data)) => data.data_points.len(),
        })
        .sum()
}

fn logs() -> impl Strategy<Value = ExportLogsServiceRequest> {
    let record = (pairs(), time(), time()).prop_map(|(attributes, time_unix_nano, observed_time_unix_nano)| {
        LogRecord { attributes, time_unix_nano, observed_time_unix_nano, ..Default::default() }
    });
    let resource = (pairs(), vec(record, 0..5)).prop_map(|(attributes, log_records)| ResourceLogs {
        resource: Some(Resource { attributes, ..Default::default() }),
        scope_logs: vec![ScopeLogs { log_records, ..Default::default() }],
        ..Default::default()
    });
    vec(resource, 0..4).prop_map(|resource_logs| ExportLogsServiceRequest { resource_logs })
}

fn log_records(request: &ExportLogsServiceRequest) -> usize {
    let scopes = request.resource_logs.iter().flat_map(|resource| &resource.scope_logs);
    scopes.map(|scope| scope.log_records.len()).sum()
}

fn write_request() -> impl Strategy<Value = prompb::WriteRequest> {
    let label = (select(vec!["__name__", "__name__", "a", "a.b", "b", ""]), name())
        .prop_map(|(name, value)| prompb::Label { name: name.into(), value: value.into_bytes() });
    let millis = select(vec![NOW.as_millis(), NOW.as_millis() + 1, 0, i64::MIN, i64::MAX]);
    let sample = (millis, any::<f64>()).prop_map(|(timestamp, value)| prompb::Sample { value, timestamp });
    let series =
        (vec(label, 0..5), vec(sample, 0..4), 0..3usize).prop_map(|(labels, samples, histograms)| prompb::TimeSeries {
            labels,
            samples,
            histograms: vec![prompb::Histogram::default(); histograms],
            ..Default::default()
        });
    vec(series, 0..6).prop_map(|timeseries| prompb::WriteRequest { timeseries, metadata: Vec::new() })
}

fn samples(request: &prompb::WriteRequest) -> usize {
    request.timeseries.iter().map(|series| series.samples.len() + series.histograms.len()).sum()
}

/// Limits that some of the points hit.
pub(super) fn bench() -> Bench {
    Bench::new(Limits { series: 5, labels: 3, label_bytes: 10, ..Limits::default() })
}

/// Balances the account if the body can be read, by flyball or by prost.
fn check<M: Message + Default>(
    format: Format,
    body: &[u8],
    received: impl Fn(&M) -> usize,
) -> Result<(), TestCaseError> {
    let bench = bench();
    let normalized = bench.normalizer.normalize(format, body, None, NOW);
    if let Ok(normalized) = &normalized {
        prop_assert_eq!(normalized.received, normalized.count() + normalized.rejected(), "{:?}", normalized.rejections);
    }
    if let Ok(request) = M::decode(body) {
        let normalized = match normalized {
            Ok(normalized) => normalized,
            Err(error) => return Err(TestCaseError::fail(format!("prost can read it: {error}"))),
        };
        prop_assert_eq!(normalized.received as usize, received(&request), "{:?}", normalized.rejections);
        prop_assert!(normalized.not_finite <= normalized.count(), "each point counts once");
        let reasons: std::collections::BTreeSet<_> = normalized.rejections.iter().map(|r| r.reason).collect();
        prop_assert_eq!(reasons.len(), normalized.rejections.len(), "one line a reason");
        prop_assert!(bench.registry.len() <= 5);
    }
    Ok(())
}

/// Flips some bytes.
pub(super) fn spoil(mut body: Vec<u8>, flips: &[(usize, u8)]) -> Vec<u8> {
    for (at, byte) in flips {
        let at = at % body.len().max(1);
        if let Some(slot) = body.get_mut(at) {
            *slot = *byte;
        }
    }
    body
}

fn flips() -> impl Strategy<Value = Vec<(usize, u8)>> {
    vec(any::<(usize, u8)>(), 0..4)
}

proptest! {
    #[test]
    fn metrics_balance(request in metrics(), flips in flips()) {
        let body = request.encode_to_vec();
        check(Format::Otlp(Signal::Metrics), &body, metric_points)?;
        check(Format::Otlp(Signal::Metrics), &spoil(body, &flips), metric_points)?;
    }

    #[test]
    fn logs_balance(request in logs(), flips in flips()) {
        let body = request.encode_to_vec();
        check(Format::Otlp(Signal::Logs), &body, log_records)?;
        check(Format::Otlp(Signal::Logs), &spoil(body, &flips), log_records)?;
    }

    #[test]
    fn remote_write_balances(request in write_request(), flips in flips()) {
        let body = request.encode_to_vec();
        check(Format::RemoteWrite1, &body, samples)?;
        check(Format::RemoteWrite1, &spoil(body, &flips), samples)?;
    }

    #[test]
    fn the_same_bytes_give_the_same_batch(request in metrics()) {
        let body = request.encode_to_vec();
        let [first, second] = [bench(), bench()].map(|bench| bench.take(Format::Otlp(Signal::Metrics), &body));
        prop_assert_eq!(first.points.series(), second.points.series());
        prop_assert_eq!(first.points.times(), second.points.times());
        prop_assert_eq!(first.rejections, second.rejections);
    }
}

#[test]
fn a_body_that_asks_for_the_same_labels_without_end_is_refused() {
    let label = "x".repeat(100);
    let points = |count: usize| (0..count).map(|n| point(&[("n", &format!("{n:02}"))], NOW_NANOS, 1.0)).collect();
    let otlp = |count| {
        let resource_metrics = vec![resource(&[("r", label.as_str())], vec![gauge("m", points(count))])];
        (Format::Otlp(Signal::Metrics), ExportMetricsServiceRequest { resource_metrics }.encode_to_vec())
    };
    let line_protocol = |count: usize| {
        let fields: Vec<_> = (0..count).map(|number| format!("f{number}=1")).collect();
        let body = format!("m,n=12,r={label} {}", fields.join(",")).into_bytes();
        (Format::LineProtocol { precision: flyball_model::intake::Precision::Auto, whole: false }, body)
    };
    let remote_write = |count| {
        let pair = |name: &str, value: &str| prompb::Label { name: name.into(), value: value.into() };
        let series = |number| prompb::TimeSeries {
            labels: vec![pair("n", &format!("{number:02}")), pair("r", &label)],
            samples: vec![prompb::Sample { value: 1.0, timestamp: NOW.as_millis() }],
            ..Default::default()
        };
        let timeseries = (0..count).map(series).collect();
        (Format::RemoteWrite1, prompb::WriteRequest { timeseries, metadata: Vec::new() }.encode_to_vec())
    };
    let max = 10 * (3 + 101);
    let what = "bytes of labels of new series";
    for (requests, stored) in [
        ([otlp(10), otlp(11)], 10),
        ([line_protocol(10), line_protocol(11)], 10),
        // Without a name they are refused, and read all the same.
        ([remote_write(10), remote_write(11)], 0),
    ] {
        let [fits, does_not] = requests.map(|(format, body)| {
            let mut bench = Bench::default();
            bench.normalizer.bounds = Bounds { label_bytes: max, ..BOUNDS };
            bench.normalizer.normalize(format, &body, None, NOW).map(|taken| taken.count())
        });
        assert_eq!((fits, does_not), (Ok(stored), Err(DecodeError::TooMany { what, max })));
    }
}
