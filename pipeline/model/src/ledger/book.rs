//! The accounts themselves.

use std::borrow::Cow;

use hashbrown::HashMap;
use parking_lot::RwLock;

use super::{Entry, Line, Outcome, Reason, Signal};
use crate::limits::SOURCES_MAX;
use crate::time::UnixNanos;

/// The accounts of all sources. A source is a receiver and a peer; beyond [`SOURCES_MAX`] of them new peers share the account `other`.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: RwLock<HashMap<(Cow<'static, str>, String), Account>>,
}

#[derive(Debug, Default)]
struct Account {
    requests: u64,
    bytes: u64,
    last_at: i64,
    received: [u64; Signal::ALL.len()],
    lines: HashMap<(Signal, Outcome, Reason), Total>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Total {
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
    pub protocol: String,
    /// The peer's address without its port.
    pub peer: String,
    /// Requests, refused ones included.
    pub requests: u64,
    /// Points and records that came, over all signals.
    pub points: u64,
    /// Bytes of bodies as they came.
    pub bytes: u64,
    /// The last request's time.
    pub last_at: UnixNanos,
}

/// The sum of a source's account for one signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    /// `receiver/peer`.
    pub source: String,
    /// The kind of telemetry.
    pub signal: Signal,
    /// Points or records that came, metered where bodies are read.
    pub received: u64,
    /// What became of them, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::ALL.len()],
}

impl Balance {
    /// Whether what came is what was accounted for.
    pub fn is_even(&self) -> bool {
        self.received == self.outcomes.iter().sum::<u64>()
    }
}

impl Ledger {
    /// Adds an entry.
    pub fn post(&self, entry: &Entry) {
        let mut accounts = self.accounts.write();
        let mut key = (entry.receiver.clone(), entry.peer.clone());
        if accounts.len() >= SOURCES_MAX && !accounts.contains_key(&key) {
            key.1 = "other".to_owned();
        }
        let account = accounts.entry(key).or_default();
        account.requests += entry.requests;
        account.bytes += entry.bytes;
        account.last_at = account.last_at.max(entry.at.0);
        account.received[entry.signal as usize] += entry.received;
        for &Line { outcome, reason, points } in &entry.lines {
            let total = account.lines.entry((entry.signal, outcome, reason)).or_default();
            total.points += points;
            total.last_at = total.last_at.max(entry.at.0);
        }
    }

    /// All lines, sorted by source, signal, outcome and reason.
    pub fn rows(&self) -> Vec<LedgerRow> {
        let mut rows = Vec::new();
        for ((receiver, peer), account) in self.accounts.read().iter() {
            let source = name(receiver, peer);
            rows.extend(account.lines.iter().map(|(&(signal, outcome, reason), total)| LedgerRow {
                source: source.clone(),
                signal,
                outcome,
                reason,
                points: total.points,
                last_at: UnixNanos(total.last_at),
            }));
        }
        rows.sort_by(|a, b| {
            (&a.source, a.signal, a.outcome, a.reason).cmp(&(&b.source, b.signal, b.outcome, b.reason))
        });
        rows
    }

    /// All sources, sorted by name.
    pub fn sources(&self) -> Vec<SourceRow> {
        let accounts = self.accounts.read();
        let mut rows: Vec<_> = accounts
            .iter()
            .map(|((receiver, peer), account)| SourceRow {
                source: name(receiver, peer),
                protocol: receiver.to_string(),
                peer: peer.clone(),
                requests: account.requests,
                points: account.received.iter().sum(),
                bytes: account.bytes,
                last_at: UnixNanos(account.last_at),
            })
            .collect();
        rows.sort_by(|a, b| a.source.cmp(&b.source));
        rows
    }

