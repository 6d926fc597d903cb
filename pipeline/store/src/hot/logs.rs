//! Recent log records.
//!
//! Senders bring records in batches of any size, and a batch of one record holds kilobytes of unused room: batches wait
//! until they make a chunk worth keeping and are joined then.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{TimestampNanosecondType, UInt32Type};
use flyball_model::batch::log_schema;
use flyball_model::series::RegistryView;
use flyball_model::{LogBatch, SeriesRef};
use parking_lot::Mutex;

use crate::error::StoreError;
use crate::options::{LOG_CHUNK_BYTES, LOG_CHUNK_RECORDS, LOG_PENDING_BATCHES_MAX};
use crate::range::TimeRange;

/// Log records that don't change any more.
#[derive(Debug)]
pub(crate) struct LogChunk {
    pub(crate) batch: RecordBatch,
    pub(crate) times: TimeRange,
    bytes: usize,
}

impl LogChunk {
    fn new(batch: RecordBatch) -> Arc<Self> {
        Arc::new(Self { times: TimeRange::of(times(&batch)), bytes: batch.get_array_memory_size(), batch })
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The log records that are not in the history yet.
#[derive(Debug, Default)]
pub(crate) struct HotLogs {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    pending: Vec<Arc<LogChunk>>,
    chunks: Vec<Arc<LogChunk>>,
    bytes: usize,
}

impl HotLogs {
    pub(crate) fn append(&self, view: &RegistryView<'_>, logs: LogBatch) {
        if logs.is_empty() {
            return;
        }
        let batch = logs.batch();
        let streams = batch.column(0).as_primitive::<UInt32Type>().values();
        for (&stream, &time) in streams.iter().zip(times(batch)) {
            view.touch(SeriesRef(stream), time);
        }
        let chunk = LogChunk::new(batch.clone());
        let mut inner = self.inner.lock();
        inner.bytes += chunk.bytes;
        inner.pending.push(chunk);
        let records: usize = inner.pending.iter().map(|chunk| chunk.batch.num_rows()).sum();
        let bytes: usize = inner.pending.iter().map(|chunk| chunk.bytes).sum();
        if records >= LOG_CHUNK_RECORDS || inner.pending.len() >= LOG_PENDING_BATCHES_MAX || bytes >= LOG_CHUNK_BYTES {
            inner.seal();
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.inner.lock().bytes
    }

    pub(crate) fn count(&self) -> u64 {
        self.inner.lock().all().map(|chunk| chunk.batch.num_rows() as u64).sum()
    }

    /// The chunks that may hold records of the range, oldest arrival first.
    pub(crate) fn snapshot(&self, range: TimeRange) -> Vec<Arc<LogChunk>> {
        self.inner.lock().all().filter(|chunk| chunk.times.overlaps(range)).map(Arc::clone).collect()
    }

    /// Joins what waits, and returns all chunks, oldest arrival first.
    pub(crate) fn sealed(&self) -> Vec<Arc<LogChunk>> {
        let mut inner = self.inner.lock();
        inner.seal();
        inner.chunks.clone()
    }

    /// Drops the first `count` chunks, which are in the history now.
    pub(crate) fn remove_oldest(&self, count: usize) {
        let mut inner = self.inner.lock();
        let removed: usize = inner.chunks.drain(..count).map(|chunk| chunk.bytes).sum();
        inner.bytes -= removed;
    }
}

impl Inner {
    fn all(&self) -> impl Iterator<Item = &Arc<LogChunk>> {
        self.chunks.iter().chain(&self.pending)
    }

    fn seal(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let before: usize = self.pending.iter().map(|chunk| chunk.bytes).sum();
        let joined = join(&self.pending).expect("all batches have the schema of logs and are far below 2 GiB together");
        self.pending.clear();
        let chunk = LogChunk::new(joined);
        self.bytes = self.bytes - before + chunk.bytes;
        self.chunks.push(chunk);
    }
}

/// All records in one batch.
pub(crate) fn join(chunks: &[Arc<LogChunk>]) -> Result<RecordBatch, StoreError> {
    Ok(concat_batches(&log_schema(), chunks.iter().map(|chunk| &chunk.batch))?)
}

/// The event times of a batch of logs.
pub(crate) fn times(batch: &RecordBatch) -> &[i64] {
    batch.column(1).as_primitive::<TimestampNanosecondType>().values()
}
