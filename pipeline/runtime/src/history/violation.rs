//! One violation from its beginning until now, and what backends know of it.

use std::collections::BTreeMap;

use flyball_model::UnixNanos;
use flyball_model::event::{Acknowledgement, State, Transition};
use flyball_rules::evaluate::Sample;
use flyball_rules::lifecycle::Told;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Changes kept of a violation: the first, and the newest others.
const CHANGES_MAX: usize = 20;

/// What a violation came to be at one time, whether backends were told or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The evaluation's time.
    pub at: UnixNanos,
    /// The state.
    pub state: State,
    /// The severity.
    pub severity: String,
    /// Whether it was flapping.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flapping: bool,
    /// The row's numbers.
    #[serde(with = "flyball_model::exact")]
    pub values: BTreeMap<String, f64>,
}

/// A violation from its beginning until now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// Its latest transition.
    #[serde(rename = "transition")]
    pub latest: Transition,
    /// What it came to be, oldest first; the first and at most nineteen others.
    #[serde(default)]
    pub changes: Vec<Change>,
    /// The latest samples when it fired, the newest first; none where the rule reads more than one metric, or many fired at once.
    #[serde(default)]
    pub samples: Vec<Sample>,
    /// Who takes it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledgement>,
    /// Backends have to be told of its latest transition, and were not, because it is silenced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<Held>,
    /// It fired while it was silenced, and backends were never told that it does: when they are, it is for the first time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unheard: bool,
}

/// A violation whose latest transition is held back by a silence. It differs from what was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    /// What was told of it last; `None`, if nothing ever was.
    told: Option<Told>,
}

/// What backends are to be told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct News {
    /// The transition as they have to see it, who may have missed others.
    pub(crate) transition: Transition,
    /// Who takes the violation on.
    pub(crate) acknowledged: Option<Acknowledgement>,
}

/// Of a transition, what is worth being told anew when it changes.
pub(crate) fn gist(transition: &Transition) -> Told {
    let Transition { state, flapping, severity, .. } = transition;
    Told { state: *state, severity: severity.clone(), flapping: *flapping }
}

impl Violation {
    pub(super) fn new(transition: &Transition) -> Self {
        Self {
            latest: transition.clone(),
            changes: Vec::new(),
            samples: Vec::new(),
            acknowledged: None,
            held: None,
            unheard: false,
        }
    }

    /// What backends were told of it last.
    pub(super) fn told(&self) -> Option<Told> {
        self.held.as_ref().map_or_else(|| Some(gist(&self.latest)), |held| held.told.clone())
    }

    /// Whether backends have yet to be told of its latest transition.
    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Takes a transition over; what has to be told of it now. While it is `silenced` that is nothing.
    pub(super) fn take(&mut self, transition: &Transition, told: Option<Told>, silenced: bool) -> Option<News> {
        // While every transition was told, the rule's own state knows what is new.
        let is_news = !(silenced || self.held.is_some())
            || match transition.state {
                // Of what nobody heard of, nobody needs to hear that it is over.
                State::Resolved => told.as_ref().is_some_and(owes_an_end),
                _ => told.as_ref() != Some(&gist(transition)),
            };
        self.latest.clone_from(transition);
        self.unheard |= silenced && transition.state == State::Firing && transition.before == 0;
        self.note_change();
        if silenced {
            self.held = is_news.then_some(Held { told });
            return None;
        }
        let was_held = self.held.take().is_some();
        is_news.then(|| self.news(told.filter(|_| was_held)))
    }

    fn note_change(&mut self) {
        if self.changes.len() >= CHANGES_MAX {
            self.changes.remove(1);
        }
        self.changes.push(Change {
            at: self.latest.evaluated_at,
            state: self.latest.state,
            severity: self.latest.severity.clone(),
            flapping: self.latest.flapping,
            values: self.latest.values.clone(),
        });
    }

    /// What was held back is told now; `None`, when nothing is.
    pub(super) fn release(&mut self) -> Option<News> {
        let Held { told } = self.held.take()?;
        Some(self.news(told))
    }

    /// The latest transition as it is told to backends, who were `told` something else than the transition before it.
    fn news(&mut self, told: Option<Told>) -> News {
        let mut transition = self.latest.clone();
        if transition.state == State::Firing && std::mem::take(&mut self.unheard) {
            // Nobody asked for anything either.
            transition.before = 0;
        }
        if let (State::Resolved, Some(told)) = (transition.state, told) {
            // What is over is what they know.
            transition.severity = told.severity;
        }
        News { transition, acknowledged: self.acknowledged.clone() }
    }
    /// The changes as JSON for people and queries: `[{"at","state","severity","flapping","values"}]`.
    pub fn changes_json(&self) -> String {
        let changes = self.changes.iter().map(|change| {
            json!({
                "at": change.at.to_string(),
                "state": change.state.as_str(),
                "severity": change.severity,
                "flapping": change.flapping,
                "values": change.values,
            })
        });
        Value::from_iter(changes).to_string()
    }

    /// The samples as JSON: `[{"time","value","labels"}]`; a value that is no number is null.
    pub fn samples_json(&self) -> String {
        let samples = self
            .samples
            .iter()
            .map(|sample| json!({"time": sample.time.to_string(), "value": sample.value, "labels": sample.labels}));
        Value::from_iter(samples).to_string()
    }
}

/// Whether backends that were told this know that something is wrong, and so must be told that it is over.
fn owes_an_end(told: &Told) -> bool {
    matches!(told.state, State::Firing | State::NoData | State::Error)
}
