//! The numbers: what each range function makes of the samples of one series in one window.

/// What is computed over a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Function {
    Rate,
    Increase,
    Delta,
    Latest,
    Avg,
    Max,
    Min,
    Quantile(f64),
}

/// The instants `(from, to]`, nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from: i64,
    pub(crate) to: i64,
}

impl Function {
    /// The value over samples of one series, which lie in the window, ascending in time, without staleness markers. `None` when there
    /// are too few of them.
    pub(crate) fn evaluate(self, times: &[i64], values: &[f64], window: Window) -> Option<f64> {
        debug_assert_eq!(times.len(), values.len(), "a time for each value");
        let last = *values.last()?;
        match self {
            Function::Rate => {
                extrapolated(times, values, window, true).map(|growth| growth / seconds(window.to - window.from))
            }
            Function::Increase => extrapolated(times, values, window, true),
            Function::Delta => extrapolated(times, values, window, false),
            Function::Latest => Some(last),
            Function::Avg => Some(mean(values)),
            // A NaN is passed over as long as there is a number.
            Function::Max => values.iter().copied().reduce(f64::max),
            Function::Min => values.iter().copied().reduce(f64::min),
            Function::Quantile(q) => Some(quantile(values, q)),
        }
    }
}

fn seconds(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}

/// How much a series grew over the whole window, though its samples seldom lie at the window's ends. The rules are those of Prometheus
/// (`extrapolatedRate` in its `promql/functions.go`), so that a rule gives the same numbers in both:
///
/// - The growth between the first and the last sample; a counter that falls was reset, and what it had before counts.
/// - It is stretched towards both ends of the window. When an end is farther from its sample than 1.1 times the mean distance of samples,
///   the series is taken to begin or end half such a distance away from the sample.
/// - A counter is not stretched beyond the instant at which it would have been zero.
fn extrapolated(times: &[i64], values: &[f64], window: Window, counter: bool) -> Option<f64> {
    let &[first, .., last] = values else { return None };
    let mut growth = last - first;
    if counter {
        growth +=
            values.array_windows().filter(|[before, after]| after < before).map(|[before, _]| before).sum::<f64>();
    }
    let (covered, sampled) = coverage(times, first, growth, window, counter);
    Some(growth * covered / sampled)
}

/// The seconds that a growth is stretched to, and those between the first and the last of several samples in which it was seen; see
/// [`extrapolated`]. `first` is the first value.
pub(super) fn coverage(times: &[i64], first: f64, growth: f64, window: Window, counter: bool) -> (f64, f64) {
    let &[first_at, .., last_at] = times else { return (1.0, 1.0) };
    let sampled = seconds(last_at - first_at);
    let distance = sampled / (times.len() - 1) as f64;
    let reach = |gap: f64| if gap >= distance * 1.1 { distance / 2.0 } else { gap };
    let mut before = reach(seconds(first_at - window.from));
    if counter && growth > 0.0 && first >= 0.0 {
        before = before.min(sampled * (first / growth));
    }
    let after = reach(seconds(window.to - last_at));
    (sampled + before + after, sampled)
}

/// The mean, summed with a running compensation (Neumaier) so that small values beside large ones are not lost.
fn mean(values: &[f64]) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0_f64);
    for &value in values {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() { (sum - next) + value } else { (value - next) + sum };
        sum = next;
    }
    // After an infinity the compensation is NaN.
    let total = if sum.is_finite() { sum + lost } else { sum };
    total / values.len() as f64
}

