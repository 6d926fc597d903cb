//! The stage that evaluates rules: when data of a table they read has arrived, and on their tick, so that silence is noticed.
//!
//! One task owns all rules. An evaluation runs as a task of its own that takes its rule along and brings it back, so a rule is
//! never evaluated twice at once and a slow one holds nothing up but itself.
//!
//! A rule that is kept incrementally is evaluated when its groups were brought up to date and it finds others than before; it costs next to
//! nothing, and waits for nobody. A rule that is run as a plan is woken by data, rests after it, and shares a [`Budget`] with its kin.

mod budget;
mod dependencies;
mod evaluation;
mod evidence;
mod groups;
mod order;
mod reload;
mod slot;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use flyball_model::stage::Stage;
use flyball_model::state::{Piece, Section, StateLog};
use flyball_model::time::Jump;
use flyball_model::{Clock, Reading, SteadyClock, UnixNanos};
use flyball_rules::evaluate::EVALUATION_EVERY_MIN;
use flyball_rules::query::Database;
use flyball_rules::recording::{Dependencies as Sources, until_next};
use hashbrown::HashMap;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use self::budget::Budget;
use self::dependencies::{Dependencies, inhibitors};
use self::evaluation::{Asked, Finished, Found, Unit};
use self::evidence::Evidence;
use self::groups::{Advanced, GroupKeeper};
use self::reload::Reload;
pub use self::reload::RuleControl;
use self::slot::Slot;
use crate::board::RuleBoard;
use crate::dispatch::Dispatcher;
use crate::recording::Recordings;
use crate::remember::{CLOCK_KEY, RuleMemory};
use crate::stages::Stages;
use crate::wake::Wake;

/// A rule may use at most this share of the time: after an evaluation that took 1 s it rests for 9 s.
const EVALUATION_REST_FACTOR: u32 = 9;

/// Evaluations under way at once: a stuck rule leaves room for others, each yields between its batches, and each holds the points
/// it looks at in memory.
const EVALUATIONS_AT_ONCE: usize = 2;

/// Evaluations under way at once of rules that are kept incrementally.
const KEPT_AT_ONCE: usize = 32;

/// A rule that is kept, and of which nothing is pending or firing, is evaluated this often although it finds nothing: a label may have come
/// that its query can name now.
const KEPT_IDLE_EVERY: Duration = Duration::from_secs(60);

/// After a jump of the machine's clock rules rest for as long as it jumped, and at most this long: windows of queries are empty, or hold
/// the wrong points, until senders have come again, and nothing may fire or resolve for that.
const JUMP_REST_MAX: Duration = Duration::from_secs(60);

/// How often both clocks are written down, so that the next process knows how long nobody looked.
const CLOCK_WRITTEN_EVERY: Duration = Duration::from_secs(10);

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
    /// Where recording rules record.
    pub(crate) recordings: Arc<Recordings>,
}

/// The stage while it runs.
struct Running {
    stage: RuleStage,
    slots: Vec<Slot>,
    dependencies: Dependencies,
    /// The slots at rest, by when they are due: those that cost next to nothing …
    cheap_queue: BTreeSet<(Duration, usize)>,
    /// … and those of plans.
    plan_queue: BTreeSet<(Duration, usize)>,
    /// Those that data wakes: rules that are run as plans.
    plans: BTreeSet<usize>,
    /// Those that are kept, by what their groups call them.
    kept: HashMap<u64, usize>,
    groups: GroupKeeper,
    /// Which of them read what others record.
    sources: Sources,
    evaluations: JoinSet<Finished>,
    /// How many of these are of rules that are kept.
    cheap: usize,
    evidence: Evidence,
    /// Until then, in steady time, what is gone ends nothing, since nobody was looking before this process.
    held_until: UnixNanos,
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
                Some(advanced) = running.groups.done() => running.touch(advanced),
                () = tokio::time::sleep(next_due) => {}
            }
        }
        running.evaluations.abort_all();
        running.join_evaluations().await;
        running.evidence.stop();
        running.write_clock(running.stage.steady.read());
    }
}

