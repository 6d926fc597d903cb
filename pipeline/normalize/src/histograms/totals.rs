//! Deltas of histograms become cumulative: a running total per series, by the rules of [`crate::delta`].
//!
//! Every delta is added, also after a gap, by a sender that started anew, and late ones, whose total is written just after the newest
//! point and which are counted; only the newest one sent once more adds nothing. Exponential buckets get coarser as the total spans
//! more of them. A delta with other bounds begins a new total, which range functions know for a restart: adding it would take
//! bounds away for ever.

use std::time::Duration;

use flyball_model::rows::HistogramBuilder;
use flyball_model::{Histogram, SeriesRef, UnixNanos};
use hashbrown::HashMap;
use parking_lot::Mutex;

use super::BODY_BUCKETS_MAX;
use crate::delta::Added;

/// Exponential buckets of a total: as many on each side of zero as senders keep themselves.
const TOTAL_BUCKETS_MAX: usize = 2 * 160;

/// Buckets of all totals, 128 MiB. Beyond, the half that was not added to for the longest time is forgotten: their next delta
/// begins a new total.
const TOTALS_BUCKETS_MAX: usize = 1 << 24;

/// A delta that waits for the end of its body.
#[derive(Debug)]
pub(super) struct HistogramDelta {
    pub(super) series: SeriesRef,
    /// When its interval ended.
    pub(super) time: UnixNanos,
    /// With its start time, if the sender says when its interval began.
    pub(super) histogram: Histogram,
}

/// The totals of all series of histograms that come as deltas.
#[derive(Debug, Default)]
pub(crate) struct HistogramTotals(Mutex<Totals>);

#[derive(Debug, Default)]
struct Totals {
    by_series: HashMap<SeriesRef, Total>,
    buckets: usize,
}

#[derive(Debug)]
struct Total {
    sum: Histogram,
    newest: UnixNanos,
    /// The newest delta, to know it again; `None` if it does not say when its interval began.
    mark: Option<Mark>,
}

/// Start, end, count and sum of a delta, as bits.
type Mark = [u64; 4];

impl HistogramDelta {
    fn mark(&self) -> Option<Mark> {
        let totals = self.histogram.totals();
        let sum = totals.sum.unwrap_or_default();
        Some([totals.start_time?.0 as u64, self.time.0 as u64, totals.count.to_bits(), sum.to_bits()])
    }
}

impl HistogramTotals {
    /// Adds deltas to their totals and appends the totals to `rows`. Those later than `late` behind the newest of their series are
    /// counted, and those whose totals would make `rows` larger than a batch may be are not added and counted too. Locks once, and not at all without a delta.
    pub(super) fn accumulate(
        &self,
        mut deltas: Vec<HistogramDelta>,
        late: Duration,
        rows: &mut HistogramBuilder,
    ) -> Added {
        let mut added = Added::default();
        if deltas.is_empty() {
            return added;
        }
        // Within a body the order of times is known: a batch that lists them backwards has no late points.
        deltas.sort_by_key(|delta| delta.time);
        let mut totals = self.0.lock();
        for delta in deltas {
            totals.add(delta, late, rows, &mut added);
        }
        added
    }
}

impl Totals {
    fn add(&mut self, delta: HistogramDelta, late: Duration, rows: &mut HistogramBuilder, added: &mut Added) {
        let (series, time, mark) = (delta.series, delta.time, delta.mark());
        // A delta may be small and its total large, and each of them becomes a row.
        let before = self.by_series.get(&series).map_or(0, |total| total.sum.bucket_count().max(TOTAL_BUCKETS_MAX));
        if rows.buckets() + before.max(delta.histogram.bucket_count()) > BODY_BUCKETS_MAX {
            added.refused += 1;
            return;
        }
        let Some(total) = self.by_series.get_mut(&series) else {
            let total = Total::begin(delta);
            added.started.extend(total.start(series));
            rows.push(series, total.newest, &total.sum);
            self.buckets += total.sum.bucket_count();
            self.by_series.insert(series, total);
            return self.shrink();
        };
        let is_repeated = mark.is_some() && mark == total.mark;
        if !is_repeated {
            added.late += u64::from(time < total.newest.minus(late));
            let (buckets, start) = (total.sum.bucket_count(), total.start(series));
            total.add(delta, mark);
            self.buckets = self.buckets + total.sum.bucket_count() - buckets;
            added.started.extend(total.start(series).filter(|began| Some(*began) != start));
        }
        rows.push(series, total.newest, &total.sum);
        self.shrink();
    }

