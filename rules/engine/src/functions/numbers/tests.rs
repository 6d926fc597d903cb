//! The numbers beside plain code that computes the same: whole numbers where that is exact, recursions where the product has sums.

use proptest::prelude::*;

use super::trend::Line;
use super::*;

const SECOND: i64 = 1_000_000_000;

/// Samples at rising times, some seconds apart, long after 1970: values are whole, so that `i128` holds every sum exactly.
fn samples(least: usize) -> impl Strategy<Value = (Vec<i64>, Vec<i64>)> {
    let steps = prop::collection::vec((1..120_000_i64, -1_000_000..1_000_000_i64), least..60);
    steps.prop_map(|steps| {
        let mut at = 1_767_225_600_000_i64;
        let times = steps.iter().map(|step| {
            at += step.0;
            at * 1_000_000
        });
        (times.collect(), steps.iter().map(|step| step.1).collect())
    })
}

fn floats(values: &[i64]) -> Vec<f64> {
    values.iter().map(|&value| value as f64).collect()
}

/// As near as ten digits, or a billionth of the scale of what was put in.
fn near(found: f64, expected: f64, scale: f64) -> bool {
    (found - expected).abs() <= expected.abs() * 1e-10 + scale * 1e-9
}

proptest! {
    #[test]
    fn sums_and_moments_are_those_of_whole_numbers((_, values) in samples(1), offset in -1_000_000_000_i64..1_000_000_000) {
        let whole: Vec<i128> = values.iter().map(|&value| i128::from(value) + i128::from(offset)).collect();
        let count = whole.len() as i128;
        let total: i128 = whole.iter().sum();
        let squares: i128 = whole.iter().map(|value| value * value).sum();
        let spread = (count * squares - total * total) as f64 / (count * count) as f64;
        let values: Vec<f64> = whole.iter().map(|&value| value as f64).collect();
        prop_assert_eq!(sums::sum(values.iter().copied()), total as f64);
        let (mean, variance) = sums::mean_and_variance(&values);
        prop_assert!(near(mean, total as f64 / count as f64, 0.0), "{mean}");
        // Far from zero a sum of squares would have no digit left.
        prop_assert!((variance - spread).abs() <= spread * 1e-12 + 1e-9, "{variance} and not {spread}");
    }

    #[test]
    fn a_line_is_the_one_of_the_normal_equations((times, values) in samples(2), ahead in 0..100_000_i64) {
        // Milliseconds since the first sample, exactly.
        let first = times[0];
        let pairs: Vec<(i128, i128)> =
            times.iter().zip(&values).map(|(at, value)| (i128::from((at - first) / 1_000_000), i128::from(*value))).collect();
        let count = pairs.len() as i128;
        let (mut t, mut v, mut tt, mut tv) = (0, 0, 0, 0);
        for (time, value) in pairs {
            (t, v, tt, tv) = (t + time, v + value, tt + time * time, tv + time * value);
        }
        let slope = (count * tv - t * v) as f64 / (count * tt - t * t) as f64;
        let last = times[times.len() - 1];
        let at = last + ahead * SECOND;
        let expected = v as f64 / count as f64 + slope * (((at - first) / 1_000_000) as f64 - t as f64 / count as f64);
        let line = trend::line(&times, &floats(&values), at).expect("two samples");
        prop_assert!(near(line.slope, slope * 1000.0, 1e-3), "{line:?} and not {slope}");
        let reach = seconds(at - first) * slope.abs() * 1000.0;
        prop_assert!(near(line.value, expected, 1e6 + reach), "{line:?} and not {expected}");
    }

    #[test]
    fn a_mean_by_age_is_the_recursion_over_its_samples((times, values) in samples(1), half_life in 1..100_000_i64) {
        let half_life = half_life * SECOND;
        let (mut total, mut weight, mut before) = (0.0, 0.0, times[0]);
        for (&at, &value) in times.iter().zip(&values) {
            let kept = 0.5_f64.powf(seconds(at - before) / seconds(half_life));
            (total, weight, before) = (total * kept + value as f64, weight * kept + 1.0, at);
        }
        let found = usual::exponential_mean(&times, &floats(&values), half_life).expect("a sample");
        prop_assert!(near(found, total / weight, 1e6), "{found} and not {}", total / weight);
        let least = values.iter().min().map_or(0.0, |&value| value as f64);
        let most = values.iter().max().map_or(0.0, |&value| value as f64);
        prop_assert!((least - 1e-6..=most + 1e-6).contains(&found), "{found} is no mean");
    }

    #[test]
    fn steps_are_counted_one_by_one((times, values) in samples(2)) {
        let values: Vec<i64> = values.iter().map(|value| value % 3).collect();
        let (mut changes, mut resets) = (0.0, 0.0);
        for pair in values.windows(2) {
            changes += f64::from(u8::from(pair[0] != pair[1]));
            resets += f64::from(u8::from(pair[1] < pair[0]));
        }
        let floats = floats(&values);
        prop_assert_eq!((steps::changes(&floats), steps::resets(&floats)), (changes, resets));
        let [before, last] = [values[values.len() - 2], values[values.len() - 1]];
        let grown = if last < before { last } else { last - before };
        let took = seconds(times[times.len() - 1] - times[times.len() - 2]);
        prop_assert_eq!(steps::instant_rate(&times, &floats), Some(grown as f64 / took));
        prop_assert_eq!(steps::instant_delta(&floats), Some((last - before) as f64));
    }

    #[test]
    fn a_score_is_never_beyond_what_so_many_samples_allow((_, values) in samples(2)) {
        let score = usual::standard_score(&floats(&values)).expect("two samples");
        prop_assert!(score.abs() <= ((values.len() - 1) as f64).sqrt() * (1.0 + 1e-9), "{score}");
    }

    #[test]
    fn smoothing_follows_a_straight_line_exactly(start in -1000..1000_i64, slope in -1000..1000_i64, count in 2..50_i64, sf in 0.01..0.99_f64, tf in 0.01..0.99_f64) {
        let values: Vec<i64> = (0..count).map(|step| start + slope * step).collect();
        let found = trend::smoothed(&floats(&values), sf, tf).expect("two samples");
        prop_assert!(near(found, (start + slope * (count - 1)) as f64, 1.0), "{found}");
    }
}

