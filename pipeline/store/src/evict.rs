//! Maintenance: what is too old or too much leaves memory for the history, and what has expired leaves the history.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use flyball_model::{MetricRef, RowKind, UnixNanos};
use tracing::{debug, info};

use crate::error::StoreError;
use crate::history::file::{HistoryFile, Kind};
use crate::history::rows::write_rows;
use crate::history::write::write_points;
use crate::hot::chunk::Chunk;
use crate::hot::points::Seal;
use crate::hot::rows::RowChunk;
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
            self.rows.seal();
            let surplus = self.hot_bytes().saturating_sub(self.options.eviction_target_bytes());
            self.evict(&mut keeper, Until::Freed(surplus), &mut done)?;
        } else if now.since(last) >= self.options.age_eviction_every() {
            keeper.last_age_eviction = Some(now);
            self.evict(&mut keeper, Until::NewerThan(now.minus(self.options.hot_age).0), &mut done)?;
        }
        if done.files_written + done.files_deleted > 0 {
            info!(
                points = done.points_evicted,
                rows = done.rows_evicted,
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
        debug!(points = done.points_evicted, rows = done.rows_evicted, "memory written to the history");
        Ok(())
    }

    fn write_journal(&self, keeper: &mut Keeper) -> Result<u64, StoreError> {
        let records = keeper.journal.catch_up(&self.registry)?;
        self.journal_bytes.store(keeper.journal.bytes(), Ordering::Relaxed);
        Ok(records)
    }

    fn evict(&self, keeper: &mut Keeper, until: Until, done: &mut Maintenance) -> Result<(), StoreError> {
        let Choice { points, rows } = choose(self.points.sealed(), self.worth_a_file(until), until);
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
        for of_kind in rows.chunk_by(|a, b| a.kind == b.kind) {
            let kind = of_kind[0].kind;
            let file = write_rows(&self.history_dir, keeper.next_number, kind, of_kind, &self.registry)?;
            done.rows_evicted += file.rows;
            self.swap(keeper, Kind::Rows(kind), file, done, || self.rows.remove_oldest(kind, of_kind.len()));
        }
        Ok(())
    }

    /// The sealed records that may leave now.
    fn worth_a_file(&self, until: Until) -> Vec<Arc<RowChunk>> {
        let mut rows = self.rows.sealed();
        if let Until::Freed(surplus) = until {
            let least = surplus.min(self.options.eviction_target_bytes()) / SMALL_CHANGE;
            let bytes = |kind| rows.iter().filter(|chunk| chunk.kind == kind).map(|chunk| chunk.bytes()).sum::<usize>();
            let stays = RowKind::ALL.map(|kind| bytes(kind) < least);
            rows.retain(|chunk| !stays[chunk.kind as usize]);
        }
        rows
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
    rows: Vec<Arc<RowChunk>>,
}

/// A kind of records with less than this part of the bytes that must be freed stays until it is too old: else a trickle of
/// exemplars would make a file each time that points are evicted. All kinds that stay are far below the budget together.
const SMALL_CHANGE: usize = 16;

const _: () = assert!(RowKind::ALL.len() < SMALL_CHANGE / 2);

/// What shares an order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Metric(MetricRef),
    Kind(RowKind),
}

/// Picks chunks with the oldest points first, but never a metric's chunk before one of the same metric that arrived
/// earlier: so the history's points of a metric always arrived before those in memory, and "the last one wins" can be
/// decided. Records leave in the order of arrival by kind. Both lists keep the order of the input.
fn choose(points: Vec<(MetricRef, Arc<Chunk>)>, rows: Vec<Arc<RowChunk>>, until: Until) -> Choice {
    let of_points = points.iter().map(|(metric, chunk)| (Group::Metric(*metric), chunk.times.to, chunk.bytes()));
    let of_rows = rows.iter().map(|chunk| (Group::Kind(chunk.kind), chunk.times.to, chunk.bytes()));
    // A chunk's key is its newest time or that of one before it, whichever is newer: keys of a group never fall.
    let mut queue = BinaryHeap::new();
    let mut newest = (None, i64::MIN);
    for (at, (group, to, bytes)) in of_points.chain(of_rows).enumerate() {
        newest = if newest.0 == Some(group) { newest } else { (Some(group), i64::MIN) };
        newest.1 = newest.1.max(to);
        queue.push(Reverse((newest.1, at, bytes)));
    }
    let mut chosen = vec![false; points.len() + rows.len()];
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
    let mut chosen = chosen.into_iter();
    Choice {
        points: points.into_iter().filter(|_| chosen.next() == Some(true)).collect(),
        rows: rows.into_iter().filter(|_| chosen.next() == Some(true)).collect(),
    }
}
