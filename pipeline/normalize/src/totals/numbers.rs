//! The totals of delta sums. There are at most as many as the registry takes series.

use std::time::Duration;

use flyball_model::{PointBatch, SeriesRef, UnixNanos};
use hashbrown::HashMap;
use parking_lot::Mutex;

use super::newest::{Arrival, Mark, Newest, Versions};
use super::{Added, LOOKS_MAX, Piece};

/// A delta that waits for the end of its body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delta {
    pub(crate) series: SeriesRef,
    /// When its interval began, where the sender says so.
    pub(crate) start: Option<UnixNanos>,
    /// When its interval ended.
    pub(crate) time: UnixNanos,
    pub(crate) change: f64,
}

/// The totals of all delta series.
#[derive(Debug, Default)]
pub(crate) struct NumberTotals(Mutex<Totals>);

#[derive(Debug, Default)]
struct Totals {
    by_series: HashMap<SeriesRef, NumberTotal>,
    versions: Versions,
}

/// A running total, in two parts: what a float can't hold of a long sum is carried along (Neumaier's summation), so that a
/// million small changes do not lose a thousandth of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct NumberTotal {
    pub(super) sum: f64,
    pub(super) carry: f64,
    /// When it began.
    pub(super) start: UnixNanos,
    pub(super) newest: Newest,
}

impl NumberTotals {
    /// Adds deltas to their totals, appends the totals to `points`, and writes those that changed into `piece`. Locks once, and not at
    /// all without a delta.
    pub(crate) fn accumulate(
        &self,
        mut deltas: Vec<Delta>,
        late: Duration,
        points: &mut PointBatch,
        piece: &mut Piece,
    ) -> Added {
        let mut added = Added::default();
        if deltas.is_empty() {
            return added;
        }
        // Within a body the order of times is known: a batch that lists them backwards has no late points.
        deltas.sort_by_key(|delta| delta.time);
        let mut changed = Vec::with_capacity(deltas.len());
        let mut totals = self.0.lock();
        let Totals { by_series, versions } = &mut *totals;
        for delta in deltas {
            let total = by_series.entry(delta.series).or_insert_with(|| {
                let start = delta.start.unwrap_or(delta.time);
                added.started.push((delta.series, start));
                NumberTotal { sum: 0.0, carry: 0.0, start, newest: Newest::NONE }
            });
            let arrival = total.newest.take(delta.time, delta.mark(), late, versions);
            added.late += u64::from(arrival == Arrival::Late);
            if arrival != Arrival::Again {
                total.add(delta.change);
                changed.push((delta.series, *total));
            }
            points.push(delta.series, total.newest.time, total.sum + total.carry);
        }
        drop(totals);
        write_last(changed, piece);
        added
    }

    /// Takes over a total, unless a newer one is known.
    pub(super) fn restore(&self, series: SeriesRef, total: NumberTotal) -> bool {
        let mut totals = self.0.lock();
        totals.versions.saw(total.newest.version);
        if totals.by_series.get(&series).is_some_and(|known| known.newest.version >= total.newest.version) {
            return false;
        }
        totals.by_series.insert(series, total);
        true
    }

    /// Writes totals from the series `from` on, until it has looked at some or the piece is full. Gives the series to go on with, `end`
    /// where none is left.
    pub(super) fn write_some(&self, from: u32, end: u32, piece: &mut Piece) -> u32 {
        let totals = self.0.lock();
        if totals.by_series.is_empty() {
            return end;
        }
        let stop = end.min(from.saturating_add(LOOKS_MAX));
        for series in (from..stop).map(SeriesRef) {
            if let Some(total) = totals.by_series.get(&series) {
                piece.number(series, total);
                if piece.is_full() {
                    return series.0 + 1;
                }
            }
        }
        stop
    }
}

/// Writes the last state of each total.
fn write_last(mut changed: Vec<(SeriesRef, NumberTotal)>, piece: &mut Piece) {
    changed.sort_unstable_by_key(|(series, total)| (*series, total.newest.version));
    for states in changed.chunk_by(|one, next| one.0 == next.0) {
        if let Some((series, total)) = states.last() {
            piece.number(*series, total);
        }
    }
}

impl NumberTotal {
    fn add(&mut self, change: f64) {
        let sum = self.sum + change;
        let lost = if self.sum.abs() >= change.abs() { (self.sum - sum) + change } else { (change - sum) + self.sum };
        // Beyond the largest float the sum is infinite, and nothing of it is lost that could be carried.
        self.carry += if lost.is_finite() { lost } else { 0.0 };
        self.sum = sum;
    }
}

