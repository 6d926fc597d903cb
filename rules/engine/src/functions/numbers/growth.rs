//! How much a series grew over a whole window, though its samples seldom lie at the window's ends.

use super::super::window::Window;
use super::seconds;

/// The rules are those of Prometheus (`extrapolatedRate` in its `promql/functions.go`), so that a rule gives the same numbers in both:
///
/// - The growth between the first and the last sample; a counter that falls was reset, and what it had before counts.
/// - It is stretched towards both ends of the window. When an end is farther from its sample than 1.1 times the mean distance of samples,
///   the series is taken to begin or end half such a distance away from the sample.
/// - A counter is not stretched beyond the instant at which it would have been zero.
pub(in crate::functions) fn extrapolated(times: &[i64], values: &[f64], window: Window, counter: bool) -> Option<f64> {
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
pub(in crate::functions) fn coverage(
    times: &[i64],
    first: f64,
    growth: f64,
    window: Window,
    counter: bool,
) -> (f64, f64) {
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