    /// What each source sent and what became of it, by signal, sorted; signals that it never sent are left out.
    pub fn balances(&self) -> Vec<Balance> {
        let mut balances = Vec::new();
        for ((receiver, peer), account) in self.accounts.read().iter() {
            for signal in Signal::ALL {
                let of = |wanted| {
                    let lines =
                        account.lines.iter().filter(|((of, outcome, _), _)| (*of, *outcome) == (signal, wanted));
                    lines.map(|(_, total)| total.points).sum::<u64>()
                };
                let (received, outcomes) = (account.received[signal as usize], Outcome::ALL.map(of));
                if received > 0 || outcomes != [0; Outcome::ALL.len()] {
                    balances.push(Balance { source: name(receiver, peer), signal, received, outcomes });
                }
            }
        }
        balances.sort_by(|a, b| (&a.source, a.signal).cmp(&(&b.source, b.signal)));
        balances
    }

    /// Entries that make the same ledger when they are posted to an empty one.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for ((receiver, peer), account) in self.accounts.read().iter() {
            let (requests, bytes, received) = (0, 0, 0);
            let blank = |signal, at| {
                let (receiver, peer) = (receiver.clone(), peer.clone());
                Entry { receiver, peer, signal, requests, bytes, received, lines: Vec::new(), at: UnixNanos(at) }
            };
            let whole = blank(Signal::Metrics, account.last_at);
            entries.push(Entry { requests: account.requests, bytes: account.bytes, ..whole });
            for signal in Signal::ALL.into_iter().filter(|&signal| account.received[signal as usize] > 0) {
                entries.push(Entry { received: account.received[signal as usize], ..blank(signal, i64::MIN) });
            }
            entries.extend(account.lines.iter().map(|(&(signal, outcome, reason), total)| {
                let line = Line { outcome, reason, points: total.points };
                Entry { lines: vec![line], ..blank(signal, total.last_at) }
            }));
        }
        entries
    }
}

fn name(receiver: &str, peer: &str) -> String {
    format!("{receiver}/{peer}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(peer: &str, at: i64, lines: &[(Outcome, Reason, u64)]) -> Entry {
        let mut entry = Entry::request("otlp_grpc", peer, Signal::Metrics, 100, UnixNanos(at));
        lines.iter().for_each(|&(outcome, reason, points)| entry.add(outcome, reason, points));
        entry.received = lines.iter().map(|line| line.2).sum();
        entry
    }

    #[test]
    fn lines_add_up_by_source_signal_outcome_and_reason() {
        let ledger = Ledger::default();
        ledger.post(&entry("127.0.0.1", 5, &[(Outcome::Stored, Reason::None, 3)]));
        ledger.post(&entry(
            "127.0.0.1",
            6,
            &[(Outcome::Stored, Reason::None, 4), (Outcome::Rejected, Reason::SeriesCap, 1)],
        ));
        let rows = ledger.rows();
        let found: Vec<_> = rows.iter().map(|row| (row.outcome, row.points, row.last_at.0)).collect();
        assert_eq!(found, [(Outcome::Stored, 7, 6), (Outcome::Rejected, 1, 6)]);
        let source = &ledger.sources()[0];
        assert_eq!((source.points, source.requests, source.bytes), (8, 2, 200));
        assert!(ledger.balances()[0].is_even());
    }

    #[test]
    fn a_point_that_is_not_accounted_for_shows_in_the_balance() {
        let ledger = Ledger::default();
        ledger.post(&Entry { received: 4, ..entry("a", 5, &[(Outcome::Stored, Reason::None, 3)]) });
        assert!(!ledger.balances()[0].is_even());
    }

    #[test]
    fn its_entries_make_the_same_ledger_again() {
        let ledger = Ledger::default();
        ledger.post(&entry("a", 5, &[(Outcome::Stored, Reason::None, 3), (Outcome::Dropped, Reason::Duplicate, 2)]));
        ledger.post(&entry("b", 6, &[(Outcome::Stored, Reason::NotFinite, 4)]));
        ledger.post(&entry("a", 7, &[]).refused(Reason::Malformed));
        let again = Ledger::default();
        ledger.entries().iter().for_each(|entry| again.post(entry));
        assert_eq!(
            (again.rows(), again.sources(), again.balances()),
            (ledger.rows(), ledger.sources(), ledger.balances())
        );
    }
}
