//! Histograms of every kind in, rows out.

use flyball_model::histogram::Buckets;
use flyball_model::rows::{HistogramRow, histogram_rows};
use flyball_prompb::histogram::{self as native, Count, ZeroCount};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets as SentBuckets;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Histogram,
    HistogramDataPoint, Summary, SummaryDataPoint, exemplar,
};

use super::*;

const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;
const DELTA: i32 = AggregationTemporality::Delta as i32;

fn histogram(name: &str, aggregation_temporality: i32, data_points: Vec<HistogramDataPoint>) -> Metric {
    let data = Data::Histogram(Histogram { data_points, aggregation_temporality });
    Metric { name: name.into(), unit: "s".into(), data: Some(data), ..Default::default() }
}

/// Counts between the bounds 1 and 2.
fn explicit(pairs: &[(&str, &str)], after: u64, counts: [u64; 3]) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: attributes(pairs),
        start_time_unix_nano: NOW_NANOS + after - 5,
        time_unix_nano: NOW_NANOS + after,
        count: counts.iter().sum(),
        sum: Some(1.5),
        bucket_counts: counts.to_vec(),
        explicit_bounds: vec![1.0, 2.0],
        ..Default::default()
    }
}

fn rows(normalized: &Normalized) -> Vec<HistogramRow> {
    let rows = normalized.of(RowKind::Histograms);
    rows.map(|rows| histogram_rows(rows.batch()).expect("a good batch")).unwrap_or_default()
}

impl Bench {
    /// The rows as text: the series, nanoseconds after [`NOW`], and the count.
    fn histograms(&self, normalized: &Normalized) -> Vec<(String, i64, Option<f64>)> {
        let row = |row: HistogramRow| {
            (self.series(row.series), row.time.0 - NOW.0, row.histogram.map(|histogram| histogram.count()))
        };
        rows(normalized).into_iter().map(row).collect()
    }
}

