//! How the last sample of a series compares with what was usual before.

use super::seconds;
use super::sums::{mean_and_variance, sum};

/// The mean of at least one sample, each weighted by its age: one that is a half-life older than the last counts half.
///
/// v̄ = Σ wᵢ vᵢ / Σ wᵢ with wᵢ = 2^(-(tₙ - tᵢ) / half-life). That is the exponentially weighted moving average of Roberts ("Control chart
/// tests based on geometric moving averages", Technometrics 1, 1959) for samples at any distance, as `ewm(halflife=…, times=…).mean()` of
/// pandas gives it. The last sample weighs 1, so the weights never vanish together.
pub(crate) fn exponential_mean(times: &[i64], values: &[f64], half_life: i64) -> Option<f64> {
    let last_at = *times.last()?;
    let weight = |time: i64| (seconds(time - last_at) / seconds(half_life)).exp2();
    let weights = sum(times.iter().map(|&time| weight(time)));
    // What is too old to weigh anything must not make an infinity NaN.
    let weighted = times.iter().zip(values).map(|(&time, value)| (weight(time), value)).filter(|pair| pair.0 > 0.0);
    Some(sum(weighted.map(|(weight, value)| weight * value)) / weights)
}

/// How many standard deviations the last of at least two samples lies above the mean of all: (v - mean) / stddev; zero where all are alike.
///
/// Since the last sample is among them, the score of n samples is never beyond √(n - 1) (Samuelson, "How deviant can you be?", Journal of
/// the American Statistical Association 63, 1968).
pub(crate) fn standard_score(values: &[f64]) -> Option<f64> {
    let &[_, .., last] = values else { return None };
    let (mean, variance) = mean_and_variance(values);
    Some(if variance == 0.0 { 0.0 } else { (last - mean) / variance.sqrt() })
}

/// A value beside those of the same phase of earlier periods.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Baseline {
    /// Now.
    pub(crate) value: f64,
    /// Of the earlier ones.
    pub(crate) mean: f64,
    /// Of the earlier ones: an estimate for others of their kind (divided by n - 1), since they are few.
    pub(crate) stddev: f64,
    /// `value - mean`.
    pub(crate) deviation: f64,
}

/// Compares a value with those of at least two earlier periods; fewer have no spread.
///
/// The seasonal naive method, averaged over seasons (Hyndman and Athanasopoulos, "Forecasting: principles and practice", 3rd edition,
/// section 5.2).
pub(crate) fn baseline(value: f64, earlier: &[f64]) -> Option<Baseline> {
    let [_, _, ..] = earlier else { return None };
    let (mean, variance) = mean_and_variance(earlier);
    let count = earlier.len() as f64;
    Some(Baseline { value, mean, stddev: (variance * count / (count - 1.0)).sqrt(), deviation: value - mean })
}
