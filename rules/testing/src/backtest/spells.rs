//! Transitions as stretches of time: when each instance of each rule fired, and what would have been asked then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flyball_model::action::ActionKind;
use flyball_model::event::{EventKind, Identity, State, Transition};
use flyball_model::{MetricRef, UnixNanos};
use flyball_rules::definition::{Place, Rule};
use hashbrown::HashMap;
use serde_json::Value;

use crate::run::{Asked, Stage};

/// Spells of one rule that are kept; the others are counted.
pub(super) const SPELLS_MAX: usize = 10_000;

/// What one rule would have done.
#[derive(Debug, Clone)]
pub struct RuleOutcome {
    /// Its name.
    pub rule: String,
    /// Its group.
    pub group: String,
    /// Its version.
    pub version: String,
    /// Where it stands.
    pub place: Place,
    /// How often it was evaluated.
    pub evaluations: usize,
    /// When it would have fired, the first first.
    pub spells: Vec<Spell>,
    /// When it could not be evaluated.
    pub failing: Vec<Failing>,
    /// How many spells more there were than the 10,000 that are kept.
    pub more: usize,
    /// How often each backend would have been told of a violation.
    pub told: BTreeMap<String, u64>,
    /// The table whose first point it waited for at the end.
    pub waits_for: Option<String>,
    /// Instances that were pending at the end.
    pub pending: usize,
}

impl RuleOutcome {
    fn new(rule: &Rule) -> Self {
        Self {
            rule: rule.name.clone(),
            group: rule.group.clone(),
            version: rule.version.clone(),
            place: rule.place.clone(),
            evaluations: 0,
            spells: Vec::new(),
            failing: Vec::new(),
            more: 0,
            told: BTreeMap::new(),
            waits_for: None,
            pending: 0,
        }
    }

    /// Whether it fired.
    pub fn fired(&self) -> bool {
        !self.spells.is_empty()
    }

    /// How long it fired in all, each instance by itself.
    pub fn firing_for(&self) -> Duration {
        self.spells.iter().map(Spell::lasted).sum()
    }

    /// How many instances fired.
    pub fn instances(&self) -> usize {
        let mut identities: Vec<_> = self.spells.iter().map(|spell| &spell.identity).collect();
        identities.sort_unstable();
        identities.dedup();
        identities.len()
    }

    /// What would have been asked, and what held back: `(asked, held back)`.
    pub fn requests(&self) -> (usize, usize) {
        let requests = self.spells.iter().flat_map(|spell| &spell.requests);
        let (held, asked): (Vec<_>, Vec<_>) = requests.partition(|request| request.held_back.is_some());
        (asked.len(), held.len())
    }
}

/// A stretch of time in which an instance fired.
#[derive(Debug, Clone)]
pub struct Spell {
    /// Who.
    pub identity: Identity,
    /// The violation's id: the same as a server's, had it evaluated at the same times.
    pub violation: String,
    /// Its severity then.
    pub severity: String,
    /// When its row appeared.
    pub active_at: UnixNanos,
    /// When it fired.
    pub fired_at: UnixNanos,
    /// When it was resolved; `None` when it still fired at the end.
    pub resolved_at: Option<UnixNanos>,
    /// The row's values when it fired.
    pub values: BTreeMap<String, f64>,
    /// The sentence when it fired.
    pub summary: String,
    /// Whether its data went silent (`no_data: fire`).
    pub no_data: bool,
    /// What would have been asked because of it.
    pub requests: Vec<Request>,
    /// The end of what was looked at.
    until: UnixNanos,
}

impl Spell {
    /// When it ended, or what was looked at did.
    pub fn end(&self) -> UnixNanos {
        self.resolved_at.unwrap_or(self.until)
    }

    /// How long it fired.
    pub fn lasted(&self) -> Duration {
        self.end().since(self.fired_at)
    }
}

/// What a backend would have been asked. Nothing is ever asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// When.
    pub at: UnixNanos,
    /// Who.
    pub backend: String,
    /// What.
    pub action: ActionKind,
    /// To what.
    pub target: BTreeMap<String, String>,
    /// How much.
    pub params: BTreeMap<String, Value>,
    /// Why it would have been held back.
    pub held_back: Option<String>,
}

/// A stretch of time in which a rule could not be evaluated.
#[derive(Debug, Clone)]
pub struct Failing {
    /// The first evaluation that failed.
    pub from: UnixNanos,
    /// The first one that did not; `None` when it still failed at the end.
    pub until: Option<UnixNanos>,
    /// Why, at first.
    pub message: String,
}

/// Rules on a stage, and what came of them so far.
pub(super) struct Outcomes {
    stage: Stage,
    rules: Vec<RuleOutcome>,
    by_name: HashMap<String, usize>,
    /// Spells that have not ended, by violation: the rule and the spell; `None` for one that is not kept.
    open: HashMap<String, (usize, Option<usize>)>,
    from: UnixNanos,
}

