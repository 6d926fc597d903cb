//! From transitions to rows and events, and all of it into the log of state.

use std::sync::Arc;

use flyball_model::Reading;
use flyball_model::event::Transition;
use flyball_model::state::Piece;
use flyball_remediation::{BackendInfo, Planned, Planner, RemediationLog};
use flyball_rules::lifecycle::Changes;
use parking_lot::Mutex;

use crate::history::ViolationHistory;

/// Pieces that are put as one take at most about this many bytes, unless one transition alone needs more. All that a rule's ten thousand
/// instances can bring about in one evaluation would be fifty megabytes.
const GROUP_BYTES_MAX: usize = 256 << 10;

/// Events in one such group, whose bytes are known only when they are written.
const GROUP_EVENTS_MAX: usize = 64;

/// Takes down what the rules decided.
#[derive(Debug)]
pub struct Decisions {
    planner: Mutex<Planner>,
    backends: Vec<BackendInfo>,
    history: Arc<ViolationHistory>,
    log: Arc<RemediationLog>,
    group_bytes_max: usize,
}

impl Decisions {
    /// Decisions are planned for these backends.
    pub fn new(
        planner: Planner,
        backends: Vec<BackendInfo>,
        history: Arc<ViolationHistory>,
        log: Arc<RemediationLog>,
    ) -> Self {
        Self { planner: Mutex::new(planner), backends, history, log, group_bytes_max: GROUP_BYTES_MAX }
    }

    /// Puts less as one, so that a crash has more places to fall between.
    #[cfg(test)]
    pub(crate) fn in_groups_of(self, bytes: usize) -> Self {
        Self { group_bytes_max: bytes, ..self }
    }

    /// Takes down an evaluation of `rule`: its transitions, the changes of its state, and the ids of what is still `active`. What is given
    /// back is to be delivered in this order, once the log of state has settled.
    pub fn take<'a>(
        &self,
        rule: &str,
        transitions: &[Transition],
        changes: Changes,
        active: impl IntoIterator<Item = &'a str>,
        at: Reading,
    ) -> Vec<Planned> {
        let Changes { first, mut violations, last } = changes;
        let mut planner = self.planner.lock();
        let mut group = Group { decisions: self, pieces: first, planned: Vec::new(), outgoing: Vec::new(), bytes: 0 };
        for transition in transitions {
            group.extend(violations.remove(&transition.violation).unwrap_or_default());
            group.extend(self.history.record(transition));
            group.planned.extend(planner.plan(transition, &self.backends, at));
            group.extend(planner.take_changes());
            group.put_when_large();
        }
        for pieces in violations.into_values() {
            group.extend(pieces);
            group.put_when_large();
        }
        group.extend(self.history.keep_pending(rule, active));
        group.extend(last);
        group.put();
        group.outgoing
    }
}

/// Pieces and events that are put as one.
struct Group<'a> {
    decisions: &'a Decisions,
    pieces: Vec<Piece>,
    planned: Vec<Planned>,
    bytes: usize,
    outgoing: Vec<Planned>,
}

impl Group<'_> {
    fn extend(&mut self, pieces: impl IntoIterator<Item = Piece>) {
        for piece in pieces {
            self.bytes += piece.bytes();
            self.pieces.push(piece);
        }
    }

    fn put_when_large(&mut self) {
        if self.bytes > self.decisions.group_bytes_max || self.planned.len() > GROUP_EVENTS_MAX {
            self.put();
        }
    }

    fn put(&mut self) {
        self.bytes = 0;
        self.outgoing
            .extend(self.decisions.log.plan(std::mem::take(&mut self.planned), std::mem::take(&mut self.pieces)));
    }
}
