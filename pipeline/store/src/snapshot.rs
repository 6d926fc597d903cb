//! Reading points: one consistent look at memory and history.

use std::cmp::Reverse;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use flyball_model::MetricRef;

use crate::error::StoreError;
use crate::history::file::HistoryFile;
use crate::history::read::read_points;
use crate::hot::chunk::{Chunk, Points};
use crate::range::{SeriesFilter, TimeRange};
use crate::store::{Reads, Store};

/// Which points.
#[derive(Debug, Clone)]
pub(crate) struct PointQuery {
    /// Sorted.
    pub(crate) metrics: Vec<MetricRef>,
    pub(crate) wanted: SeriesFilter,
    pub(crate) times: TimeRange,
}

/// The chunks and files that may hold wanted points, as they were at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    query: PointQuery,
    reads: Arc<Reads>,
    hot: Vec<Arc<Chunk>>,
    /// The ordinal of the next point of the last metric.
    next: u64,
    files: Vec<(Arc<HistoryFile>, Vec<Range<usize>>)>,
}

/// Takes a batch of points (maybe none: a chance to stop) and says whether to go on.
pub(crate) type Each<'e> = dyn FnMut(Points) -> Result<ControlFlow<()>, StoreError> + 'e;

impl Store {
    pub(crate) fn snapshot(&self, query: PointQuery) -> Snapshot {
        debug_assert!(query.metrics.is_sorted(), "history files are searched in the order of metrics");
        let (mut hot, mut next) = (Vec::new(), 0);
        let history = self.history.read();
        for &metric in &query.metrics {
            next = self.points.snapshot(metric, &query.wanted, query.times, &mut hot);
        }
        let all = history.points.clone();
        drop(history);
        let total = all.len();
        let mut files: Vec<_> =
            all.into_iter().map(|file| (Arc::clone(&file), file.rows_of(&query.metrics, query.times))).collect();
        files.retain(|(_, rows)| !rows.is_empty() && !query.wanted.is_empty());
        self.reads.files_pruned.fetch_add((total - files.len()) as u64, Ordering::Relaxed);
        Snapshot { query, reads: Arc::clone(&self.reads), hot, next, files }
    }
}

impl Store {
    /// Times between which metrics have points: a range for each chunk, head and file with any.
    pub(crate) fn spans(&self, metrics: &[MetricRef]) -> Vec<TimeRange> {
        let history = self.history.read();
        let mut spans: Vec<_> = metrics.iter().flat_map(|&metric| self.points.spans(metric)).collect();
        for file in &history.points {
            spans.extend(metrics.iter().filter_map(|&metric| file.times_of(metric)));
        }
        spans
    }

    /// Rows of the history that may be points of a metric and of these times.
    pub(crate) fn history_rows(&self, metric: MetricRef, times: TimeRange) -> usize {
        let history = self.history.read();
        let rows = history.points.iter().flat_map(|file| file.rows_of(&[metric], times));
        rows.map(|rows| rows.len()).sum()
    }
}

impl Snapshot {
    /// Of the last metric, the ordinal of the first point that came after this look.
    pub(crate) fn next_ordinal(&self) -> u64 {
        self.next
    }

    /// Points in it, if the query wants all of them.
    pub(crate) fn rows(&self) -> usize {
        let files = self.files.iter().flat_map(|(_, rows)| rows).map(ExactSizeIterator::len).sum::<usize>();
        files + self.hot.iter().map(|chunk| chunk.points.len()).sum::<usize>()
    }

