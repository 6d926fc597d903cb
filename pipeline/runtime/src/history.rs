//! Violations as they were: the rows of `flyball.violations`, newest first, each with its changes and the samples that made it fire. They
//! outlive the process: each change gives the pieces to put.

use std::collections::{BTreeMap, BTreeSet};

use flyball_model::UnixNanos;
use flyball_model::event::{State, Transition};
use flyball_model::state::{Piece, Section};
use flyball_rules::evaluate::Sample;
use hashbrown::HashMap;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Violations kept; the oldest resolved ones make room first.
pub(crate) const VIOLATIONS_MAX: usize = 10_000;

/// Changes kept of a violation: the first, and the newest others.
const CHANGES_MAX: usize = 20;

/// What a violation was told to be at one time.
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
    /// What it was told to be, oldest first; the first and at most nineteen others.
    #[serde(default)]
    pub changes: Vec<Change>,
    /// The latest samples when it fired, the newest first; none where the rule reads more than one metric, or many fired at once.
    #[serde(default)]
    pub samples: Vec<Sample>,
}

impl Violation {
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

/// A piece of [`Section::Violations`]; its key is the violation's id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WrittenViolation {
    /// Its place in the order in which violations began.
    number: u64,
    #[serde(flatten)]
    violation: Violation,
}

/// The history of violations; one entry a violation, brought up to date as its state changes.
#[derive(Debug, Default)]
pub struct ViolationHistory {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By number, in the order in which they began.
    entries: BTreeMap<u64, Violation>,
    number_of: HashMap<String, u64>,
    resolved: BTreeSet<u64>,
    /// By rule: what is pending may end without a transition.
    pending: HashMap<String, BTreeSet<u64>>,
    next: u64,
}

impl ViolationHistory {
    /// Goes on from what the process before wrote down.
    pub fn recover(written: impl IntoIterator<Item = WrittenViolation>) -> Self {
        let mut inner = Inner::default();
        for WrittenViolation { number, violation } in written {
            inner.next = inner.next.max(number);
            inner.number_of.insert(violation.latest.violation.clone(), number);
            inner.note_state(number, &violation.latest);
            inner.entries.insert(number, violation);
        }
        Self { inner: Mutex::new(inner) }
    }

    /// Takes a transition over; what to put.
    #[must_use]
    pub fn record(&self, transition: &Transition) -> Vec<Piece> {
        self.inner.lock().record(transition)
    }

    /// What of a rule is pending, firing or in error after an evaluation. A pending violation that is not among it ended before it
    /// fired, which nobody is told of, and leaves no trace.
    #[must_use]
    pub fn keep_pending<'a>(&self, rule: &str, active: impl IntoIterator<Item = &'a str>) -> Vec<Piece> {
        let mut inner = self.inner.lock();
        let Some(pending) = inner.pending.get(rule) else { return Vec::new() };
        let still: BTreeSet<u64> =
            active.into_iter().filter_map(|violation| inner.number_of.get(violation).copied()).collect();
        let ended: Vec<u64> = pending.difference(&still).copied().collect();
        ended.into_iter().filter_map(|number| inner.remove(number)).collect()
    }

    /// The rules that something is pending of.
    pub(crate) fn rules_pending(&self) -> Vec<String> {
        self.inner.lock().pending.keys().cloned().collect()
    }

    /// Adds the samples that made a violation fire; what to put. One that had to make room in the meantime is forgotten.
    #[must_use]
    pub fn note_samples(&self, violation: &str, samples: Vec<Sample>) -> Option<Piece> {
        let mut inner = self.inner.lock();
        let number = *inner.number_of.get(violation)?;
        inner.entries.get_mut(&number)?.samples = samples;
        inner.piece(number)
    }

    /// The latest transition of every violation, newest first.
    pub fn latest_first(&self) -> Vec<Transition> {
        self.inner.lock().entries.values().rev().map(|violation| violation.latest.clone()).collect()
    }

    /// All violations, newest first.
    pub fn newest_first(&self) -> Vec<Violation> {
        self.inner.lock().entries.values().rev().cloned().collect()
    }
}

