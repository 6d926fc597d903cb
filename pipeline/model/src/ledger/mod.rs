//! The account of every source: received = stored + rejected(reason) + dropped(reason), exact to the point.
//!
//! What one body adds is an [`Entry`]. Entries go through the log with the body's points, and are posted to the [`Ledger`] in its order: so
//! a ledger that is read back from the log is the one that was lost.

mod book;
mod entry;
mod reason;

pub use book::{Balance, Ledger, LedgerRow, SourceRow};
pub use entry::{BadEntry, Entry, Line};
pub use reason::Reason;

/// A kind of telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// Points of metrics.
    Metrics,
    /// Log records.
    Logs,
    /// Spans.
    Traces,
}

impl Signal {
    /// All of them.
    pub const ALL: [Signal; 3] = [Signal::Metrics, Signal::Logs, Signal::Traces];

    /// The word in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Signal::Metrics => "metrics",
            Signal::Logs => "logs",
            Signal::Traces => "traces",
        }
    }
}

/// What became of points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// In the store.
    Stored,
    /// Refused, and the sender was told so.
    Rejected,
    /// Not stored although the sender was told that it was taken: the very same point was there already, or it was lost.
    Dropped,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Outcome; 3] = [Outcome::Stored, Outcome::Rejected, Outcome::Dropped];

    /// The word in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Stored => "stored",
            Outcome::Rejected => "rejected",
            Outcome::Dropped => "dropped",
        }
    }
}
