//! What the log's thread and those who submit share.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flyball_model::Clock;
use flyball_model::ledger::Ledger;
use flyball_model::state::State;
use parking_lot::{Condvar, Mutex, RwLock};
use tokio::sync::Notify;

use crate::error::LogError;
use crate::group::Pending;
use crate::position::Position;
use crate::storage::Storage;
use crate::writer::{Durability, Writer};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) dir: PathBuf,
    pub(crate) durability: Durability,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) pending: Mutex<Pending>,
    pub(crate) wake: Condvar,
    /// State in the order of the log, and how far that is.
    pub(crate) applied: Mutex<Applied>,
    /// Told when it is further.
    pub(crate) further: Notify,
    pub(crate) ledger: Arc<Ledger>,
    /// Where the next frame goes.
    pub(crate) end: AtomicU64,
    pub(crate) under_way: Mutex<Bodies>,
    /// Told when a body is no longer under way.
    pub(crate) ended: Condvar,
    /// Told when none is, and when somebody is in a hurry.
    pub(crate) all_in: Condvar,
    /// Held for reading from the moment at which a body adds to running totals until its record is submitted, and for writing while a
    /// group is closed: see [`crate::Log::add_to_totals`].
    pub(crate) adding: RwLock<()>,
    pub(crate) trouble: RwLock<Option<String>>,
    /// Segments were removed by somebody else: what is in memory from before this position is in no log until it is in the history. 0: none were.
    pub(crate) lost_before: AtomicU64,
    pub(crate) counts: Counts,
}

#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) state: State,
    pub(crate) position: Position,
    /// Entries posted since the start.
    pub(crate) entries: u64,
}

/// Bodies under way.
#[derive(Debug, Default)]
pub(crate) struct Bodies {
    /// Where each of them, by its number, will stand or behind. Neither falls.
    pub(crate) positions: BTreeMap<u64, Position>,
    pub(crate) next: u64,
    /// Somebody waits for the log whom they would only hold up.
    pub(crate) hurried: bool,
}

/// Self-metrics of the log.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) groups: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) write_nanos: AtomicU64,
    /// The mean of the last writes.
    pub(crate) write_mean_nanos: AtomicU64,
    pub(crate) segments: AtomicU64,
    pub(crate) start: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
}

/// So many writes are in the mean, mostly.
const WRITES_IN_MEAN: u64 = 16;

impl Counts {
    /// A group was written; only the log's thread does.
    pub(crate) fn wrote(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.write_nanos.fetch_add(nanos, Ordering::Relaxed);
        let mean = self.write_mean_nanos.load(Ordering::Relaxed);
        let mean = mean - mean / WRITES_IN_MEAN + nanos / WRITES_IN_MEAN;
        self.write_mean_nanos.store(mean, Ordering::Relaxed);
    }
}

/// What the log says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogStats {
    /// Groups written.
    pub groups: u64,
    /// Records written.
    pub records: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Groups that the disk refused, each try counted.
    pub failures: u64,
    /// Nanoseconds spent writing and syncing.
    pub write_nanos: u64,
    /// Segments on the disk.
    pub segments: u64,
    /// Bytes of the log that are kept.
    pub kept_bytes: u64,
    /// Checkpoints written.
    pub checkpoints: u64,
}

impl Shared {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        dir: PathBuf,
        durability: Durability,
        clock: Arc<dyn Clock>,
        ledger: Arc<Ledger>,
        state: State,
        end: Position,
    ) -> Self {
        Self {
            storage,
            dir,
            durability,
            clock,
            pending: Mutex::default(),
            wake: Condvar::new(),
            applied: Mutex::new(Applied { state, position: end, entries: 0 }),
            further: Notify::new(),
            ledger,
            end: AtomicU64::new(end.0),
            under_way: Mutex::default(),
            ended: Condvar::new(),
            all_in: Condvar::new(),
            adding: RwLock::default(),
            trouble: RwLock::default(),
            lost_before: AtomicU64::new(0),
            counts: Counts::default(),
        }
    }

    /// What the log says of itself.
    pub(crate) fn stats(&self) -> LogStats {
        let counts = &self.counts;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LogStats {
            groups: read(&counts.groups),
            records: read(&counts.records),
            bytes: read(&counts.bytes),
            failures: read(&counts.failures),
            write_nanos: read(&counts.write_nanos),
            segments: read(&counts.segments),
            kept_bytes: self.end.load(Ordering::Acquire).saturating_sub(read(&counts.start)),
            checkpoints: read(&counts.checkpoints),
        }
    }

    pub(crate) fn refuse(&self, error: &LogError) {
        self.counts.failures.fetch_add(1, Ordering::Relaxed);
        if matches!(error, LogError::Removed { .. }) {
            self.lost_before.store(self.end.load(Ordering::Acquire).max(1), Ordering::Release);
        }
        let reason = error.to_string();
        let mut trouble = self.trouble.write();
        if trouble.as_ref() != Some(&reason) {
            tracing::error!(%error, "the log can't be written; nothing is taken in until it can");
            *trouble = Some(reason);
        }
    }

    pub(crate) fn count_segments(&self, writer: &Writer) {
        self.counts.segments.store(writer.segments() as u64, Ordering::Relaxed);
        self.counts.start.store(writer.start().0, Ordering::Relaxed);
    }
}