/// The quantile by linear interpolation between the two samples around rank `q (n - 1)`, as `quantile_over_time` of Prometheus.
fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let rank = q * (sorted.len() - 1) as f64;
    let (low, weight) = (rank.floor() as usize, rank.fract());
    let high = (low + 1).min(sorted.len() - 1);
    if weight == 0.0 { sorted[low] } else { sorted[low] * (1.0 - weight) + sorted[high] * weight }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples every `step` seconds from `start`; the window is `(0, to]` seconds.
    fn check(function: Function, start: i64, step: i64, values: &[f64], to: i64, expected: Option<f64>) {
        let times: Vec<_> = (0..values.len() as i64).map(|at| (start + at * step) * 1_000_000_000).collect();
        let window = Window { from: 0, to: to * 1_000_000_000 };
        let actual = function.evaluate(&times, values, window);
        let close = match (actual, expected) {
            (Some(actual), Some(expected)) => (actual - expected).abs() < 1e-12 || actual == expected,
            (actual, expected) => actual == expected,
        };
        assert!(close, "{function:?} of {values:?} from {start} s every {step} s: {actual:?}, not {expected:?}");
    }

    #[test]
    fn growth_is_stretched_to_both_ends_of_the_window() {
        // Samples at 5, 15, …, 55 s in (0, 60]: 50 s were seen, 5 s are missing at each end: 50 * 60/50.
        let values = [100.0, 110.0, 120.0, 130.0, 140.0, 150.0];
        check(Function::Increase, 5, 10, &values, 60, Some(60.0));
        check(Function::Rate, 5, 10, &values, 60, Some(1.0));
        check(Function::Delta, 5, 10, &values, 60, Some(60.0));
    }

    #[test]
    fn a_reset_counts_what_was_before_and_only_for_counters() {
        // 10 → 30, reset, 5 → 15: 20 + 5 + 10 = 35 seen in 30 s; 10 s and 0 s missing at the ends; zero was 30 * 10/35 s before.
        let values = [10.0, 30.0, 5.0, 15.0];
        check(Function::Increase, 10, 10, &values, 40, Some(35.0 * (30.0 + 30.0 * 10.0 / 35.0) / 30.0));
        check(Function::Delta, 10, 10, &values, 40, Some(5.0 * 40.0 / 30.0));
    }

    #[test]
    fn a_counter_is_not_stretched_below_zero() {
        // It starts at 0, so nothing can have been before the first sample.
        check(Function::Increase, 5, 10, &[0.0, 10.0, 20.0], 25, Some(20.0));
        check(Function::Delta, 5, 10, &[0.0, 10.0, 20.0], 25, Some(20.0 * 25.0 / 20.0));
    }

    #[test]
    fn a_series_that_begins_or_ends_within_the_window_is_stretched_by_half_a_distance() {
        // Samples at 100, 110, 120 in (0, 300]: 100 s and 180 s are missing, 5 s are added at each end.
        check(Function::Increase, 100, 10, &[1000.0, 1010.0, 1020.0], 300, Some(20.0 * 30.0 / 20.0));
    }

    #[test]
    fn growth_needs_two_samples_and_the_rest_needs_one() {
        for function in [Function::Rate, Function::Increase, Function::Delta] {
            check(function, 5, 10, &[1.0], 60, None);
        }
        check(Function::Latest, 5, 10, &[], 60, None);
        check(Function::Latest, 5, 10, &[1.0, 2.0], 60, Some(2.0));
        check(Function::Avg, 5, 10, &[1.0], 60, Some(1.0));
    }

    #[test]
    fn small_values_beside_large_ones_are_not_lost_in_the_mean() {
        check(Function::Avg, 5, 10, &[1e17, 1.0, -1e17, 1.0], 60, Some(0.5));
        check(Function::Avg, 5, 10, &[f64::INFINITY, 1.0], 60, Some(f64::INFINITY));
    }

    #[test]
    fn extremes_pass_over_nan() {
        check(Function::Max, 5, 10, &[f64::NAN, 1.0, 3.0, 2.0], 60, Some(3.0));
        check(Function::Min, 5, 10, &[5.0, f64::NAN, 1.0], 60, Some(1.0));
    }

    #[test]
    fn quantiles_are_interpolated() {
        let values = [4.0, 1.0, 3.0, 2.0];
        for (q, expected) in [(0.0, 1.0), (0.5, 2.5), (0.9, 3.7), (1.0, 4.0)] {
            check(Function::Quantile(q), 5, 10, &values, 60, Some(expected));
        }
        check(Function::Quantile(0.9), 5, 10, &[7.0], 60, Some(7.0));
    }
}
