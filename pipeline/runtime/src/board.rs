//! What the rule stage shows to queries: one entry a rule, replaced after each evaluation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flyball_model::event::Transition;
use flyball_rules::definition::Rule;
use flyball_rules::incremental::Way;
use flyball_rules::lifecycle::{Health, RuleState, RuleStatus};
use parking_lot::RwLock;

use crate::recording::Recorded;

/// A rule as it stood after its latest evaluation.
#[derive(Debug)]
pub struct RuleEntry {
    /// What it says.
    pub rule: Arc<Rule>,
    /// Its group's tick.
    pub every: Duration,
    /// How it fares.
    pub status: RuleStatus,
    /// How it is evaluated.
    pub way: Way,
    /// Its violations that are pending, firing, without data or in error, each as its latest transition.
    pub active: Vec<Transition>,
    /// What a recording rule has recorded.
    pub recorded: Option<Recorded>,
}

impl RuleEntry {
    pub(crate) fn new(
        rule: &Arc<Rule>,
        every: Duration,
        state: &RuleState,
        way: Way,
        recorded: Option<Recorded>,
    ) -> Arc<Self> {
        let (status, active) = (state.status(rule), state.active(rule));
        Arc::new(Self { rule: Arc::clone(rule), every, status, way, active, recorded })
    }

    /// How it stands in one word: `unknown` (not evaluated yet), `waiting` (a table has no data yet), `error`, `firing`, `no_data`,
    /// `pending`, `inactive`, or `recording`.
    pub fn state(&self) -> &'static str {
        match &self.status.health {
            Health::Unknown => "unknown",
            Health::Waiting { .. } => "waiting",
            Health::Error { .. } => "error",
            Health::Ok if self.rule.record.is_some() => "recording",
            Health::Ok if self.status.firing > 0 => "firing",
            Health::Ok if self.status.silent > 0 => "no_data",
            Health::Ok if self.status.instances > self.status.held_back => "pending",
            Health::Ok => "inactive",
        }
    }
}

/// The latest entry of every rule.
#[derive(Debug, Default)]
pub struct RuleBoard {
    entries: RwLock<BTreeMap<String, Arc<RuleEntry>>>,
}

impl RuleBoard {
    pub(crate) fn publish(&self, entry: Arc<RuleEntry>) {
        self.entries.write().insert(entry.rule.name.clone(), entry);
    }

    /// Replaces all entries at once.
    pub(crate) fn replace(&self, entries: Vec<Arc<RuleEntry>>) {
        *self.entries.write() = entries.into_iter().map(|entry| (entry.rule.name.clone(), entry)).collect();
    }

    /// A rule.
    pub(crate) fn of(&self, rule: &str) -> Option<Arc<RuleEntry>> {
        self.entries.read().get(rule).cloned()
    }

    /// All rules, by name.
    pub fn rows(&self) -> Vec<Arc<RuleEntry>> {
        self.entries.read().values().cloned().collect()
    }
}
