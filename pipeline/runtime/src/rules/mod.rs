//! The stage that evaluates rules: when data of a table they read has arrived, and on their tick, so that silence is noticed.
//!
//! One task owns all rules. An evaluation runs as a task of its own that takes its rule along and brings it back, so a rule is
//! never evaluated twice at once and a slow one holds nothing up but itself.

mod budget;
mod evaluation;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use flyball_model::event::Transition;
use flyball_model::stage::Stage;
use flyball_model::state::{Piece, Section, StateLog};
use flyball_model::time::Jump;
use flyball_model::{Clock, Reading, SteadyClock};
use flyball_rules::definition::{Rule, RuleSet};
use flyball_rules::evaluate::{EVALUATION_EVERY_MIN, Reads, RuleEvaluator};
use flyball_rules::lifecycle::{Changes, Recovered, RuleState};
use flyball_rules::query::Database;
use hashbrown::HashMap;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use self::budget::Budget;
use self::evaluation::{Finished, Unit};
use crate::board::{RuleBoard, RuleEntry};
use crate::dispatch::Dispatcher;
use crate::remember::{CLOCK_KEY, RuleMemory};
use crate::stages::Stages;
use crate::wake::Wake;

/// A rule may use at most this share of the time: after an evaluation that took 1 s it rests for 9 s.
const EVALUATION_REST_FACTOR: u32 = 9;

/// Evaluations under way at once: a stuck rule leaves room for others, each yields between its batches, and each holds the points
/// it looks at in memory.
const EVALUATIONS_AT_ONCE: usize = 2;

/// After a jump of the machine's clock rules rest for as long as it jumped, and at most this long: windows of queries are empty, or hold
/// the wrong points, until senders have come again, and nothing may fire or resolve for that.
const JUMP_REST_MAX: Duration = Duration::from_secs(60);

/// How often both clocks are written down, so that the next process knows how long nobody looked.
const CLOCK_WRITTEN_EVERY: Duration = Duration::from_secs(10);

/// New rule sets that wait to be taken over. One: a reload waits for the one before.
const RELOADS_WAITING: usize = 1;

/// A rule's place on the stage: at rest with its unit, or out for an evaluation.
struct Slot {
    unit: Option<Unit>,
    /// What wakes it, as known after the last evaluation.
    reads: Reads,
    /// When the first byte that woke it was received; `None` when no data waits.
    woken_by: Option<Duration>,
    rest_until: Duration,
    tick_at: Duration,
    /// What it has cost, as the [`Budget`] counts.
    spent: Duration,
}

impl Slot {
    /// When it should be evaluated next.
    fn due_at(&self) -> Duration {
        match self.woken_by {
            Some(_) => self.rest_until,
            None => self.tick_at.max(self.rest_until),
        }
    }
}

/// Rules to be put in force, and whom to tell when they are.
type Reload = (RuleSet, oneshot::Sender<()>);

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

/// The stage; see the module.
pub(crate) struct RuleStage {
    pub(crate) database: Database,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) wake: Arc<Wake>,
    pub(crate) stages: Arc<Stages>,
    pub(crate) board: Arc<RuleBoard>,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) steady: Arc<SteadyClock>,
    pub(crate) state: Arc<dyn StateLog>,
    /// What the process before left.
    pub(crate) memory: RuleMemory,
    /// What they may cost.
    pub(crate) budget: Budget,
}

/// The stage while it runs.
struct Running {
    stage: RuleStage,
    slots: Vec<Slot>,
    evaluations: JoinSet<Finished>,
    /// Until then, on the monotonic clock, no evaluation starts, since the machine's clock has jumped.
    rest_until: Duration,
    /// When both clocks are to be written down next, on the monotonic clock.
    clock_written_at: Duration,
}

impl RuleStage {
    /// Runs the rules that come through `reload`, until `cancel`. Evaluations under way then are given up: the next process makes
    /// them anew.
    pub(crate) async fn run(self, mut reload: mpsc::Receiver<Reload>, cancel: CancellationToken) {
        let mut running = Running::new(self);
        loop {
            let next_due = running.start_due();
            tokio::select! {
                () = cancel.cancelled() => break,
                Some((rules, done)) = reload.recv() => {
                    running.replace(rules).await;
                    // Whoever asked may have gone away.
                    let _ = done.send(());
                }
                () = running.stage.wake.pending() => running.take_wakes(),
                Some(finished) = running.evaluations.join_next() => running.finish(finished),
                () = tokio::time::sleep(next_due) => {}
            }
        }
        running.evaluations.abort_all();
        running.join_evaluations().await;
        running.write_clock(running.stage.steady.read());
    }
}

impl Running {
    fn new(stage: RuleStage) -> Self {
        Self {
            stage,
            slots: Vec::new(),
            evaluations: JoinSet::new(),
            rest_until: Duration::ZERO,
            clock_written_at: Duration::ZERO,
        }
    }

    fn take_wakes(&mut self) {
        let woken = self.stage.wake.take();
        for slot in &mut self.slots {
            if let Some(received) = slot.reads.earliest(&woken) {
                slot.woken_by.get_or_insert(received);
            }
        }
    }

