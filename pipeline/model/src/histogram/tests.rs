use proptest::collection::vec;
use proptest::prelude::*;

use super::testing::{explicit, exponential};
use super::*;

fn totals(count: f64) -> Totals {
    Totals { count, sum: Some(1.0), ..Totals::default() }
}

fn run(offset: i32, counts: &[f64]) -> BucketRun {
    BucketRun { offset, counts: counts.to_vec() }
}

#[test]
fn parts_that_dont_fit_are_named() {
    let explicit = |count: f64, bounds: &[f64], counts: &[f64]| {
        Histogram::explicit(totals(count), bounds.to_vec(), counts.to_vec()).map(drop)
    };
    let exponential = |scale: i8, positive: BucketRun| {
        let buckets = ExponentialBuckets { scale, positive, ..ExponentialBuckets::default() };
        Histogram::exponential(totals(3.0), buckets).map(drop)
    };
    for (made, words) in [
        (explicit(3.0, &[1.0], &[3.0]), "1 bucket counts for 1 bounds"),
        (explicit(3.0, &[2.0, 2.0], &[1.0, 1.0, 1.0]), "bound 1 is 2, which is not above 2"),
        (explicit(3.0, &[f64::NAN], &[1.0, 2.0]), "bound 0 is NaN"),
        (explicit(3.0, &[1.0], &[4.0, -1.0]), "the count of a bucket is -1"),
        (explicit(3.0, &[1.0], &[1.0, 1.0]), "the count is 3 and the buckets hold 2 together"),
        (explicit(3.0, &[1.0], &[f64::INFINITY, 1.0]), "the count of a bucket is inf"),
        (explicit(0.0, &vec![0.0; 20_000], &vec![0.0; 20_001]), "20001 buckets, at most 16384"),
        (exponential(21, run(0, &[3.0])), "the scale is 21"),
        (exponential(0, run(0, &[2.0])), "the count is 3 and the buckets hold 2 together"),
        (exponential(0, run(2000, &[3.0])), "bucket 2000 at scale 0 lies beyond all 64-bit floats"),
        (exponential(20, run(0, &vec![1.0; 20_000])), "20000 buckets, at most 16384"),
    ] {
        let error = made.expect_err(words).to_string();
        assert!(error.starts_with(words), "{error}");
    }
    let crossed = Totals { min: Some(2.0), max: Some(1.0), ..totals(3.0) };
    let error = Histogram::explicit(crossed, vec![], vec![3.0]).expect_err("crossed");
    assert_eq!(error, HistogramError::MinMax { min: 2.0, max: 1.0 });
}

#[test]
fn what_senders_write_in_several_ways_is_held_in_one() {
    let plain = Histogram::explicit(totals(3.0), vec![1.0], vec![1.0, 2.0]);
    assert_eq!(Histogram::explicit(totals(3.0), vec![1.0, f64::INFINITY], vec![1.0, 2.0, 0.0]), plain);
    let one = Histogram::explicit(totals(3.0), vec![], vec![3.0]);
    assert_eq!(Histogram::explicit(totals(3.0), vec![], vec![]), one);
    let buckets = |positive| ExponentialBuckets { positive, ..ExponentialBuckets::default() };
    let trimmed = Histogram::exponential(totals(3.0), buckets(run(1, &[1.0, 0.0, 2.0])));
    assert_eq!(Histogram::exponential(totals(3.0), buckets(run(-1, &[0.0, 0.0, 1.0, 0.0, 2.0, 0.0]))), trimmed);
    let empty = Totals { min: Some(f64::INFINITY), max: Some(f64::NEG_INFINITY), ..Totals::default() };
    let empty = Histogram::explicit(empty, vec![], vec![]).expect("nothing was observed");
    assert_eq!((empty.totals().min, empty.totals().max), (None, None));
}

#[test]
fn observations_that_are_nan_are_counted_and_in_no_bucket() {
    let totals = Totals { count: 3.0, sum: Some(f64::NAN), ..Totals::default() };
    let histogram = Histogram::explicit(totals, vec![1.0], vec![2.0, 0.0]).expect("one observation is NaN");
    assert_eq!(histogram.quantile(0.5), Some(0.75));
    assert!(histogram.quantile(0.9).is_some_and(f64::is_nan));
}

