//! States of rules from what the process before wrote down.

use std::collections::BTreeMap;

use flyball_model::UnixNanos;
use flyball_model::event::{Identity, State, Transition};

use super::id::error_id;
use super::instance::{Instance, Tables};
use super::state::{Failing, RuleState};
use super::transition::plain_summary_of;
use super::written::{Changes, Will, WrittenInstance, WrittenPiece};
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
                let failing = Failing { active_at: written.active_at, message: written.message };
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
        };
        let state = &mut self.state;
        state.evaluated_at = state.evaluated_at.max(Some(instance.active_at)).max(instance.fired_at);
        state.instances.insert(written.identity, instance);
    }

    /// What instances have in common stands with their rule.
    fn complete(&mut self) {
        let newest = self.state.tables.newest;
        for instance in self.state.instances.values_mut().filter(|instance| instance.here) {
            instance.tables_at = instance.tables_at.max(newest);
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

    /// Ends a state whose rule is gone: what fired, and an error, resolve, told to those whom the rule told.
    pub fn retire(self, now: UnixNanos) -> (Vec<Transition>, Changes) {
        let fired = self.state.instances.iter().filter_map(|(identity, instance)| {
            let transition = self.farewell(&instance.id, identity, instance.active_at, now);
            Some(Transition { fired_at: Some(instance.fired_at?), values: instance.values.clone(), ..transition })
        });
        let error = self.state.error.iter().map(|failing| {
            let id = error_id(&self.state.version, &self.state.rule, failing.active_at);
            self.farewell(&id, &Identity::new(), failing.active_at, now)
        });
        let transitions = fired.chain(error).collect();
        (transitions, self.state.forget())
    }

    fn farewell(&self, id: &str, identity: &Identity, active_at: UnixNanos, now: UnixNanos) -> Transition {
        let will = self.will.as_ref();
        let labels = identity.iter().chain(will.iter().flat_map(|will| &will.labels));
        Transition {
            violation: id.to_owned(),
            rule: self.state.rule.clone(),
            version: self.state.version.clone(),
            identity: identity.clone(),
            labels: labels.map(|(name, value)| (name.clone(), value.clone())).collect(),
            state: State::Resolved,
            severity: will.map_or_else(String::new, |will| will.severity.clone()),
            values: BTreeMap::new(),
            summary: format!(
                "{} (its rule was changed or taken away while flyball was down)",
                plain_summary_of(&self.state.rule, identity)
            ),
            active_at,
            fired_at: None,
            resolved_at: Some(now.max(active_at)),
            evaluated_at: now,
            sample_at: None,
            steps: will.map(|will| will.steps.clone()).unwrap_or_default(),
        }
    }
}
