//! What each range function makes of the samples of one series in one window.

use super::numbers::growth::extrapolated;
use super::numbers::sums::{mean, mean_and_variance, sum};
use super::numbers::{seconds, steps, trend, usual};

/// How long a sample stands for how things are, in nanoseconds: 5 minutes, as in Prometheus.
pub(super) const LOOK_BACK: i64 = 300 * 1_000_000_000;

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
    Sum,
    Count,
    Stddev,
    Var,
    Last,
    Irate,
    Idelta,
    Changes,
    Resets,
    Deriv,
    /// So many nanoseconds after the window's end.
    PredictLinear(i64),
    Zscore,
    /// The half-life in nanoseconds.
    Ewma(i64),
    /// The smoothing factors of level and trend, each above 0 and below 1.
    HoltWinters(f64, f64),
    /// Needs windows of earlier periods, too: see [`super::exec`].
    Seasonal(Season),
    /// About all series together: see [`super::exec`].
    Absent,
}

/// What `seasonal_baseline` compares with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Season {
    /// Nanoseconds, above zero.
    pub(crate) period: i64,
    /// How many periods, at least 2.
    pub(crate) count: u32,
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
            Function::Sum => Some(sum(values.iter().copied())),
            Function::Count => Some(values.len() as f64),
            Function::Stddev => Some(mean_and_variance(values).1.sqrt()),
            Function::Var => Some(mean_and_variance(values).1),
            Function::Last => Some(last),
            Function::Irate => steps::instant_rate(times, values),
            Function::Idelta => steps::instant_delta(values),
            Function::Changes => Some(steps::changes(values)),
            Function::Resets => Some(steps::resets(values)),
            Function::Deriv => trend::line(times, values, window.to).map(|line| line.slope),
            Function::PredictLinear(ahead) => {
                trend::line(times, values, window.to.saturating_add(ahead)).map(|line| line.value)
            }
            // In a window of a day a last sample of some hours ago would say nothing of now.
            Function::Zscore if times.last()? <= &window.to.saturating_sub(LOOK_BACK) => None,
            Function::Zscore => usual::standard_score(values),
            Function::Ewma(half_life) => usual::exponential_mean(times, values, half_life),
            Function::HoltWinters(smoothing, trend) => trend::smoothed(values, smoothing, trend),
            Function::Seasonal(_) | Function::Absent => None,
        }
    }

    /// Its name in SQL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Function::Rate => "rate",
            Function::Increase => "increase",
            Function::Delta => "delta",
            Function::Latest => "latest",
            Function::Avg => "avg_over",
            Function::Max => "max_over",
            Function::Min => "min_over",
            Function::Quantile(_) => "quantile_over",
            Function::Sum => "sum_over",
            Function::Count => "count_over",
            Function::Stddev => "stddev_over",
            Function::Var => "var_over",
            Function::Last => "last_over",
            Function::Irate => "irate",
            Function::Idelta => "idelta",
            Function::Changes => "changes",
            Function::Resets => "resets",
            Function::Deriv => "deriv",
            Function::PredictLinear(_) => "predict_linear",
            Function::Zscore => "zscore",
            Function::Ewma(_) => "ewma",
            Function::HoltWinters(..) => "holt_winters",
            Function::Seasonal(_) => "seasonal_baseline",
            Function::Absent => "absent",
        }
    }

    /// How many samples of a series it needs in its window.
    pub(super) fn needs(self) -> u32 {
        match self {
            Function::Rate | Function::Increase | Function::Delta | Function::Irate | Function::Idelta => 2,
            Function::Deriv | Function::PredictLinear(_) | Function::Zscore | Function::HoltWinters(..) => 2,
            _ => 1,
        }
    }

    /// Whether it is about how things are now, so that a series that has ended has no row.
    pub(crate) fn is_of_now(self) -> bool {
        matches!(self, Function::Latest | Function::Zscore | Function::Seasonal(_))
    }

    /// Whether its figure changes with the window's end although no sample comes or goes.
    pub(crate) fn is_of_the_end(self) -> bool {
        matches!(
            self,
            Function::Rate | Function::Increase | Function::Delta | Function::PredictLinear(_) | Function::Zscore
        )
    }

    /// Whether it is about the last sample, whose time is the row's.
    pub(crate) fn is_of_last_sample(self) -> bool {
        self == Function::Last || self.is_of_now()
    }

    /// The names of its numeric columns.
    pub(super) fn figures(self) -> &'static [&'static str] {
        match self {
            Function::Seasonal(_) => &["value", "mean", "stddev", "deviation"],
            _ => &["value"],
        }
    }

    /// The unit of its figures, where the metric's is `unit`.
    pub(super) fn unit(self, unit: &str) -> Option<String> {
        match self {
            _ if unit.is_empty() => None,
            Function::Rate | Function::Irate | Function::Deriv => Some(format!("{unit}/s")),
            Function::Count | Function::Changes | Function::Resets | Function::Zscore | Function::Absent => None,
            // A square of what nobody names.
            Function::Var => None,
            _ => Some(unit.to_owned()),
        }
    }
}

/// The quantile by linear interpolation between the two samples around rank `q (n - 1)`, as `quantile_over_time` of Prometheus, for which NaN
/// is less than any number.
fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(|a, b| b.is_nan().cmp(&a.is_nan()).then(a.total_cmp(b)));
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
        check(Function::Quantile(1.0), 5, 10, &[7.0, f64::NAN], 60, Some(7.0));
    }
}
