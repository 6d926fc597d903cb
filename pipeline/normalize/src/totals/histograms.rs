//! The totals of delta histograms.
//!
//! Exponential buckets get coarser as the total spans more of them. A delta with other bounds begins a new total, which range
//! functions know for a restart: adding it would take bounds away for ever.

use std::time::Duration;

use flyball_model::rows::HistogramBuilder;
use flyball_model::{Histogram, SeriesRef, UnixNanos};
use hashbrown::HashMap;
use parking_lot::Mutex;

use super::newest::{Arrival, Mark, Newest, Versions};
use super::{Added, LOOKS_MAX, Piece};
use crate::histograms::BODY_BUCKETS_MAX;

/// Exponential buckets of a total: as many on each side of zero as senders keep themselves.
const TOTAL_BUCKETS_MAX: usize = 2 * 160;

/// Buckets of all totals, 128 MiB, and those that one body may add. Beyond, the half that was not added to for the longest time
/// is forgotten: their next delta begins a new total.
const TOTALS_BUCKETS_MAX: usize = 1 << 24;

/// A delta that waits for the end of its body.
#[derive(Debug)]
pub(crate) struct HistogramDelta {
    pub(crate) series: SeriesRef,
    /// When its interval ended.
    pub(crate) time: UnixNanos,
    /// With its start time, if the sender says when its interval began.
    pub(crate) histogram: Histogram,
}

/// The totals of all series of histograms that come as deltas.
#[derive(Debug, Default)]
pub(crate) struct HistogramTotals(Mutex<Totals>);

#[derive(Debug, Default)]
struct Totals {
    by_series: HashMap<SeriesRef, HistogramTotal>,
    buckets: usize,
    versions: Versions,
    /// The first total, by its newest point and its number, that was kept when totals were forgotten last. An old state of one that
    /// was forgotten stands before it, and is not restored.
    kept_from: Option<(UnixNanos, SeriesRef)>,
}

/// A running total.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HistogramTotal {
    /// With the time when it began.
    pub(super) sum: Histogram,
    pub(super) newest: Newest,
}

impl HistogramTotals {
    /// Adds deltas to their totals, appends the totals to `rows`, and writes those that changed into `piece`. Deltas later than `late`
    /// behind the newest of their series are counted, and those whose totals would make `rows` larger than a batch may be are not
    /// added and counted too. Locks once, and not at all without a delta.
    pub(crate) fn accumulate(
        &self,
        mut deltas: Vec<HistogramDelta>,
        late: Duration,
        rows: &mut HistogramBuilder,
        piece: &mut Piece,
    ) -> Added {
        let mut added = Added::default();
        if deltas.is_empty() {
            return added;
        }
        // Within a body the order of times is known: a batch that lists them backwards has no late points.
        deltas.sort_by_key(|delta| delta.time);
        let mut totals = self.0.lock();
        let mut changed = Vec::with_capacity(deltas.len());
        for delta in deltas {
            let series = delta.series;
            if totals.add(delta, late, rows, &mut added) {
                changed.push(series);
            }
        }
        changed.sort_unstable();
        changed.dedup();
        for series in changed {
            if let Some(total) = totals.by_series.get(&series) {
                piece.histogram(series, total);
            }
        }
        // Only now: what is restored is never older than the last point that was stored.
        totals.shrink();
        added
    }

    /// Takes over a total, unless a newer one is known or it would be forgotten at once.
    pub(super) fn restore(&self, series: SeriesRef, total: HistogramTotal) -> bool {
        let mut totals = self.0.lock();
        totals.versions.saw(total.newest.version);
        let known = totals.by_series.get(&series);
        let is_old = match known {
            Some(known) => known.newest.version >= total.newest.version,
            None => totals.kept_from.is_some_and(|first| (total.newest.time, series) < first),
        };
        if is_old {
            return false;
        }
        let before = known.map_or(0, HistogramTotal::buckets);
        totals.buckets = totals.buckets + total.buckets() - before;
        totals.by_series.insert(series, total);
        totals.shrink();
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
                piece.histogram(series, total);
                if piece.is_full() {
                    return series.0 + 1;
                }
            }
        }
        stop
    }
}

