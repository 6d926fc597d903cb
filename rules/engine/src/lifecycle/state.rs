//! All that is remembered of a rule between two evaluations.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use flyball_model::UnixNanos;
use flyball_model::event::{Identity, State, Transition};
use serde::{Deserialize, Serialize};

use super::instance::Instance;
use super::transition::{Moment, error_transition, instance_transition};
use crate::definition::Rule;
use crate::evaluate::{INSTANCES_MAX, Outcome, Row};

/// The state of one rule: its instances, its error, its counters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleState {
    rule: String,
    version: String,
    #[serde(with = "as_list")]
    instances: BTreeMap<Identity, Instance>,
    pub(super) error: Option<Failing>,
    pub(super) waiting_for: Option<String>,
    pub(super) evaluations: u64,
    pub(super) errors: u64,
    pub(super) last_duration: Duration,
    pub(super) evaluated_at: Option<UnixNanos>,
}

/// The rule can't be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failing {
    /// The first evaluation that failed.
    pub(super) active_at: UnixNanos,
    /// What the latest one said.
    pub(super) message: String,
}

impl RuleState {
    /// A rule that was never evaluated.
    pub fn new(rule: &Rule) -> Self {
        Self {
            rule: rule.name.clone(),
            version: rule.version.clone(),
            instances: BTreeMap::new(),
            error: None,
            waiting_for: None,
            evaluations: 0,
            errors: 0,
            last_duration: Duration::ZERO,
            evaluated_at: None,
        }
    }

    /// Whether this is a state of that rule and may go on with it after a reload: name and version are the same.
    pub fn fits(&self, rule: &Rule) -> bool {
        self.rule == rule.name && self.version == rule.version
    }

    /// Takes in one evaluation and says what changed, in this order: what ended, what began or fired, the rule's own error.
    ///
    /// `rule` must fit this state; `now` is the evaluation's time, not before the last one's; `sample_at` is the newest point of
    /// the tables that the rule reads, `None` where that means nothing (tables without time).
    pub fn step(
        &mut self,
        rule: &Rule,
        outcome: &Outcome,
        now: UnixNanos,
        sample_at: Option<UnixNanos>,
    ) -> Vec<Transition> {
        debug_assert!(self.fits(rule), "the state of {} {} was given {}", self.rule, self.version, rule.name);
        self.evaluations += 1;
        self.evaluated_at = Some(now);
        self.waiting_for = None;
        let mut transitions = Vec::new();
        let failure = match outcome {
            Outcome::Rows(rows) => {
                self.end_the_absent(rule, rows, now, sample_at, &mut transitions);
                let refused = self.take_the_present(rule, rows, now, sample_at, &mut transitions);
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
        transitions.extend(self.note_failure(rule, failure, Moment { now, sample_at }));
        transitions
    }

    fn end_the_absent(
        &mut self,
        rule: &Rule,
        rows: &[Row],
        now: UnixNanos,
        sample_at: Option<UnixNanos>,
        transitions: &mut Vec<Transition>,
    ) {
        let present: HashSet<&Identity> = rows.iter().map(|row| &row.identity).collect();
        self.instances.retain(|identity, instance| {
            if present.contains(identity) || !instance.absent(rule, now, sample_at) {
                return true;
            }
            if instance.fired_at.is_some() {
                let moment = Moment { now, sample_at };
                transitions.push(instance_transition(rule, identity, instance, State::Resolved, moment));
            }
            false
        });
    }

    /// Returns how many new rows found no room.
    fn take_the_present(
        &mut self,
        rule: &Rule,
        rows: &[Row],
        now: UnixNanos,
        sample_at: Option<UnixNanos>,
        transitions: &mut Vec<Transition>,
    ) -> usize {
        let mut refused = 0;
        for row in rows {
            let moment = Moment { now, sample_at: row.time.or(sample_at) };
            if let Some(instance) = self.instances.get_mut(&row.identity) {
                if instance.present(rule, row, now, sample_at) {
                    transitions.push(instance_transition(rule, &row.identity, instance, State::Firing, moment));
                }
            } else if self.instances.len() < INSTANCES_MAX {
                let mut instance = Instance::new(rule, &row.identity, now);
                instance.present(rule, row, now, sample_at);
                transitions.push(instance_transition(rule, &row.identity, &instance, instance.state(), moment));
                self.instances.insert(row.identity.clone(), instance);
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

    /// Ends the state because its rule is gone or means something else now: what fired, and an error, resolve.
    pub fn retire(self, rule: &Rule, now: UnixNanos) -> Vec<Transition> {
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

/// JSON has no keys but texts, so the instances are written as a list of pairs.
mod as_list {
    use std::collections::BTreeMap;

    use flyball_model::event::Identity;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Instance;

    pub(super) fn serialize<S: Serializer>(
        instances: &BTreeMap<Identity, Instance>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(instances)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Identity, Instance>, D::Error> {
        Ok(Vec::deserialize(deserializer)?.into_iter().collect())
    }
}
