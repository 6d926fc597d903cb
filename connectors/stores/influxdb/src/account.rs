//! The counters behind the sink's status. Changed once a batch or a call, never once a record.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use flyball_model::UnixNanos;
use flyball_model::ports::SinkStatus;
use parking_lot::Mutex;

use crate::answer::Refusal;
use crate::backlog::{Backlog, Lost};

/// What became of records so far.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Records that wait anywhere.
    queued: AtomicU64,
    /// Those of them that the worker has not looked at yet.
    inbox: AtomicU64,
    rest: Mutex<Rest>,
}

#[derive(Debug, Default)]
struct Rest {
    delivered: u64,
    rejected: BTreeMap<Refusal, u64>,
    dropped: u64,
    spool_bytes: u64,
    oldest_at: Option<UnixNanos>,
    last_error: Option<String>,
}

impl Account {
    /// Records that an earlier process left.
    pub(crate) fn found(&self, records: u64) {
        self.queued.fetch_add(records, Ordering::Relaxed);
    }

    /// Makes room for records in the inbox; `false` when there is none.
    pub(crate) fn arrive(&self, records: u64, inbox_max: u64) -> bool {
        let fits = |inbox: u64| (inbox == 0 || inbox + records <= inbox_max).then_some(inbox + records);
        let arrived = self.inbox.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if arrived {
            self.queued.fetch_add(records, Ordering::Relaxed);
        }
        arrived
    }

    /// The worker took records out of the inbox.
    pub(crate) fn taken(&self, records: u64) {
        self.inbox.fetch_sub(records, Ordering::Relaxed);
    }

    /// Records that arrived could not be handed to the worker after all.
    pub(crate) fn turned_away(&self, records: u64) {
        self.taken(records);
        self.leave(records);
        self.never_in(records);
    }

    /// Records that never got in.
    pub(crate) fn never_in(&self, records: u64) {
        self.rest.lock().dropped += records;
    }

    /// What was lost from the backlog.
    pub(crate) fn lost(&self, lost: Lost) {
        self.leave(lost.records);
        let mut rest = self.rest.lock();
        rest.dropped += lost.records;
        if lost.error.is_some() {
            rest.last_error = lost.error;
        }
    }

    /// A batch got its final answer: the store has all but the refused lines.
    pub(crate) fn answered(&self, records: u64, refused: &[(Refusal, u64)], error: Option<String>) {
        self.leave(records);
        let mut rest = self.rest.lock();
        rest.delivered += records - refused.iter().map(|(_, lines)| lines).sum::<u64>().min(records);
        for &(reason, lines) in refused {
            *rest.rejected.entry(reason).or_default() += lines;
        }
        rest.last_error = error;
    }

    /// An attempt failed. Returns whether that is news, for the log.
    pub(crate) fn failed(&self, error: String) -> bool {
        let mut rest = self.rest.lock();
        let news = rest.last_error.as_ref() != Some(&error);
        rest.last_error = Some(error);
        news
    }

    /// Notes how the backlog stands.
    pub(crate) fn look(&self, backlog: &Backlog) {
        let mut rest = self.rest.lock();
        rest.spool_bytes = backlog.spool_bytes();
        rest.oldest_at = backlog.oldest_at();
    }

    pub(crate) fn status(&self) -> SinkStatus {
        let rest = self.rest.lock();
        SinkStatus {
            queued: self.queued.load(Ordering::Relaxed),
            delivered: rest.delivered,
            rejected: rest.rejected.iter().map(|(reason, &lines)| (reason.as_str().to_owned(), lines)).collect(),
            dropped: rest.dropped,
            spool_bytes: rest.spool_bytes,
            oldest_at: rest.oldest_at,
            last_error: rest.last_error.clone(),
        }
    }

    fn leave(&self, records: u64) {
        self.queued.fetch_sub(records, Ordering::Relaxed);
    }
}
