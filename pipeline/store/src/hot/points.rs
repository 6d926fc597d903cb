//! Recent points by metric.
//!
//! Each metric has its own lock, taken once per metric and batch, never once per point. Points enter the metric's open
//! head; a full head becomes an immutable shared chunk, so that a query holds chunks and no lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flyball_model::series::RegistryView;
use flyball_model::{MetricRef, PointBatch, SeriesRef, UnixNanos};
use parking_lot::{Mutex, RwLock};

use super::chunk::{Chunk, Columns, select};
use crate::options::CHUNK_POINTS_MAX;
use crate::range::{SeriesFilter, TimeRange};

/// The points of all metrics that are not in the history yet.
#[derive(Debug, Default)]
pub(crate) struct HotPoints {
    metrics: RwLock<Vec<Arc<Mutex<MetricPoints>>>>,
    bytes: AtomicUsize,
}

#[derive(Debug)]
struct MetricPoints {
    head: Columns,
    /// When maintenance first saw the head with points in it. Not a point's time: old points may arrive now.
    head_seen: Option<UnixNanos>,
    /// In the order of arrival.
    chunks: Vec<Arc<Chunk>>,
    chunks_bytes: usize,
    /// The newest time ever, in memory or in the history.
    newest: i64,
}

impl Default for MetricPoints {
    fn default() -> Self {
        Self { head: Columns::default(), head_seen: None, chunks: Vec::new(), chunks_bytes: 0, newest: i64::MIN }
    }
}

impl HotPoints {
    /// Appends a batch and returns the metrics it touched, each once.
    pub(crate) fn append(&self, view: &RegistryView<'_>, batch: &PointBatch) -> Vec<MetricRef> {
        let (series, times, values) = (batch.series(), batch.times(), batch.values());
        for (&series, &time) in series.iter().zip(times) {
            view.touch(SeriesRef(series), time);
        }
        let runs = runs_by_metric(view, series);
        if let Some(last) = runs.last() {
            self.make_room(last.metric);
        }
        let metrics = self.metrics.read();
        let mut touched = Vec::new();
        let (mut before, mut after) = (0, 0);
        for of_metric in runs.chunk_by(|a, b| a.metric == b.metric) {
            let metric = of_metric[0].metric;
            let mut points = metrics[metric.0 as usize].lock();
            before += points.bytes();
            for run in of_metric {
                let run = run.start as usize..run.end as usize;
                points.extend(&series[run.clone()], &times[run.clone()], &values[run]);
            }
            after += points.bytes();
            touched.push(metric);
        }
        drop(metrics);
        self.account(before, after);
        touched
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

    /// Notes what the history holds.
    pub(crate) fn note_newest(&self, metric: MetricRef, newest: i64) {
        self.with(metric, |points| points.newest = points.newest.max(newest));
    }

    /// What a query wants of one metric, in the order of arrival. Chunks are shared, the head's part is a copy.
    pub(crate) fn snapshot(
        &self,
        metric: MetricRef,
        wanted: &SeriesFilter,
        range: TimeRange,
        into: &mut Vec<Arc<Chunk>>,
    ) {
        let Some(points) = self.metrics.read().get(metric.0 as usize).map(Arc::clone) else { return };
        let points = points.lock();
        into.extend(points.chunks.iter().filter(|chunk| chunk.times.overlaps(range)).map(Arc::clone));
        let head = select(&points.head.series, &points.head.time, &points.head.value, wanted, range);
        drop(points);
        if head.len() > 0 {
            into.push(head.seal());
        }
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
            let (before, after) = self.with(MetricRef(metric as u32), |points| points.seal_if(which));
            self.account(before, after);
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
        let (before, after) = self.with(metric, |points| {
            let removed: usize = points.chunks.drain(..count).map(|chunk| chunk.bytes()).sum();
            points.chunks_bytes -= removed;
        });
        self.account(before, after);
    }

    /// Works on one metric under its lock; returns its bytes before and after.
    fn with(&self, metric: MetricRef, work: impl FnOnce(&mut MetricPoints)) -> (usize, usize) {
        self.make_room(metric);
        let points = Arc::clone(&self.metrics.read()[metric.0 as usize]);
        let mut points = points.lock();
        let before = points.bytes();
        work(&mut points);
        (before, points.bytes())
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

/// Successive points of a batch that belong to one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    metric: MetricRef,
    start: u32,
    end: u32,
}

/// A batch as runs, sorted by metric and within a metric by place. Senders list a metric's series together, so that there
/// are far fewer runs than points.
fn runs_by_metric(view: &RegistryView<'_>, series: &[u32]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (place, &series) in (0..).zip(series) {
        let metric = view.metric_of(SeriesRef(series));
        match runs.last_mut() {
            Some(run) if run.metric == metric => run.end = place + 1,
            _ => runs.push(Run { metric, start: place, end: place + 1 }),
        }
    }
    if !runs.is_sorted() {
        runs.sort_unstable();
    }
    runs
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
}

impl MetricPoints {
    fn extend(&mut self, mut series: &[u32], mut times: &[i64], mut values: &[f64]) {
        self.newest = times.iter().fold(self.newest, |newest, &time| newest.max(time));
        while !series.is_empty() {
            let fits = series.len().min(CHUNK_POINTS_MAX - self.head.len());
            self.head.grow(fits);
            self.head.extend(&series[..fits], &times[..fits], &values[..fits]);
            (series, times, values) = (&series[fits..], &times[fits..], &values[fits..]);
            self.seal_full();
        }
    }

    fn seal_full(&mut self) {
        if self.head.len() == CHUNK_POINTS_MAX {
            self.seal();
        }
    }

    fn seal(&mut self) {
        self.head_seen = None;
        if self.head.len() > 0 {
            let chunk = std::mem::take(&mut self.head).seal();
            self.chunks_bytes += chunk.bytes();
            self.chunks.push(chunk);
        }
    }

    fn seal_if(&mut self, which: Seal) {
        match which {
            Seal::All => self.seal(),
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