    /// One of `parts` parts of it, which have about as many rows each; every point is in one of them.
    pub(crate) fn part(&self, number: usize, parts: usize) -> Snapshot {
        let border = |number: usize| self.rows() * number / parts;
        let mut share = Share { wanted: border(number)..border(number + 1), passed: 0 };
        let files = self.files.iter().map(|(file, rows)| {
            let rows = rows.iter().map(|rows| share.of(rows)).filter(|rows| !rows.is_empty());
            (Arc::clone(file), rows.collect())
        });
        let mut files: Vec<(_, Vec<_>)> = files.collect();
        files.retain(|(_, rows)| !rows.is_empty());
        // Chunks are small, and stay whole: each belongs to the part that its first row is in.
        let hot = self.hot.iter().filter(|chunk| share.has_first(chunk.points.len())).map(Arc::clone).collect();
        Snapshot { query: self.query.clone(), reads: Arc::clone(&self.reads), hot, next: self.next, files }
    }

    /// Gives the points in memory, of each metric in the order of arrival, at most `batch_rows` at a time.
    pub(crate) fn read_hot(&self, batch_rows: usize, each: &mut Each<'_>) -> Result<ControlFlow<()>, StoreError> {
        for chunk in &self.hot {
            self.reads.hot_rows.fetch_add(chunk.points.len() as u64, Ordering::Relaxed);
            let points = chunk.select(&self.query.wanted, self.query.times);
            let mut start = 0;
            loop {
                let rows = batch_rows.min(points.len() - start);
                if each(points.slice(start, rows))?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                start += rows;
                if start == points.len() {
                    break;
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Gives the points in the history, oldest file first, each by metric, series and time.
    pub(crate) fn read_files(&self, batch_rows: usize, each: &mut Each<'_>) -> Result<ControlFlow<()>, StoreError> {
        for number in 0..self.files.len() {
            if self.read_file(number, self.query.times, batch_rows, each)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn read_file(
        &self,
        number: usize,
        times: TimeRange,
        batch_rows: usize,
        each: &mut Each<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let (file, rows) = &self.files[number];
        self.reads.files_opened.fetch_add(1, Ordering::Relaxed);
        for points in read_points(file, rows.clone(), &self.query.wanted, times, batch_rows)? {
            let points = points?;
            self.reads.history_rows.fetch_add(points.len() as u64, Ordering::Relaxed);
            if each(points)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The files, then what is in memory, numbered in the order of arrival, with the times of the last metric's points; the newest first.
    pub(crate) fn pieces_newest_first(&self) -> Vec<(usize, TimeRange)> {
        let metric = self.query.metrics.last().copied();
        let files =
            self.files.iter().map(|(file, _)| metric.and_then(|metric| file.times_of(metric)).unwrap_or(file.times));
        let mut pieces: Vec<_> = files.chain(self.hot.iter().map(|chunk| chunk.times)).enumerate().collect();
        pieces.sort_by_key(|(_, times)| Reverse(times.to));
        pieces
    }

    /// Gives the points of one of these pieces that are wanted and of some times, which lie within those of the query.
    pub(crate) fn read_piece(
        &self,
        piece: usize,
        times: TimeRange,
        batch_rows: usize,
        each: &mut Each<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        match piece.checked_sub(self.files.len()) {
            None => self.read_file(piece, times, batch_rows, each),
            Some(place) => {
                let chunk = &self.hot[place];
                self.reads.hot_rows.fetch_add(chunk.points.len() as u64, Ordering::Relaxed);
                each(chunk.select(&self.query.wanted, times))
            }
        }
    }
}

/// A stretch of rows that come in ranges, one after the other.
struct Share {
    wanted: Range<usize>,
    passed: usize,
}

impl Share {
    /// What of the next range is in it.
    fn of(&mut self, rows: &Range<usize>) -> Range<usize> {
        let before = self.passed;
        self.passed += rows.len();
        let at = |row: usize| rows.start + row.clamp(before, self.passed) - before;
        at(self.wanted.start)..at(self.wanted.end)
    }

    /// Whether the first of the next so many rows is in it.
    fn has_first(&mut self, rows: usize) -> bool {
        let first = self.passed;
        self.passed += rows;
        self.wanted.contains(&first)
    }
}