    /// Starts what is due, what has cost least and waited longest first, and says how long until the next rule is.
    fn start_due(&mut self) -> Duration {
        let now = self.stage.clock.monotonic();
        let at = self.look_at_the_clocks(now);
        let mut next = Duration::from_secs(1);
        if let Some(rest) = self.rest_until.checked_sub(now).filter(|rest| !rest.is_zero()) {
            return next.min(rest);
        }
        let mut due = Vec::new();
        for (index, slot) in self.slots.iter().enumerate().filter(|(_, slot)| slot.unit.is_some()) {
            match slot.due_at().checked_sub(now) {
                Some(rest) if !rest.is_zero() => next = next.min(rest),
                _ => due.push((self.stage.budget.cost(slot.spent), slot.due_at(), index)),
            }
        }
        due.sort_unstable();
        let wait = self.stage.budget.wait(now);
        if !wait.is_zero() && !due.is_empty() {
            return next.min(wait.max(Duration::from_millis(1)));
        }
        let free = EVALUATIONS_AT_ONCE.saturating_sub(self.evaluations.len());
        for (_, _, index) in due.into_iter().take(free) {
            self.start(index, now, at);
        }
        next
    }

    /// Both times for the evaluations that start now. A jump of the machine's clock lets the rules rest.
    fn look_at_the_clocks(&mut self, now: Duration) -> Reading {
        let (reading, jump) = self.stage.steady.look();
        if let Some(jump) = jump {
            let rest = jump.distance().min(JUMP_REST_MAX);
            self.rest_until = now + rest;
            let forwards = matches!(jump, Jump::Forwards(_));
            tracing::warn!(
                by = ?jump.distance(),
                forwards,
                ?rest,
                "the machine's clock was set, or the machine was suspended; rules rest until senders have come again"
            );
        }
        if jump.is_some() || now >= self.clock_written_at {
            self.clock_written_at = now + CLOCK_WRITTEN_EVERY;
            self.write_clock(reading);
        }
        reading
    }

    fn write_clock(&self, reading: Reading) {
        self.stage.state.put_all(vec![Piece::json(Section::Instances, CLOCK_KEY, &reading)]);
    }

    fn start(&mut self, index: usize, now: Duration, at: Reading) {
        let slot = &mut self.slots[index];
        let Some(unit) = slot.unit.take() else { return };
        self.stage.budget.start(slot.spent);
        slot.tick_at = now + unit.every;
        let woken_by = slot.woken_by.take();
        let (database, clock) = (self.stage.database.clone(), Arc::clone(&self.stage.clock));
        self.evaluations.spawn(evaluation::evaluate(unit, index, woken_by, at, database, clock));
    }

    fn finish(&mut self, finished: Result<Finished, tokio::task::JoinError>) {
        let Finished { slot, unit, entry, transitions, changes, at, woken_by, took, reads } = match finished {
            Ok(finished) => finished,
            Err(error) => {
                // The query itself can't bring this about: its panics are errors of the rule.
                if error.is_panic() {
                    tracing::error!(%error, "an evaluation panicked; its rule rests until the next reload");
                }
                return;
            }
        };
        let now = self.stage.clock.monotonic();
        if let Some(received) = woken_by {
            self.stage.stages.record(Stage::ReceiveToDecision, now.saturating_sub(received));
        }
        let active = entry.active.iter().map(|transition| transition.violation.as_str());
        self.stage.dispatcher.dispatch(&unit.rule.name, &transitions, changes, active, at);
        self.stage.board.publish(entry);
        let slot = &mut self.slots[slot];
        slot.unit = Some(unit);
        slot.reads = reads;
        slot.spent = self.stage.budget.finish(now, slot.spent, took);
        slot.rest_until = now + EVALUATION_EVERY_MIN.max(took * EVALUATION_REST_FACTOR);
    }

    async fn join_evaluations(&mut self) {
        while let Some(finished) = self.evaluations.join_next().await {
            self.finish(finished);
        }
    }

    /// Takes new rules over. Evaluations under way end first, so that every rule is at rest and its state can be kept.
    async fn replace(&mut self, rules: RuleSet) {
        self.join_evaluations().await;
        let at_rest = self.slots.drain(..).filter_map(|slot| slot.unit);
        let mut known: HashMap<String, Unit> = at_rest.map(|unit| (unit.rule.name.clone(), unit)).collect();
        let mut remembered = std::mem::take(&mut self.stage.memory.states);
        let now = self.stage.clock.monotonic();
        let mut entries = Vec::new();
        for (group, rule) in rules.rules() {
            let rule = Arc::new(rule.clone());
            let state = match known.remove(&rule.name) {
                Some(unit) if unit.state.fits(&rule) => unit.state,
                changed => {
                    self.retire(changed);
                    self.resume(&rule, &mut remembered).unwrap_or_else(|| RuleState::new(&rule))
                }
            };
            let (every, evaluator) = (group.every, RuleEvaluator::new(&rule));
            entries.push(RuleEntry::new(&rule, every, &state));
            self.slots.push(Slot {
                unit: Some(Unit { rule, every, evaluator, state }),
                reads: Reads::Any,
                woken_by: None,
                rest_until: now,
                tick_at: now,
                spent: Duration::ZERO,
            });
        }
        self.stage.board.replace(entries);
        known.into_values().for_each(|gone| self.retire(Some(gone)));
        remembered.into_iter().for_each(|gone| self.retire_remembered(gone));
        tracing::info!(rules = self.slots.len(), "rules in force");
    }

    /// The state that the process before left of this rule.
    fn resume(&self, rule: &Rule, remembered: &mut Vec<Recovered>) -> Option<RuleState> {
        let place = remembered.iter().position(|state| state.fits(rule))?;
        let mut state = remembered.swap_remove(place).resume(rule).ok()?;
        state.hold(self.stage.steady.read().steady.plus(self.stage.memory.hold));
        Some(state)
    }

    /// A rule that is gone or means something else now: what it fired is resolved, for nobody would ever say so otherwise.
    fn retire(&self, unit: Option<Unit>) {
        if let Some(Unit { rule, state, .. }) = unit {
            let at = self.stage.steady.read();
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
