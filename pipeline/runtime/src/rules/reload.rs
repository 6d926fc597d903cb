//! New rules are put in force.

use std::sync::Arc;

use flyball_model::Reading;
use flyball_model::event::Transition;
use flyball_rules::definition::{Rule, RuleSet};
use flyball_rules::evaluate::RuleEvaluator;
use flyball_rules::lifecycle::{Changes, Recovered, RuleState};
use flyball_rules::recording::Dependencies as Sources;
use hashbrown::HashMap;
use tokio::sync::{mpsc, oneshot};

use super::Running;
use super::dependencies::Dependencies;
use super::evaluation::Unit;
use super::slot::Slot;
use crate::board::RuleEntry;
use crate::recording::Recording;

/// New rule sets that wait to be taken over. One: a reload waits for the one before.
const RELOADS_WAITING: usize = 1;

/// Rules to be put in force, and whom to tell when they are.
pub(super) type Reload = (RuleSet, oneshot::Sender<()>);

/// Hands new rules to the stage.
#[derive(Debug, Clone)]
pub struct RuleControl {
    reload: mpsc::Sender<Reload>,
}

impl RuleControl {
    pub(crate) fn channel() -> (Self, mpsc::Receiver<Reload>) {
        let (reload, receiver) = mpsc::channel(RELOADS_WAITING);
        (Self { reload }, receiver)
    }

    /// Replaces all rules, and returns when the new ones are in force. A rule whose version stays keeps its state.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open whether the rules are replaced; it is never half of them.
    pub async fn replace(&self, rules: RuleSet) {
        let (done, in_force) = oneshot::channel();
        // The stage ends only when the process drains; then no rule runs any more and nobody waits for this one.
        if self.reload.send((rules, done)).await.is_ok() {
            let _ = in_force.await;
        }
    }
}

impl Running {
    /// Takes new rules over. Evaluations under way end first, so that every rule is at rest and its state can be kept.
    pub(super) async fn replace(&mut self, rules: RuleSet) {
        self.join_evaluations().await;
        self.cheap_queue.clear();
        self.plan_queue.clear();
        self.plans.clear();
        self.kept.clear();
        let at_rest = self.slots.drain(..).filter_map(|slot| slot.unit);
        let mut known: HashMap<String, Unit> = at_rest.map(|unit| (unit.rule.name.clone(), unit)).collect();
        let mut remembered = std::mem::take(&mut self.stage.memory.states);
        let mut recorded = std::mem::take(&mut self.stage.memory.recorded);
        let now = self.stage.clock.monotonic();
        let mut entries = Vec::new();
        for (group, rule) in rules.rules() {
            let rule = Arc::new(rule.clone());
            let carried = known.get_mut(&rule.name).and_then(|unit| unit.recording.take());
            let recording = self.stage.recordings.begin(&rule, carried, &mut recorded);
            let (mut state, evaluator) = match known.remove(&rule.name) {
                Some(unit) if unit.state.fits(&rule) => (unit.state, unit.evaluator.carried(&rule)),
                changed => {
                    self.retire(changed);
                    let state = resume(&rule, &mut remembered).unwrap_or_else(|| RuleState::new(&rule));
                    (state, RuleEvaluator::new(&rule))
                }
            };
            // Also one of which nothing was left: that its data went silent nobody has seen either.
            state.hold(self.held_until);
            let (every, index) = (group.every, self.slots.len());
            let recorded = recording.as_ref().map(Recording::recorded);
            entries.push(RuleEntry::new(&rule, every, &state, evaluator.way(), recorded));
            let unit = Unit { rule, every, evaluator, state, recording };
            self.enlist(index, &unit);
            self.slots.push(Slot::new(unit, now));
            self.queue(index);
        }
        self.dependencies = Dependencies::of(entries.iter().map(|entry| entry.rule.as_ref()));
        self.sources = Sources::of(entries.iter().map(|entry| entry.rule.as_ref()));
        self.stage.board.replace(entries);
        known.into_values().for_each(|gone| self.retire(Some(gone)));
        remembered.into_iter().for_each(|gone| self.retire_remembered(gone));
        self.stage.recordings.end_remembered(recorded, self.stage.steady.read().now);
        tracing::info!(rules = self.slots.len(), "rules in force");
    }

    /// A rule that is gone or means something else now: what it fired is resolved, for nobody would ever say so otherwise.
    fn retire(&self, unit: Option<Unit>) {
        if let Some(Unit { rule, state, recording, .. }) = unit {
            let at = self.stage.steady.read();
            if let Some(recording) = recording {
                self.stage.recordings.end(&recording, at.now);
            }
            let transitions = state.retire(&rule, at.now);
            self.end(&rule.name, &transitions, state.forget(), at);
        }
    }

    /// The same of a rule that went while no process was there.
    fn retire_remembered(&self, gone: Recovered) {
        let at = self.stage.steady.read();
        let rule = gone.rule().to_owned();
        let (transitions, changes) = gone.retire(at.now);
        self.end(&rule, &transitions, changes, at);
    }

    fn end(&self, rule: &str, transitions: &[Transition], changes: Changes, at: Reading) {
        self.stage.dispatcher.dispatch(rule, transitions, changes, [], at);
    }
}

/// The state that the process before left of this rule.
fn resume(rule: &Rule, remembered: &mut Vec<Recovered>) -> Option<RuleState> {
    let place = remembered.iter().position(|state| state.fits(rule))?;
    remembered.swap_remove(place).resume(rule).ok()
}