impl Delta {
    fn mark(&self) -> Option<Mark> {
        Some(Mark::mix([self.start?.0 as u64, self.time.0 as u64, self.change.to_bits()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATE: Duration = Duration::from_nanos(10);

    /// A delta as start (0: not said), end and change.
    type Sent = (i64, i64, f64);

    /// Adds batches one after the other, and checks the points as time and total, and how many deltas were late.
    fn check(batches: &[&[Sent]], expected: &[(i64, f64)], late: u64) {
        let totals = NumberTotals::default();
        let (mut points, mut found) = (PointBatch::default(), 0);
        for batch in batches {
            let delta = |&(start, time, change): &Sent| Delta {
                series: SeriesRef(7),
                start: (start != 0).then_some(UnixNanos(start)),
                time: UnixNanos(time),
                change,
            };
            found +=
                totals.accumulate(batch.iter().map(delta).collect(), LATE, &mut points, &mut Piece::default()).late;
        }
        assert_eq!(points.iter().map(|(_, time, total)| (time.0, total)).collect::<Vec<_>>(), expected, "{batches:?}");
        assert_eq!(found, late, "{batches:?}");
    }

    #[test]
    fn deltas_add_up_over_batches() {
        check(&[&[(1, 10, 1.0), (10, 20, 2.0)], &[(20, 30, 0.5)]], &[(10, 1.0), (20, 3.0), (30, 3.5)], 0);
    }

    #[test]
    fn gaps_overlaps_and_restarts_of_the_sender_lose_nothing() {
        check(&[&[(1, 10, 1.0)], &[(15, 20, 2.0)]], &[(10, 1.0), (20, 3.0)], 0);
        check(&[&[(1, 10, 1.0)], &[(5, 20, 2.0)]], &[(10, 1.0), (20, 3.0)], 0);
        check(&[&[(1, 10, 5.0)], &[(30, 40, 1.0)], &[(40, 50, 1.0)]], &[(10, 5.0), (40, 6.0), (50, 7.0)], 0);
    }

    #[test]
    fn a_batch_in_disorder_is_put_in_order() {
        check(&[&[(10, 20, 2.0), (1, 10, 1.0)]], &[(10, 1.0), (20, 3.0)], 0);
    }

    #[test]
    fn late_deltas_are_added_and_the_total_never_goes_back() {
        let batches: [&[Sent]; 4] = [&[(0, 10, 1.0)], &[(0, 10, 2.0)], &[(0, 5, 4.0)], &[(0, 30, 8.0)]];
        check(&batches, &[(10, 1.0), (11, 3.0), (12, 7.0), (30, 15.0)], 0);
        check(&[&[(0, 100, 1.0)], &[(0, 90, 1.0)], &[(0, 90, 1.0)]], &[(100, 1.0), (101, 2.0), (102, 3.0)], 1);
    }

    #[test]
    fn a_delta_that_is_sent_again_is_not_added_again() {
        let sent: &[Sent] = &[(1, 10, 1.0)];
        check(&[sent, sent, &[(10, 20, 2.0)]], &[(10, 1.0), (10, 1.0), (20, 3.0)], 0);
        // Another process with the same label set has another start, or another value.
        check(&[sent, &[(2, 10, 1.0)], &[(1, 10, 3.0)]], &[(10, 1.0), (11, 2.0), (12, 5.0)], 0);
        // Nothing tells these two apart from two processes.
        check(&[&[(0, 10, 1.0)], &[(0, 10, 1.0)]], &[(10, 1.0), (11, 2.0)], 0);
    }

    #[test]
    fn a_sum_may_fall_when_it_is_not_monotonic() {
        check(&[&[(1, 10, 5.0)], &[(10, 20, -7.0)]], &[(10, 5.0), (20, -2.0)], 0);
    }

    #[test]
    fn a_total_begins_when_its_first_interval_does() {
        let totals = NumberTotals::default();
        let delta = |series, start| Delta { series: SeriesRef(series), start, time: UnixNanos(10), change: 1.0 };
        let add =
            |delta| totals.accumulate(vec![delta], LATE, &mut PointBatch::default(), &mut Piece::default()).started;
        assert_eq!(add(delta(1, Some(UnixNanos(4)))), [(SeriesRef(1), UnixNanos(4))]);
        assert_eq!(add(delta(2, None)), [(SeriesRef(2), UnixNanos(10))]);
        assert_eq!(add(delta(1, Some(UnixNanos(9)))), []);
    }

    #[test]
    fn a_million_small_changes_are_exact_to_the_last_digit() {
        let totals = NumberTotals::default();
        let mut points = PointBatch::default();
        let delta = |time| Delta { series: SeriesRef(0), start: None, time: UnixNanos(time), change: 0.1 };
        totals.accumulate((0..1_000_000).map(delta).collect(), LATE, &mut points, &mut Piece::default());
        assert_eq!(points.values().last(), Some(&100_000.0));
    }
}
