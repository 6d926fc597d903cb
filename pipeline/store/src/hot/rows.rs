//! Recent records that are more than a number: log records, spans, histograms, exemplars, texts.
//!
//! Senders bring records in batches of any size. A large batch is a chunk as it came, without a copy; small ones, each of
//! which holds kilobytes of unused room, wait until they make a chunk worth keeping, or until a large one comes, and are joined
//! then: chunks stand in the order of arrival.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{TimestampNanosecondType, UInt32Type};
use arrow::error::ArrowError;
use flyball_log::Position;
use flyball_model::series::RegistryView;
use flyball_model::{MetricRef, RowKind, Rows, SeriesRef, UnixNanos};
use hashbrown::HashMap;
use parking_lot::Mutex;

use super::arrival::Arrival;
use crate::appended::{AppendedRows, UNLOGGED};
use crate::options::{ROW_CHUNK_BYTES, ROW_CHUNK_ROWS, ROW_PENDING_BATCHES_MAX, ROW_PENDING_BYTES, ROW_PENDING_ROWS};
use crate::ordinals::OrdinalRange;
use crate::range::TimeRange;

/// The stored column with the number of a record's series.
pub(crate) const SERIES: usize = 0;
/// The stored column with a record's event time.
pub(crate) const TIME: usize = 1;

/// Records of one kind that don't change any more.
#[derive(Debug)]
pub(crate) struct RowChunk {
    pub(crate) kind: RowKind,
    pub(crate) batch: RecordBatch,
    pub(crate) times: TimeRange,
    /// The metrics whose series are in it, sorted.
    metrics: Box<[MetricRef]>,
    bytes: usize,
    pub(crate) arrival: Arrival,
}

impl RowChunk {
    fn new(kind: RowKind, batch: RecordBatch, metrics: impl Into<Box<[MetricRef]>>, arrival: Arrival) -> Self {
        let (times, bytes) = (TimeRange::of(times(&batch)), batch.get_array_memory_size());
        Self { kind, times, metrics: metrics.into(), bytes, batch, arrival }
    }

    pub(crate) fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn may_have(&self, metric: MetricRef) -> bool {
        self.metrics.binary_search(&metric).is_ok()
    }
}

/// The records of every kind that are not in the history yet.
#[derive(Debug, Default)]
pub(crate) struct HotRows {
    kinds: [Mutex<OfKind>; RowKind::ALL.len()],
    /// The newest time of each histogram metric, in memory or in the history.
    newest: Mutex<HashMap<MetricRef, i64>>,
    bytes: AtomicUsize,
}

#[derive(Debug, Default)]
struct OfKind {
    /// Small batches, to be joined.
    pending: Vec<Arc<RowChunk>>,
    pending_rows: usize,
    pending_bytes: usize,
    chunks: Vec<Arc<RowChunk>>,
    /// The ordinal of the next record.
    next: u64,
}

impl HotRows {
    /// Appends a batch with the next ordinals.
    pub(crate) fn append(&self, view: &RegistryView<'_>, rows: Rows, needs: Position) -> AppendedRows {
        self.put(view, rows, None, needs)
    }

    /// Takes records of a log record back, with their ordinals.
    pub(crate) fn restore(&self, view: &RegistryView<'_>, rows: Rows, ordinal: u64, needs: Position) {
        self.put(view, rows, Some(ordinal), needs);
    }

    fn put(&self, view: &RegistryView<'_>, rows: Rows, ordinal: Option<u64>, needs: Position) -> AppendedRows {
        if rows.is_empty() {
            return AppendedRows::default();
        }
        let (kind, batch) = (rows.kind(), rows.batch());
        // An exemplar's time is no point's.
        let are_points = kind != RowKind::Exemplars;
        let mut newest = newest_by_metric(view, batch, are_points);
        newest.sort_unstable();
        if kind == RowKind::Histograms {
            let mut known = self.newest.lock();
            for &(metric, time) in &newest {
                let known = known.entry(metric).or_insert(time);
                *known = time.max(*known);
            }
        }
        newest.dedup_by_key(|(metric, _)| *metric);
        let touched: Vec<_> = newest.into_iter().map(|(metric, _)| metric).collect();
        let chunk = RowChunk::new(kind, batch.clone(), touched.as_slice(), Arrival::default());
        let mut of_kind = self.kinds[kind as usize].lock();
        let ordinal = ordinal.unwrap_or(of_kind.next);
        self.place(&mut of_kind, chunk, ordinal, needs);
        AppendedRows { touched, ordinal }
    }

