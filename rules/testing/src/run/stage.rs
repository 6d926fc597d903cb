//! The rules of a test or a backtest, driven as the live stage drives them, in simulated time.

use std::sync::Arc;
use std::time::Duration;

use flyball_model::action::ActionKind;
use flyball_model::event::{EventKind, State, Transition};
use flyball_model::{ManualClock, MetricRef, SteadyClock, UnixNanos};
use flyball_remediation::{ActionLimits, BackendInfo, Planned, Planner};
use flyball_rules::definition::Rule;
use flyball_rules::evaluate::{EVALUATION_EVERY_MIN, EVALUATION_LIMITS, GroupsLook, Look, Reads, RuleEvaluator};
use flyball_rules::lifecycle::{Evaluation, Health, Inhibitors, RuleState};
use flyball_rules::query::Database;
use flyball_rules::recording::{Dependencies, Owners, Recorder, until_next};
use flyball_twin::Twin;
use hashbrown::{HashMap, HashSet};

use super::clock_at;
use super::timeline::Timeline;

/// How long a rule rests whose evaluation took all the time that one may take: nine times as long, as live. Without it a test of a rule that never ends
/// would wait for each tick of it.
const REST_OF_A_RUNAWAY: Duration = EVALUATION_LIMITS.time.saturating_mul(9);

/// When a rule is evaluated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// The tick, on which it is although nothing arrived.
    pub(crate) tick: Duration,
    /// The least time from one evaluation to the next.
    pub(crate) rest: Duration,
    /// What it looks at is at most that old: as long as nothing arrived, nothing is left of that and nothing is pending, its ticks are
    /// passed over, for they would find the same again. `None` to pass over none.
    pub(crate) look_back: Option<Duration>,
}

impl Pace {
    /// That of a server, for a group's tick.
    pub(crate) fn live(tick: Duration) -> Self {
        Self { tick, rest: EVALUATION_EVERY_MIN, look_back: None }
    }
}

/// What is kept of the evaluations beside the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Everything, and a chart of each rule: for tests, which are short.
    Charts,
    /// What has changed since [`Stage::take_news`].
    News,
}

/// What evaluations brought.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) transitions: Vec<Transition>,
    pub(crate) asked: Vec<Asked>,
}

/// A rule between two evaluations.
pub(super) struct Slot {
    pub(super) rule: Arc<Rule>,
    pace: Pace,
    /// When data arrived last that it reads.
    arrived_at: Duration,
    evaluated_at: Option<Duration>,
    evaluations: usize,
    pub(super) evaluator: RuleEvaluator,
    state: RuleState,
    reads: Reads,
    woken: bool,
    rest_until: Duration,
    tick_at: Duration,
    /// Of a recording rule.
    pub(super) recorder: Recorder,
    timeline: Timeline,
}

impl Slot {
    /// When it is to be evaluated next: as live, but that an evaluation takes no time unless it takes all.
    fn due_at(&self) -> Duration {
        if self.woken { self.rest_until } else { self.tick_at.max(self.rest_until) }
    }

    /// Whether an evaluation would find what the last one has found.
    fn is_settled(&self) -> bool {
        let Some((look_back, evaluated_at)) = self.pace.look_back.zip(self.evaluated_at) else { return false };
        let well = matches!(self.state.health(), Health::Ok | Health::Waiting { .. });
        // Silence is a change where the rule asks for it.
        let counts_silence = self.rule.no_data.is_some();
        !counts_silence
            && !self.woken
            && well
            && self.state.instances().len() == 0
            && evaluated_at > self.arrived_at + look_back
    }
}

/// What a backend was asked or told, or would have been.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) planned: Planned,
}

impl Asked {
    /// Whether the backend was asked to act, and not only told.
    pub(crate) fn is_request(&self) -> bool {
        self.planned.event.kind == EventKind::RemediationRequested && self.planned.suppressed.is_none()
    }
}

/// All rules that run together.
pub(crate) struct Stage {
    /// Each after those whose metrics it reads.
    pub(super) slots: Vec<Slot>,
    pub(super) owners: Owners,
    pub(super) database: Database,
    pub(super) twin: Arc<Twin>,
    clock: Arc<ManualClock>,
    steady: SteadyClock,
    /// Since the beginning.
    pub(super) now: Duration,
    planner: Planner,
    /// Every backend that a rule names. They can do and want everything, and only write it down.
    backends: Vec<BackendInfo>,
    asked: Vec<Asked>,
    resolved: Vec<Transition>,
    keep: Keep,
    news: News,
}

