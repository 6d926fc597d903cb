//! The account of every source: received = stored + rejected(reason) + dropped(reason), exact to the point.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};

use crate::limits::SOURCES_MAX;
use crate::time::UnixNanos;

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
    /// Lost after it was acknowledged, or after the sender could be told.
    Dropped,
}

impl Outcome {
    /// The word in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Stored => "stored",
            Outcome::Rejected => "rejected",
            Outcome::Dropped => "dropped",
        }
    }
}

/// Why. A closed list: each is a label value of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Stored, nothing to say.
    None,
    /// Stored: NaN or an infinity. Both protocols allow them, so they are kept, and counted here.
    NotFinite,
    /// Stored: an integer beyond 2^53 became the nearest float.
    Rounded,
    /// Stored: it came later than `limits.late` behind the newest of its series, so that no open window counts it.
    Late,
    /// The metric's points are of another shape: numbers and native histograms can't share a name.
    ShapeConflict,
    /// A histogram whose parts don't fit each other.
    BadHistogram,
    /// An exemplar that can't be kept. Its point is.
    BadExemplar,
    /// A symbol's number is beyond the table of symbols (remote write 2.0).
    BadSymbol,
    /// A line that can't be read.
    BadLine,
    /// A relabelling rule of the configuration drops its series.
    Relabelled,
    /// A report of a stream that can't be read.
    BadReport,
    /// Stored: a span that ends before it starts got a duration of 0.
    EndBeforeStart,
    /// The point says that no value was recorded.
    NoRecordedValue,
    /// The metric has no name.
    EmptyMetricName,
    /// A label has no name.
    EmptyLabelName,
    /// One label name came twice.
    DuplicateLabel,
    /// A name or value is not UTF-8.
    NotUtf8,
    /// Arrays and maps of a value are nested more deeply than is read.
    TooDeep,
    /// More labels than `limits.labels`.
    TooManyLabels,
    /// A label's name or value is longer than `limits.label_bytes`.
    LabelTooLong,
    /// A new series beyond `limits.series`.
    SeriesCap,
    /// The time is more than `limits.future` ahead of this machine's clock.
    TooFarInFuture,
    /// The time is before what the history keeps.
    TooOld,
    /// The body could not be read: whole request, counted as one.
    Malformed,
    /// The body is longer than the limit: whole request, counted as one.
    BodyTooLarge,
    /// The content type is not one that is taken: whole request, counted as one.
    ContentType,
    /// The content encoding is not one that is taken: whole request, counted as one.
    ContentEncoding,
    /// The body ended before it was whole: whole request, counted as one.
    Interrupted,
    /// flyball could not store it now: whole request; the sender may try again.
    Unavailable,
}

impl Reason {
    /// The word in the ledger and in `/metrics`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::None => "",
            Reason::NotFinite => "not_finite",
            Reason::Rounded => "rounded",
            Reason::Late => "late",
            Reason::ShapeConflict => "shape_conflict",
            Reason::BadHistogram => "bad_histogram",
            Reason::BadExemplar => "bad_exemplar",
            Reason::BadSymbol => "bad_symbol",
            Reason::BadLine => "bad_line",
            Reason::Relabelled => "relabelled",
            Reason::BadReport => "bad_report",
            Reason::EndBeforeStart => "end_before_start",
            Reason::NoRecordedValue => "no_recorded_value",
            Reason::EmptyMetricName => "empty_metric_name",
            Reason::EmptyLabelName => "empty_label_name",
            Reason::DuplicateLabel => "duplicate_label",
            Reason::NotUtf8 => "not_utf8",
            Reason::TooDeep => "too_deep",
            Reason::TooManyLabels => "too_many_labels",
            Reason::LabelTooLong => "label_too_long",
            Reason::SeriesCap => "series_cap",
            Reason::TooFarInFuture => "too_far_in_future",
            Reason::TooOld => "too_old",
            Reason::Malformed => "malformed",
            Reason::BodyTooLarge => "body_too_large",
            Reason::ContentType => "content_type",
            Reason::ContentEncoding => "content_encoding",
            Reason::Interrupted => "interrupted",
            Reason::Unavailable => "unavailable",
        }
    }
}

/// The accounts of all sources.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: RwLock<HashMap<(&'static str, String), Arc<Account>>>,
}

/// One source's account: a receiver and a peer.
#[derive(Debug)]
pub struct Account {
    receiver: &'static str,
    peer: String,
    requests: AtomicU64,
    bytes: AtomicU64,
    last_at: AtomicI64,
    lines: Mutex<HashMap<(Signal, Outcome, Reason), Line>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Line {
    points: u64,
    last_at: i64,
}

/// A row of `flyball.ledger`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// `receiver/peer`.
    pub source: String,
    /// The kind of telemetry.
    pub signal: Signal,
    /// What became of the points.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// How many points or records; whole requests where the reason says so.
    pub points: u64,
    /// When this line last grew.
    pub last_at: UnixNanos,
}