#[test]
fn explicit_histograms_arrive_whole() {
    let bench = Bench::default();
    let point = HistogramDataPoint { min: Some(0.5), max: Some(3.0), ..explicit(&[("host", "a")], 0, [1, 2, 3]) };
    let normalized = bench.otlp(vec![resource(&[], vec![histogram("http.duration", CUMULATIVE, vec![point])])]);
    assert_eq!(bench.histograms(&normalized), [(r#"http_duration{host="a"}"#.into(), 0, Some(6.0))]);
    let row = rows(&normalized).remove(0).histogram.expect("a histogram");
    let Buckets::Explicit(buckets) = row.buckets() else { panic!("explicit") };
    assert_eq!((buckets.bounds.as_slice(), buckets.counts.as_slice()), (&[1.0, 2.0][..], &[1.0, 2.0, 3.0][..]));
    let totals = row.totals();
    assert_eq!((totals.sum, totals.min, totals.max), (Some(1.5), Some(0.5), Some(3.0)));
    assert_eq!(totals.start_time, Some(UnixNanos(NOW.0 - 5)));
    let info = bench.info("http_duration").expect("described");
    assert_eq!((info.kind, info.unit.as_str(), info.original.as_str()), (Kind::Histogram, "s", "http.duration"));
    assert_eq!((info.shape, normalized.count()), (Some(flyball_model::Shape::Histograms), 1));
    // Known by its bytes the second time.
    let point = explicit(&[("host", "a")], 7, [1, 2, 4]);
    let normalized = bench.otlp(vec![resource(&[], vec![histogram("http.duration", CUMULATIVE, vec![point])])]);
    assert_eq!(bench.histograms(&normalized), [(r#"http_duration{host="a"}"#.into(), 7, Some(7.0))]);
}

#[test]
fn exponential_histograms_arrive_whole() {
    let bench = Bench::default();
    let side = |offset, counts: &[u64]| Some(SentBuckets { offset, bucket_counts: counts.to_vec() });
    let point = ExponentialHistogramDataPoint {
        time_unix_nano: NOW_NANOS,
        count: 10,
        scale: 3,
        zero_count: 1,
        zero_threshold: 0.01,
        positive: side(-4, &[0, 2, 0, 3]),
        negative: side(7, &[4]),
        ..Default::default()
    };
    let data = ExponentialHistogram { data_points: vec![point], aggregation_temporality: CUMULATIVE };
    let metric = Metric { name: "m".into(), data: Some(Data::ExponentialHistogram(data)), ..Default::default() };
    let normalized = bench.otlp(vec![resource(&[], vec![metric])]);
    let row = rows(&normalized).remove(0).histogram.expect("a histogram");
    let Buckets::Exponential(buckets) = row.buckets() else { panic!("exponential") };
    assert_eq!((buckets.scale, buckets.zero_threshold, buckets.zero_count), (3, 0.01, 1.0));
    assert_eq!((buckets.positive.offset, buckets.positive.counts.as_slice()), (-3, &[2.0, 0.0, 3.0][..]));
    assert_eq!((buckets.negative.offset, buckets.negative.counts.as_slice()), (7, &[4.0][..]));
}

#[test]
fn deltas_become_totals_and_markers_stay_markers() {
    let bench = Bench::default();
    let stale = HistogramDataPoint { flags: 1, ..explicit(&[], 30, [0, 0, 0]) };
    let points = vec![explicit(&[], 10, [1, 0, 0]), explicit(&[], 20, [0, 2, 0]), stale];
    let normalized = bench.otlp(vec![resource(&[], vec![histogram("m", DELTA, points)])]);
    let mut seen = bench.histograms(&normalized);
    seen.sort_by_key(|row| row.1);
    assert_eq!(seen, [("m{}".into(), 10, Some(1.0)), ("m{}".into(), 20, Some(3.0)), ("m{}".into(), 30, None)]);
    let normalized = bench.otlp(vec![resource(&[], vec![histogram("m", DELTA, vec![explicit(&[], 40, [0, 0, 5])])])]);
    assert_eq!(bench.histograms(&normalized), [("m{}".into(), 40, Some(8.0))]);
    assert_eq!(rows(&normalized)[0].histogram.as_ref().and_then(|h| h.totals().start_time), Some(UnixNanos(NOW.0 + 5)));
}

#[test]
fn bad_histograms_are_refused_one_by_one_with_the_reason() {
    let bench = Bench::default();
    let points = vec![
        explicit(&[], 0, [1, 0, 0]),
        HistogramDataPoint { count: 9, ..explicit(&[("bad", "count")], 0, [1, 0, 0]) },
        HistogramDataPoint { explicit_bounds: vec![2.0, 1.0], ..explicit(&[("bad", "bounds")], 0, [1, 0, 0]) },
        HistogramDataPoint { time_unix_nano: u64::MAX, ..explicit(&[], 0, [1, 0, 0]) },
    ];
    let normalized = bench.otlp(vec![resource(&[], vec![histogram("m", CUMULATIVE, points)])]);
    assert_eq!(refused(&normalized), BTreeMap::from([(Reason::BadHistogram, 2), (Reason::TooFarInFuture, 1)]));
    assert_eq!(bench.registry.len(), 1, "what is refused makes no series");
    let detail = &normalized.rejections[0].detail;
    assert_eq!(
        detail,
        r#"metric "m": the count is 9 and the buckets hold 1 together; they must be the same; fix the sender"#
    );
    // A number of the same name is in the way of nothing but itself.
    let normalized = bench.otlp(vec![resource(&[], vec![gauge("m", vec![super::point(&[], NOW_NANOS, 1.0)])])]);
    assert_eq!(refused(&normalized), BTreeMap::from([(Reason::ShapeConflict, 1)]));
    let huge = HistogramDataPoint {
        count: (1 << 53) + 1,
        bucket_counts: vec![],
        explicit_bounds: vec![],
        ..explicit(&[], 0, [0; 3])
    };
    let normalized = bench.otlp(vec![resource(&[], vec![histogram("m", CUMULATIVE, vec![huge])])]);
    assert_eq!(normalized.warnings.iter().map(|warning| warning.reason).collect::<Vec<_>>(), [Reason::Rounded]);
    assert_eq!(normalized.count(), 1);
}

#[test]
fn a_body_whose_histograms_would_take_too_much_memory_is_refused() {
    // Two buckets at the ends of all floats are 16,384 in between.
    let wide = native::Histogram {
        count: Some(Count::Int(2)),
        schema: 2,
        timestamp: NOW.as_millis(),
        positive_spans: vec![
            native::BucketSpan { offset: -4000, length: 1 },
            native::BucketSpan { offset: 8000, length: 1 },
        ],
        positive_deltas: vec![1, 0],
        ..Default::default()
    };
    let bench = Bench::default();
    let take = |histograms| {
        let body = of_one_series(vec![wide.clone(); histograms]);
        bench.normalizer.normalize(Format::RemoteWrite1, &body, None, NOW).map(|taken| taken.count())
    };
    assert_eq!(take(100), Ok(100));
    assert!(take(1100).is_err_and(|error| error.reason() == Reason::BodyTooLarge));
}

#[test]
fn summaries_become_numbers_as_in_prometheus() {
    let bench = Bench::default();
    let quantile = |quantile, value| ValueAtQuantile { quantile, value };
    let point = |after, flags| SummaryDataPoint {
        attributes: attributes(&[("quantile", "sent"), ("z", "1")]),
        time_unix_nano: NOW_NANOS + after,
        count: 3,
        sum: 4.5,
        quantile_values: vec![quantile(0.5, 1.0), quantile(1.0, 2.0)],
        flags,
        ..Default::default()
    };
    let request = |points| {
        let data = Some(Data::Summary(Summary { data_points: points }));
        vec![resource(
            &[("a", "r")],
            vec![Metric { name: "rpc.time".into(), unit: "s".into(), data, ..Default::default() }],
        )]
    };
    let expected = |after, [half, all, sum, count]: [f64; 4]| {
        [
            (r#"rpc_time{a="r",quantile="0.5",z="1"}"#.to_owned(), after, half),
            (r#"rpc_time{a="r",quantile="1",z="1"}"#.to_owned(), after, all),
            (r#"rpc_time_sum{a="r",quantile="sent",z="1"}"#.to_owned(), after, sum),
            (r#"rpc_time_count{a="r",quantile="sent",z="1"}"#.to_owned(), after, count),
        ]
    };
    for after in [0, 10] {
        let normalized = bench.otlp(request(vec![point(after, 0)]));
        assert_eq!(bench.points(&normalized), expected(after as i64, [1.0, 2.0, 4.5, 3.0]));
        assert_eq!((normalized.count(), bench.registry.len()), (1, 4));
    }
    let normalized = bench.otlp(request(vec![point(20, 1)]));
    assert!(normalized.points.values().iter().all(|&value| flyball_model::batch::is_stale(value)));
    let nothing = SummaryDataPoint { quantile_values: vec![quantile(0.5, f64::NAN); 3], ..point(30, 0) };
    let normalized = bench.otlp(request(vec![nothing, point(40, 0)]));
    assert_eq!((normalized.points.len(), normalized.count(), normalized.not_finite), (5 + 4, 2, 1));
    let info = |metric: &str| bench.info(metric).map(|info| (info.kind, info.unit, info.original));
    assert_eq!(info("rpc_time"), Some((Kind::Summary, "s".into(), "rpc.time".into())));
    assert_eq!(info("rpc_time_count"), Some((Kind::Summary, String::new(), "rpc_time_count".into())));
}

#[test]
fn exemplars_of_numbers_and_histograms_become_rows() {
    let exemplar = |value, trace: u8| Exemplar {
        time_unix_nano: NOW_NANOS - 3,
        value,
        trace_id: vec![trace; 16],
        span_id: vec![7; 8],
        filtered_attributes: attributes(&[("user", "x")]),
    };
    let double = |value| Some(exemplar::Value::AsDouble(value));
    let bench = Bench::default();
    let mut number = super::point(&[], NOW_NANOS, 1.0);
    number.exemplars = vec![exemplar(double(0.5), 1), exemplar(Some(exemplar::Value::AsInt(3)), 2), exemplar(None, 3)];
    let point = HistogramDataPoint { exemplars: vec![exemplar(double(1.5), 0)], ..explicit(&[], 0, [1, 0, 0]) };
    let metrics = vec![gauge("g", vec![number]), histogram("h", CUMULATIVE, vec![point])];
    let normalized = bench.otlp(vec![resource(&[], metrics)]);
    let rows = normalized.of(RowKind::Exemplars).expect("three exemplars");
    assert_eq!((rows.len(), normalized.count()), (3, 2));
    let batch = rows.batch();
    let values = batch["value"].as_any().downcast_ref::<arrow::array::Float64Array>().expect("floats");
    assert_eq!(values.values().as_ref(), [0.5, 3.0, 1.5]);
    assert_eq!(arrow::array::Array::null_count(&batch["trace_id"]), 1, "a trace id of zeros is none");
    assert_eq!(
        normalized.warnings.iter().map(|warning| (warning.reason, warning.points)).collect::<Vec<_>>(),
        [(Reason::BadExemplar, 1)]
    );
}

fn span(offset: i32, length: u32) -> native::BucketSpan {
    native::BucketSpan { offset, length }
}

fn native_histogram() -> native::Histogram {
    native::Histogram {
        count: Some(Count::Int(16)),
        sum: 3.5,
        schema: 1,
        zero_threshold: 0.001,
        zero_count: Some(ZeroCount::Int(2)),
        negative_spans: vec![span(0, 1)],
        negative_deltas: vec![1],
        // The buckets 1, 2 and 5 hold 4, 6 and 3.
        positive_spans: vec![span(1, 2), span(2, 1)],
        positive_deltas: vec![4, 2, -3],
        timestamp: NOW.as_millis(),
        ..Default::default()
    }
}

/// A body of remote write 1.0: histograms of the metric `m`.
fn of_one_series(histograms: Vec<native::Histogram>) -> Vec<u8> {
    let series = prompb::TimeSeries { labels: prompb::labels([("__name__", "m")]), histograms, ..Default::default() };
    prompb::WriteRequest { timeseries: vec![series], ..Default::default() }.encode_to_vec()
}

fn send(bench: &Bench, histogram: native::Histogram) -> Normalized {
    bench.take(Format::RemoteWrite1, &of_one_series(vec![histogram]))
}

#[test]
fn native_histograms_arrive_whole() {
    let bench = Bench::default();
    let normalized = send(&bench, native::Histogram { reset_hint: 1, ..native_histogram() });
    assert_eq!((normalized.written.histograms, normalized.count()), (1, 1));
    let row = rows(&normalized).remove(0).histogram.expect("a histogram");
    assert_eq!((row.count(), row.totals().sum), (16.0, Some(3.5)));
    assert_eq!(row.totals().start_time, Some(NOW), "counting began after the point before");
    let Buckets::Exponential(buckets) = row.buckets() else { panic!("exponential") };
    assert_eq!((buckets.scale, buckets.zero_threshold, buckets.zero_count), (1, 0.001, 2.0));
    // Prometheus' bucket 1 is OTLP's bucket 0: (1, 2^0.5].
    assert_eq!((buckets.positive.offset, buckets.positive.counts.as_slice()), (0, &[4.0, 6.0, 0.0, 0.0, 3.0][..]));
    assert_eq!((buckets.negative.offset, buckets.negative.counts.as_slice()), (-1, &[1.0][..]));
}

#[test]
fn float_and_custom_histograms_arrive_whole() {
    let bench = Bench::default();
    let floats = native::Histogram {
        count: Some(Count::Float(0.75)),
        positive_spans: vec![span(3, 2)],
        positive_counts: vec![0.5, 0.25],
        timestamp: NOW.as_millis(),
        ..Default::default()
    };
    let row = rows(&send(&bench, floats)).remove(0).histogram.expect("a histogram");
    let Buckets::Exponential(buckets) = row.buckets() else { panic!("exponential") };
    assert_eq!((buckets.positive.offset, buckets.positive.counts.as_slice()), (2, &[0.5, 0.25][..]));
    let custom = native::Histogram {
        count: Some(Count::Int(5)),
        schema: -53,
        positive_spans: vec![span(0, 1), span(1, 1)],
        positive_deltas: vec![2, 1],
        custom_values: vec![0.1, 1.0],
        timestamp: NOW.as_millis(),
        ..Default::default()
    };
    let row = rows(&send(&bench, custom)).remove(0).histogram.expect("a histogram");
    let Buckets::Explicit(buckets) = row.buckets() else { panic!("explicit") };
    assert_eq!((buckets.bounds.as_slice(), buckets.counts.as_slice()), (&[0.1, 1.0][..], &[2.0, 0.0, 3.0][..]));
}

#[test]
fn a_stale_sum_ends_the_series() {
    let bench = Bench::default();
    let stale = native::Histogram { sum: crate::work::STALE, timestamp: NOW.as_millis(), ..Default::default() };
    let normalized = send(&bench, stale);
    assert_eq!(bench.histograms(&normalized), [("m{}".into(), 0, None)]);
}

#[test]
fn native_histograms_that_dont_fit_are_refused_with_the_reason() {
    for (histogram, words) in [
        (
            native::Histogram { positive_deltas: vec![4], ..native_histogram() },
            "the spans have more buckets than there are counts",
        ),
        (
            native::Histogram { positive_deltas: vec![4, 2, -3, 0], ..native_histogram() },
            "there are more counts than the spans have buckets",
        ),
        (native::Histogram { positive_deltas: vec![4, -6, 3], ..native_histogram() }, "the count of a bucket is -2"),
        (
            native::Histogram { positive_spans: vec![span(1, 2), span(-2, 1)], ..native_histogram() },
            "a span begins before the one before it ends",
        ),
        (
            native::Histogram { positive_spans: vec![span(1, u32::MAX)], ..native_histogram() },
            "the spans have more buckets than there are counts",
        ),
        (
            native::Histogram { positive_spans: vec![span(i32::MAX, 2), span(2, 1)], ..native_histogram() },
            "bucket 2147483646 at scale 1 lies beyond",
        ),
        (native::Histogram { schema: 40, ..native_histogram() }, "the scale is 40"),
        (native::Histogram { schema: 4000, ..native_histogram() }, "the scale is 4000"),
        (
            native::Histogram { count: Some(Count::Int(17)), ..native_histogram() },
            "the count is 17 and the buckets hold 16",
        ),
        (
            native::Histogram { schema: -53, ..native_histogram() },
            "custom buckets have no negative and no zero buckets",
        ),
        (
            native::Histogram {
                schema: -53,
                zero_count: None,
                negative_spans: vec![],
                negative_deltas: vec![],
                ..native_histogram()
            },
            "a span reaches beyond the custom bounds",
        ),
    ] {
        let normalized = send(&Bench::default(), histogram);
        assert_eq!(refused(&normalized), BTreeMap::from([(Reason::BadHistogram, 1)]), "{words}");
        let detail = &normalized.rejections[0].detail;
        assert!(detail.starts_with(&format!("metric \"m\": {words}")), "{detail}");
    }
}
