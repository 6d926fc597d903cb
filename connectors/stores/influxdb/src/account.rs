//! The counters behind the sink's status. Changed once a batch or a call, never once a record.

use std::collections::BTreeMap;

use flyball_model::UnixNanos;
use flyball_model::ports::SinkStatus;
use parking_lot::Mutex;

use crate::answer::Refusal;
use crate::backlog::{Backlog, Lost};
use crate::book::Saved;

/// What became of records so far. All under one lock, so that whoever looks sees sums that fit each other.
#[derive(Debug, Default)]
pub(crate) struct Account(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    received: u64,
    /// Records that wait anywhere.
    queued: u64,
    /// Bytes of those of them that the worker has not looked at yet.
    inbox_bytes: u64,
    delivered: u64,
    rejected: BTreeMap<Refusal, u64>,
    dropped: u64,
    spool_bytes: u64,
    oldest_at: Option<UnixNanos>,
    last_error: Option<String>,
}

impl Account {
    /// Takes up the account of an earlier process, of which the spool still has `waiting` records. What it had in memory only is lost.
    pub(crate) fn take_up(&self, saved: &Saved, waiting: u64) {
        let mut counts = self.0.lock();
        let Saved { received, delivered, rejected, dropped, head: _ } = saved.clone();
        let known = delivered + rejected.values().sum::<u64>() + dropped + waiting;
        // More than it wrote down as received came between its last note and its end.
        counts.received = received.max(known);
        (counts.delivered, counts.rejected, counts.queued) = (delivered, rejected, waiting);
        counts.dropped = dropped + (counts.received - known);
    }

    /// What a later process takes up.
    pub(crate) fn saved(&self, backlog: &Backlog) -> Saved {
        let counts = self.0.lock();
        Saved {
            received: counts.received,
            delivered: counts.delivered,
            rejected: counts.rejected.clone(),
            dropped: counts.dropped,
            head: backlog.position(),
        }
    }

    /// Records whose fate is known.
    pub(crate) fn settled(&self) -> u64 {
        let counts = self.0.lock();
        counts.delivered + counts.dropped + counts.rejected.values().sum::<u64>()
    }

    /// Makes room for records of so many bytes in the inbox; where there is none they are dropped, and the answer is `false`.
    pub(crate) fn arrive(&self, records: u64, bytes: u64, inbox_bytes_max: u64) -> bool {
        let mut counts = self.0.lock();
        counts.received += records;
        let fits = counts.inbox_bytes == 0 || counts.inbox_bytes + bytes <= inbox_bytes_max;
        if fits {
            counts.inbox_bytes += bytes;
            counts.queued += records;
        } else {
            counts.dropped += records;
        }
        fits
    }

    /// The worker took records out of the inbox.
    pub(crate) fn taken(&self, bytes: u64) {
        self.0.lock().inbox_bytes -= bytes;
    }

    /// Records that arrived could not be handed to the worker after all.
    pub(crate) fn turned_away(&self, records: u64, bytes: u64) {
        let mut counts = self.0.lock();
        counts.inbox_bytes -= bytes;
        counts.queued -= records;
        counts.dropped += records;
    }

    /// What was lost from the backlog.
    pub(crate) fn lost(&self, lost: Lost) {
        let mut counts = self.0.lock();
        counts.queued -= lost.records + lost.unwritable;
        counts.dropped += lost.records;
        if lost.unwritable > 0 {
            *counts.rejected.entry(Refusal::Unwritable).or_default() += lost.unwritable;
        }
        if lost.error.is_some() {
            counts.last_error = lost.error;
        }
    }

    /// A batch got its final answer: the store has all but the refused lines. One that had to make room in the spool meanwhile
    /// (`waited` is false) stays counted as dropped, whatever the answer: a counter can't take back what it said.
    pub(crate) fn answered(&self, records: u64, waited: bool, refused: &[(Refusal, u64)], error: Option<String>) {
        let mut counts = self.0.lock();
        counts.last_error = error;
        if !waited {
            return;
        }
        counts.queued -= records;
        let mut delivered = records;
        for &(reason, lines) in refused {
            let lines = lines.min(delivered);
            delivered -= lines;
            *counts.rejected.entry(reason).or_default() += lines;
        }
        counts.delivered += delivered;
    }

    /// An attempt failed. Returns whether that is news, for the log.
    pub(crate) fn failed(&self, error: String) -> bool {
        let mut counts = self.0.lock();
        let news = counts.last_error.as_ref() != Some(&error);
        counts.last_error = Some(error);
        news
    }

    /// Notes how the backlog stands.
    pub(crate) fn look(&self, backlog: &Backlog) {
        let mut counts = self.0.lock();
        counts.spool_bytes = backlog.spool_bytes();
        counts.oldest_at = backlog.oldest_at();
    }

    pub(crate) fn status(&self) -> SinkStatus {
        let counts = self.0.lock();
        SinkStatus {
            received: counts.received,
            queued: counts.queued,
            delivered: counts.delivered,
            rejected: counts.rejected.iter().map(|(reason, &lines)| (reason.as_str().to_owned(), lines)).collect(),
            dropped: counts.dropped,
            spool_bytes: counts.spool_bytes,
            oldest_at: counts.oldest_at,
            last_error: counts.last_error.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_even_after_every_step() {
        let account = Account::default();
        let lost = |records| Lost { records, unwritable: records / 20, error: None };
        let steps: [(&str, &dyn Fn()); 9] = [
            ("found", &|| account.take_up(&Saved::default(), 10)),
            ("arrived", &|| assert!(account.arrive(100, 800, 400))),
            ("no room", &|| assert!(!account.arrive(7, 56, 400))),
            ("looked at", &|| account.taken(800)),
            ("arrived and turned away", &|| {
                account.arrive(3, 24, 400);
                account.turned_away(3, 24);
            }),
            ("the spool made room", &|| account.lost(lost(20))),
            ("the store has it", &|| account.answered(30, true, &[], None)),
            ("more refused than sent", &|| {
                account.answered(10, true, &[(Refusal::Parse, 4), (Refusal::Other, 9)], None)
            }),
            ("answered after it made room", &|| account.answered(20, false, &[], None)),
        ];
        for (step, act) in steps {
            act();
            assert!(account.status().is_even(), "{step}: {:?}", account.status());
        }
        let status = account.status();
        assert_eq!((status.received, status.queued, status.delivered, status.dropped), (120, 49, 30, 30));
        let rejected = [("unparsable".to_owned(), 4), ("unwritable".to_owned(), 1), ("other".to_owned(), 6)];
        assert_eq!(status.rejected, rejected);
    }
    #[test]
    fn a_later_process_takes_up_an_even_account_whatever_was_lost() {
        let saved = Saved {
            received: 100,
            delivered: 50,
            rejected: BTreeMap::from([(Refusal::Parse, 5)]),
            dropped: 5,
            ..Saved::default()
        };
        // Waiting in the spool; then received and dropped.
        for (waiting, received, dropped) in [(40, 100, 5), (25, 100, 20), (0, 100, 45), (70, 130, 5)] {
            let account = Account::default();
            account.take_up(&saved, waiting);
            let status = account.status();
            assert!(status.is_even(), "{status:?}");
            assert_eq!((status.received, status.queued, status.dropped), (received, waiting, dropped));
        }
    }
}