#[test]
fn a_merge_remembers_that_some_observations_are_nan() {
    let some_nan = Histogram::explicit(Totals { sum: Some(f64::NAN), ..totals(3.0) }, vec![1.0], vec![2.0, 0.0]);
    let no_sum = Histogram::explicit(Totals { sum: None, ..totals(1.0) }, vec![1.0], vec![0.0, 1.0]);
    let (some_nan, no_sum) = (some_nan.expect("one observation is NaN"), no_sum.expect("fits"));
    for [one, other] in [[&some_nan, &no_sum], [&no_sum, &some_nan]] {
        let mut merged = one.clone();
        merged.merge(other);
        let Buckets::Explicit(buckets) = merged.buckets().clone() else { panic!("explicit") };
        let again = Histogram::explicit(*merged.totals(), buckets.bounds, buckets.counts).expect("it can be read back");
        assert_eq!((again.count(), again.totals().sum.is_some_and(f64::is_nan)), (4.0, true));
    }
}

#[test]
fn quantiles_are_interpolated_as_prometheus_does() {
    let explicit = |bounds: &[f64], counts: &[f64]| {
        let totals = totals(counts.iter().sum());
        Histogram::explicit(totals, bounds.to_vec(), counts.to_vec()).expect("fits")
    };
    let exponential =
        |buckets: ExponentialBuckets| Histogram::exponential(totals(buckets.total()), buckets).expect("fits");
    let zero = ExponentialBuckets { zero_threshold: 0.5, zero_count: 2.0, ..ExponentialBuckets::default() };
    for (histogram, q, expected) in [
        (explicit(&[1.0, 2.0], &[2.0, 2.0, 0.0]), 0.75, Some(1.5)),
        // The first bucket begins at zero, if its bound is above.
        (explicit(&[1.0, 2.0], &[2.0, 2.0, 0.0]), 0.25, Some(0.5)),
        (explicit(&[-1.0, 2.0], &[2.0, 2.0, 0.0]), 0.25, Some(-1.0)),
        // Nobody knows how far the last one reaches.
        (explicit(&[1.0, 2.0], &[1.0, 0.0, 3.0]), 0.9, Some(2.0)),
        (explicit(&[1.0], &[0.0, 0.0]), 0.5, None),
        (explicit(&[1.0], &[1.0, 0.0]), 1.5, None),
        // Half of (1, 4] by logarithm.
        (
            exponential(ExponentialBuckets { scale: -1, positive: run(0, &[2.0]), ..ExponentialBuckets::default() }),
            0.5,
            Some(2.0),
        ),
        (
            exponential(ExponentialBuckets { scale: -1, negative: run(0, &[2.0]), ..ExponentialBuckets::default() }),
            0.5,
            Some(-2.0),
        ),
        (exponential(zero.clone()), 0.5, Some(0.0)),
        (exponential(ExponentialBuckets { positive: run(0, &[2.0]), ..zero.clone() }), 0.25, Some(0.25)),
        (exponential(ExponentialBuckets { negative: run(0, &[2.0]), ..zero }), 0.75, Some(-0.25)),
    ] {
        assert_eq!(histogram.quantile(q), expected, "{q} of {histogram:?}");
    }
}

#[test]
fn known_extremes_bound_what_is_interpolated() {
    let totals = Totals { count: 4.0, sum: Some(20.0), min: Some(3.0), max: Some(7.0), start_time: None };
    let one_bucket = Histogram::explicit(totals, vec![], vec![4.0]).expect("fits");
    for (q, expected) in [(0.0, 3.0), (0.5, 5.0), (1.0, 7.0)] {
        assert_eq!(one_bucket.quantile(q), Some(expected));
    }
    assert_eq!(one_bucket.fraction(5.0, f64::INFINITY), Some(0.5));
    assert_eq!(one_bucket.fraction(f64::NEG_INFINITY, 3.0), Some(0.0));
}