impl Outcomes {
    pub(super) fn new(rules: &[Arc<Rule>], stage: Stage, from: UnixNanos) -> Self {
        let by_name = rules.iter().enumerate().map(|(place, rule)| (rule.name.clone(), place)).collect();
        let rules = rules.iter().map(|rule| RuleOutcome::new(rule)).collect();
        Self { stage, rules, by_name, open: HashMap::new(), from }
    }

    pub(super) fn next_due(&self) -> Option<Duration> {
        self.stage.next_due()
    }

    pub(super) fn evaluations(&self) -> usize {
        self.stage.evaluations()
    }

    /// Evaluates what is due at `now`; these metrics have new points.
    pub(super) async fn step(&mut self, now: Duration, woken: &HashMap<MetricRef, Duration>) {
        self.stage.advance_to(now);
        self.stage.wake(woken);
        self.stage.evaluate_due().await;
        let news = self.stage.take_news();
        for transition in news.transitions {
            self.take(transition);
        }
        for asked in news.asked {
            self.ask(asked);
        }
    }

    fn take(&mut self, transition: Transition) {
        let Some(&place) = self.by_name.get(&transition.rule) else { return };
        let rule = &mut self.rules[place];
        match transition.state {
            // Told anew: of another severity, as flapping, or because its data went silent.
            State::Firing | State::NoData if self.open.contains_key(&transition.violation) => {
                if let Some((place, Some(spell))) = self.open.get(&transition.violation).copied() {
                    self.rules[place].spells[spell].no_data |= transition.state == State::NoData;
                }
            }
            State::Firing | State::NoData => {
                let kept = (rule.spells.len() < SPELLS_MAX).then_some(rule.spells.len());
                self.open.insert(transition.violation.clone(), (place, kept));
                if kept.is_none() {
                    rule.more += 1;
                    return;
                }
                let fired_at = transition.fired_at.unwrap_or(transition.evaluated_at);
                rule.spells.push(Spell {
                    identity: transition.identity,
                    violation: transition.violation,
                    severity: transition.severity,
                    active_at: transition.active_at,
                    fired_at,
                    resolved_at: None,
                    no_data: transition.state == State::NoData,
                    values: transition.values,
                    summary: transition.summary,
                    requests: Vec::new(),
                    until: fired_at,
                });
            }
            State::Resolved => match self.open.remove(&transition.violation) {
                Some((place, Some(spell))) => {
                    let ended = transition.resolved_at.unwrap_or(transition.evaluated_at);
                    self.rules[place].spells[spell].resolved_at = Some(ended);
                }
                Some((_, None)) => {}
                None => {
                    let is_over = |failing: &&mut Failing| failing.from == transition.active_at;
                    if let Some(failing) = rule.failing.last_mut().filter(is_over) {
                        failing.until.get_or_insert(transition.evaluated_at);
                    }
                }
            },
            State::Error if rule.failing.len() < SPELLS_MAX => {
                rule.failing.push(Failing { from: transition.active_at, until: None, message: transition.summary })
            }
            State::Error | State::Pending => {}
        }
    }

    fn ask(&mut self, Asked { planned }: Asked) {
        let transition = &planned.event.transition;
        let Some(&place) = self.by_name.get(&transition.rule) else { return };
        match (planned.event.kind, &planned.event.action) {
            (EventKind::RemediationRequested, Some(action)) => {
                let Some((place, Some(spell))) = self.open.get(&transition.violation).copied() else { return };
                self.rules[place].spells[spell].requests.push(Request {
                    at: planned.proposed_at,
                    backend: planned.backend.clone(),
                    action: action.action,
                    target: action.target.clone(),
                    params: action.params.clone(),
                    held_back: planned.suppressed.as_ref().map(ToString::to_string),
                });
            }
            _ => *self.rules[place].told.entry(planned.backend).or_default() += 1,
        }
    }

    /// What came of the rules until `to`.
    pub(super) fn finish(self, to: UnixNanos) -> Vec<RuleOutcome> {
        let Self { stage, mut rules, from, .. } = self;
        debug_assert!(from <= to, "a backtest goes forwards");
        let active = stage.active();
        for (rule, evaluations) in rules.iter_mut().zip(stage.evaluations_by_rule()) {
            rule.evaluations = evaluations;
            rule.waits_for = stage.waits_for(&rule.rule);
            let is_pending = |other: &&Transition| other.rule == rule.rule && other.state == State::Pending;
            rule.pending = active.iter().filter(is_pending).count();
            rule.spells.iter_mut().for_each(|spell| spell.until = to);
        }
        rules
    }
}
