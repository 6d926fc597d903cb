//! One thing that breaks a promise, as long as it is remembered.

use std::collections::BTreeMap;
use std::time::Duration;

use flyball_model::UnixNanos;
use flyball_model::event::{Identity, State};
use serde::{Deserialize, Serialize};

use super::id::violation_id;
use crate::definition::{NoDataPolicy, Rule};
use crate::evaluate::Row;

/// A pending or firing violation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// The violation's id.
    pub id: String,
    /// The evaluation at which its row first appeared.
    pub active_at: UnixNanos,
    /// The evaluation at which it fired; `None` while it is pending.
    pub fired_at: Option<UnixNanos>,
    /// The first evaluation since which its row has been gone; `None` while the row is there.
    pub absent_since: Option<UnixNanos>,
    /// The numbers of its row when it was last there.
    pub values: BTreeMap<String, f64>,
    /// The newest point of the rule's tables when its row was last there.
    pub tables_at: Option<UnixNanos>,
}

impl Instance {
    pub(super) fn new(rule: &Rule, identity: &Identity, now: UnixNanos) -> Self {
        Self {
            id: violation_id(&rule.version, &rule.name, identity, now),
            active_at: now,
            fired_at: None,
            absent_since: None,
            values: BTreeMap::new(),
            tables_at: None,
        }
    }

    /// [`State::Pending`] or [`State::Firing`].
    pub fn state(&self) -> State {
        if self.fired_at.is_some() { State::Firing } else { State::Pending }
    }

    /// Its row is there. Returns whether it fires now.
    pub(super) fn present(&mut self, rule: &Rule, row: &Row, now: UnixNanos, sample_at: Option<UnixNanos>) -> bool {
        self.values.clone_from(&row.values);
        self.absent_since = None;
        self.tables_at = sample_at;
        let fires = self.fired_at.is_none() && now.since(self.active_at) >= rule.for_;
        if fires {
            self.fired_at = Some(now);
        }
        fires
    }

    /// Its row is gone. Returns whether it is over now.
    pub(super) fn absent(&mut self, rule: &Rule, now: UnixNanos, sample_at: Option<UnixNanos>) -> bool {
        if self.is_held_by_silence(rule, now, sample_at) {
            return false;
        }
        let since = *self.absent_since.get_or_insert(now);
        let keep = if self.fired_at.is_some() { rule.keep_firing_for } else { Duration::ZERO };
        now.since(since) >= keep
    }

    /// Whether the row is gone only because time passed and nothing was measured, which proves nothing.
    fn is_held_by_silence(&self, rule: &Rule, now: UnixNanos, sample_at: Option<UnixNanos>) -> bool {
        let (Some(no_data), Some(newest), Some(seen)) = (rule.no_data, sample_at, self.tables_at) else { return false };
        newest <= seen
            && match no_data.policy {
                NoDataPolicy::Keep => true,
                NoDataPolicy::Resolve => now.since(newest) < no_data.after,
            }
    }
}
