//! How much a series grew over a whole window, though its samples seldom lie at the window's ends.

use super::super::window::Window;
use super::seconds;
use super::steps::is_reset;

/// The rules are those of Prometheus (`extrapolatedRate` in its `promql/functions.go`), so that a rule gives the same numbers in both:
///
/// - The growth between the first and the last sample; a counter that falls was reset, and what it had before counts.
/// - It is stretched towards both ends of the window. When an end is farther from its sample than 1.1 times the mean distance of samples,
///   the series is taken to begin or end half such a distance away from the sample.
/// - A counter is not stretched beyond the instant at which it would have been zero.
pub(in crate::functions) fn extrapolated(times: &[i64], values: &[f64], window: Window, counter: bool) -> Option<f64> {
    let &[first, .., last] = values else { return None };
    let lost = values.array_windows().map(|[before, after]| lost_by_reset(*before, *after));
    let growth = last - first + if counter { lost.sum() } else { 0.0 };
    let (covered, sampled) = Seen::of(times)?.coverage(first, growth, window, counter);
    Some(growth * covered / sampled)
}

/// What a counter had before it was reset, if the second of two samples shows that it was; else nothing.
pub(crate) fn lost_by_reset(before: f64, after: f64) -> f64 {
    if is_reset(before, after) { before } else { 0.0 }
}

/// When several samples were seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) first_at: i64,
    pub(crate) last_at: i64,
    /// How many; at least two.
    pub(crate) count: usize,
}

impl Seen {
    /// `None` when there are fewer than two.
    pub(in crate::functions) fn of(times: &[i64]) -> Option<Self> {
        let &[first_at, .., last_at] = times else { return None };
        Some(Self { first_at, last_at, count: times.len() })
    }

    /// The seconds that a growth is stretched to, and those between the first and the last sample in which it was seen; see
    /// [`extrapolated`]. `first` is the first value.
    pub(crate) fn coverage(self, first: f64, growth: f64, window: Window, counter: bool) -> (f64, f64) {
        let sampled = seconds(self.last_at - self.first_at);
        let distance = sampled / (self.count - 1) as f64;
        let reach = |gap: f64| if gap >= distance * 1.1 { distance / 2.0 } else { gap };
        let mut before = reach(seconds(self.first_at - window.from));
        if counter && growth > 0.0 && first >= 0.0 {
            before = before.min(sampled * (first / growth));
        }
        let after = reach(seconds(window.to - self.last_at));
        (sampled + before + after, sampled)
    }
}
