//! Violations as they were: the rows of `flyball.violations`, newest first, each with its changes and the samples that made it fire. They
//! outlive the process: each change gives the pieces to put. While a violation is silenced its row goes on, and says what backends were told of it
//! last: when the silence is over one look says what they must hear.

mod violation;

use std::collections::{BTreeMap, BTreeSet};

use flyball_model::event::{Acknowledgement, State, Transition};
use flyball_model::state::{Piece, Section};
use flyball_rules::evaluate::Sample;
use flyball_rules::lifecycle::Told;
use hashbrown::HashMap;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

pub use self::violation::Violation;
pub(crate) use self::violation::{News, gist};

/// Violations kept; the oldest resolved ones make room first.
pub(crate) const VIOLATIONS_MAX: usize = 10_000;

/// What follows from a transition.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// To be put.
    pub(crate) pieces: Vec<Piece>,
    /// What backends are to be told, if anything.
    pub(crate) tell: Option<News>,
    /// What they are to be told of a violation that had to make room before its silence was over.
    pub(crate) displaced: Option<News>,
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
    /// Those that are over, and of which nothing is held back.
    resolved: BTreeSet<u64>,
    /// Those whose latest transition is held back.
    held: BTreeSet<u64>,
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
            inner.insert(number, violation);
        }
        Self { inner: Mutex::new(inner) }
    }

    /// Takes a transition over; what follows. While it is `silenced` nobody is told, and the latest one is held back.
    #[must_use]
    pub(crate) fn record(&self, transition: &Transition, silenced: bool) -> Recorded {
        self.inner.lock().record(transition, silenced)
    }

    /// The latest transitions that are held back, those of the oldest violations first.
    pub(crate) fn held(&self) -> Vec<Transition> {
        let inner = self.inner.lock();
        inner.held.iter().filter_map(|number| inner.entries.get(number)).map(|held| held.latest.clone()).collect()
    }

    /// What was held back of a violation is told now; `None`, when nothing is.
    pub(crate) fn release(&self, violation: &str) -> Option<(Piece, News)> {
        self.inner.lock().change(violation, |violation| violation.release())
    }

    /// What backends were told of a violation last; `None`, if nothing ever was.
    pub(crate) fn told(&self, violation: &str) -> Option<Told> {
        self.inner.lock().of(violation).and_then(Violation::told)
    }

    /// Somebody takes a violation on; the piece to put and the violation. `None`, when there is none of this id.
    pub(crate) fn acknowledge(&self, violation: &str, by: Acknowledgement) -> Option<(Piece, Violation)> {
        self.inner.lock().change(violation, |violation| {
            violation.acknowledged = Some(by);
            Some(violation.clone())
        })
    }

    /// Who takes a violation on.
    pub(crate) fn acknowledged(&self, violation: &str) -> Option<Acknowledgement> {
        self.inner.lock().of(violation).and_then(|violation| violation.acknowledged.clone())
    }

    /// A violation by its id.
    pub fn get(&self, violation: &str) -> Option<Violation> {
        self.inner.lock().of(violation).cloned()
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
        let noted = self.inner.lock().change(violation, |violation| {
            violation.samples = samples;
            Some(())
        });
        noted.map(|(piece, ())| piece)
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
    fn record(&mut self, transition: &Transition, silenced: bool) -> Recorded {
        let number = *self.number_of.entry(transition.violation.clone()).or_insert_with(|| {
            self.next += 1;
            self.next
        });
        self.forget_state(number);
        let (mut violation, told) = match self.entries.remove(&number) {
            Some(known) => {
                let told = known.told();
                (known, told)
            }
            None => {
                // What is over and not known had to make room, and was told then.
                let was = Told { state: State::Firing, ..gist(transition) };
                (Violation::new(transition), Some(was).filter(|_| transition.state == State::Resolved))
            }
        };
        let tell = violation.take(transition, told, silenced);
        self.insert(number, violation);
        let mut pieces: Vec<Piece> = self.piece(number).into_iter().collect();
        let mut displaced = None;
        if self.entries.len() > VIOLATIONS_MAX {
            let oldest = self.resolved.first().or_else(|| self.entries.keys().next()).copied();
            displaced = oldest.and_then(|number| self.entries.get_mut(&number)).and_then(Violation::release);
            pieces.extend(oldest.and_then(|number| self.remove(number)));
        }
        Recorded { pieces, tell, displaced }
    }

    fn of(&self, violation: &str) -> Option<&Violation> {
        self.number_of.get(violation).and_then(|number| self.entries.get(number))
    }

    /// Changes what is known of a violation beside its state; the piece to put. `None`, when there is no such violation or no change.
    fn change<T>(&mut self, violation: &str, change: impl FnOnce(&mut Violation) -> Option<T>) -> Option<(Piece, T)> {
        let number = *self.number_of.get(violation)?;
        let changed = change(self.entries.get_mut(&number)?)?;
        self.forget_state(number);
        let violation = self.entries.remove(&number)?;
        self.insert(number, violation);
        Some((self.piece(number)?, changed))
    }

    fn piece(&self, number: u64) -> Option<Piece> {
        let violation = self.entries.get(&number)?.clone();
        let key = violation.latest.violation.clone();
        Some(Piece::json(Section::Violations, key, &WrittenViolation { number, violation }))
    }

    /// Puts a violation in its place, and with those that stand as it does.
    fn insert(&mut self, number: u64, violation: Violation) {
        let latest = &violation.latest;
        if violation.is_held() {
            self.held.insert(number);
        } else if latest.state == State::Resolved {
            self.resolved.insert(number);
        }
        if latest.state == State::Pending {
            self.pending.entry(latest.rule.clone()).or_default().insert(number);
        }
        self.entries.insert(number, violation);
    }

    fn remove(&mut self, number: u64) -> Option<Piece> {
        self.forget_state(number);
        let entry = self.entries.remove(&number)?;
        self.number_of.remove(&entry.latest.violation);
        Some(Piece::forget(Section::Violations, entry.latest.violation))
    }

    fn forget_state(&mut self, number: u64) {
        self.resolved.remove(&number);
        self.held.remove(&number);
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
    use flyball_model::UnixNanos;
    use flyball_rules::definition::from_str;
    use flyball_rules::evaluate::{Outcome, Row};
    use flyball_rules::lifecycle::{Evaluation, RuleState};
    use serde_json::{Value, json};

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
                piece = history.record(&transition, second % 3 == 0).pieces.pop();
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
