//! All that is known of a rule between two evaluations.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use flyball_model::event::{Identity, State, Transition};
use flyball_model::{Reading, UnixNanos};

use super::evaluation::Evaluation;
use super::failing::Failing;
use super::flapping;
use super::instance::{Absence, Instance, World};
use super::silence::{Groups, Tables, fires_without_data};
use super::transition::{Moment, error_transition, instance_transition};
use super::written::Written;
use crate::definition::Rule;
use crate::evaluate::{INSTANCES_MAX, Outcome, Row};

/// The state of one rule: its instances, its error, its counters.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleState {
    pub(super) rule: String,
    pub(super) version: String,
    pub(super) instances: BTreeMap<Identity, Instance>,
    pub(super) tables: Tables,
    pub(super) groups: Groups,
    pub(super) flaps: flapping::Changes,
    pub(super) error: Option<Failing>,
    /// Until then, in steady time, a row that is gone ends nothing.
    pub(super) held_until: UnixNanos,
    pub(super) waiting_for: Option<String>,
    pub(super) evaluations: u64,
    pub(super) errors: u64,
    pub(super) last_duration: Duration,
    pub(super) evaluated_at: Option<UnixNanos>,
    pub(super) written: Written,
}

impl RuleState {
    /// A rule that was never evaluated.
    pub fn new(rule: &Rule) -> Self {
        Self::named(&rule.name, &rule.version)
    }

    pub(super) fn named(rule: &str, version: &str) -> Self {
        Self {
            rule: rule.to_owned(),
            version: version.to_owned(),
            instances: BTreeMap::new(),
            tables: Tables::default(),
            groups: Groups::default(),
            flaps: flapping::Changes::default(),
            error: None,
            held_until: UnixNanos::MIN,
            waiting_for: None,
            evaluations: 0,
            errors: 0,
            last_duration: Duration::ZERO,
            evaluated_at: None,
            written: Written::default(),
        }
    }

    /// Whether this is a state of that rule and may go on with it after a reload: name and version are the same.
    pub fn fits(&self, rule: &Rule) -> bool {
        self.rule == rule.name && self.version == rule.version
    }

    /// Whether this evaluation should come with a look at the rule's groups: from time to time, and when a row is gone, for then it matters
    /// whether its group is silent.
    pub fn asks_for_groups(&self, rule: &Rule, outcome: &Outcome, at: Reading) -> bool {
        let (Some(no_data), Outcome::Rows(rows)) = (rule.no_data, outcome) else { return false };
        if self.groups.is_due(no_data, at) {
            return true;
        }
        let here = self.instances.values().filter(|instance| instance.here).count();
        let present = rows.iter().filter(|row| self.instances.get(&row.identity).is_some_and(|known| known.here));
        here > present.count()
    }

    /// Takes in one evaluation and says what changed, in this order: what ended, what began or fired, what went silent, the rule's own
    /// error. `rule` must fit this state.
    pub fn step(&mut self, rule: &Rule, evaluation: Evaluation<'_>) -> Vec<Transition> {
        debug_assert!(self.fits(rule), "the state of {} {} was given {}", self.rule, self.version, rule.name);
        let Evaluation { outcome, at, sample_at, .. } = evaluation;
        self.evaluations += 1;
        self.evaluated_at = Some(at.now);
        self.waiting_for = None;
        self.tables.see(sample_at, at);
        let mut transitions = Vec::new();
        let failure = match outcome {
            Outcome::Rows(rows) => {
                self.tables.newest = sample_at;
                self.groups.see(evaluation.groups, rows, at);
                self.end_the_absent(rule, rows, &evaluation, &mut transitions);
                let refused = self.take_the_present(rule, rows, &evaluation, &mut transitions);
                let refused = refused + self.tell_the_silent(rule, &evaluation, &mut transitions);
                (refused > 0).then(|| {
                    format!(
                        "the rule has {INSTANCES_MAX} instances, and {refused} more rows were left out; aggregate, narrow WHERE, or shorten keep_firing_for"
                    )
                })
            }
            Outcome::Waiting { table } => {
                self.waiting_for = Some(table.clone());
                None
            }
            Outcome::Error(message) => Some(message.clone()),
        };
        if let Some(flaps) = rule.flaps {
            self.written.calm.extend(self.flaps.forget_old(flaps, at.steady));
        }
        transitions.extend(self.note_failure(rule, failure, at, sample_at));
        transitions
    }