#[test]
fn fractions_are_parts_of_all() {
    let histogram = explicit(&[0.5, 1.5, 1.5, 3.0], &[1.0, 2.0]);
    for (lo, hi, expected) in [
        (f64::NEG_INFINITY, f64::INFINITY, Some(1.0)),
        (1.0, 2.0, Some(0.5)),
        (1.0, 1.5, Some(0.25)),
        (2.0, f64::INFINITY, Some(0.25)),
        (2.0, 2.0, Some(0.0)),
        (3.0, 2.0, Some(0.0)),
        (f64::NAN, 2.0, None),
    ] {
        assert_eq!(histogram.fraction(lo, hi), expected, "({lo}, {hi}]");
    }
}

#[test]
fn bounds_that_only_one_has_are_given_up() {
    let merged = |mut a: Histogram, b: Histogram| {
        a.merge(&b);
        match a.buckets() {
            Buckets::Explicit(buckets) => (buckets.bounds.clone(), buckets.counts.clone()),
            Buckets::Exponential(_) => panic!("explicit"),
        }
    };
    let few = || explicit(&[0.5, 1.5, 4.0], &[1.0, 2.0, 5.0]);
    assert_eq!(merged(few(), few()), (vec![1.0, 2.0, 5.0], vec![2.0, 2.0, 2.0, 0.0]));
    assert_eq!(merged(few(), explicit(&[3.0], &[2.0, 3.0, 5.0])), (vec![2.0, 5.0], vec![2.0, 2.0, 0.0]));
    assert_eq!(merged(few(), explicit(&[3.0], &[7.0])), (vec![], vec![4.0]));
    // 1 and 2 are bounds at every scale from 0, 5 at none.
    let fine = || exponential(&[-3.0, 0.1, 1.5, 100.0], 2, 0.0);
    assert_eq!(merged(few(), fine()), (vec![1.0, 2.0], vec![3.0, 2.0, 2.0]));
    assert_eq!(merged(fine(), few()), (vec![1.0, 2.0], vec![3.0, 2.0, 2.0]));
    // What holds nothing takes no bound away.
    assert_eq!(merged(few(), explicit(&[], &[7.0])).0, [1.0, 2.0, 5.0]);
    assert_eq!(merged(explicit(&[], &[7.0]), few()).0, [1.0, 2.0, 5.0]);
}

#[test]
fn zero_buckets_of_different_width_become_the_wider_one() {
    let mut narrow = exponential(&[0.01, 0.7, 0.9, 3.0], 0, 0.0);
    narrow.merge(&exponential(&[0.1, 0.8, 3.0], 0, 0.7));
    let Buckets::Exponential(buckets) = narrow.buckets() else { panic!("exponential") };
    // 0.7 is inside of (0.5, 1], so that bucket joins too.
    assert_eq!((buckets.zero_threshold, buckets.zero_count), (1.0, 5.0));
    assert_eq!(buckets.positive, run(1, &[2.0]));
}

#[test]
fn a_sum_that_would_have_too_many_buckets_gets_coarser() {
    let mut sum = exponential(&[1e-300, 1.0], 3, 0.0);
    sum.merge_within(&exponential(&[1e300, 1.0], 3, 0.0), 100);
    assert!(sum.bucket_count() > 100, "no coarser than the longer of the two");
    let mut sum = exponential(&[1e-300], 20, 0.0);
    sum.merge_within(&exponential(&[1e300], 20, 0.0), 160);
    let Buckets::Exponential(buckets) = sum.buckets() else { panic!("exponential") };
    assert_eq!((buckets.scale, sum.count()), (-4, 2.0));
    assert!(sum.bucket_count() <= 160);
}

