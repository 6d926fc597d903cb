//! Running totals outlive a crash, wherever it comes.

use arrow::array::RecordBatch;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets as SentBuckets;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Histogram, HistogramDataPoint,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

const DELTA: i32 = 1;

/// Start and end of an interval: some follow each other, some come again, some are late, some say no start.
fn interval() -> impl Strategy<Value = (u64, u64)> {
    const SECOND: u64 = 1_000_000_000;
    let end = select(vec![0, 1, 2, 20, 40]).prop_map(|ago| NOW_NANOS - ago * SECOND);
    (end, 0..3_u64).prop_map(|(end, length)| (if length == 0 { 0 } else { end - length * SECOND }, end))
}

fn number_point() -> impl Strategy<Value = NumberDataPoint> {
    let value = select(vec![1.0, 0.1, -2.5, 1e16, f64::MAX, f64::NAN]);
    (select(vec!["a", "b", "c"]), interval(), value, 0..9_u32).prop_map(|(name, (start, end), value, flags)| {
        NumberDataPoint { start_time_unix_nano: start, flags: flags / 8, ..point(&[("n", name)], end, value) }
    })
}

/// With one set of bounds mostly, and sometimes with an observation that is NaN or without a sum.
fn explicit_point() -> impl Strategy<Value = HistogramDataPoint> {
    let bounds = select(vec![vec![1.0, 2.0], vec![1.0, 2.0], vec![1.0, 2.0], vec![3.0, 4.0]]);
    let sum = select(vec![Some(1.5), Some(0.1), None, Some(f64::NAN)]);
    (select(vec!["a", "b"]), interval(), bounds, vec(0..3_u64, 3), sum).prop_map(
        |(name, (start, end), explicit_bounds, bucket_counts, sum)| HistogramDataPoint {
            attributes: attributes(&[("n", name)]),
            start_time_unix_nano: start,
            time_unix_nano: end,
            count: bucket_counts.iter().sum::<u64>() + u64::from(sum.is_some_and(f64::is_nan)),
            bucket_counts,
            explicit_bounds,
            sum,
            max: Some(9.0),
            ..Default::default()
        },
    )
}

/// With scales that differ, and so far apart that totals get coarser.
fn exponential_point() -> impl Strategy<Value = ExponentialHistogramDataPoint> {
    let side = || (select(vec![0, -7, 300]), vec(0..3_u64, 0..4));
    (interval(), select(vec![0, 3, 5]), side(), side(), select(vec![0.0, 0.3])).prop_map(
        |((start, end), scale, positive, negative, zero_threshold)| ExponentialHistogramDataPoint {
            start_time_unix_nano: start,
            time_unix_nano: end,
            count: 1 + positive.1.iter().chain(&negative.1).sum::<u64>(),
            zero_count: 1,
            scale,
            zero_threshold,
            positive: Some(SentBuckets { offset: positive.0, bucket_counts: positive.1 }),
            negative: Some(SentBuckets { offset: negative.0, bucket_counts: negative.1 }),
            ..Default::default()
        },
    )
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    (vec(number_point(), 0..6), vec(explicit_point(), 0..3), vec(exponential_point(), 0..3)).prop_map(
        |(numbers, explicit, exponential)| {
            let metric = |name: &str, data| Metric { name: name.into(), data: Some(data), ..Default::default() };
            let explicit = Histogram { data_points: explicit, aggregation_temporality: DELTA };
            let exponential = ExponentialHistogram { data_points: exponential, aggregation_temporality: DELTA };
            let metrics = vec![
                sum("s", DELTA, false, numbers),
                metric("e", Data::Histogram(explicit)),
                metric("x", Data::ExponentialHistogram(exponential)),
            ];
            ExportMetricsServiceRequest { resource_metrics: vec![resource(&[], metrics)] }.encode_to_vec()
        },
    )
}

impl Bench {
    fn body(&self, body: &[u8]) -> Normalized {
        self.take(Format::Otlp(Signal::Metrics), body)
    }

    /// One that has the same series and has seen nothing else: what is left of this one after a crash.
    fn crashed(&self) -> Self {
        let bench = Self::default();
        let view = self.registry.labels_in_memory();
        for series in (0..view.series_count() as u32).map(SeriesRef) {
            let metric = view.metric_of(series);
            let labels: Vec<_> = view.labels(series).collect();
            let same =
                bench.registry.resolve(view.metric_name(metric), view.shape(metric), &labels, view.first_at(series));
            assert_eq!(same, Ok(series));
        }
        bench
    }