impl Stage {
    /// Rules that were never evaluated, each with its pace.
    pub(crate) fn new(
        rules: Vec<(Pace, Arc<Rule>)>,
        database: Database,
        twin: Arc<Twin>,
        start: UnixNanos,
        keep: Keep,
    ) -> Self {
        let clock = clock_at(start);
        let mut names: Vec<_> =
            rules.iter().flat_map(|(_, rule)| &rule.remediate).map(|step| step.backend.as_str().to_owned()).collect();
        names.sort_unstable();
        names.dedup();
        let backends = names.into_iter().map(|name| BackendInfo {
            name,
            actions: ActionKind::ALL.to_vec(),
            events: EventKind::ALL.to_vec(),
        });
        let backends = backends.collect();
        let order = Dependencies::of(rules.iter().map(|(_, rule)| rule.as_ref())).order();
        let ordered = order.into_iter().map(|place| rules[place].clone());
        let slots = ordered.map(|(pace, rule)| Slot {
            pace,
            arrived_at: Duration::ZERO,
            evaluated_at: None,
            evaluations: 0,
            evaluator: RuleEvaluator::new(&rule),
            state: RuleState::new(&rule),
            reads: if rule.record.is_some() { Reads::nothing() } else { Reads::Any },
            woken: false,
            rest_until: Duration::ZERO,
            tick_at: Duration::ZERO,
            recorder: Recorder::default(),
            timeline: Timeline::new(&rule.name),
            rule,
        });
        Self {
            slots: slots.collect(),
            owners: Owners::default(),
            database,
            twin,
            steady: SteadyClock::new(Arc::<ManualClock>::clone(&clock), None),
            clock,
            now: Duration::ZERO,
            planner: Planner::new(ActionLimits::default()),
            backends,
            asked: Vec::new(),
            resolved: Vec::new(),
            keep,
            news: News::default(),
        }
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// The simulated time of day.
    pub(crate) fn time(&self) -> UnixNanos {
        self.steady.read().now
    }

    /// When the next rule is due.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.slots.iter().map(Slot::due_at).min()
    }

    pub(crate) fn advance_to(&mut self, now: Duration) {
        self.clock.advance(now.saturating_sub(self.now));
        self.now = self.now.max(now);
    }

    /// These metrics have new points.
    pub(crate) fn wake(&mut self, metrics: &HashMap<MetricRef, Duration>) {
        for slot in &mut self.slots {
            if slot.reads.earliest(metrics).is_some() {
                (slot.woken, slot.arrived_at) = (true, self.now);
            }
        }
    }

    /// Evaluates every rule that is due: first those that record, each after those whose metrics it reads; then the others in the order of their
    /// definition, but those that others wait for before them.
    pub(crate) async fn evaluate_due(&mut self) {
        for index in 0..self.slots.len() {
            if self.slots[index].rule.record.is_some() && self.slots[index].due_at() <= self.now {
                self.evaluate(index).await;
            }
        }
        for index in self.due_in_order() {
            self.evaluate(index).await;
        }
    }

    async fn evaluate(&mut self, index: usize) {
        let at = self.steady.read();
        let slot = &mut self.slots[index];
        if slot.is_settled() {
            slot.tick_at = self.now + until_next(&slot.rule, slot.pace.tick, at.now);
            return;
        }
        let started = tokio::time::Instant::now();
        let Look { outcome, reads, sample_at } = match slot.rule.record.clone() {
            Some(record) => self.record(index, &record, at.now).await,
            None => slot.evaluator.look(&self.database, at.now).await,
        };
        let ran_away = started.elapsed() >= EVALUATION_LIMITS.time;
        let inhibitors = self.inhibitors(&self.slots[index].rule);
        let slot = &mut self.slots[index];
        let groups = if slot.state.asks_for_groups(&slot.rule, &outcome, at) {
            slot.evaluator.groups(&self.database, at.now).await
        } else {
            GroupsLook::Failed
        };
        let (outcome, groups, inhibitors) = (&outcome, groups.seen(), inhibitors.as_ref());
        let evaluation = Evaluation { outcome, at, sample_at, groups, inhibitors };
        let transitions = slot.state.step(&slot.rule, evaluation);
        // They are for the log, which a test has not.
        slot.state.take_changes(&slot.rule);
        for transition in &transitions {
            let planned = self.planner.plan(transition, &self.backends, at);
            self.planner.take_changes();
            let asked = planned.into_iter().map(|planned| Asked { planned });
            match self.keep {
                Keep::Charts => self.asked.extend(asked),
                Keep::News => self.news.asked.extend(asked),
            }
        }
        match self.keep {
            Keep::Charts => {
                let resolved = transitions.iter().filter(|transition| transition.state == State::Resolved);
                let ended = resolved.clone().filter(|transition| transition.fired_at.is_some());
                slot.timeline.note(self.now, &slot.state, ended.map(|transition| &transition.identity));
                self.resolved.extend(resolved.cloned());
            }
            Keep::News => self.news.transitions.extend(transitions),
        }
        slot.reads = reads;
        slot.woken = false;
        slot.evaluations += 1;
        slot.evaluated_at = Some(self.now);
        slot.tick_at = self.now + until_next(&slot.rule, slot.pace.tick, at.now);
        slot.rest_until = self.now + if ran_away { slot.pace.rest.max(REST_OF_A_RUNAWAY) } else { slot.pace.rest };
    }