#[test]
fn the_change_between_two_points_is_what_was_observed_between_them() {
    let first = exponential(&[0.001, 1.0, 3.0], 3, 0.0);
    for (later, expected) in [
        (exponential(&[0.001, 1.0, 3.0, -2.0, 5.0], 3, 0.0), Some(2.0)),
        // Coarser and with a wider zero bucket: as adding up does it.
        (exponential(&[0.001, 1.0, 3.0, 7.0], 1, 0.002), Some(1.0)),
        (first.clone(), Some(0.0)),
        // Restarts.
        (exponential(&[1.0], 3, 0.0), None),
        (exponential(&[0.001, 1.0, 5.0, 6.0], 3, 0.0), None),
        (exponential(&[0.001, 1.0, 3.0, 7.0], 4, 0.0), None),
        (exponential(&[0.001, 1.0, 3.0, 7.0], 3, 0.0).started_at(Some(UnixNanos(10))), None),
        (exponential(&[0.001, 1.0, 3.0, 7.0], 3, 0.0).started_at(Some(UnixNanos(9))), Some(1.0)),
        (explicit(&[0.001, 1.0, 3.0, 7.0], &[1.0]), None),
    ] {
        let change = later.since(&first, UnixNanos(10));
        assert_eq!(change.as_ref().map(Histogram::count), expected, "{later:?}");
        if let Some(change) = change {
            let buckets: f64 = change.buckets().ascending().map(|bucket| bucket.count).sum();
            assert_eq!((buckets, change.totals().start_time), (change.count(), Some(UnixNanos(10))));
        }
    }
    // A sender that does not know when counting began says the time of its first point.
    let first = first.started_at(Some(UnixNanos(10)));
    let later = exponential(&[0.001, 1.0, 3.0, 7.0], 3, 0.0).started_at(Some(UnixNanos(10)));
    assert_eq!(later.since(&first, UnixNanos(10)).map(|change| change.count()), Some(1.0));
    let first = explicit(&[1.0, 3.0], &[2.0]);
    assert_eq!(explicit(&[1.0, 3.0, 3.0], &[2.0]).since(&first, UnixNanos(0)).map(|change| change.count()), Some(1.0));
    assert_eq!(explicit(&[1.0, 3.0, 3.0], &[4.0]).since(&first, UnixNanos(0)), None);
}

#[test]
fn what_has_no_bucket_has_no_scale_to_compare() {
    let zeros = exponential(&[0.0, 0.0], 0, 0.0);
    let later = exponential(&[0.0, 0.0, 0.0, 1.5], 20, 0.0);
    let change = later.since(&zeros, UnixNanos(10)).expect("nothing fell");
    assert_eq!((change.count(), change.totals().sum), (2.0, Some(1.5)));
    assert_eq!(change.buckets(), exponential(&[0.0, 1.5], 20, 0.0).buckets());
}

/// Values of both signs over many magnitudes.
fn values() -> impl Strategy<Value = Vec<f64>> {
    let value = prop_oneof![
        8 => (-8.0..8.0_f64).prop_map(f64::exp2),
        4 => (-8.0..8.0_f64).prop_map(|power| -power.exp2()),
        1 => Just(0.0),
        1 => (-3..3_i32).prop_map(|power| 2_f64.powi(power)),
    ];
    vec(value, 1..60)
}

/// Scale and zero threshold.
fn exponential_kind() -> impl Strategy<Value = (i8, f64)> {
    (-2..9_i8, prop_oneof![Just(0.0), Just(0.001), Just(2.938_735_877_055_719e-39), 0.0..2.0])
}

/// The sample of rank `q n`, counted from 1.
fn exact(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[((q * values.len() as f64).ceil() as usize).clamp(1, values.len()) - 1]
}