impl Totals {
    /// Whether its total changed.
    fn add(&mut self, delta: HistogramDelta, late: Duration, rows: &mut HistogramBuilder, added: &mut Added) -> bool {
        let (series, mark) = (delta.series, delta.mark());
        // A delta may be small and its total large, and each of them becomes a row.
        let before = self.by_series.get(&series).map_or(0, |total| total.buckets().max(TOTAL_BUCKETS_MAX));
        if rows.buckets() + before.max(delta.histogram.bucket_count()) > BODY_BUCKETS_MAX {
            added.refused += 1;
            return false;
        }
        let Some(total) = self.by_series.get_mut(&series) else {
            let mut newest = Newest::NONE;
            newest.take(delta.time, mark, late, &mut self.versions);
            let total = HistogramTotal { sum: delta.begin(), newest };
            added.started.push((series, total.start()));
            rows.push(series, total.newest.time, &total.sum);
            self.buckets += total.buckets();
            self.by_series.insert(series, total);
            return true;
        };
        let arrival = total.newest.take(delta.time, mark, late, &mut self.versions);
        added.late += u64::from(arrival == Arrival::Late);
        if arrival != Arrival::Again {
            let (buckets, start) = (total.buckets(), total.start());
            total.add(delta);
            self.buckets = self.buckets + total.buckets() - buckets;
            if total.start() != start {
                added.started.push((series, total.start()));
            }
        }
        rows.push(series, total.newest.time, &total.sum);
        arrival != Arrival::Again
    }

    /// Forgets the totals that rest, when there are too many buckets.
    fn shrink(&mut self) {
        if self.buckets <= TOTALS_BUCKETS_MAX {
            return;
        }
        let mut places: Vec<_> = self.by_series.iter().map(|(series, total)| (total.newest.time, *series)).collect();
        let middle = places.len() / 2;
        let (_, &mut first, _) = places.select_nth_unstable(middle);
        self.by_series.retain(|series, total| (total.newest.time, *series) >= first);
        self.buckets = self.by_series.values().map(HistogramTotal::buckets).sum();
        self.kept_from = self.kept_from.max(Some(first));
    }
}

impl HistogramTotal {
    /// When it began.
    pub(super) fn start(&self) -> UnixNanos {
        self.sum.totals().start_time.unwrap_or(self.newest.time)
    }

    fn buckets(&self) -> usize {
        self.sum.bucket_count()
    }

    fn add(&mut self, delta: HistogramDelta) {
        if self.sum.is_like(&delta.histogram) {
            let start = self.start();
            self.sum.merge_within(&delta.histogram, TOTAL_BUCKETS_MAX);
            self.sum.set_start_time(Some(start));
        } else {
            self.sum = delta.begin();
        }
    }
}

impl HistogramDelta {
    fn mark(&self) -> Option<Mark> {
        let totals = self.histogram.totals();
        let sum = totals.sum.unwrap_or_default();
        Some(Mark::mix([totals.start_time?.0 as u64, self.time.0 as u64, totals.count.to_bits(), sum.to_bits()]))
    }

    /// The total that begins with it.
    fn begin(self) -> Histogram {
        let start = self.histogram.totals().start_time.unwrap_or(self.time);
        self.histogram.started_at(Some(start))
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
            found +=
                totals.accumulate(batch.into_iter().map(delta).collect(), LATE, &mut rows, &mut Piece::default()).late;
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
        let added = totals.accumulate(deltas, LATE, &mut rows, &mut Piece::default());
        assert_eq!((rows.len(), added.refused), (512, 88));
        assert_eq!(rows.buckets(), BODY_BUCKETS_MAX);
    }

    #[test]
    fn totals_that_rest_are_forgotten_when_there_are_too_many_and_their_old_states_stay_so() {
        let totals = HistogramTotals::default();
        let mut rows = HistogramBuilder::default();
        let mut add = |series: u32, time: i64| {
            let histogram = explicit(0, &[1.0], &[1.0, 1.0]);
            let delta = HistogramDelta { series: SeriesRef(series), time: UnixNanos(time), histogram };
            totals.accumulate(vec![delta], LATE, &mut rows, &mut Piece::default()).started
        };
        let started: usize = (0..10).map(|series| add(series, 5 + i64::from(series / 8)).len()).sum();
        assert_eq!(started, 10);
        let before = totals.0.lock().by_series.clone();
        {
            let mut totals = totals.0.lock();
            totals.buckets = TOTALS_BUCKETS_MAX + 1;
            totals.shrink();
            assert_eq!((totals.by_series.len(), totals.buckets), (5, 10));
        }
        let restored: Vec<_> =
            (0..10).map(SeriesRef).filter(|series| totals.restore(*series, before[series].clone())).collect();
        assert_eq!(restored, [], "those that were kept are known already");
        assert_eq!(totals.0.lock().by_series.len(), 5);
        assert_eq!(add(0, 7), [(SeriesRef(0), UnixNanos(7))]);
        assert!(totals.0.lock().by_series[&SeriesRef(0)].newest.version > before[&SeriesRef(9)].newest.version);
    }
}
