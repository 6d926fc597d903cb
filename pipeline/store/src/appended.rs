//! What an append says of what it stored: the ordinals that a log record carries, so that its replay is exact.
//!
//! Every point of a metric, and every record of a kind, gets the next *ordinal* of its metric or kind when it is stored. A history
//! file says which ordinals are in it, so that the replay of a log record takes what is in no file, and only that.

use flyball_log::{PointRun, Position};
use flyball_model::{MetricRef, PointBatch};

/// The position of a batch that goes into no log: nothing has to be kept for it.
pub(crate) const UNLOGGED: Position = Position(u64::MAX);

/// What [`crate::Store::append`] stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Appended {
    /// The metrics that got a point, each once, rising.
    pub touched: Vec<MetricRef>,
    /// The points that were stored, in the order of the batch: it is the batch itself where there was no duplicate.
    pub points: PointBatch,
    /// Which ordinals they got; every point is in one of them, and they are in the order of `points`.
    pub runs: Vec<PointRun>,
    /// Points that were there already, with the same series, time and bits of the value.
    pub duplicates: u64,
    /// Those of them that are NaN or infinite, and no staleness marker.
    pub duplicates_not_finite: u64,
    /// Stored points, finite ones, that are older than the newest of their series by more than [`crate::StoreOptions::late`].
    pub late: u64,
}

/// What [`crate::Store::append_rows`] stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppendedRows {
    /// The metrics whose series the records belong to, each once, sorted: a pseudo-metric where a kind has one.
    pub touched: Vec<MetricRef>,
    /// The ordinal of the first record among those of its kind; the others follow.
    pub ordinal: u64,
}

/// What the log wants of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogPressure {
    /// What needs the log from a position before this one must leave memory now, so that old segments can go.
    pub evict_before: Option<Position>,
}

/// What became of the points or records of a log record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RestoredCount {
    /// They were missing, and are there now.
    pub restored: u64,
    /// They were in the history, or restored before.
    pub known: u64,
}

impl std::ops::AddAssign for RestoredCount {
    fn add_assign(&mut self, other: Self) {
        self.restored += other.restored;
        self.known += other.known;
    }
}
