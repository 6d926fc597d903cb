//! The two newest points of one series, which is all that an attribute needs of it.

use std::time::Duration;

use flyball_model::UnixNanos;
use flyball_model::batch::is_stale;

/// A series that is this much older than the newest one of the same attribute no longer counts: its pod moved, its
/// process ended. Five minutes is how far back Prometheus looks.
pub(crate) const ALIVE_WITHIN: Duration = Duration::from_secs(5 * 60);

/// The two newest points by time, whatever the order in which they came. A point at a known time replaces it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cell {
    time: i64,
    value: f64,
    before_time: i64,
    before_value: f64,
}

/// No point has this time: normalisation refuses points that are older than the history.
const NEVER: i64 = i64::MIN;

impl Cell {
    pub(crate) const EMPTY: Cell = Cell { time: NEVER, value: f64::NAN, before_time: NEVER, before_value: f64::NAN };

    /// Takes a point in.
    #[inline]
    pub(crate) fn put(&mut self, time: i64, value: f64) {
        if time > self.time {
            (self.before_time, self.before_value) = (self.time, self.value);
            (self.time, self.value) = (time, value);
        } else if time == self.time {
            self.value = value;
        } else if time >= self.before_time {
            (self.before_time, self.before_value) = (time, value);
        }
    }

    /// The newest point and the one before it, each as time and value; as [`Cell::of`] takes them.
    pub(crate) fn points(&self) -> [(i64, f64); 2] {
        [(self.time, self.value), (self.before_time, self.before_value)]
    }

    /// A cell of these points.
    pub(crate) fn of([(time, value), (before_time, before_value)]: [(i64, f64); 2]) -> Self {
        Self { time, value, before_time, before_value }
    }

    /// Takes the points of another cell in.
    pub(crate) fn merge(&mut self, other: &Cell) {
        for (time, value) in other.points().into_iter().rev().filter(|(time, _)| *time != NEVER) {
            self.put(time, value);
        }
    }

    /// The time of the newest point; `None` before the first.
    pub(crate) fn time(&self) -> Option<UnixNanos> {
        (self.time != NEVER).then_some(UnixNanos(self.time))
    }

    /// The newest value; `None` when the series ended or never was.
    pub(crate) fn value(&self) -> Option<f64> {
        (self.time != NEVER && !is_stale(self.value)).then_some(self.value)
    }

    /// The change per second between the two newest points. A counter that fell was restarted at zero, as Prometheus has it.
    pub(crate) fn rate(&self) -> Option<f64> {
        let value = self.value()?;
        if self.before_time == NEVER || is_stale(self.before_value) {
            return None;
        }
        let seconds = UnixNanos(self.time).since(UnixNanos(self.before_time)).as_secs_f64();
        let increase = if value >= self.before_value { value - self.before_value } else { value };
        Some(increase / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flyball_model::batch::STALE_NAN_BITS;

    fn cell(points: &[(i64, f64)]) -> Cell {
        let mut cell = Cell::EMPTY;
        for &(second, value) in points {
            cell.put(second * 1_000_000_000, value);
        }
        cell
    }

    #[test]
    fn a_rate_lies_between_the_two_newest_points_in_whatever_order_they_come() {
        for points in
            [[(1, 5.0), (3, 10.0), (5, 20.0)], [(5, 20.0), (1, 5.0), (3, 10.0)], [(3, 10.0), (5, 20.0), (1, 5.0)]]
        {
            assert_eq!((cell(&points).value(), cell(&points).rate()), (Some(20.0), Some(5.0)), "{points:?}");
        }
    }

    #[test]
    fn a_restarted_counter_grew_from_zero() {
        assert_eq!(cell(&[(1, 100.0), (3, 4.0)]).rate(), Some(2.0));
    }

    #[test]
    fn one_point_has_no_rate_and_an_ended_series_no_value() {
        assert_eq!(cell(&[]).value(), None);
        assert_eq!(cell(&[(1, 1.0)]).rate(), None);
        let ended = cell(&[(1, 1.0), (2, f64::from_bits(STALE_NAN_BITS))]);
        assert_eq!((ended.value(), ended.rate(), ended.time()), (None, None, Some(UnixNanos::from_secs(2))));
    }

    #[test]
    fn a_point_at_a_known_time_replaces_it() {
        assert_eq!(cell(&[(1, 1.0), (1, 2.0)]).value(), Some(2.0));
    }
}