    fn end_the_absent(
        &mut self,
        rule: &Rule,
        rows: &[Row],
        evaluation: &Evaluation<'_>,
        transitions: &mut Vec<Transition>,
    ) {
        let Self { instances, tables, groups, flaps: changes, written, .. } = self;
        let (at, newest) = (evaluation.at, tables.newest);
        let present: HashSet<&Identity> = rows.iter().map(|row| &row.identity).collect();
        let held = at.steady < self.held_until;
        instances.retain(|identity, instance| {
            let is_here = present.contains(identity);
            if is_here && !instance.ends_with_data() {
                return true;
            }
            let by_group = groups.are_known();
            let silence = if by_group { Some(groups.silence_of(identity, at)) } else { tables.silence() };
            let held_back = is_held_back(rule, identity, evaluation);
            let mut world = World { at, identity, newest, silence, by_group, held_back, changes };
            let Absence { changed, over } = match (is_here, held) {
                (true, _) => Absence { changed: instance.missed(), over: true },
                (false, true) => Absence { changed: instance.missed(), over: false },
                (false, false) => instance.absent(rule, &mut world),
            };
            if changed.flapped {
                written.flapped(&instance.id, identity);
            }
            let moment = Moment { now: at.now, sample_at: newest };
            if over {
                written.ended(&instance.id, instance.is_open());
                if instance.is_open() {
                    transitions.push(instance_transition(rule, identity, instance, State::Resolved, 0, moment));
                }
                return false;
            }
            let told = tell(rule, identity, instance, held_back, moment);
            if changed.is || told.is_some() {
                written.changed(identity);
            }
            transitions.extend(told);
            true
        });
    }

    /// Returns how many new rows found no room.
    fn take_the_present(
        &mut self,
        rule: &Rule,
        rows: &[Row],
        evaluation: &Evaluation<'_>,
        transitions: &mut Vec<Transition>,
    ) -> usize {
        let Self { instances, tables, flaps: changes, written, .. } = self;
        let (at, newest) = (evaluation.at, tables.newest);
        let mut refused = 0;
        for row in rows {
            let identity = &row.identity;
            if !instances.contains_key(identity) {
                if instances.len() >= INSTANCES_MAX {
                    refused += 1;
                    continue;
                }
                instances.insert(identity.clone(), Instance::new(rule, identity, at));
            }
            let Some(instance) = instances.get_mut(identity) else { continue };
            let held_back = is_held_back(rule, identity, evaluation);
            let mut world =
                World { at, identity, newest, silence: None, by_group: false, held_back, changes: &mut *changes };
            let changed = instance.present(rule, row, &mut world);
            if changed.flapped {
                written.flapped(&instance.id, identity);
            }
            let told =
                tell(rule, identity, instance, held_back, Moment { now: at.now, sample_at: row.time.or(newest) });
            if changed.is || told.is_some() {
                written.changed(identity);
            }
            transitions.extend(told);
        }
        refused
    }

