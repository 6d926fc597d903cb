//! Maintenance: what is too old or too much leaves memory for the history, and what has expired leaves the history.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::Path;
use std::sync::Arc;

use flyball_log::Position;
use flyball_model::{MetricRef, RowKind, UnixNanos};
use tracing::{debug, info, warn};

use crate::appended::LogPressure;
use crate::error::StoreError;
use crate::folder::is_temporary;
use crate::history::file::{HistoryFile, Kind, parse_name};
use crate::history::rows::write_rows;
use crate::history::write::write_points;
use crate::hot::chunk::Chunk;
use crate::hot::points::Seal;
use crate::hot::rows::RowChunk;
use crate::options::{Maintenance, StoreOptions};
use crate::store::Store;

/// The state of maintenance.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) next_number: u64,
    /// A write failed: files that are in no history may be in the folder, with this number or a temporary name.
    unsettled: bool,
    last_age_eviction: Option<UnixNanos>,
    /// Files with a number below this one were there when the folder was opened, and some were young at the last maintenance.
    pub(crate) found: Option<u64>,
}

impl Keeper {
    pub(crate) fn new(next_number: u64) -> Self {
        Self { next_number, unsettled: false, last_age_eviction: None, found: Some(next_number) }
    }
}

impl Store {
    /// Writes new series to the journal, evicts what is over the budget, older than `hot_age` or in the way of the log, and
    /// deletes what has expired. Call it every second or so, and when [`Store::needs_maintenance`] says so. Blocks.
    ///
    /// # Errors
    /// When the disk says no: nothing is lost then, and the next call tries again.
    pub fn maintain(&self, now: UnixNanos, log: LogPressure) -> Result<Maintenance, StoreError> {
        let mut keeper = self.keeper.lock();
        let mut done = Maintenance { journal_records: self.write_journal()?, ..Maintenance::default() };
        done.files_deleted = self.grow_old(&mut keeper, now);
        self.points.seal(Seal::SeenBefore { seen: now.minus(self.options.head_age_max()), now });
        let last = *keeper.last_age_eviction.get_or_insert(now);
        let by_age = now.since(last) >= self.options.age_eviction_every();
        let before = log.evict_before.filter(|&before| self.needed_from().is_some_and(|needed| needed < before));
        let until = if self.needs_maintenance() {
            Some(self.until_in_budget())
        } else {
            by_age.then_some(Until::NewerThan(now.minus(self.options.hot_age).0))
        };
        if let Some(before) = before {
            self.points.seal(Seal::Needing(before));
        }
        if until.is_some() || before.is_some() {
            self.evict(&mut keeper, Wanted { until, before }, &mut done)?;
        }
        if let Some(Until::NewerThan(_)) = until {
            keeper.last_age_eviction = Some(now);
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
        let mut done = Maintenance { journal_records: self.write_journal()?, ..Maintenance::default() };
        self.points.seal(Seal::All);
        self.evict(&mut keeper, Wanted { until: Some(Until::Empty), before: None }, &mut done)?;
        debug!(points = done.points_evicted, rows = done.rows_evicted, "memory written to the history");
        Ok(())
    }

    /// Evicts what is over the budget, and nothing if memory is not.
    ///
    /// # Errors
    /// When the disk says no: nothing is lost then.
    pub(crate) fn keep_in_budget(&self) -> Result<(), StoreError> {
        if self.needs_maintenance() {
            let mut keeper = self.keeper.lock();
            let until = Some(self.until_in_budget());
            self.evict(&mut keeper, Wanted { until, before: None }, &mut Maintenance::default())?;
        }
        Ok(())
    }

    /// Closes everything, so that all of it may leave, and tells how much must.
    fn until_in_budget(&self) -> Until {
        self.points.seal(Seal::All);
        self.rows.seal();
        Until::Freed(self.hot_bytes().saturating_sub(self.options.eviction_target_bytes()))
    }

    /// Deletes the files whose points have expired, and finds out which are not young any more; returns the count of the former.
    fn grow_old(&self, keeper: &mut Keeper, now: UnixNanos) -> usize {
        let mut history = self.history.write();
        let expired = history.expire(now.minus(self.options.retention).0);
        history.age(now);
        if keeper.found.is_some_and(|found| history.is_old_before(found)) {
            keeper.found = None;
            self.points.forget_floors();
        }
        drop(history);
        // Their removal, which takes its time, is not under the lock.
        expired.len()
    }

    /// Has only files of the history in its folder. Until that is durable nothing else may be written: else a file that is known
    /// to nobody, and comes back with the next start, could hold points that are in another one too.
    fn settle(&self, keeper: &mut Keeper) -> Result<(), StoreError> {
        if keeper.unsettled {
            let next = keeper.next_number;
            // Its being gone may be what failed.
            self.history_folder.make_again()?;
            let unknown = |path: &Path| parse_name(path).is_some_and(|(_, number)| number >= next);
            self.history_folder.remove(|path| is_temporary(path) || unknown(path))?;
            self.history_folder.sync()?;
            keeper.unsettled = false;
        }
        Ok(())
    }

    /// Writes a file; when that fails the folder is as before, now or before the next try.
    pub(crate) fn write(
        &self,
        keeper: &mut Keeper,
        write: impl FnOnce(u64) -> Result<HistoryFile, StoreError>,
    ) -> Result<HistoryFile, StoreError> {
        self.settle(keeper)?;
        write(keeper.next_number).inspect_err(|_| {
            keeper.unsettled = true;
            if let Err(error) = self.settle(keeper) {
                warn!(%error, "half-written history file not removed yet");
            }
        })
    }

    fn evict(&self, keeper: &mut Keeper, wanted: Wanted, done: &mut Maintenance) -> Result<(), StoreError> {
        let Choice { points, rows } = choose(self.points.sealed(), self.rows.sealed(), wanted, &self.options);
        if !points.is_empty() || !rows.is_empty() {
            self.before_files.wait()?;
        }
        // Points may have come since the journal was written; their series must be in it before the file is.
        done.journal_records += self.write_journal()?;
        if !points.is_empty() {
            let file = self.write(keeper, |number| write_points(&self.history_folder, number, &points))?;
            done.points_evicted += file.rows;
            self.swap(keeper, Kind::Points, file, done, || {
                for of_metric in points.chunk_by(|a, b| a.0 == b.0) {
                    self.points.remove_oldest(of_metric[0].0, of_metric.len());
                }
            });
        }
        for of_kind in rows.chunk_by(|a, b| a.kind == b.kind) {
            let kind = of_kind[0].kind;
            let file =
                self.write(keeper, |number| write_rows(&self.history_folder, number, kind, of_kind, &self.registry))?;
            done.rows_evicted += file.rows;
            self.swap(keeper, Kind::Rows(kind), file, done, || self.rows.remove_oldest(kind, of_kind.len()));
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

/// What must leave memory.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    /// The oldest, until then.
    until: Option<Until>,
    /// And what needs the log from before this position.
    before: Option<Position>,
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

/// A chunk of either sort.
#[derive(Debug, Clone, Copy)]
struct Item {
    group: Group,
    newest: i64,
    bytes: usize,
    needs: Position,
}

/// Picks chunks with the oldest points first, but never a metric's chunk before one of the same metric that arrived
/// earlier: so the history's points of a metric always arrived before those in memory, and "the last one wins" can be
/// decided. Records leave in the order of arrival by kind. Both lists keep the order of the input.
fn choose(
    points: Vec<(MetricRef, Arc<Chunk>)>,
    rows: Vec<Arc<RowChunk>>,
    wanted: Wanted,
    options: &StoreOptions,
) -> Choice {
    let of_points = points.iter().map(|(metric, chunk)| Item {
        group: Group::Metric(*metric),
        newest: chunk.times.to,
        bytes: chunk.bytes(),
        needs: chunk.arrival.needs,
    });
    let of_rows = rows.iter().map(|chunk| Item {
        group: Group::Kind(chunk.kind),
        newest: chunk.times.to,
        bytes: chunk.bytes(),
        needs: chunk.arrival.needs,
    });
    let items: Vec<_> = of_points.chain(of_rows).collect();
    let mut chosen = vec![false; items.len()];
    if let Some(until) = wanted.until {
        choose_oldest(&items, until, options, &mut chosen);
    }
    if let Some(before) = wanted.before {
        choose_needing(&items, before, &mut chosen);
    }
    let mut chosen = chosen.into_iter();
    Choice {
        points: points.into_iter().filter(|_| chosen.next() == Some(true)).collect(),
        rows: rows.into_iter().filter(|_| chosen.next() == Some(true)).collect(),
    }
}

fn choose_oldest(items: &[Item], until: Until, options: &StoreOptions, chosen: &mut [bool]) {
    // A chunk's key is its newest time or that of one before it, whichever is newer: keys of a group never fall.
    let mut queue = BinaryHeap::new();
    let mut start = 0;
    for of_group in items.chunk_by(|a, b| a.group == b.group) {
        if is_worth_a_file(of_group, until, options) {
            let mut newest = i64::MIN;
            for (at, item) in (start..).zip(of_group) {
                newest = newest.max(item.newest);
                queue.push(Reverse((newest, at)));
            }
        }
        start += of_group.len();
    }
    let mut freed = 0;
    while let Some(Reverse((newest, at))) = queue.pop() {
        let enough = match until {
            Until::Freed(surplus) => freed >= surplus,
            Until::NewerThan(cutoff) => newest >= cutoff,
            Until::Empty => false,
        };
        if enough {
            break;
        }
        chosen[at] = true;
        freed += items[at].bytes;
    }
}

/// Whether chunks of a group may leave because memory is full.
fn is_worth_a_file(of_group: &[Item], until: Until, options: &StoreOptions) -> bool {
    match (of_group[0].group, until) {
        (Group::Kind(_), Until::Freed(surplus)) => {
            let least = surplus.min(options.eviction_target_bytes()) / SMALL_CHANGE;
            of_group.iter().map(|item| item.bytes).sum::<usize>() >= least
        }
        _ => true,
    }
}

/// What needs the log from before a position, and what arrived before it.
fn choose_needing(items: &[Item], before: Position, chosen: &mut [bool]) {
    let mut start = 0;
    for of_group in items.chunk_by(|a, b| a.group == b.group) {
        let last = of_group.iter().rposition(|item| item.needs < before);
        let end = last.map_or(start, |last| start + last + 1);
        chosen[start..end].fill(true);
        start += of_group.len();
    }
}