    fn place(&self, of_kind: &mut OfKind, mut chunk: RowChunk, ordinal: u64, needs: Position) {
        let end = ordinal + chunk.rows() as u64;
        chunk.arrival.add(OrdinalRange { from: ordinal, to: end }, needs);
        of_kind.next = of_kind.next.max(end);
        self.bytes.fetch_add(chunk.bytes, Ordering::Relaxed);
        if chunk.rows() >= ROW_CHUNK_ROWS || chunk.bytes >= ROW_CHUNK_BYTES {
            self.join_pending(of_kind);
            of_kind.chunks.push(Arc::new(chunk));
            return;
        }
        of_kind.pending_rows += chunk.rows();
        of_kind.pending_bytes += chunk.bytes;
        of_kind.pending.push(Arc::new(chunk));
        if of_kind.pending_rows >= ROW_PENDING_ROWS
            || of_kind.pending_bytes >= ROW_PENDING_BYTES
            || of_kind.pending.len() >= ROW_PENDING_BATCHES_MAX
        {
            self.join_pending(of_kind);
        }
    }

    /// The ordinal that the kind's next record gets.
    pub(crate) fn next_ordinal(&self, kind: RowKind) -> u64 {
        self.kinds[kind as usize].lock().next
    }

    /// Notes which ordinals the history holds.
    pub(crate) fn note_ordinals(&self, kind: RowKind, end: u64) {
        let mut of_kind = self.kinds[kind as usize].lock();
        of_kind.next = of_kind.next.max(end);
    }

    /// The lowest position of the log that any record needs.
    pub(crate) fn needed_from(&self) -> Position {
        let of_kind = |of_kind: &Mutex<OfKind>| of_kind.lock().all().map(|chunk| chunk.arrival.needs).min();
        self.kinds.iter().filter_map(of_kind).min().unwrap_or(UNLOGGED)
    }