    /// Under `no_data: fire`, what is silent and has no instance yet gets one: each silent group where groups are known, else the rule itself
    /// when its tables are silent and nothing else says so. Returns how many found no room.
    fn tell_the_silent(
        &mut self,
        rule: &Rule,
        evaluation: &Evaluation<'_>,
        transitions: &mut Vec<Transition>,
    ) -> usize {
        let at = evaluation.at;
        let Some(no_data) = fires_without_data(rule).filter(|_| at.steady >= self.held_until) else { return 0 };
        let silent: Vec<(Identity, UnixNanos)> = if self.groups.are_known() {
            let groups = self.groups.silent_for(no_data.after, at);
            let new = groups.filter(|(identity, _)| !self.instances.contains_key(*identity));
            new.map(|(identity, silence)| (identity.clone(), silence.newest)).collect()
        } else {
            let tables = self.tables.newest.filter(|_| at.steady.since(self.tables.silent_since) >= no_data.after);
            let alone = self.instances.is_empty();
            tables.filter(|_| alone).map(|newest| (Identity::new(), newest)).into_iter().collect()
        };
        let mut refused = 0;
        for (identity, newest) in silent {
            if is_held_back(rule, &identity, evaluation) {
                continue;
            }
            if self.instances.len() >= INSTANCES_MAX {
                refused += 1;
                continue;
            }
            let mut instance = Instance::new(rule, &identity, at);
            (instance.silent_at, instance.tables_at) = (Some(at.now), Some(newest));
            let moment = Moment { now: at.now, sample_at: Some(newest) };
            transitions.extend(tell(rule, &identity, &mut instance, false, moment));
            self.written.changed(&identity);
            self.instances.insert(identity, instance);
        }
        refused
    }

    /// Until `until`, in steady time, a row that is gone ends nothing: nobody was looking for a while, and senders need time to come back.
    pub fn hold(&mut self, until: UnixNanos) {
        self.held_until = self.held_until.max(until);
    }

    /// Ends the state because its rule is gone or means something else now: what was told as firing or without data, and an error, resolve.
    pub fn retire(&self, rule: &Rule, now: UnixNanos) -> Vec<Transition> {
        let moment = Moment { now, sample_at: None };
        let open = self.instances.iter().filter(|(_, instance)| instance.is_open());
        let error = self.error.iter().filter(|failing| failing.told);
        open.map(|(identity, instance)| instance_transition(rule, identity, instance, State::Resolved, 0, moment))
            .chain(error.map(|over| error_transition(rule, over, State::Resolved, moment)))
            .collect()
    }

    /// Notes how long the latest evaluation took.
    pub fn took(&mut self, duration: Duration) {
        self.last_duration = duration;
    }

    /// Whether nothing is pending, firing or in error, and nothing is waited for: time alone changes nothing.
    pub fn is_at_rest(&self) -> bool {
        self.instances.is_empty() && self.error.is_none() && self.waiting_for.is_none()
    }

    /// Everything that is pending, firing or without data, sorted by identity; what is held back too.
    pub fn instances(&self) -> impl ExactSizeIterator<Item = (&Identity, &Instance)> {
        self.instances.iter()
    }

    /// Everything that is pending, firing, without data or in error, as its latest transition would tell it with today's values; for the
    /// table of violations and the list of alerts. What was held back from its beginning, and an error that was not told yet, is not in it.
    pub fn active(&self, rule: &Rule) -> Vec<Transition> {
        let Some(now) = self.evaluated_at else { return Vec::new() };
        let told = self.instances.iter().filter(|(_, instance)| instance.told.is_some());
        let instances = told.map(|(identity, instance)| {
            let moment = Moment { now, sample_at: instance.tables_at };
            instance_transition(rule, identity, instance, instance.state(), 0, moment)
        });
        let error = self.error.iter().filter(|failing| failing.told);
        instances
            .chain(error.map(|failing| error_transition(rule, failing, State::Error, Moment { now, sample_at: None })))
            .collect()
    }
}

/// What is new of an instance.
fn tell(
    rule: &Rule,
    identity: &Identity,
    instance: &mut Instance,
    held_back: bool,
    moment: Moment,
) -> Option<Transition> {
    let (state, before) = instance.news(rule, held_back)?;
    Some(instance_transition(rule, identity, instance, state, before, moment))
}

fn is_held_back(rule: &Rule, identity: &Identity, evaluation: &Evaluation<'_>) -> bool {
    evaluation.inhibitors.is_some_and(|inhibitors| inhibitors.hold_back(rule, identity))
}
