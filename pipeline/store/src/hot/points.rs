//! Recent points by metric.
//!
//! Each metric has its own lock, taken once per metric and batch, never once per point. Points enter the metric's open
//! head; a full head becomes an immutable shared chunk, so that a query holds chunks and no lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flyball_log::Position;
use flyball_model::{MetricRef, UnixNanos};
use parking_lot::{Mutex, RwLock};

use super::append::Group;
use super::arrival::Arrival;
use super::chunk::{Chunk, Columns, Points, select};
use super::duplicates::Candidates;
use crate::appended::UNLOGGED;
use crate::options::CHUNK_POINTS_MAX;
use crate::ordinals::OrdinalRange;
use crate::range::{SeriesFilter, TimeRange};

/// The points of all metrics that are not in the history yet.
#[derive(Debug, Default)]
pub(crate) struct HotPoints {
    metrics: RwLock<Vec<Arc<Mutex<MetricPoints>>>>,
    bytes: AtomicUsize,
}

/// The points of one metric.
#[derive(Debug)]
pub(crate) struct MetricPoints {
    head: Columns,
    head_arrival: Arrival,
    /// When maintenance first saw the head with points in it. Not a point's time: old points may arrive now.
    head_seen: Option<UnixNanos>,
    /// In the order of arrival.
    chunks: Vec<Arc<Chunk>>,
    chunks_bytes: usize,
    /// The newest time ever, in memory or in the history.
    newest: i64,
    /// The ordinal of the next point.
    pub(super) next: u64,
    /// What is not newer than this may be in a young history file that this process has not written; `i64::MIN` if there is none.
    pub(super) floor: i64,
}

impl Default for MetricPoints {
    fn default() -> Self {
        Self {
            head: Columns::default(),
            head_arrival: Arrival::default(),
            head_seen: None,
            chunks: Vec::new(),
            chunks_bytes: 0,
            newest: i64::MIN,
            next: 0,
            floor: i64::MIN,
        }
    }
}

/// Series, times and values of some points.
pub(crate) type Restored<'p> = (&'p [u32], &'p [i64], &'p [f64]);

impl HotPoints {
    /// Does some work on the metrics of some groups (rising), under the lock of each.
    pub(super) fn each(&self, groups: Vec<Group>, mut work: impl FnMut(Group, &mut MetricPoints)) {
        let Some(last) = groups.last() else { return };
        self.make_room(last.metric);
        let metrics = self.metrics.read();
        let (mut before, mut after) = (0, 0);
        for group in groups {
            let mut points = metrics[group.metric.0 as usize].lock();
            before += points.bytes();
            work(group, &mut points);
            after += points.bytes();
        }
        drop(metrics);
        self.account(before, after);
    }

    /// Takes points of a log record back, with their ordinals.
    pub(crate) fn restore(&self, metric: MetricRef, columns: Restored<'_>, ordinal: u64, needs: Position) {
        let (series, times, values) = columns;
        self.with(metric, |points| points.extend_at(series, times, values, ordinal, needs));
    }

    /// The same, unless the metric's points before them are missing.
    pub(crate) fn restore_next(&self, metric: MetricRef, columns: Restored<'_>, ordinal: u64, needs: Position) -> bool {
        let (series, times, values) = columns;
        self.with(metric, |points| {
            let is_next = ordinal <= points.next;
            if is_next {
                points.extend_at(series, times, values, ordinal, needs);
            }
            is_next
        })
    }

    /// The ordinal that the metric's next point gets.
    pub(crate) fn next_ordinal(&self, metric: MetricRef) -> u64 {
        self.metrics.read().get(metric.0 as usize).map_or(0, |points| points.lock().next)
    }

    /// The lowest position of the log that any point needs.
    pub(crate) fn needed_from(&self) -> Position {
        let metrics = self.metrics.read();
        metrics.iter().map(|metric| metric.lock().needed_from()).min().unwrap_or(UNLOGGED)
    }

    /// Bytes held, unused room included.
    pub(crate) fn bytes(&self) -> usize {
        // A batch is accounted for after its last lock: what leaves meanwhile may be taken off before it was added.
        self.bytes.load(Ordering::Relaxed).cast_signed().max(0).cast_unsigned()
    }

    pub(crate) fn count(&self) -> u64 {
        self.metrics.read().iter().map(|metric| metric.lock().count() as u64).sum()
    }

    /// The newest time of a metric, in memory or in the history.
    pub(crate) fn newest(&self, metric: MetricRef) -> Option<UnixNanos> {
        let newest = self.metrics.read().get(metric.0 as usize)?.lock().newest;
        (newest != i64::MIN).then_some(UnixNanos(newest))
    }

