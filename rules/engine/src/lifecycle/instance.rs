//! One thing that breaks a promise, as long as it is remembered.

use std::collections::BTreeMap;
use std::time::Duration;

use flyball_model::event::{Identity, State};
use flyball_model::{Reading, UnixNanos};

use super::id::violation_id;
use crate::definition::{NoDataPolicy, Rule};
use crate::evaluate::Row;

/// A pending or firing violation.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// The violation's id.
    pub id: String,
    /// The evaluation at which its row first appeared.
    pub active_at: UnixNanos,
    /// The same in steady time: since when it waits to fire.
    pub waits_since: UnixNanos,
    /// The evaluation at which it fired; `None` while it is pending.
    pub fired_at: Option<UnixNanos>,
    /// The first evaluation since which its row has been gone, in steady time; `None` while the row is there.
    pub absent_since: Option<UnixNanos>,
    /// The numbers of its row when it was last there.
    pub values: BTreeMap<String, f64>,
    /// The newest point of the rule's tables when its row was last there.
    pub tables_at: Option<UnixNanos>,
    /// Whether its row was there at the latest evaluation that gave rows; then `tables_at` is the newest point of that evaluation.
    pub(super) here: bool,
}

/// What the tables that a rule reads tell of silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tables {
    /// Their newest point at the latest evaluation that gave rows; `None` where that means nothing.
    pub(super) newest: Option<UnixNanos>,
    /// The newest point that any evaluation has seen, one that failed too.
    pub(super) seen: Option<UnixNanos>,
    /// When an evaluation first saw that point, in steady time: since then there is silence.
    pub(super) silent_since: UnixNanos,
}

impl Tables {
    /// What an evaluation saw, whatever it gave.
    ///
    /// The first one can't know how long a point has been there, and believes the point's own time. Later ones don't: after a jump of the
    /// clock a point that has just come looks old, and silence would seem to last long already.
    pub(super) fn see(&mut self, newest: Option<UnixNanos>, at: Reading) {
        let Some(point) = newest.filter(|_| newest > self.seen) else { return };
        let age = if self.seen.is_none() { at.now.since(point) } else { Duration::ZERO };
        self.silent_since = at.steady.minus(age);
        self.seen = newest;
    }
}

impl Instance {
    pub(super) fn new(rule: &Rule, identity: &Identity, at: Reading) -> Self {
        Self {
            id: violation_id(&rule.version, &rule.name, identity, at.now),
            active_at: at.now,
            waits_since: at.steady,
            fired_at: None,
            absent_since: None,
            values: BTreeMap::new(),
            tables_at: None,
            here: false,
        }
    }

    /// [`State::Pending`] or [`State::Firing`].
    pub fn state(&self) -> State {
        if self.fired_at.is_some() { State::Firing } else { State::Pending }
    }

    /// Its row is there.
    pub(super) fn present(&mut self, rule: &Rule, row: &Row, at: Reading, tables: &Tables) -> Seen {
        let changed = !self.here || self.absent_since.is_some() || self.values != row.values;
        if self.values != row.values {
            self.values.clone_from(&row.values);
        }
        self.absent_since = None;
        self.tables_at = tables.newest;
        self.here = true;
        let fires = self.fired_at.is_none() && at.steady.since(self.waits_since) >= rule.for_;
        if fires {
            // The clock may have been set back since; nothing fires before it began.
            self.fired_at = Some(at.now.max(self.active_at));
        }
        Seen { changed: changed || fires, turned: fires }
    }

    /// Its row is gone at a time at which that ends nothing.
    pub(super) fn missed(&mut self) -> Seen {
        Seen { changed: std::mem::take(&mut self.here), turned: false }
    }

    /// Its row is gone; it has turned when it is over now.
    pub(super) fn absent(&mut self, rule: &Rule, at: Reading, tables: &Tables) -> Seen {
        let left = std::mem::take(&mut self.here);
        if self.is_held_by_silence(rule, at, tables) {
            return Seen { changed: left, turned: false };
        }
        let first = self.absent_since.is_none();
        let since = *self.absent_since.get_or_insert(at.steady);
        let keep = if self.fired_at.is_some() { rule.keep_firing_for } else { Duration::ZERO };
        Seen { changed: left || first, turned: at.steady.since(since) >= keep }
    }

    /// Whether the row is gone only because time passed and nothing was measured, which proves nothing.
    fn is_held_by_silence(&self, rule: &Rule, at: Reading, tables: &Tables) -> bool {
        let (Some(no_data), Some(newest), Some(seen)) = (rule.no_data, tables.newest, self.tables_at) else {
            return false;
        };
        newest <= seen
            && match no_data.policy {
                NoDataPolicy::Keep => true,
                NoDataPolicy::Resolve => at.steady.since(tables.silent_since) < no_data.after,
            }
    }
}

/// What an evaluation did to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// There is something to write down.
    pub(super) changed: bool,
    /// It fires, or is over.
    pub(super) turned: bool,
}
