//! Delta sums become cumulative: a running total per series.
//!
//! | a delta | what becomes of it |
//! |---|---|
//! | whose interval follows the last one | is added |
//! | after a gap, or of a sender that started anew | is added: what was counted stays counted |
//! | whose interval overlaps the last one | is added: several processes may share one label set |
//! | that is older than the newest, or of the same time | is added; its total is written just after the newest point |
//! | that is older than the newest by more than `limits.late` | likewise, and counted as late |
//! | that is the newest one once more, with its start and its value | adds nothing: its sender missed the answer |
//!
//! Senders without an identity of their own (several processes, one label set) write points out of order in normal operation, and
//! only counting all of them gives their true sum. A late one's total cannot stand at its own time: before smaller totals it would
//! look like the restart of a counter.
//!
//! Totals begin at zero with the process, at the start of the first delta. For a counter that is a restart like any other, which
//! range functions know. There are at most as many totals as the registry takes series.

use std::time::Duration;

use flyball_model::{PointBatch, SeriesRef, UnixNanos};
use hashbrown::HashMap;
use parking_lot::Mutex;

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

/// What became of the deltas of a body beside their points.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Added {
    /// How many were late.
    pub(crate) late: u64,
    /// How many histograms were not added, since their totals are more than a batch holds.
    pub(crate) refused: u64,
    /// The totals that began, and when.
    pub(crate) started: Vec<(SeriesRef, UnixNanos)>,
}

/// An odd number with bits all over (from the digits of the golden ratio), to mix with.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// The totals of all delta series.
#[derive(Debug, Default)]
pub(crate) struct Accumulators(Mutex<HashMap<SeriesRef, Total>>);

/// A running total, in two parts: what a float can't hold of a long sum is carried along (Neumaier's summation), so that a
/// million small changes do not lose a thousandth of it.
#[derive(Debug, Clone, Copy)]
struct Total {
    sum: f64,
    carry: f64,
    newest: UnixNanos,
    /// The newest delta, to know it again; 0 if it does not say when its interval began.
    mark: u64,
}

impl Accumulators {
    /// Adds deltas to their totals and appends the totals to `points`. Locks once, and not at all without a delta.
    pub(crate) fn accumulate(&self, mut deltas: Vec<Delta>, late: Duration, points: &mut PointBatch) -> Added {
        let mut added = Added::default();
        if deltas.is_empty() {
            return added;
        }
        // Within a body the order of times is known: a batch that lists them backwards has no late points.
        deltas.sort_by_key(|delta| delta.time);
        let mut totals = self.0.lock();
        for delta in deltas {
            let total = totals.entry(delta.series).or_insert_with(|| {
                added.started.push((delta.series, delta.start.unwrap_or(delta.time)));
                Total { sum: 0.0, carry: 0.0, newest: UnixNanos::MIN, mark: 0 }
            });
            if total.mark == 0 || total.mark != delta.mark() {
                added.late += u64::from(delta.time < total.newest.minus(late));
                total.add(&delta);
            }
            points.push(delta.series, total.newest, total.sum + total.carry);
        }
        added
    }
}

impl Total {
    fn add(&mut self, delta: &Delta) {
        let sum = self.sum + delta.change;
        let lost = if self.sum.abs() >= delta.change.abs() {
            (self.sum - sum) + delta.change
        } else {
            (delta.change - sum) + self.sum
        };
        // Beyond the largest float the sum is infinite, and nothing of it is lost that could be carried.
        self.carry += if lost.is_finite() { lost } else { 0.0 };
        self.sum = sum;
        if delta.time > self.newest {
            self.newest = delta.time;
            self.mark = delta.mark();
        } else {
            self.newest = UnixNanos(self.newest.0.saturating_add(1));
        }
    }
}

impl Delta {
    /// What the delta is known by. Start, end and value of two deltas of a series mix to the same number once in 2^64.
    fn mark(&self) -> u64 {
        let Some(start) = self.start else { return 0 };
        let mix = |state: u64, word: u64| {
            let product = u128::from(state ^ word) * u128::from(MIX);
            (product as u64) ^ (product >> 64) as u64
        };
        [start.0 as u64, self.time.0 as u64, self.change.to_bits()].into_iter().fold(MIX, mix).max(1)
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
        let totals = Accumulators::default();
        let (mut points, mut found) = (PointBatch::default(), 0);
        for batch in batches {
            let delta = |&(start, time, change): &Sent| Delta {
                series: SeriesRef(7),
                start: (start != 0).then_some(UnixNanos(start)),
                time: UnixNanos(time),
                change,
            };
            found += totals.accumulate(batch.iter().map(delta).collect(), LATE, &mut points).late;
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
        let totals = Accumulators::default();
        let delta = |series, start| Delta { series: SeriesRef(series), start, time: UnixNanos(10), change: 1.0 };
        let add = |delta| totals.accumulate(vec![delta], LATE, &mut PointBatch::default()).started;
        assert_eq!(add(delta(1, Some(UnixNanos(4)))), [(SeriesRef(1), UnixNanos(4))]);
        assert_eq!(add(delta(2, None)), [(SeriesRef(2), UnixNanos(10))]);
        assert_eq!(add(delta(1, Some(UnixNanos(9)))), []);
    }

    #[test]
    fn a_million_small_changes_are_exact_to_the_last_digit() {
        let totals = Accumulators::default();
        let mut points = PointBatch::default();
        let delta = |time| Delta { series: SeriesRef(0), start: None, time: UnixNanos(time), change: 0.1 };
        totals.accumulate((0..1_000_000).map(delta).collect(), LATE, &mut points);
        assert_eq!(points.values().last(), Some(&100_000.0));
    }
}