impl Running {
    fn new(stage: RuleStage) -> Self {
        let held_until = stage.steady.read().steady.plus(stage.memory.hold);
        Self {
            stage,
            slots: Vec::new(),
            dependencies: Dependencies::default(),
            cheap_queue: BTreeSet::new(),
            plan_queue: BTreeSet::new(),
            plans: BTreeSet::new(),
            kept: HashMap::new(),
            groups: GroupKeeper::default(),
            sources: Sources::default(),
            evaluations: JoinSet::new(),
            cheap: 0,
            evidence: Evidence::default(),
            held_until,
            rest_until: Duration::ZERO,
            clock_written_at: Duration::ZERO,
        }
    }

    fn take_wakes(&mut self) {
        let woken = self.stage.wake.take();
        self.groups.wake(&woken);
        let concerned = self.plans.iter().filter_map(|&index| Some((index, self.slots[index].reads.earliest(&woken)?)));
        for (index, received) in concerned.collect::<Vec<_>>() {
            self.wake(index, Some(received));
        }
    }

    /// Rules find others than before in their groups.
    fn touch(&mut self, advanced: Result<Advanced, tokio::task::JoinError>) {
        let advanced = match advanced {
            Ok(advanced) => advanced,
            Err(error) => {
                tracing::error!(%error, "bringing groups of rules up to date panicked");
                return;
            }
        };
        self.groups.rest(self.stage.clock.monotonic(), &advanced);
        for (token, received) in advanced.touched {
            if let Some(&index) = self.kept.get(&token) {
                self.wake(index, received);
            }
        }
    }

    /// A rule has something to look at.
    fn wake(&mut self, index: usize, received: Option<Duration>) {
        let slot = &mut self.slots[index];
        match &mut slot.woken {
            Some(earlier) => *earlier = earlier.or(received),
            None => slot.woken = Some(received),
        }
        self.queue(index);
    }

    /// Puts a rule where it belongs in the queue; one that is out for an evaluation comes back first.
    fn queue(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        let due = slot.unit.is_some().then(|| (slot.is_cheap(), slot.due_at()));
        let before = std::mem::replace(&mut slot.queued_at, due);
        if before == due {
            return;
        }
        if let Some((cheap, before)) = before {
            self.queue_of(cheap).remove(&(before, index));
        }
        if let Some((cheap, due)) = due {
            self.queue_of(cheap).insert((due, index));
        }
    }

    fn queue_of(&mut self, cheap: bool) -> &mut BTreeSet<(Duration, usize)> {
        if cheap { &mut self.cheap_queue } else { &mut self.plan_queue }
    }