    /// Forgets the totals that rest, when there are too many buckets.
    fn shrink(&mut self) {
        if self.buckets <= TOTALS_BUCKETS_MAX {
            return;
        }
        let mut newest: Vec<_> = self.by_series.values().map(|total| total.newest).collect();
        let middle = newest.len() / 2;
        let mut left = newest.len() - middle;
        let (_, &mut median, _) = newest.select_nth_unstable(middle);
        self.by_series.retain(|_, total| {
            let keep = total.newest >= median && left > 0;
            left -= usize::from(keep);
            keep
        });
        self.buckets = self.by_series.values().map(|total| total.sum.bucket_count()).sum();
    }
}

impl Total {
    fn begin(delta: HistogramDelta) -> Self {
        let (mark, newest) = (delta.mark(), delta.time);
        let mut sum = delta.histogram;
        sum.set_start_time(Some(sum.totals().start_time.unwrap_or(newest)));
        Self { sum, newest, mark }
    }

    /// When it began.
    fn start(&self, series: SeriesRef) -> Option<(SeriesRef, UnixNanos)> {
        self.sum.totals().start_time.map(|start| (series, start))
    }

    fn add(&mut self, delta: HistogramDelta, mark: Option<Mark>) {
        let (time, newest) = (delta.time, self.newest);
        if self.sum.is_like(&delta.histogram) {
            let start_time = self.sum.totals().start_time;
            self.sum.merge_within(&delta.histogram, TOTAL_BUCKETS_MAX);
            self.sum.set_start_time(start_time);
        } else {
            self.sum = Self::begin(delta).sum;
        }
        if time > newest {
            (self.newest, self.mark) = (time, mark);
        } else {
            self.newest = UnixNanos(newest.0.saturating_add(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use flyball_model::histogram::{BucketRun, ExponentialBuckets, Totals as Summary};
    use flyball_model::rows::histogram_rows;

    use super::*;

    const LATE: Duration = Duration::from_nanos(10);

    fn explicit(start: i64, bounds: &[f64], counts: &[f64]) -> Histogram {
        let start_time = (start != 0).then_some(UnixNanos(start));
        let totals = Summary { count: counts.iter().sum(), sum: Some(1.0), start_time, ..Summary::default() };
        Histogram::explicit(totals, bounds.to_vec(), counts.to_vec()).expect("fits")
    }

    fn exponential(scale: i8, offset: i32, counts: &[f64]) -> Histogram {
        let totals = Summary { count: counts.iter().sum(), sum: Some(1.0), ..Summary::default() };
        let positive = BucketRun { offset, counts: counts.to_vec() };
        Histogram::exponential(totals, ExponentialBuckets { scale, positive, ..ExponentialBuckets::default() })
            .expect("fits")
    }

    /// Adds batches one after the other; checks time, count and start of the rows, and how many deltas were late.
    fn check(batches: Vec<Vec<(i64, Histogram)>>, expected: &[(i64, f64, i64)], late: u64) -> Vec<Histogram> {
        let totals = HistogramTotals::default();
        let (mut rows, mut found) = (HistogramBuilder::default(), 0);
        for batch in batches {
            let delta = |(time, histogram)| HistogramDelta { series: SeriesRef(7), time: UnixNanos(time), histogram };
            found += totals.accumulate(batch.into_iter().map(delta).collect(), LATE, &mut rows).late;
        }
        let rows = histogram_rows(rows.finish().batch()).expect("just built");
        let seen: Vec<_> = rows
            .iter()
            .map(|row| {
                let histogram = row.histogram.as_ref().expect("no marker");
                (row.time.0, histogram.count(), histogram.totals().start_time.expect("known").0)
            })
            .collect();
        assert_eq!((seen.as_slice(), found), (expected, late));
        rows.into_iter().filter_map(|row| row.histogram).collect()
    }

    #[test]
    fn deltas_add_up_across_gaps_and_restarts_of_the_sender() {
        let one = |start| explicit(start, &[1.0], &[1.0, 1.0]);
        let batches = vec![vec![(10, one(5))], vec![(20, one(10))], vec![(40, one(33))]];
        let totals = check(batches, &[(10, 2.0, 5), (20, 4.0, 5), (40, 6.0, 5)], 0);
        assert_eq!(totals[2].totals().sum, Some(3.0));
        let change = totals[2].since(&totals[0], UnixNanos(10)).expect("no restart");
        assert_eq!(change.count(), 4.0);
    }

    #[test]
    fn late_deltas_are_added_and_counted_and_disorder_in_a_body_is_not_late() {
        let one = |start| explicit(start, &[1.0], &[1.0, 0.0]);
        check(vec![vec![(120, one(110)), (10, one(5))]], &[(10, 1.0, 5), (120, 2.0, 5)], 0);
        let batches = vec![vec![(120, one(110))], vec![(105, one(100))], vec![(115, one(114))]];
        check(batches, &[(120, 1.0, 110), (121, 2.0, 110), (122, 3.0, 110)], 1);
    }

    #[test]
    fn a_delta_that_is_sent_again_is_not_added_again() {
        let one = |start| explicit(start, &[1.0], &[1.0, 0.0]);
        check(vec![vec![(10, one(5))], vec![(10, one(5))]], &[(10, 1.0, 5), (10, 1.0, 5)], 0);
        check(vec![vec![(10, one(5))], vec![(10, one(4))]], &[(10, 1.0, 5), (11, 2.0, 5)], 0);
    }

    #[test]
    fn other_bounds_begin_a_new_total() {
        let batches = vec![
            vec![(10, explicit(5, &[1.0], &[1.0, 1.0]))],
            vec![(20, explicit(10, &[2.0], &[1.0, 0.0]))],
            vec![(30, explicit(20, &[2.0], &[1.0, 0.0]))],
        ];
        let totals = check(batches, &[(10, 2.0, 5), (20, 1.0, 10), (30, 2.0, 10)], 0);
        assert_eq!(totals[1].since(&totals[0], UnixNanos(10)), None);
    }

    #[test]
    fn a_total_of_exponential_deltas_gets_coarser_as_it_spans_more() {
        let batches = vec![vec![(10, exponential(20, 0, &[1.0]))], vec![(20, exponential(20, 1 << 24, &[1.0]))]];
        let totals = check(batches, &[(10, 1.0, 10), (20, 2.0, 10)], 0);
        assert!(totals[1].bucket_count() <= TOTAL_BUCKETS_MAX);
        assert_eq!(totals[1].since(&totals[0], UnixNanos(10)).map(|change| change.count()), Some(1.0));
    }

    #[test]
    fn small_deltas_of_a_large_total_do_not_become_more_than_a_batch_holds() {
        let large = exponential(20, 0, &[1.0; 16_384]);
        let small = (1..600).map(|time| (time, exponential(20, 0, &[1.0])));
        let (totals, mut rows) = (HistogramTotals::default(), HistogramBuilder::default());
        let delta = |(time, histogram)| HistogramDelta { series: SeriesRef(7), time: UnixNanos(time), histogram };
        let deltas = std::iter::once((0, large)).chain(small).map(delta).collect();
        let added = totals.accumulate(deltas, LATE, &mut rows);
        assert_eq!((rows.len(), added.refused), (512, 88));
        assert_eq!(rows.buckets(), BODY_BUCKETS_MAX);
    }

    #[test]
    fn totals_that_rest_are_forgotten_when_there_are_too_many() {
        let mut totals = Totals::default();
        let (mut rows, mut added) = (HistogramBuilder::default(), Added::default());
        for series in 0..10 {
            let histogram = explicit(0, &[1.0], &[1.0, 1.0]);
            let delta = HistogramDelta { series: SeriesRef(series), time: UnixNanos(5), histogram };
            totals.add(delta, LATE, &mut rows, &mut added);
        }
        assert_eq!(added.started.len(), 10);
        totals.buckets = TOTALS_BUCKETS_MAX + 1;
        totals.shrink();
        assert_eq!((totals.by_series.len(), totals.buckets), (5, 10));
    }
}