impl Inner {
    fn record(&mut self, transition: &Transition) -> Vec<Piece> {
        let number = *self.number_of.entry(transition.violation.clone()).or_insert_with(|| {
            self.next += 1;
            self.next
        });
        self.forget_state(number);
        self.note_state(number, transition);
        let new = || Violation { latest: transition.clone(), changes: Vec::new(), samples: Vec::new() };
        let violation = self.entries.entry(number).or_insert_with(new);
        violation.latest.clone_from(transition);
        if violation.changes.len() >= CHANGES_MAX {
            violation.changes.remove(1);
        }
        violation.changes.push(Change {
            at: transition.evaluated_at,
            state: transition.state,
            severity: transition.severity.clone(),
            flapping: transition.flapping,
            values: transition.values.clone(),
        });
        let mut pieces: Vec<Piece> = self.piece(number).into_iter().collect();
        if self.entries.len() > VIOLATIONS_MAX {
            let oldest = self.resolved.first().or_else(|| self.entries.keys().next()).copied();
            pieces.extend(oldest.and_then(|number| self.remove(number)));
        }
        pieces
    }

    fn piece(&self, number: u64) -> Option<Piece> {
        let violation = self.entries.get(&number)?.clone();
        let key = violation.latest.violation.clone();
        Some(Piece::json(Section::Violations, key, &WrittenViolation { number, violation }))
    }

    fn note_state(&mut self, number: u64, transition: &Transition) {
        match transition.state {
            State::Pending => drop(self.pending.entry(transition.rule.clone()).or_default().insert(number)),
            State::Resolved => drop(self.resolved.insert(number)),
            State::Firing | State::NoData | State::Error => {}
        }
    }

    fn remove(&mut self, number: u64) -> Option<Piece> {
        self.forget_state(number);
        let entry = self.entries.remove(&number)?;
        self.number_of.remove(&entry.latest.violation);
        Some(Piece::forget(Section::Violations, entry.latest.violation))
    }

    fn forget_state(&mut self, number: u64) {
        self.resolved.remove(&number);
        let Some(rule) = self.entries.get(&number).map(|entry| &entry.latest.rule) else { return };
        if let Some(pending) = self.pending.get_mut(rule) {
            pending.remove(&number);
            if pending.is_empty() {
                self.pending.remove(rule);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use flyball_model::Reading;
    use flyball_rules::definition::from_str;
    use flyball_rules::evaluate::{Outcome, Row};
    use flyball_rules::lifecycle::{Evaluation, RuleState};

    use super::*;

    #[test]
    fn changes_are_bounded_and_outlive_the_process_with_the_samples() {
        let file = from_str("f", "groups:\n- {name: g, rules: [{rule: R, sql: x}]}\n").expect("a good rule");
        let rule = &file.groups[0].rules[0];
        let (mut state, history, mut piece) = (RuleState::new(rule), ViolationHistory::default(), None);
        for second in 0..30 {
            let severity = Some(if second % 2 == 0 { "warning" } else { "critical" }.to_owned());
            let values = BTreeMap::from([("load".to_owned(), f64::from(second))]);
            let row = Row { severity, values, ..Row::default() };
            let at = Reading::at(UnixNanos::from_secs(i64::from(second)));
            for transition in state.step(rule, Evaluation::of(&Outcome::Rows(vec![row]), at, None)) {
                piece = history.record(&transition).pop();
                if transition.before == 0 {
                    let sample = Sample { time: at.now, value: 1.5, labels: BTreeMap::new() };
                    piece = history.note_samples(&transition.violation, vec![sample]);
                }
            }
        }
        let violation = history.newest_first().remove(0);
        let values: Vec<_> = violation.changes.iter().map(|change| change.values["load"]).collect();
        assert_eq!(values[..2], [0.0, 11.0]);
        assert_eq!((values.len(), values[19], violation.samples.len()), (20, 29.0, 1));
        let changes: Value = serde_json::from_str(&violation.changes_json()).expect("JSON");
        let last = json!({"at": "1970-01-01T00:00:29Z", "flapping": false, "severity": "critical", "state": "firing", "values": {"load": 29.0}});
        assert_eq!(changes[19], last);
        let samples: Value = serde_json::from_str(&violation.samples_json()).expect("JSON");
        assert_eq!(samples, json!([{"labels": {}, "time": "1970-01-01T00:00:00Z", "value": 1.5}]));
        let written = piece.and_then(|piece| piece.value).expect("a piece");
        let read = serde_json::from_slice(&written).expect("it was written so");
        assert_eq!(ViolationHistory::recover([read]).newest_first(), [violation]);
        assert!(history.note_samples("another", Vec::new()).is_none());
    }
}