    /// Notes what the history holds, and whether in a young file.
    pub(crate) fn note_newest(&self, metric: MetricRef, newest: i64, young: bool) {
        self.with(metric, |points| {
            points.newest = points.newest.max(newest);
            if young {
                points.floor = points.floor.max(newest);
            }
        });
    }

    /// Notes which ordinals the history holds.
    pub(crate) fn note_ordinals(&self, metric: MetricRef, end: u64) {
        self.with(metric, |points| points.next = points.next.max(end));
    }

    /// Notes that no history file is young but those that this process has written.
    pub(crate) fn forget_floors(&self) {
        self.metrics.read().iter().for_each(|metric| metric.lock().floor = i64::MIN);
    }

    /// What a query wants of one metric, in the order of arrival. Chunks are shared, the head's part is a copy. Gives the ordinal of the
    /// next point too, the first that is not among them.
    pub(crate) fn snapshot(
        &self,
        metric: MetricRef,
        wanted: &SeriesFilter,
        range: TimeRange,
        into: &mut Vec<Arc<Chunk>>,
    ) -> u64 {
        let Some(points) = self.metrics.read().get(metric.0 as usize).map(Arc::clone) else { return 0 };
        let points = points.lock();
        into.extend(points.chunks.iter().filter(|chunk| chunk.times.overlaps(range)).map(Arc::clone));
        let head = select(&points.head.series, &points.head.time, &points.head.value, wanted, range);
        let next = points.next;
        drop(points);
        if head.len() > 0 {
            into.push(head.seal(Arrival::default()));
        }
        next
    }

    /// The points of a metric from an ordinal on, in the order of arrival, and the ordinal of the next one; `None` when some of them are
    /// not in memory any more. Whole chunks are shared, the head's part is a copy.
    pub(crate) fn since(&self, metric: MetricRef, from: u64) -> Option<(Vec<Points>, u64)> {
        let Some(points) = self.metrics.read().get(metric.0 as usize).map(Arc::clone) else {
            return Some((Vec::new(), from));
        };
        points.lock().since(from)
    }

    /// The times of a metric's chunks and head.
    pub(crate) fn spans(&self, metric: MetricRef) -> Vec<TimeRange> {
        let Some(points) = self.metrics.read().get(metric.0 as usize).map(Arc::clone) else { return Vec::new() };
        let points = points.lock();
        let mut spans: Vec<_> = points.chunks.iter().map(|chunk| chunk.times).collect();
        if points.head.len() > 0 {
            spans.push(TimeRange::of(&points.head.time));
        }
        spans
    }

    /// Closes heads: all of them, or those first seen at least `age` before `now`.
    pub(crate) fn seal(&self, which: Seal) {
        let metrics = self.metrics.read().len();
        for metric in 0..metrics {
            self.with(MetricRef(metric as u32), |points| points.seal_if(which));
        }
    }

    /// All sealed chunks, metric by metric, each metric's in the order of arrival.
    pub(crate) fn sealed(&self) -> Vec<(MetricRef, Arc<Chunk>)> {
        let mut sealed = Vec::new();
        for (number, metric) in self.metrics.read().iter().enumerate() {
            let metric = metric.lock();
            sealed.extend(metric.chunks.iter().map(|chunk| (MetricRef(number as u32), Arc::clone(chunk))));
        }
        sealed
    }

    /// Drops the first `count` chunks of a metric, which are in the history now.
    pub(crate) fn remove_oldest(&self, metric: MetricRef, count: usize) {
        self.with(metric, |points| {
            let removed: usize = points.chunks.drain(..count).map(|chunk| chunk.bytes()).sum();
            points.chunks_bytes -= removed;
        });
    }

    /// Drops chunks whose points are all older than `before`, and those before them; a head that begins before it is closed, so that it can
    /// leave next.
    pub(crate) fn forget(&self, before: i64) {
        let metrics = self.metrics.read().len();
        for metric in 0..metrics {
            self.with(MetricRef(metric as u32), |points| {
                if points.head.time.first().is_some_and(|&time| time < before) {
                    points.seal();
                }
                let old = points.chunks.iter().take_while(|chunk| chunk.times.to < before).count();
                points.chunks_bytes -= points.chunks.drain(..old).map(|chunk| chunk.bytes()).sum::<usize>();
            });
        }
    }

    /// Works on one metric under its lock.
    fn with<R>(&self, metric: MetricRef, work: impl FnOnce(&mut MetricPoints) -> R) -> R {
        self.make_room(metric);
        let metrics = self.metrics.read();
        let mut points = metrics[metric.0 as usize].lock();
        let before = points.bytes();
        let done = work(&mut points);
        let after = points.bytes();
        drop(points);
        drop(metrics);
        self.account(before, after);
        done
    }

