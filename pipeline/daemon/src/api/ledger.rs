//! `GET /api/v1/ledger`: the account of every source, and down the line of every store and backend.
//!
//! The document is the whole truth of `flyball ledger` too, which reads it back and does the sums again for itself.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use flyball_model::UnixNanos;
use flyball_model::ledger::{Entry, Line, Outcome, Reason, Signal};
use flyball_model::ports::SinkStatus;
use flyball_remediation::BackendAccount;
use serde::{Deserialize, Serialize};

use super::Shared;

/// `GET /api/v1/ledger`
pub(crate) async fn ledger(State(shared): State<Shared>) -> Json<Document> {
    let runtime = &shared.runtime;
    let ledger = runtime.tables.ledger.read().await;
    Json(Document::of(&ledger.entries(), runtime.store_accounts(), runtime.backend_accounts()))
}

/// Counts by reason.
type Reasons = BTreeMap<String, u64>;

/// All accounts. The totals are of the sources.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Document {
    /// Whether every account below balances.
    pub(crate) balanced: bool,
    /// Points, log records and spans that came.
    pub(crate) received: u64,
    pub(crate) stored: u64,
    pub(crate) rejected: u64,
    pub(crate) dropped: u64,
    pub(crate) sources: Vec<Source>,
    pub(crate) stores: Vec<Store>,
    pub(crate) backends: Vec<Backend>,
}

/// What a source sent of one signal. Reasons about whole requests count requests.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) source: String,
    pub(crate) signal: String,
    pub(crate) received: u64,
    pub(crate) stored: u64,
    /// Those of the stored that are not quite as they were sent, or not in time.
    pub(crate) stored_as: Reasons,
    pub(crate) rejected: Reasons,
    pub(crate) dropped: Reasons,
    /// received = stored + rejected + dropped
    pub(crate) balanced: bool,
    pub(crate) last_at: Option<String>,
}

/// What was handed to a store beside the embedded one since the start, in records.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Store {
    pub(crate) store: String,
    pub(crate) received: u64,
    pub(crate) queued: u64,
    pub(crate) delivered: u64,
    pub(crate) rejected: Reasons,
    pub(crate) dropped: u64,
    /// received = queued + delivered + rejected + dropped
    pub(crate) balanced: bool,
    /// When the oldest that is queued was made.
    pub(crate) oldest_at: Option<String>,
    pub(crate) last_error: Option<String>,
}

/// What set out to a backend, in events.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Backend {
    pub(crate) backend: String,
    pub(crate) received: u64,
    pub(crate) queued: u64,
    pub(crate) delivered: u64,
    /// Refused for good: `failed`; not wanted any more: `disabled`.
    pub(crate) rejected: Reasons,
    /// Their time ran out.
    pub(crate) dropped: u64,
    /// Held back by a limit; they never set out.
    pub(crate) suppressed: u64,
    /// received = queued + delivered + rejected + dropped
    pub(crate) balanced: bool,
    /// When the oldest that is queued was made.
    pub(crate) oldest_at: Option<String>,
}

impl Document {
    /// The document of a ledger's entries, which were all taken at one moment, and of the accounts down the line.
    fn of(entries: &[Entry], stores: Vec<(String, SinkStatus)>, backends: Vec<BackendAccount>) -> Self {
        let mut document = Self {
            sources: sources(entries),
            stores: stores.into_iter().map(Store::of).collect(),
            backends: backends.into_iter().map(Backend::of).collect(),
            ..Self::default()
        };
        for source in &document.sources {
            document.received += source.received;
            document.stored += source.stored;
            document.rejected += sum(&source.rejected);
            document.dropped += sum(&source.dropped);
        }
        document.balanced = document.sources.iter().all(|source| source.balanced)
            && document.stores.iter().all(|store| store.balanced)
            && document.backends.iter().all(|backend| backend.balanced);
        document
    }
}

/// An account a source and signal, sorted by both.
fn sources(entries: &[Entry]) -> Vec<Source> {
    let mut accounts: BTreeMap<(String, Signal), (Source, i64)> = BTreeMap::new();
    // Entries that only count requests and bytes say nothing of points.
    for entry in entries.iter().filter(|entry| entry.received > 0 || !entry.lines.is_empty()) {
        let key = (format!("{}/{}", entry.receiver, entry.peer), entry.signal);
        let (account, last_at) = accounts.entry(key).or_insert_with(|| (Source::default(), i64::MIN));
        account.received += entry.received;
        for &Line { outcome, reason, points } in &entry.lines {
            let reasons = match outcome {
                Outcome::Stored => {
                    account.stored += points;
                    &mut account.stored_as
                }
                Outcome::Rejected => &mut account.rejected,
                Outcome::Dropped => &mut account.dropped,
            };
            if (outcome, reason) != (Outcome::Stored, Reason::None) {
                *reasons.entry(reason.as_str().to_owned()).or_default() += points;
            }
            *last_at = entry.at.0.max(*last_at);
        }
    }
    let account = |((source, signal), (account, last_at)): ((String, Signal), (Source, i64))| Source {
        source,
        signal: signal.as_str().to_owned(),
        balanced: account.received == account.accounted(),
        last_at: (last_at != i64::MIN).then(|| UnixNanos(last_at).to_string()),
        ..account
    };
    accounts.into_iter().map(account).collect()
}

impl Source {
    /// The sum of what became of it.
    pub(crate) fn accounted(&self) -> u64 {
        self.stored + sum(&self.rejected) + sum(&self.dropped)
    }
}

impl Store {
    fn of((store, status): (String, SinkStatus)) -> Self {
        Self {
            store,
            balanced: status.is_even(),
            received: status.received,
            queued: status.queued,
            delivered: status.delivered,
            rejected: status.rejected.into_iter().collect(),
            dropped: status.dropped,
            oldest_at: status.oldest_at.map(|at| at.to_string()),
            last_error: status.last_error,
        }
    }

    /// The sum of what became of it.
    pub(crate) fn accounted(&self) -> u64 {
        self.queued + self.delivered + sum(&self.rejected) + self.dropped
    }
}

impl Backend {
    fn of(account: BackendAccount) -> Self {
        let mut rejected = Reasons::new();
        for (reason, events) in [("failed", account.failed), ("disabled", account.disabled)] {
            if events > 0 {
                rejected.insert(reason.to_owned(), events);
            }
        }
        Self {
            balanced: account.is_even(),
            backend: account.backend,
            received: account.received,
            queued: account.queued,
            delivered: account.delivered,
            rejected,
            dropped: account.expired,
            suppressed: account.suppressed,
            oldest_at: account.oldest_at.map(|at| at.to_string()),
        }
    }

    /// The sum of what became of it.
    pub(crate) fn accounted(&self) -> u64 {
        self.queued + self.delivered + sum(&self.rejected) + self.dropped
    }
}

/// Over all reasons.
pub(crate) fn sum(reasons: &Reasons) -> u64 {
    reasons.values().sum()
}

#[cfg(test)]
mod tests;
