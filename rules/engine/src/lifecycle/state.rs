//! All that is known of a rule between two evaluations.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use flyball_model::event::{Identity, State, Transition};
use flyball_model::{Reading, UnixNanos};

use super::instance::{Instance, Tables};
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

/// The rule can't be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failing {
    /// The first evaluation that failed.
    pub(super) active_at: UnixNanos,
    /// What the latest one said.
    pub(super) message: String,
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

    /// Takes in one evaluation and says what changed, in this order: what ended, what began or fired, the rule's own error.
    ///
    /// `rule` must fit this state; `at` is the evaluation's time, whose steady part is not before the last one's; `sample_at` is the newest
    /// point of the tables that the rule reads, `None` where that means nothing (tables without time).
    pub fn step(
        &mut self,
        rule: &Rule,
        outcome: &Outcome,
        at: Reading,
        sample_at: Option<UnixNanos>,
    ) -> Vec<Transition> {
        debug_assert!(self.fits(rule), "the state of {} {} was given {}", self.rule, self.version, rule.name);
        self.evaluations += 1;
        self.evaluated_at = Some(at.now);
        self.waiting_for = None;
        self.tables.see(sample_at, at);
        let mut transitions = Vec::new();
        let failure = match outcome {
            Outcome::Rows(rows) => {
                self.tables.newest = sample_at;
                self.end_the_absent(rule, rows, at, &mut transitions);
                let refused = self.take_the_present(rule, rows, at, &mut transitions);
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
        transitions.extend(self.note_failure(rule, failure, Moment { now: at.now, sample_at }));
        transitions
    }

    fn end_the_absent(&mut self, rule: &Rule, rows: &[Row], at: Reading, transitions: &mut Vec<Transition>) {
        let present: HashSet<&Identity> = rows.iter().map(|row| &row.identity).collect();
        let held = at.steady < self.held_until;
        self.instances.retain(|identity, instance| {
            if present.contains(identity) {
                return true;
            }
            let seen = if held { instance.missed() } else { instance.absent(rule, at, &self.tables) };
            if seen.turned {
                self.written.ended(&instance.id);
                if instance.fired_at.is_some() {
                    let moment = Moment { now: at.now, sample_at: self.tables.newest };
                    transitions.push(instance_transition(rule, identity, instance, State::Resolved, moment));
                }
            } else if seen.changed {
                self.written.changed(identity);
            }
            !seen.turned
        });
    }

    /// Returns how many new rows found no room.
    fn take_the_present(&mut self, rule: &Rule, rows: &[Row], at: Reading, transitions: &mut Vec<Transition>) -> usize {
        let mut refused = 0;
        for row in rows {
            let moment = Moment { now: at.now, sample_at: row.time.or(self.tables.newest) };
            if let Some(instance) = self.instances.get_mut(&row.identity) {
                let seen = instance.present(rule, row, at, &self.tables);
                if seen.changed {
                    self.written.changed(&row.identity);
                }
                if seen.turned {
                    transitions.push(instance_transition(rule, &row.identity, instance, State::Firing, moment));
                }
            } else if self.instances.len() < INSTANCES_MAX {
                let mut instance = Instance::new(rule, &row.identity, at);
                instance.present(rule, row, at, &self.tables);
                transitions.push(instance_transition(rule, &row.identity, &instance, instance.state(), moment));
                self.instances.insert(row.identity.clone(), instance);
                self.written.changed(&row.identity);
            } else {
                refused += 1;
            }
        }
        refused
    }

    /// An error is told when it begins and when it is over, not at each evaluation.
    fn note_failure(&mut self, rule: &Rule, failure: Option<String>, moment: Moment) -> Option<Transition> {
        match (failure, self.error.take()) {
            (None, None) => None,
            (None, Some(over)) => Some(error_transition(rule, &over, State::Resolved, moment)),
            (Some(message), before) => {
                self.errors += 1;
                let begins = before.is_none();
                let active_at = before.map_or(moment.now, |before| before.active_at);
                let failing = self.error.insert(Failing { active_at, message });
                begins.then(|| error_transition(rule, failing, State::Error, moment))
            }
        }
    }

    /// Until `until`, in steady time, a row that is gone ends nothing: nobody was looking for a while, and senders need time to come back.
    pub fn hold(&mut self, until: UnixNanos) {
        self.held_until = self.held_until.max(until);
    }

    /// Ends the state because its rule is gone or means something else now: what fired, and an error, resolve.
    pub fn retire(&self, rule: &Rule, now: UnixNanos) -> Vec<Transition> {
        let moment = Moment { now, sample_at: None };
        let fired = self.instances.iter().filter(|(_, instance)| instance.fired_at.is_some());
        fired
            .map(|(identity, instance)| instance_transition(rule, identity, instance, State::Resolved, moment))
            .chain(self.error.iter().map(|over| error_transition(rule, over, State::Resolved, moment)))
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

    /// Everything that is pending or firing, sorted by identity.
    pub fn instances(&self) -> impl ExactSizeIterator<Item = (&Identity, &Instance)> {
        self.instances.iter()
    }

    /// Everything that is pending, firing or in error, as its latest transition would tell it with today's values; for the
    /// table of violations and the list of alerts.
    pub fn active(&self, rule: &Rule) -> Vec<Transition> {
        let Some(now) = self.evaluated_at else { return Vec::new() };
        let instances = self.instances.iter().map(|(identity, instance)| {
            let moment = Moment { now, sample_at: instance.tables_at };
            instance_transition(rule, identity, instance, instance.state(), moment)
        });
        let error = self.error.iter();
        instances
            .chain(error.map(|failing| error_transition(rule, failing, State::Error, Moment { now, sample_at: None })))
            .collect()
    }
}
