//! Straight lines through samples, and double exponential smoothing.

use super::seconds;
use super::sums::{mean, sum};

/// A straight line through samples, by least squares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Line {
    /// Per second.
    pub(crate) slope: f64,
    /// The value at the instant that was asked for.
    pub(crate) value: f64,
}

/// The line that is nearest to at least two samples: with t and v as seconds and values around their means, the slope is
/// Σ t v / Σ t². `at` is the instant of [`Line::value`].
///
/// The same line as `deriv` and `predict_linear` of Prometheus; taking the means off first keeps digits that sums of squares lose.
pub(crate) fn line(times: &[i64], values: &[f64], at: i64) -> Option<Line> {
    let &[first, _, ..] = values else { return None };
    if values.iter().all(|&value| value == first) {
        // Exactly level: no noise of rounding. Infinities have no line.
        return Some(if first.is_finite() {
            Line { slope: 0.0, value: first }
        } else {
            Line { slope: f64::NAN, value: f64::NAN }
        });
    }
    let last_at = *times.last()?;
    let ages: Vec<f64> = times.iter().map(|&time| seconds(time - last_at)).collect();
    let (middle, level) = (mean(&ages), mean(values));
    let squares = sum(ages.iter().map(|age| (age - middle) * (age - middle)));
    let products = sum(ages.iter().zip(values).map(|(age, value)| (age - middle) * (value - level)));
    let slope = products / squares;
    Some(Line { slope, value: level + slope * (seconds(at - last_at) - middle) })
}

/// The last smoothed value of a series with a level and a trend, from at least two samples:
///
/// ```text
/// level[i] = sf * v[i] + (1 - sf) * (level[i-1] + trend[i-1])        level[0] = v[0]
/// trend[i] = tf * (level[i] - level[i-1]) + (1 - tf) * trend[i-1]    trend[0] = v[1] - v[0]
/// ```
///
/// Holt's method (C. C. Holt, "Forecasting seasonals and trends by exponentially weighted moving averages", 1957), with the numbers of
/// `double_exponential_smoothing` of Prometheus, which was called `holt_winters` before version 3. The distances between samples are not
/// looked at.
pub(crate) fn smoothed(values: &[f64], smoothing: f64, trend_smoothing: f64) -> Option<f64> {
    let &[first, second, ..] = values else { return None };
    let (mut level, mut trend) = (first, second - first);
    for &value in &values[1..] {
        let next = smoothing * value + (1.0 - smoothing) * (level + trend);
        trend = trend_smoothing * (next - level) + (1.0 - trend_smoothing) * trend;
        level = next;
    }
    Some(level)
}
