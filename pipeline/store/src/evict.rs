//! Maintenance: what is too old or too much leaves memory for the history, and what has expired leaves the history.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use flyball_model::{MetricRef, UnixNanos};
use tracing::{debug, info};

use crate::error::StoreError;
use crate::history::file::{HistoryFile, Kind};
use crate::history::logs::write_logs;
use crate::history::write::write_points;
use crate::hot::chunk::Chunk;
use crate::hot::logs::LogChunk;
use crate::hot::points::Seal;
use crate::journal::writer::Journal;
use crate::options::Maintenance;
use crate::store::Store;

/// The state of maintenance.
#[derive(Debug)]
pub(crate) struct Keeper {
    journal: Journal,
    next_number: u64,
    last_age_eviction: Option<UnixNanos>,
}

impl Keeper {
    pub(crate) fn new(journal: Journal, next_number: u64) -> Self {
        Self { journal, next_number, last_age_eviction: None }
    }
}

impl Store {
    /// Writes new series to the journal, evicts what is over the budget or older than `hot_age`, and deletes what has
    /// expired. Call it every second or so, and when [`Store::needs_maintenance`] says so. Blocks.
    ///
    /// # Errors
    /// When the disk says no: nothing is lost then, and the next call tries again.
    pub fn maintain(&self, now: UnixNanos) -> Result<Maintenance, StoreError> {
        let mut keeper = self.keeper.lock();
        let mut done = Maintenance { journal_records: self.write_journal(&mut keeper)?, ..Maintenance::default() };
        done.files_deleted = self.history.write().expire(now.minus(self.options.retention).0);
        self.points.seal(Seal::SeenBefore { seen: now.minus(self.options.head_age_max()), now });
        let last = *keeper.last_age_eviction.get_or_insert(now);
        if self.needs_maintenance() {
            self.points.seal(Seal::All);
            let surplus = self.hot_bytes().saturating_sub(self.options.eviction_target_bytes());
            self.evict(&mut keeper, Until::Freed(surplus), &mut done)?;
        } else if now.since(last) >= self.options.age_eviction_every() {
            keeper.last_age_eviction = Some(now);
            self.evict(&mut keeper, Until::NewerThan(now.minus(self.options.hot_age).0), &mut done)?;
        }
        if done.files_written + done.files_deleted > 0 {
            info!(
                points = done.points_evicted,
                logs = done.logs_evicted,
                bytes = done.bytes_written,
                files_deleted = done.files_deleted,
                "history written"
            );
        }
        Ok(done)
    }

    /// Writes everything in memory to the history. Blocks.
    ///
    /// # Errors
    /// When the disk says no: nothing is lost then, and the next call tries again.
    pub fn flush(&self) -> Result<(), StoreError> {
        let mut keeper = self.keeper.lock();
        let mut done = Maintenance { journal_records: self.write_journal(&mut keeper)?, ..Maintenance::default() };
        self.points.seal(Seal::All);
        self.evict(&mut keeper, Until::Empty, &mut done)?;
        debug!(points = done.points_evicted, logs = done.logs_evicted, "memory written to the history");
        Ok(())
    }

    fn write_journal(&self, keeper: &mut Keeper) -> Result<u64, StoreError> {
        let records = keeper.journal.catch_up(&self.registry)?;
        self.journal_bytes.store(keeper.journal.bytes(), Ordering::Relaxed);
        Ok(records)
    }

    fn evict(&self, keeper: &mut Keeper, until: Until, done: &mut Maintenance) -> Result<(), StoreError> {
        let Choice { points, logs } = choose(self.points.sealed(), self.logs.sealed(), until);
        // Points may have come since the journal was written; their series must be in it before the file is.
        done.journal_records += self.write_journal(keeper)?;
        if !points.is_empty() {
            let file = write_points(&self.history_dir, keeper.next_number, &points)?;
            done.points_evicted += file.rows;
            self.swap(keeper, Kind::Points, file, done, || {
                for of_metric in points.chunk_by(|a, b| a.0 == b.0) {
                    self.points.remove_oldest(of_metric[0].0, of_metric.len());
                }
            });
        }
        if !logs.is_empty() {
            let file = write_logs(&self.history_dir, keeper.next_number, &logs)?;
            done.logs_evicted += file.rows;
            self.swap(keeper, Kind::Logs, file, done, || self.logs.remove_oldest(logs.len()));
        }
        Ok(())
    }

    /// The moment at which points stop being in memory and begin to be in the history.
    fn swap(
        &self,
        keeper: &mut Keeper,
        kind: Kind,
        file: HistoryFile,
        done: &mut Maintenance,
        remove_from_memory: impl FnOnce(),
    ) {
        keeper.next_number += 1;
        done.files_written += 1;
        done.bytes_written += file.bytes;
        let mut history = self.history.write();
        history.of_mut(kind).push(Arc::new(file));
        remove_from_memory();
    }
}

/// When to stop evicting.
#[derive(Debug, Clone, Copy)]
enum Until {
    /// When this many bytes are free.
    Freed(usize),
    /// When what remains has points at or after this time.
    NewerThan(i64),
    /// When nothing is left.
    Empty,
}

/// What leaves memory.
struct Choice {
    points: Vec<(MetricRef, Arc<Chunk>)>,
    logs: Vec<Arc<LogChunk>>,
}

/// Picks chunks with the oldest points first, but never a metric's chunk before one of the same metric that arrived
/// earlier: so the history's points of a metric always arrived before those in memory, and "the last one wins" can be
/// decided. Both lists keep the order of the input.
fn choose(points: Vec<(MetricRef, Arc<Chunk>)>, logs: Vec<Arc<LogChunk>>, until: Until) -> Choice {
    // A chunk's key is its newest time or that of one before it, whichever is newer: keys of a metric never fall.
    let mut queue = BinaryHeap::new();
    let mut newest = (None, i64::MIN);
    for (at, (metric, chunk)) in points.iter().enumerate() {
        newest = if newest.0 == Some(*metric) { newest } else { (Some(*metric), i64::MIN) };
        newest.1 = newest.1.max(chunk.times.to);
        queue.push(Reverse((newest.1, at, chunk.bytes())));
    }
    let mut newest = i64::MIN;
    for (at, chunk) in logs.iter().enumerate() {
        newest = newest.max(chunk.times.to);
        queue.push(Reverse((newest, points.len() + at, chunk.bytes())));
    }
    let mut chosen = vec![false; points.len() + logs.len()];
    let mut freed = 0;
    while let Some(Reverse((newest, at, bytes))) = queue.pop() {
        let enough = match until {
            Until::Freed(surplus) => freed >= surplus,
            Until::NewerThan(cutoff) => newest >= cutoff,
            Until::Empty => false,
        };
        if enough {
            break;
        }
        chosen[at] = true;
        freed += bytes;
    }
    let (of_points, of_logs) = chosen.split_at(points.len());
    let points = points.into_iter().zip(of_points).filter(|(_, chosen)| **chosen).map(|(chunk, _)| chunk).collect();
    let logs = logs.into_iter().zip(of_logs).filter(|(_, chosen)| **chosen).map(|(chunk, _)| chunk).collect();
    Choice { points, logs }
}