    /// Bytes held, unused room included.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self, kind: RowKind) -> u64 {
        self.kinds[kind as usize].lock().all().map(|chunk| chunk.rows() as u64).sum()
    }

    /// The newest time of a histogram metric, in memory or in the history.
    pub(crate) fn newest(&self, metric: MetricRef) -> Option<UnixNanos> {
        self.newest.lock().get(&metric).map(|&time| UnixNanos(time))
    }

    /// Notes what the history holds.
    pub(crate) fn note_newest(&self, metric: MetricRef, newest: i64) {
        let mut known = self.newest.lock();
        let known = known.entry(metric).or_insert(newest);
        *known = newest.max(*known);
    }

    /// The chunks that may hold records of the range, and the ordinal of the first record that comes after this look.
    pub(crate) fn snapshot(&self, kind: RowKind, range: TimeRange) -> (Vec<Arc<RowChunk>>, u64) {
        let of_kind = self.kinds[kind as usize].lock();
        let chunks = of_kind.all().filter(|chunk| chunk.times.overlaps(range)).map(Arc::clone).collect();
        (chunks, of_kind.next)
    }

    /// The records of a kind from an ordinal on, in the order of arrival, and the ordinal of the next one; `None` when some of them are not in
    /// memory any more. Without a copy.
    pub(crate) fn since(&self, kind: RowKind, from: u64) -> Option<(Vec<RecordBatch>, u64)> {
        let of_kind = self.kinds[kind as usize].lock();
        let mut left = usize::try_from(of_kind.next.checked_sub(from)?).ok()?;
        let mut parts = Vec::new();
        for chunk in of_kind.pending.iter().rev().chain(of_kind.chunks.iter().rev()) {
            if left == 0 {
                break;
            }
            let of_chunk = left.min(chunk.rows());
            parts.push(chunk.batch.slice(chunk.rows() - of_chunk, of_chunk));
            left -= of_chunk;
        }
        parts.reverse();
        (left == 0).then_some((parts, of_kind.next))
    }

    /// Joins what waits.
    pub(crate) fn seal(&self) {
        self.kinds.iter().for_each(|of_kind| self.join_pending(&mut of_kind.lock()));
    }

    /// Joins what waits, and returns all chunks, kind by kind, each kind's in the order in which they became chunks.
    pub(crate) fn sealed(&self) -> Vec<Arc<RowChunk>> {
        self.seal();
        self.kinds.iter().flat_map(|of_kind| of_kind.lock().chunks.clone()).collect()
    }

    /// Drops the first `count` chunks of a kind, which are in the history now.
    pub(crate) fn remove_oldest(&self, kind: RowKind, count: usize) {
        let removed: Vec<_> = self.kinds[kind as usize].lock().chunks.drain(..count).collect();
        self.bytes.fetch_sub(removed.iter().map(|chunk| chunk.bytes).sum(), Ordering::Relaxed);
    }

    /// Drops chunks whose records are all older than `before`, and those before them.
    pub(crate) fn forget(&self, before: i64) {
        for of_kind in &self.kinds {
            let mut of_kind = of_kind.lock();
            if of_kind.pending.first().is_some_and(|chunk| chunk.times.from < before) {
                self.join_pending(&mut of_kind);
            }
            let old = of_kind.chunks.iter().take_while(|chunk| chunk.times.to < before).count();
            let bytes = of_kind.chunks.drain(..old).map(|chunk| chunk.bytes()).sum();
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    fn join_pending(&self, of_kind: &mut OfKind) {
        let Some(kind) = of_kind.pending.first().map(|chunk| chunk.kind) else { return };
        let joined = join(kind, &of_kind.pending)
            .expect("rows are made with the schema of their kind, and what waits is far below 2 GiB together");
        let mut metrics: Vec<_> = of_kind.pending.iter().flat_map(|chunk| chunk.metrics.iter().copied()).collect();
        metrics.sort_unstable();
        metrics.dedup();
        let mut arrival = Arrival::default();
        of_kind.pending.iter().for_each(|chunk| arrival.add_all(&chunk.arrival));
        let chunk = RowChunk::new(kind, joined, metrics, arrival);
        self.bytes.fetch_add(chunk.bytes, Ordering::Relaxed);
        self.bytes.fetch_sub(of_kind.pending_bytes, Ordering::Relaxed);
        of_kind.chunks.push(Arc::new(chunk));
        of_kind.pending.clear();
        (of_kind.pending_rows, of_kind.pending_bytes) = (0, 0);
    }
}

impl OfKind {
    fn all(&self) -> impl Iterator<Item = &Arc<RowChunk>> {
        self.chunks.iter().chain(&self.pending)
    }
}

/// A copy of all records without unused room.
fn join(kind: RowKind, pending: &[Arc<RowChunk>]) -> Result<RecordBatch, ArrowError> {
    match pending {
        // Joining one would give it back as it is.
        [chunk] => take_record_batch(&chunk.batch, &UInt32Array::from_iter_values(0..chunk.rows() as u32)),
        chunks => concat_batches(&kind.schema(), chunks.iter().map(|chunk| &chunk.batch)),
    }
}

/// Each metric with its newest time, maybe several times; one look at the registry a run of a series, not one a record.
fn newest_by_metric(view: &RegistryView<'_>, batch: &RecordBatch, are_points: bool) -> Vec<(MetricRef, i64)> {
    let mut rest = times(batch);
    let mut found: Vec<(MetricRef, i64)> = Vec::new();
    for run in series(batch).chunk_by(|a, b| a == b) {
        let (of_run, later) = rest.split_at(run.len());
        rest = later;
        let newest = of_run.iter().copied().fold(i64::MIN, i64::max);
        let series = SeriesRef(run[0]);
        if are_points {
            view.touch(series, newest);
        }
        let metric = view.metric_of(series);
        match found.last_mut() {
            Some(last) if last.0 == metric => last.1 = last.1.max(newest),
            _ => found.push((metric, newest)),
        }
    }
    found
}

/// The series of stored records.
pub(crate) fn series(batch: &RecordBatch) -> &[u32] {
    batch.column(SERIES).as_primitive::<UInt32Type>().values()
}

/// The event times of stored records.
pub(crate) fn times(batch: &RecordBatch) -> &[i64] {
    batch.column(TIME).as_primitive::<TimestampNanosecondType>().values()
}
