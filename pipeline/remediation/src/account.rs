//! The account of a backend: what set out to it, and what became of that.

use std::collections::BTreeMap;

use flyball_model::time::UnixNanos;

use crate::row::{RemediationRow, RemediationState};

/// What became of the events of a backend, earlier processes included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BackendAccount {
    /// The backend's name, as the rule has it.
    pub backend: String,
    /// Events that set out.
    pub received: u64,
    /// Events that wait, or are being sent.
    pub queued: u64,
    /// Events that the backend took.
    pub delivered: u64,
    /// Events that the backend refused for good, or that there was no room or no time left for; the row says why.
    pub failed: u64,
    /// Events whose time ran out.
    pub expired: u64,
    /// Events that a backend which wants nothing any more was not sent.
    pub disabled: u64,
    /// Requests that a limit held back. They never set out, and are no part of the balance.
    pub suppressed: u64,
    /// When the oldest of those that wait was made.
    pub oldest_at: Option<UnixNanos>,
}

impl BackendAccount {
    /// Whether the fate of each event that set out is known.
    pub fn is_even(&self) -> bool {
        self.received == self.queued + self.delivered + self.failed + self.expired + self.disabled
    }
}

/// The accounts behind totals by backend and state, and rows; sorted by backend.
pub(crate) fn accounts<'a>(
    counts: &BTreeMap<(String, RemediationState), u64>,
    rows: impl Iterator<Item = &'a RemediationRow>,
) -> Vec<BackendAccount> {
    let mut accounts: BTreeMap<&str, BackendAccount> = BTreeMap::new();
    for ((backend, state), &events) in counts {
        let account = accounts.entry(backend).or_default();
        let field = match state {
            RemediationState::Queued => &mut account.received,
            RemediationState::Delivered => &mut account.delivered,
            RemediationState::Failed => &mut account.failed,
            RemediationState::Expired => &mut account.expired,
            RemediationState::Disabled => &mut account.disabled,
            RemediationState::Suppressed => &mut account.suppressed,
        };
        *field += events;
    }
    // Those that wait are counted where they stand, and not worked out from the rest: else no sum could ever be wrong.
    for row in rows.filter(|row| row.state == RemediationState::Queued) {
        let account = accounts.entry(&row.backend).or_default();
        account.queued += 1;
        account.oldest_at = Some(account.oldest_at.map_or(row.proposed_at, |at| at.min(row.proposed_at)));
    }
    let named = |(backend, account): (&str, BackendAccount)| BackendAccount { backend: backend.to_owned(), ..account };
    accounts.into_iter().map(named).collect()
}
