//! The ports that stores and backends implement.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::action::ActionKind;
use crate::event::{Event, EventKind, Transition};
use crate::time::UnixNanos;

/// A value in a [`Record`].
#[derive(Debug, Clone, PartialEq)]
pub enum FieldValue {
    /// A float; NaN and infinities are left out by writers that can't say them.
    Float(f64),
    /// A signed integer.
    Integer(i64),
    /// Text.
    Text(String),
    /// A truth value.
    Boolean(bool),
}

/// One line for a time-series store: what InfluxDB calls a point.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The measurement.
    pub measurement: String,
    /// Tags, sorted by name; empty values are left out.
    pub tags: Vec<(String, String)>,
    /// Fields. A field keeps one type for ever.
    pub fields: Vec<(String, FieldValue)>,
    /// Its time.
    pub time: UnixNanos,
}

/// What a store may be asked to keep (`write:` in the configuration).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// Snapshots of the twin.
    Twin,
    /// Violations as they change.
    Violations,
    /// Every point of every metric.
    Metrics,
}

/// A row of a sink's own account, for `/metrics`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SinkStatus {
    /// Records handed over, across restarts where the sink keeps its account. The sum of those that wait, were delivered, rejected or
    /// dropped.
    pub received: u64,
    /// Records waiting in memory or in the spool.
    pub queued: u64,
    /// Records the store said it has.
    pub delivered: u64,
    /// Records the store refused for good, by reason.
    pub rejected: Vec<(String, u64)>,
    /// Records lost because the spool was full, or because they could not be written down.
    pub dropped: u64,
    /// Bytes in the spool.
    pub spool_bytes: u64,
    /// When the oldest waiting batch was made.
    pub oldest_at: Option<UnixNanos>,
    /// The last failure, cleared by a success.
    pub last_error: Option<String>,
}

impl SinkStatus {
    /// Whether the fate of each record that was handed over is known.
    pub fn is_even(&self) -> bool {
        let rejected: u64 = self.rejected.iter().map(|(_, records)| records).sum();
        self.received == self.queued + self.delivered + rejected + self.dropped
    }
}

/// A store beside the embedded one.
pub trait Sink: Send + Sync + 'static {
    /// Its name in logs and metrics.
    fn name(&self) -> &str;
    /// Whether it wants this kind.
    fn wants(&self, kind: RecordKind) -> bool;
    /// Takes records over and returns at once; delivery happens behind. What can't be kept is counted as dropped.
    fn enqueue(&self, kind: RecordKind, records: Arc<[Record]>);
    /// Its account.
    fn status(&self) -> SinkStatus;
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The backend answered 2xx.
    Accepted {
        /// Requests made.
        attempts: u32,
    },
    /// The backend refused it for good.
    Failed {
        /// What it said.
        reason: String,
    },
    /// `expires_at` passed before it was taken.
    Expired {
        /// The last failure.
        reason: String,
    },
    /// flyball is stopping; nobody knows whether the backend has it, and the next process delivers it again.
    Interrupted {
        /// The last failure.
        reason: String,
    },
    /// The backend said 410 Gone, now or before: it takes nothing any more until flyball is restarted.
    Disabled,
}

/// Something that can change the estate, or tell somebody.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Its name in the configuration.
    fn name(&self) -> &str;
    /// Whether it can do this; `rules check` asks.
    fn can(&self, action: ActionKind) -> bool;
    /// Whether it wants to hear of this kind of event (`events:`).
    fn wants(&self, kind: EventKind) -> bool;
    /// Delivers one event, trying again until it expires.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it unknown whether the backend has the event; delivering it again is harmless.
    async fn deliver(&self, event: &Event) -> Delivery;
    /// How often it must hear again of what it was told and what still is so, because it forgets what it does not hear of; `None`: never.
    fn reminded_every(&self) -> Option<Duration> {
        None
    }
    /// Tells it what is firing or in error, as far as it was told before. A reminder that fails is left to the next one.
    ///
    /// # Cancel safety
    /// Dropping the future leaves out what was not told yet; the next reminder tells it.
    async fn remind(&self, _firing: &[Transition]) {}
    /// Requests made since the start by outcome, for `/metrics`; nothing, if it makes none.
    fn requests(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}
