//! Delta sums become cumulative: a running total per series.
//!
//! Every delta is counted in, also one that comes late or at a time that was seen before. Senders without an identity of
//! their own (several processes, one label set) write such points in normal operation, and only counting all of them
//! gives their true sum; a late one would otherwise be lost. Its total is written one nanosecond after the newest point
//! of the series, since at its own time it would stand before smaller totals and look like the restart of a counter.
//! The price: a delta that a sender repeats because it missed the answer is counted twice.
//!
//! Totals begin at zero with the process. For a counter that is a restart like any other, which range functions know.

use flyball_model::{PointBatch, SeriesRef, UnixNanos};
use hashbrown::HashMap;
use parking_lot::Mutex;

/// A delta that waits for the end of its body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delta {
    pub(crate) series: SeriesRef,
    pub(crate) time: UnixNanos,
    pub(crate) change: f64,
}

/// The totals of all delta series: at most as many as the registry has series.
#[derive(Debug, Default)]
pub(crate) struct Accumulators(Mutex<HashMap<SeriesRef, Total>>);

#[derive(Debug, Clone, Copy)]
struct Total {
    sum: f64,
    newest: UnixNanos,
}

impl Accumulators {
    /// Adds deltas to their totals and appends the totals to `points`. Locks once, and not at all without a delta.
    pub(crate) fn accumulate(&self, mut deltas: Vec<Delta>, points: &mut PointBatch) {
        if deltas.is_empty() {
            return;
        }
        // Within a body the order of times is known: a batch that lists them backwards has no late points.
        deltas.sort_by_key(|delta| delta.time);
        let mut totals = self.0.lock();
        for Delta { series, time, change } in deltas {
            let total = totals.entry(series).or_insert(Total { sum: 0.0, newest: UnixNanos::MIN });
            total.sum += change;
            total.newest = time.max(UnixNanos(total.newest.0.saturating_add(1)));
            points.push(series, total.newest, total.sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(batches: &[&[(i64, f64)]], expected: &[(i64, f64)]) {
        let totals = Accumulators::default();
        let mut points = PointBatch::default();
        for batch in batches {
            let delta = |&(time, change): &(i64, f64)| Delta { series: SeriesRef(7), time: UnixNanos(time), change };
            totals.accumulate(batch.iter().map(delta).collect(), &mut points);
        }
        assert_eq!(points.iter().map(|(_, time, total)| (time.0, total)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn deltas_add_up_over_batches() {
        check(&[&[(10, 1.0), (20, 2.0)], &[(30, 0.5)]], &[(10, 1.0), (20, 3.0), (30, 3.5)]);
    }

    #[test]
    fn a_batch_in_disorder_is_put_in_order() {
        check(&[&[(20, 2.0), (10, 1.0)]], &[(10, 1.0), (20, 3.0)]);
    }

    #[test]
    fn late_and_repeated_times_are_counted_in_and_the_total_never_goes_back() {
        check(&[&[(10, 1.0)], &[(10, 2.0)], &[(5, 4.0)], &[(30, 8.0)]], &[(10, 1.0), (11, 3.0), (12, 7.0), (30, 15.0)]);
    }
}