    /// Starts what is due and says how long until the next rule is: all rules that are kept; of plans those that have cost least and
    /// waited longest, as far as the budget goes.
    fn start_due(&mut self) -> Duration {
        let now = self.stage.clock.monotonic();
        let at = self.look_at_the_clocks(now);
        let next = Duration::from_secs(1);
        if let Some(rest) = self.rest_until.checked_sub(now).filter(|rest| !rest.is_zero()) {
            return next.min(rest);
        }
        let mut next = next.min(self.groups.start_due(now, at.now, &self.stage.database));
        for queue in [&self.cheap_queue, &self.plan_queue] {
            if let Some(&(due, _)) = queue.range((now + Duration::from_nanos(1), 0)..).next() {
                next = next.min(due - now);
            }
        }
        let is_due = |(due, _): &&(Duration, usize)| *due <= now;
        let may_start = |(_, index): &&(Duration, usize)| {
            let is_busy = |other: usize| self.slots[other].unit.is_none() || self.slots[other].is_due(now);
            !self.dependencies.waits(*index, is_busy) && !self.is_held_back(*index, now)
        };
        let due = self.cheap_queue.iter().take_while(is_due).filter(may_start);
        let cheap: Vec<_> = due.take(KEPT_AT_ONCE.saturating_sub(self.cheap)).map(|&(_, index)| index).collect();
        let due = self.plan_queue.iter().take_while(is_due).filter(may_start);
        let costs = due.map(|&(due, index)| (self.stage.budget.cost(self.slots[index].spent), due, index));
        let mut plans: Vec<_> = costs.collect();
        for index in cheap {
            self.start(index, now, at);
        }
        if plans.is_empty() {
            return next;
        }
        plans.sort_unstable();
        let wait = self.stage.budget.wait(now);
        if !wait.is_zero() {
            return next.min(wait.max(Duration::from_millis(1)));
        }
        let free = EVALUATIONS_AT_ONCE.saturating_sub(self.evaluations.len() - self.cheap);
        for (_, _, index) in plans.into_iter().take(free) {
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
        match slot.is_cheap() {
            true => self.cheap += 1,
            false => self.stage.budget.start(slot.spent),
        }
        slot.tick_at = now + until_next(&unit.rule, unit.every, at.now);
        slot.out_since = Some(now);
        let woken_by = slot.woken.take().flatten();
        let (database, clock) = (self.stage.database.clone(), Arc::clone(&self.stage.clock));
        let asked = Asked { at, inhibitors: inhibitors(&unit.rule, &self.stage.board) };
        let recordings = Arc::clone(&self.stage.recordings);
        self.evaluations.spawn(evaluation::evaluate(unit, index, woken_by, asked, database, clock, recordings));
        self.queue(index);
    }

    fn finish(&mut self, finished: Result<Finished, tokio::task::JoinError>) {
        let Finished { slot: index, unit, found, at, woken_by, took } = match finished {
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
        let slot = &mut self.slots[index];
        match slot.is_cheap() {
            true => self.cheap -= 1,
            false => slot.spent = self.stage.budget.finish(now, slot.spent, took),
        }
        let waiting = match found {
            Some(found) => self.tell(index, &unit, found, at, woken_by),
            None => {
                self.slots[index].woken = Some(woken_by);
                Vec::new()
            }
        };
        self.put_back(index, unit, now, took);
        for other in waiting {
            self.slots[other].tick_at = now;
            self.queue(other);
        }
    }

    /// Tells what a rule has found, and says which others have to look again for that.
    fn tell(&mut self, index: usize, unit: &Unit, found: Found, at: Reading, woken_by: Option<Duration>) -> Vec<usize> {
        let Found { transitions, changes, entry, reads } = found;
        let stage = &self.stage;
        if let Some(received) = woken_by {
            stage.stages.record(Stage::ReceiveToDecision, stage.clock.monotonic().saturating_sub(received));
        }
        let active = entry.active.iter().map(|transition| transition.violation.as_str());
        stage.dispatcher.dispatch(&unit.rule.name, &transitions, changes, active, at);
        stage.board.publish(entry);
        let metric = || unit.evaluator.single_metric(&stage.database);
        self.evidence.gather(&transitions, metric, &stage.database, (&stage.dispatcher, &stage.state), at.now);
        let slot = &mut self.slots[index];
        (slot.evaluated, slot.reads) = (true, reads);
        self.dependencies.wakes(index, &transitions).to_vec()
    }

    /// Notes what data wakes a rule: that of the groups that it is kept in, or of the tables that its plan reads.
    fn enlist(&mut self, index: usize, unit: &Unit) {
        if unit.recording.is_some() {
            // What records runs on its tick alone, and nothing wakes it.
            return;
        }
        match unit.evaluator.kept() {
            Some((_, token)) => {
                self.plans.remove(&index);
                self.kept.insert(token, index);
            }
            None => {
                self.plans.insert(index);
            }
        }
    }

    /// Puts a rule to rest until it is due again.
    fn put_back(&mut self, index: usize, unit: Unit, now: Duration, took: Duration) {
        let kept = unit.evaluator.kept().map(|(_, token)| token);
        let before = std::mem::replace(&mut self.slots[index].kept, kept);
        if before != kept {
            before.map(|before| self.kept.remove(&before));
            self.enlist(index, &unit);
        }
        let slot = &mut self.slots[index];
        match kept {
            Some(_) => {
                slot.rest_until = now;
                if unit.state.is_at_rest() && unit.rule.no_data.is_none() && unit.recording.is_none() {
                    slot.tick_at = now + unit.every.max(KEPT_IDLE_EVERY);
                }
            }
            None => slot.rest_until = now + EVALUATION_EVERY_MIN.max(took * EVALUATION_REST_FACTOR),
        }
        slot.unit = Some(unit);
        slot.out_since = None;
        self.queue(index);
    }

    async fn join_evaluations(&mut self) {
        while let Some(finished) = self.evaluations.join_next().await {
            self.finish(finished);
        }
    }
}