    /// The rules that are due, each behind those of them that it waits for. Rules in a circle are not in force.
    fn due_in_order(&self) -> Vec<usize> {
        let due: Vec<usize> = (0..self.slots.len()).filter(|&slot| self.slots[slot].due_at() <= self.now).collect();
        if due.iter().all(|&slot| self.slots[slot].rule.unless.is_empty()) {
            return due;
        }
        let (mut order, mut left) = (Vec::with_capacity(due.len()), due);
        while !left.is_empty() {
            let names: HashSet<&str> = left.iter().map(|&slot| self.slots[slot].rule.name.as_str()).collect();
            let waits =
                |slot: &usize| self.slots[*slot].rule.unless.iter().any(|unless| names.contains(unless.rule.as_str()));
            let (waiting, ready): (Vec<usize>, Vec<usize>) = left.iter().partition(|slot| waits(slot));
            let stuck = ready.is_empty();
            order.extend(ready);
            if stuck {
                order.extend(&waiting);
                break;
            }
            left = waiting;
        }
        order
    }

    /// What the rules that hold this one back have found; `None` if it names none.
    fn inhibitors(&self, rule: &Rule) -> Option<Inhibitors> {
        if rule.unless.is_empty() {
            return None;
        }
        let mut inhibitors = Inhibitors::default();
        for unless in &rule.unless {
            let other = self.slots.iter().find(|slot| slot.rule.name == unless.rule);
            inhibitors.add(unless, &other.map(|slot| slot.state.active(&slot.rule)).unwrap_or_default());
        }
        Some(inhibitors)
    }

    /// Everything that is pending, firing, without data or in error now.
    pub(crate) fn active(&self) -> Vec<Transition> {
        self.slots.iter().flat_map(|slot| slot.state.active(&slot.rule)).collect()
    }

    /// Everything that has resolved so far, the latest last.
    pub(crate) fn resolved(&self) -> &[Transition] {
        &self.resolved
    }

    /// All that backends were asked and told so far.
    pub(crate) fn asked(&self) -> &[Asked] {
        &self.asked
    }

    /// The table whose first point a rule waits for.
    pub(crate) fn waits_for(&self, rule: &str) -> Option<String> {
        let slot = self.slots.iter().find(|slot| slot.rule.name == rule)?;
        match slot.state.health() {
            Health::Waiting { table } => Some(table),
            Health::Unknown | Health::Ok | Health::Error { .. } => None,
        }
    }

    /// Whether the rule takes part.
    pub(crate) fn has(&self, rule: &str) -> bool {
        self.slots.iter().any(|slot| slot.rule.name == rule)
    }

    pub(crate) fn evaluations(&self) -> usize {
        self.slots.iter().map(|slot| slot.evaluations).sum()
    }

    /// How often each rule was evaluated, in the order of their definition.
    pub(crate) fn evaluations_by_rule(&self) -> impl Iterator<Item = usize> {
        self.slots.iter().map(|slot| slot.evaluations)
    }

    /// What changed since the last call; with [`Keep::News`].
    pub(crate) fn take_news(&mut self) -> News {
        std::mem::take(&mut self.news)
    }

    pub(super) fn into_timelines(self) -> Vec<Timeline> {
        self.slots.into_iter().map(|slot| slot.timeline).collect()
    }
}