    /// Makes the metrics up to this one.
    fn make_room(&self, metric: MetricRef) {
        let needed = metric.0 as usize + 1;
        if self.metrics.read().len() < needed {
            let mut metrics = self.metrics.write();
            let needed = needed.max(metrics.len());
            metrics.resize_with(needed, Arc::default);
        }
    }

    fn account(&self, before: usize, after: usize) {
        if after >= before {
            self.bytes.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.bytes.fetch_sub(before - after, Ordering::Relaxed);
        }
    }
}

/// Which heads to close.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seal {
    /// Every head with a point in it.
    All,
    /// Heads that maintenance first saw at or before `seen`; heads not seen yet are marked as seen at `now`.
    SeenBefore {
        /// Oldest sighting that stays open.
        seen: UnixNanos,
        /// The time of this maintenance.
        now: UnixNanos,
    },
    /// Heads that need the log from before a position.
    Needing(Position),
}

impl MetricPoints {
    /// Adds points with the next ordinals.
    pub(super) fn extend(&mut self, series: &[u32], times: &[i64], values: &[f64], needs: Position) {
        self.extend_at(series, times, values, self.next, needs);
    }

    /// Adds points with these ordinals.
    fn extend_at(
        &mut self,
        mut series: &[u32],
        mut times: &[i64],
        mut values: &[f64],
        mut ordinal: u64,
        needs: Position,
    ) {
        self.newest = times.iter().fold(self.newest, |newest, &time| newest.max(time));
        while !series.is_empty() {
            let fits = series.len().min(CHUNK_POINTS_MAX - self.head.len());
            self.head.grow(fits);
            self.head.extend(&series[..fits], &times[..fits], &values[..fits]);
            let end = ordinal + fits as u64;
            self.head_arrival.add(OrdinalRange { from: ordinal, to: end }, needs);
            ordinal = end;
            (series, times, values) = (&series[fits..], &times[fits..], &values[fits..]);
            self.seal_full();
        }
        self.next = self.next.max(ordinal);
    }

    /// Points enter at the end, each with the next ordinal: those from one on are the last so many.
    fn since(&self, from: u64) -> Option<(Vec<Points>, u64)> {
        let wanted = usize::try_from(self.next.checked_sub(from)?).ok()?;
        let of_head = wanted.min(self.head.len());
        let mut parts = Vec::new();
        if of_head > 0 {
            parts.push(self.head.tail(of_head).into_points());
        }
        let mut left = wanted - of_head;
        for chunk in self.chunks.iter().rev() {
            if left == 0 {
                break;
            }
            let of_chunk = left.min(chunk.points.len());
            parts.push(chunk.points.slice(chunk.points.len() - of_chunk, of_chunk));
            left -= of_chunk;
        }
        parts.reverse();
        (left == 0).then_some((parts, self.next))
    }

    /// Looks for candidates, the newest chunk first: what is sent twice was mostly sent a moment ago.
    pub(super) fn look_for(&self, candidates: &mut Candidates<'_>) {
        candidates.look_among(&self.head.series, &self.head.time, &self.head.value);
        for chunk in self.chunks.iter().rev() {
            if candidates.is_empty() {
                return;
            }
            if chunk.times.overlaps(candidates.times()) {
                candidates.look_among_points(&chunk.points);
            }
        }
    }

    fn needed_from(&self) -> Position {
        self.chunks.iter().fold(self.head_arrival.needs, |needs, chunk| needs.min(chunk.arrival.needs))
    }

    fn seal_full(&mut self) {
        if self.head.len() == CHUNK_POINTS_MAX {
            self.seal();
        }
    }

    fn seal(&mut self) {
        self.head_seen = None;
        if self.head.len() > 0 {
            let arrival = std::mem::take(&mut self.head_arrival);
            let chunk = std::mem::take(&mut self.head).seal(arrival);
            self.chunks_bytes += chunk.bytes();
            self.chunks.push(chunk);
        }
    }

    fn seal_if(&mut self, which: Seal) {
        match which {
            Seal::All => self.seal(),
            Seal::Needing(position) if self.head_arrival.needs < position => self.seal(),
            Seal::Needing(_) => {}
            Seal::SeenBefore { seen, now } => match self.head_seen {
                Some(first) if first <= seen => self.seal(),
                None if self.head.len() > 0 => self.head_seen = Some(now),
                _ => {}
            },
        }
    }

    fn count(&self) -> usize {
        self.head.len() + self.chunks.iter().map(|chunk| chunk.points.len()).sum::<usize>()
    }

    fn bytes(&self) -> usize {
        self.head.capacity_bytes() + self.chunks_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_before_it_is_accounted_for_does_not_look_like_a_full_memory() {
        let points = HotPoints::default();
        points.account(640, 0);
        assert_eq!(points.bytes(), 0);
        points.account(0, 960);
        assert_eq!(points.bytes(), 320);
    }
}
