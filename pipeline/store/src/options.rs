//! The bounds of a store, and what it says of itself.

use std::time::Duration;

use flyball_model::RowKind;

/// Points of one metric in a full chunk. A power of two, so that doubling ends exactly here and a full chunk has no spare
/// room; 20 bytes a point make 320 KiB, small enough to evict piecewise and large enough that a chunk's own cost is nothing.
pub(crate) const CHUNK_POINTS_MAX: usize = 16_384;

/// Room a metric's first points get; most metrics of a small estate have a handful of series.
pub(crate) const HEAD_POINTS_MIN: usize = 32;

/// Points of a batch that are looked up at a time among stored ones, when they may be duplicates: the table has 10 MiB then. More
/// are looked up in turns, each of which goes through what is stored once. Tests take turns all the time.
pub(crate) const CANDIDATES_MAX: usize = if cfg!(test) { 1 << 12 } else { 1 << 20 };

/// How long after it was written a history file is searched for duplicates. A sender that tries again does so within minutes.
pub(crate) const RETRIES_WITHIN: Duration = Duration::from_secs(3600);

/// The part of the budget of memory that log records may hold which wait, in a replay, for those before them.
pub(crate) const WAITING_SHARE: usize = 4;

/// A batch of records (logs, spans, …) with so many rows is kept as it came …
pub(crate) const ROW_CHUNK_ROWS: usize = 1024;
/// … or with so many bytes.
pub(crate) const ROW_CHUNK_BYTES: usize = 1024 * 1024;

/// Smaller ones wait, to be joined, until they have this many rows together …
pub(crate) const ROW_PENDING_ROWS: usize = 4 * ROW_CHUNK_ROWS;
/// … or this many bytes (with one on top far below the 2 GiB that an Arrow text column can hold) …
pub(crate) const ROW_PENDING_BYTES: usize = 4 * ROW_CHUNK_BYTES;
/// … or are this many.
pub(crate) const ROW_PENDING_BATCHES_MAX: usize = 64;

const _: () = assert!(CHUNK_POINTS_MAX.is_power_of_two() && HEAD_POINTS_MIN.is_power_of_two());

/// The bounds of a [`crate::Store`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// The most series, streams of records included (`limits.series`), and how many have their labels in memory when the folder is
    /// opened. Default 1,000,000.
    pub series_cap: usize,
    /// Memory for points and records that are not in the history yet, in bytes. Beyond it the oldest leave with the
    /// next [`crate::Store::maintain`]; at one and a half times it [`crate::Store::over_budget`] turns true. Default 64 MiB.
    pub hot_bytes: usize,
    /// What is older leaves for the history even if there is room. Default 2 h.
    pub hot_age: Duration,
    /// How long the history is kept; a file goes when its newest point is older. Default 30 d.
    pub retention: Duration,
    /// A point is counted as late when it is older than the newest of its series by more than this. Default 30 s.
    pub late: Duration,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            series_cap: 1_000_000,
            hot_bytes: 64 * 1024 * 1024,
            hot_age: Duration::from_secs(2 * 3600),
            retention: Duration::from_secs(30 * 24 * 3600),
            late: Duration::from_secs(30),
        }
    }
}

impl StoreOptions {
    /// Bytes at which the store asks for no more points until `maintain` has caught up.
    pub(crate) fn hard_limit_bytes(&self) -> usize {
        self.hot_bytes.saturating_add(self.hot_bytes / 2)
    }

    /// Bytes that remain after an eviction; a quarter at a time makes files of a useful size.
    pub(crate) fn eviction_target_bytes(&self) -> usize {
        self.hot_bytes - self.hot_bytes / 4
    }

    /// A head older than this is sealed, so that what leaves by age takes few young points along.
    pub(crate) fn head_age_max(&self) -> Duration {
        self.hot_age / 8
    }

    /// Time between two evictions by age, so that old points that trickle in don't make a file each.
    pub(crate) fn age_eviction_every(&self) -> Duration {
        self.hot_age / 4
    }
}

/// What one [`crate::Store::maintain`] or [`crate::Store::flush`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Maintenance {
    /// History files written.
    pub files_written: usize,
    /// Bytes of them.
    pub bytes_written: u64,
    /// Points that left memory.
    pub points_evicted: u64,
    /// Records of all kinds that left memory.
    pub rows_evicted: u64,
    /// History files deleted because their newest point had expired.
    pub files_deleted: usize,
    /// Series and metric descriptions newly written to the journal.
    pub journal_records: u64,
}

/// How many records there are of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowCounts([u64; RowKind::ALL.len()]);

impl RowCounts {
    /// Asks `count` for each kind.
    pub(crate) fn of(count: impl FnMut(RowKind) -> u64) -> Self {
        Self(RowKind::ALL.map(count))
    }

    /// The records of one kind.
    pub fn get(&self, kind: RowKind) -> u64 {
        self.0[kind as usize]
    }
}

/// What the store holds and what it has read since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreStats {
    /// Points in memory.
    pub hot_points: u64,
    /// Records in memory, by kind.
    pub hot_rows: RowCounts,
    /// Bytes of all, room that was taken and is not used yet included.
    pub hot_bytes: u64,
    /// Files of the history.
    pub history_files: u64,
    /// Points in them.
    pub history_points: u64,
    /// Records in them, by kind.
    pub history_rows: RowCounts,
    /// Bytes of them.
    pub history_bytes: u64,
    /// Bytes of the series journal.
    pub journal_bytes: u64,
    /// Series ever seen.
    pub series: u64,
    /// Metrics ever seen.
    pub metrics: u64,
    /// History files that queries opened.
    pub files_opened: u64,
    /// History files that queries did not open because their index says they hold nothing of interest.
    pub files_pruned: u64,
    /// Rows that came out of history files.
    pub history_rows_read: u64,
    /// Rows of memory that queries looked at.
    pub hot_rows_read: u64,
}
