//! A rule that can't be evaluated.

use flyball_model::event::{State, Transition};
use flyball_model::{Reading, UnixNanos};

use super::state::RuleState;
use super::transition::{Moment, error_transition};
use crate::definition::Rule;

/// The rule can't be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failing {
    /// The first evaluation that failed.
    pub(super) active_at: UnixNanos,
    /// The same in steady time: since when it waits to be told.
    pub(super) waits_since: UnixNanos,
    /// What the latest one said.
    pub(super) message: String,
    /// Whether it was told.
    pub(super) told: bool,
}

impl RuleState {
    /// An error is told when it has lasted for `error_for`, and when it is over if it was told; not at each evaluation.
    pub(super) fn note_failure(
        &mut self,
        rule: &Rule,
        failure: Option<String>,
        at: Reading,
        sample_at: Option<UnixNanos>,
    ) -> Option<Transition> {
        let moment = Moment { now: at.now, sample_at };
        match (failure, self.error.take()) {
            (None, None) => None,
            (None, Some(over)) => over.told.then(|| error_transition(rule, &over, State::Resolved, moment)),
            (Some(message), before) => {
                self.errors += 1;
                let new = Failing { active_at: at.now, waits_since: at.steady, message: String::new(), told: false };
                let failing = self.error.insert(Failing { message, ..before.unwrap_or(new) });
                let tells = !failing.told && at.steady.since(failing.waits_since) >= rule.error_for;
                failing.told |= tells;
                tells.then(|| error_transition(rule, failing, State::Error, moment))
            }
        }
    }
}
