//! States of rules from what the process before wrote down.

use std::collections::BTreeMap;

use flyball_model::UnixNanos;
use flyball_model::event::{Identity, State, Transition};

use super::failing::Failing;
use super::id::error_id;
use super::instance::{Instance, Told};
use super::silence::Tables;
use super::state::RuleState;
use super::transition::plain_summary_of;
use super::written::{Changes, Will, WrittenError, WrittenInstance, WrittenPiece};
use crate::definition::Rule;

/// The state of a rule, before it is known whether the rule is still there.
#[derive(Debug, Clone)]
pub struct Recovered {
    state: RuleState,
    will: Option<Will>,
}

/// All states that the pieces of [`Section::Instances`](flyball_model::state::Section::Instances) hold, by the rule's name and version.
pub fn recover(pieces: impl IntoIterator<Item = (String, WrittenPiece)>) -> Vec<Recovered> {
    let mut found = Found::new();
    for (key, piece) in pieces {
        match piece {
            WrittenPiece::Instance(written) => of(&mut found, &written.rule, &written.version).add(key, written),
            WrittenPiece::Error(written) => {
                let WrittenError { active_at, waits_since, message, told, .. } = written.clone();
                let failing = Failing { active_at, waits_since, message, told };
                let state = &mut of(&mut found, &written.rule, &written.version).state;
                state.evaluated_at = state.evaluated_at.max(Some(failing.active_at));
                state.written.error = Some(failing.clone());
                state.error = Some(failing);
            }
            WrittenPiece::Tables(written) => {
                let state = &mut of(&mut found, &written.rule, &written.version).state;
                state.tables =
                    Tables { newest: written.newest, seen: written.seen, silent_since: written.silent_since };
                state.written.tables = Some(state.tables);
            }
            WrittenPiece::Flaps(written) => {
                let state = &mut of(&mut found, &written.rule, &written.version).state;
                state.flaps.0.insert(written.identity, written.at.into());
            }
            WrittenPiece::Will(will) => {
                let recovered = of(&mut found, &will.rule, &will.version);
                recovered.state.written.will = true;
                recovered.will = Some(will);
            }
        }
    }
    let mut all: Vec<Recovered> = found.into_values().collect();
    all.iter_mut().for_each(Recovered::complete);
    all
}

/// By name and version of the rule.
type Found = BTreeMap<(String, String), Recovered>;

fn of<'a>(found: &'a mut Found, rule: &str, version: &str) -> &'a mut Recovered {
    found.entry((rule.to_owned(), version.to_owned())).or_insert_with(|| Recovered::new(rule, version))
}

impl Recovered {
    fn new(rule: &str, version: &str) -> Self {
        Self { state: RuleState::named(rule, version), will: None }
    }

    fn add(&mut self, id: String, written: WrittenInstance) {
        let instance = Instance {
            id,
            active_at: written.active_at,
            waits_since: written.waits_since,
            fired_at: written.fired_at,
            absent_since: written.absent_since,
            values: written.values,
            tables_at: written.tables_at,
            here: written.here,
            silent_at: written.silent_at,
            calm_since: written.calm_since,
            severity: written.severity,
            told: written.told,
            tellings: written.tellings,
        };
        let state = &mut self.state;
        let known = [Some(instance.active_at), instance.fired_at, instance.silent_at];
        state.evaluated_at = known.into_iter().fold(state.evaluated_at, Option::max);
        state.instances.insert(written.identity, instance);
    }

    /// What instances have in common stands with their rule.
    fn complete(&mut self) {
        let newest = self.state.tables.newest;
        for instance in self.state.instances.values_mut().filter(|instance| instance.here) {
            instance.tables_at = instance.tables_at.max(newest);
        }
        // Earlier versions did not write down what they told; whatever fired was told.
        let severity = self.will.as_ref().map(|will| will.severity.clone()).unwrap_or_default();
        let fired = |instance: &&mut Instance| instance.fired_at.is_some() && instance.told.is_none();
        for instance in self.state.instances.values_mut().filter(fired) {
            instance.told = Some(Told { state: State::Firing, severity: severity.clone(), flapping: false });
            instance.tellings = [1, 0];
        }
    }

    /// The rule's name.
    pub fn rule(&self) -> &str {
        &self.state.rule
    }

    /// Whether it is a state of this rule: name and version are the same.
    pub fn fits(&self, rule: &Rule) -> bool {
        self.state.fits(rule)
    }

    /// The ids of its violations that are pending, firing or in error.
    pub fn violations(&self) -> impl Iterator<Item = String> {
        let error = self.state.error.iter();
        let error = error.map(|failing| error_id(&self.state.version, &self.state.rule, failing.active_at));
        self.state.instances.values().map(|instance| instance.id.clone()).chain(error)
    }

    /// The state to go on with, if it is one of this rule.
    ///
    /// # Errors
    /// The state itself, when the rule means something else now.
    #[expect(clippy::result_large_err, reason = "a few times at the start")]
    pub fn resume(self, rule: &Rule) -> Result<RuleState, Self> {
        if self.state.fits(rule) { Ok(self.state) } else { Err(self) }
    }

    /// Ends a state whose rule is gone: what was told as firing or without data, and an error, resolve, told to those whom the rule told.
    pub fn retire(self, now: UnixNanos) -> (Vec<Transition>, Changes) {
        let open = self.state.instances.iter().filter(|(_, instance)| instance.is_open());
        let open = open.map(|(identity, instance)| {
            let transition = self.farewell(&instance.id, identity, instance.active_at, now);
            let severity = instance.severity.clone().unwrap_or(transition.severity);
            Transition { fired_at: instance.fired_at, values: instance.values.clone(), severity, ..transition }
        });
        let error = self.state.error.iter().filter(|failing| failing.told).map(|failing| {
            let id = error_id(&self.state.version, &self.state.rule, failing.active_at);
            Transition { failure: true, ..self.farewell(&id, &Identity::new(), failing.active_at, now) }
        });
        let transitions = open.chain(error).collect();
        (transitions, self.state.forget())
    }

    fn farewell(&self, id: &str, identity: &Identity, active_at: UnixNanos, now: UnixNanos) -> Transition {
        let will = self.will.as_ref();
        let labels = identity.iter().chain(will.iter().flat_map(|will| &will.labels));
        Transition {
            version: self.state.version.clone(),
            identity: identity.clone(),
            labels: labels.map(|(name, value)| (name.clone(), value.clone())).collect(),
            severity: will.map_or_else(String::new, |will| will.severity.clone()),
            summary: format!(
                "{} (its rule was changed or taken away while flyball was down)",
                plain_summary_of(&self.state.rule, identity)
            ),
            active_at,
            resolved_at: Some(now.max(active_at)),
            steps: will.map(|will| will.steps.clone()).unwrap_or_default(),
            ..Transition::bare(id, &self.state.rule, State::Resolved, now)
        }
    }
}