/// A row of `flyball.sources`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRow {
    /// `receiver/peer`.
    pub source: String,
    /// The receiver.
    pub protocol: &'static str,
    /// The peer's address without its port.
    pub peer: String,
    /// Requests, refused ones included.
    pub requests: u64,
    /// Points and records over all signals and outcomes.
    pub points: u64,
    /// Bytes of bodies as they came.
    pub bytes: u64,
    /// The last request's time.
    pub last_at: UnixNanos,
}

impl Ledger {
    /// The account of a source, opened if it is new. Beyond [`SOURCES_MAX`] new peers share the account `other`.
    pub fn account(&self, receiver: &'static str, peer: &str) -> Arc<Account> {
        let key = (receiver, peer.to_owned());
        if let Some(account) = self.accounts.read().get(&key) {
            return Arc::clone(account);
        }
        let mut accounts = self.accounts.write();
        let key = if accounts.len() >= SOURCES_MAX { (receiver, "other".to_owned()) } else { key };
        let account = accounts.entry(key).or_insert_with_key(|(receiver, peer)| Arc::new(Account::new(receiver, peer)));
        Arc::clone(account)
    }

    /// All lines, sorted by source, signal, outcome and reason.
    pub fn rows(&self) -> Vec<LedgerRow> {
        let mut rows = Vec::new();
        for account in self.accounts.read().values() {
            let source = account.name();
            rows.extend(account.lines.lock().iter().map(|(&(signal, outcome, reason), line)| LedgerRow {
                source: source.clone(),
                signal,
                outcome,
                reason,
                points: line.points,
                last_at: UnixNanos(line.last_at),
            }));
        }
        rows.sort_by(|a, b| {
            (&a.source, a.signal, a.outcome, a.reason).cmp(&(&b.source, b.signal, b.outcome, b.reason))
        });
        rows
    }

    /// All sources, sorted by name.
    pub fn sources(&self) -> Vec<SourceRow> {
        let mut rows: Vec<_> = self
            .accounts
            .read()
            .values()
            .map(|account| SourceRow {
                source: account.name(),
                protocol: account.receiver,
                peer: account.peer.clone(),
                requests: account.requests.load(Ordering::Relaxed),
                points: account.lines.lock().values().map(|line| line.points).sum(),
                bytes: account.bytes.load(Ordering::Relaxed),
                last_at: UnixNanos(account.last_at.load(Ordering::Relaxed)),
            })
            .collect();
        rows.sort_by(|a, b| a.source.cmp(&b.source));
        rows
    }
}

impl Account {
    fn new(receiver: &'static str, peer: &str) -> Self {
        Self {
            receiver,
            peer: peer.to_owned(),
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            last_at: AtomicI64::new(0),
            lines: Mutex::default(),
        }
    }

    /// `receiver/peer`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.receiver, self.peer)
    }

    /// Counts a request and the bytes of its body as they came.
    pub fn request(&self, bytes: usize, at: UnixNanos) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.last_at.fetch_max(at.0, Ordering::Relaxed);
    }

    /// Adds to a line. Called once a batch and reason, not once a point.
    pub fn add(&self, signal: Signal, outcome: Outcome, reason: Reason, points: u64, at: UnixNanos) {
        if points > 0 {
            let mut lines = self.lines.lock();
            let line = lines.entry((signal, outcome, reason)).or_default();
            line.points += points;
            line.last_at = line.last_at.max(at.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_add_up_by_source_signal_outcome_and_reason() {
        let ledger = Ledger::default();
        let account = ledger.account("otlp_grpc", "127.0.0.1");
        account.request(100, UnixNanos(5));
        account.add(Signal::Metrics, Outcome::Stored, Reason::None, 3, UnixNanos(5));
        ledger.account("otlp_grpc", "127.0.0.1").add(Signal::Metrics, Outcome::Stored, Reason::None, 4, UnixNanos(6));
        account.add(Signal::Metrics, Outcome::Rejected, Reason::SeriesCap, 1, UnixNanos(6));
        let rows = ledger.rows();
        assert_eq!(
            rows.iter().map(|row| (row.outcome, row.points)).collect::<Vec<_>>(),
            [(Outcome::Stored, 7), (Outcome::Rejected, 1)]
        );
        assert_eq!(ledger.sources()[0].points, 8);
    }
}