#[test]
fn too_few_samples_have_no_number() {
    let (at, one) = ([SECOND], [1.0]);
    assert_eq!(trend::line(&at, &one, SECOND), None);
    assert_eq!(trend::smoothed(&one, 0.5, 0.5), None);
    assert_eq!(steps::instant_rate(&at, &one), None);
    assert_eq!(steps::instant_delta(&one), None);
    assert_eq!(usual::standard_score(&one), None);
    assert_eq!(usual::exponential_mean(&[], &[], SECOND), None);
    assert_eq!(usual::baseline(1.0, &one), None);
    assert_eq!((steps::changes(&one), steps::resets(&one)), (0.0, 0.0));
}

#[test]
fn what_rounding_would_spoil_stays() {
    assert_eq!(sums::sum([1e17, 1.0, -1e17, 1.0]), 2.0);
    assert_eq!(sums::sum([f64::INFINITY, 1.0]), f64::INFINITY);
    assert_eq!(sums::mean(&[f64::MAX, f64::MAX]), f64::MAX);
    // A mean of 0.1s is not 0.1, and yet they do not differ.
    assert_eq!(usual::standard_score(&[0.1, 0.1, 0.1]), Some(0.0));
    assert_eq!(sums::mean_and_variance(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]).1, 22.5);
    let level = trend::line(&[SECOND, 2 * SECOND, 4 * SECOND], &[0.1, 0.1, 0.1], 9 * SECOND);
    assert_eq!(level, Some(Line { slope: 0.0, value: 0.1 }));
    assert!(trend::line(&[0, 1], &[f64::INFINITY; 2], 1).is_some_and(|line| line.slope.is_nan()));
}

#[test]
fn nan_is_like_nan_and_no_fall() {
    let values = [f64::NAN, f64::NAN, 1.0, f64::NAN];
    assert_eq!((steps::changes(&values), steps::resets(&values)), (2.0, 0.0));
}

#[test]
fn a_sample_a_half_life_ago_counts_half_and_an_ancient_one_nothing() {
    let mean = |times: &[i64], values: &[f64]| usual::exponential_mean(times, values, 10 * SECOND);
    assert_eq!(mean(&[0, 10 * SECOND], &[4.0, 1.0]), Some(2.0));
    assert_eq!(mean(&[0, i64::MAX / 2], &[f64::INFINITY, 1.0]), Some(1.0));
}

#[test]
fn a_baseline_is_the_mean_and_spread_of_earlier_periods() {
    let found = usual::baseline(10.0, &[2.0, 4.0, 6.0]).expect("two periods");
    assert_eq!(found, usual::Baseline { value: 10.0, mean: 4.0, stddev: 2.0, deviation: 6.0 });
}