    fn checkpoint(&self) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        let exported = self.normalizer.export_totals(|piece| {
            pieces.push(piece.to_vec());
            Ok::<_, std::convert::Infallible>(())
        });
        assert_eq!(exported, Ok(()));
        pieces
    }

    fn starts(&self) -> Vec<Option<UnixNanos>> {
        let view = self.registry.read();
        (0..view.series_count() as u32).map(|series| view.start_at(SeriesRef(series))).collect()
    }
}

/// All that a body became.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// Series, times and the bits of values.
    points: Vec<(u32, i64, u64)>,
    rows: Vec<RecordBatch>,
    warnings: Vec<Reason>,
    totals: Vec<u8>,
}

fn outcome(normalized: &Normalized) -> Outcome {
    let points = normalized.points.iter().map(|(series, time, value)| (series.0, time.0, value.to_bits())).collect();
    let rows = normalized.rows.iter().map(|rows| rows.batch().clone()).collect();
    let warnings = normalized.warnings.iter().map(|warning| warning.reason).collect();
    Outcome { points, rows, warnings, totals: normalized.totals.clone() }
}

proptest! {
    /// Before the crash `cut` bodies were written down. Those after the checkpoint began are read again, and the checkpoint was
    /// taken when some more of them had come already.
    #[test]
    fn totals_and_points_after_a_crash_are_those_of_a_run_without_one(
        bodies in vec(body(), 1..10),
        cut in any::<Index>(),
        checkpoint in prop::option::of(any::<(Index, Index)>()),
        order in vec((any::<u32>(), 1..3_usize), 12),
    ) {
        let uninterrupted = Bench::default();
        let expected: Vec<_> = bodies.iter().map(|body| outcome(&uninterrupted.body(body))).collect();

        let before = Bench::default();
        let cut = cut.index(bodies.len() + 1);
        let (from, taken_at) = checkpoint.map_or((0, None), |(one, other)| {
            let (one, other) = (one.index(cut + 1), other.index(cut + 1));
            (one.min(other), Some(one.max(other)))
        });
        let mut pieces = Vec::new();
        for (at, body) in bodies[..cut].iter().enumerate() {
            if taken_at == Some(at) {
                pieces.extend(before.checkpoint());
            }
            let normalized = before.body(body);
            if at >= from {
                pieces.push(normalized.totals);
            }
        }
        if taken_at == Some(cut) {
            pieces.extend(before.checkpoint());
        }

        let after = before.crashed();
        let mut shuffled: Vec<_> = pieces.iter().zip(&order).collect();
        shuffled.sort_by_key(|(_, (place, _))| *place);
        for (piece, (_, times)) in shuffled {
            for _ in 0..*times {
                prop_assert_eq!(after.normalizer.restore_totals(piece), Ok(()));
            }
        }
        prop_assert_eq!(after.checkpoint(), before.checkpoint());
        let found: Vec<_> = bodies[cut..].iter().map(|body| outcome(&after.body(body))).collect();
        prop_assert_eq!(&found[..], &expected[cut..]);
        prop_assert_eq!(after.checkpoint(), uninterrupted.checkpoint());
        prop_assert_eq!(after.starts(), uninterrupted.starts());
    }
}

#[test]
fn a_body_without_deltas_has_no_totals_and_allocates_nothing_for_them() {
    let bench = Bench::default();
    let cumulative = sum("c", 2, true, vec![point(&[], NOW_NANOS, 1.0)]);
    let normalized = bench.otlp(vec![resource(&[], vec![cumulative, gauge("g", vec![point(&[], NOW_NANOS, 1.0)])])]);
    assert_eq!((normalized.points.len(), normalized.totals.capacity()), (2, 0));
    assert_eq!(bench.checkpoint(), Vec::<Vec<u8>>::new());
    assert_eq!(bench.normalizer.restore_totals(&normalized.totals), Ok(()));
}

#[test]
fn a_delta_that_is_sent_again_after_a_crash_is_known_again() {
    let before = Bench::default();
    let delta = NumberDataPoint { start_time_unix_nano: NOW_NANOS - 10, ..point(&[], NOW_NANOS, 2.0) };
    let request = || vec![resource(&[], vec![sum("d", DELTA, true, vec![delta.clone()])])];
    let totals = before.otlp(request()).totals;
    let after = before.crashed();
    assert_eq!(after.normalizer.restore_totals(&totals), Ok(()));
    let again = after.otlp(request());
    assert_eq!((after.points(&again), again.totals.len()), (vec![("d{}".into(), 0, 2.0)], 0));
    assert_eq!(after.starts(), [Some(UnixNanos(NOW.0 - 10))]);
}