proptest! {
    #[test]
    fn merged_quantiles_are_in_the_bucket_of_the_exact_one(
        parts in vec((values(), exponential_kind()), 1..5),
        q in 0.0..=1.0_f64,
    ) {
        let mut merged: Option<Histogram> = None;
        for (values, (scale, zero)) in &parts {
            let part = exponential(values, *scale, *zero);
            match &mut merged {
                Some(merged) => merged.merge(&part),
                None => merged = Some(part),
            }
        }
        let merged = merged.expect("at least one part");
        let all: Vec<f64> = parts.iter().flat_map(|part| part.0.clone()).collect();
        prop_assert_eq!(merged.count(), all.len() as f64);
        let (estimate, exact) = (merged.quantile(q).expect("not empty"), exact(&all, q));
        let Buckets::Exponential(buckets) = merged.buckets() else { panic!("exponential") };
        // The scheme promises: the same sign and no more than a factor of the base, or both in the zero bucket.
        let base = scale::boundary(buckets.scale, 1) * (1.0 + 1e-9);
        let near_zero = |value: f64| value.abs() <= buckets.zero_threshold * (1.0 + 1e-9);
        let good = near_zero(exact) && near_zero(estimate)
            || estimate.signum() == exact.signum() && estimate.abs() <= exact.abs() * base && exact.abs() <= estimate.abs() * base;
        prop_assert!(good, "estimate {} of exact {}, base {}, {:?}", estimate, exact, base, merged);
    }

    #[test]
    fn explicit_quantiles_lie_between_the_bounds_of_the_exact_one(values in values(), q in 0.0..=1.0_f64) {
        let bounds = [-100.0, -1.0, 0.0, 0.01, 1.0, 50.0];
        let histogram = explicit(&values, &bounds);
        let (estimate, exact) = (histogram.quantile(q).expect("not empty"), exact(&values, q));
        let place = bounds.partition_point(|&bound| bound < exact);
        let lower = if place == 0 { f64::NEG_INFINITY } else { bounds[place - 1] };
        let upper = bounds.get(place).copied().unwrap_or(f64::INFINITY);
        prop_assert!(lower <= estimate && estimate <= upper, "{} of {}", estimate, exact);
    }

    #[test]
    fn the_order_of_merging_does_not_matter(parts in vec((values(), exponential_kind(), 0..4_u8), 3)) {
        let parts: Vec<_> = parts
            .iter()
            .map(|(values, (scale, zero), kind)| match kind {
                0 => explicit(values, &[-1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 64.0]),
                1 => explicit(values, &[0.5, 0.7, 4.0, 5.0, 64.0]),
                _ => exponential(values, *scale, *zero),
            })
            .collect();
        let merged = |order: [usize; 3]| {
            let mut sum = parts[order[0]].clone();
            sum.merge(&parts[order[1]]);
            sum.merge(&parts[order[2]]);
            sum
        };
        let expected = merged([0, 1, 2]);
        for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let sum = merged(order);
            prop_assert_eq!(sum.buckets(), expected.buckets(), "{:?} of {:?}", order, &parts);
        }
        let mut right = parts[1].clone();
        right.merge(&parts[2]);
        let mut left = parts[0].clone();
        left.merge(&right);
        prop_assert_eq!(left.buckets(), expected.buckets());
    }

    #[test]
    fn a_merge_and_the_change_since_undo_each_other(earlier in values(), more in values(), kind in exponential_kind()) {
        let (scale, zero) = kind;
        let first = exponential(&earlier, scale, zero);
        let mut later = first.clone();
        later.merge(&exponential(&more, scale, zero));
        let change = later.since(&first, UnixNanos(5)).expect("nothing fell");
        let expected = exponential(&more, scale, zero);
        prop_assert_eq!(change.buckets(), expected.buckets());
    }

    #[test]
    fn fractions_and_quantiles_agree(values in values(), q in 0.01..0.99_f64, scale in 0..8_i8) {
        let histogram = exponential(&values, scale, 0.0);
        let value = histogram.quantile(q).expect("not empty");
        let below = histogram.fraction(f64::NEG_INFINITY, value).expect("not empty");
        // A bucket whose observations are all at one place jumps there.
        let above = 1.0 - histogram.fraction(value, f64::INFINITY).expect("not empty");
        prop_assert!((below - above).abs() < 1e-9);
        prop_assert!(below >= q - 1e-6, "{} below {}, the quantile {}", below, value, q);
    }

    #[test]
    fn any_parts_make_a_histogram_or_an_error(
        count in any::<f64>(), scale in any::<i8>(), zero in any::<f64>(), offset in any::<i32>(),
        counts in vec(prop_oneof![any::<f64>(), Just(0.0), Just(1.0)], 0..9), bounds in vec(any::<f64>(), 0..9), q in any::<f64>(),
    ) {
        let buckets = ExponentialBuckets {
            scale, zero_threshold: zero, zero_count: 0.0, positive: run(offset, &counts), negative: BucketRun::default(),
        };
        let totals = |count| Totals { count, ..Totals::default() };
        let sum = counts.iter().sum();
        for made in [
            Histogram::exponential(totals(count), buckets.clone()),
            Histogram::exponential(totals(sum), buckets),
            Histogram::explicit(totals(sum), bounds, counts),
        ].into_iter().flatten() {
            let mut other = made.clone();
            other.merge(&made);
            other.merge(&exponential(&[1.0, -3.0], 0, 0.1));
            other.quantile(q);
            other.quantile(0.5);
            other.fraction(q, count);
            made.since(&made, UnixNanos(0));
        }
    }
}
