//! Violations as they were: the rows of `flyball.violations`, newest first. They outlive the process: each change gives the pieces to put.

use std::collections::{BTreeMap, BTreeSet};

use flyball_model::event::{State, Transition};
use flyball_model::state::{Piece, Section};
use hashbrown::HashMap;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// Violations kept; the oldest resolved ones make room first.
pub(crate) const VIOLATIONS_MAX: usize = 10_000;

/// A piece of [`Section::Violations`]; its key is the violation's id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WrittenViolation {
    /// Its place in the order in which violations began.
    number: u64,
    /// Its latest transition.
    transition: Transition,
}

/// The history of violations; one entry a violation, brought up to date as its state changes.
#[derive(Debug, Default)]
pub struct ViolationHistory {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By number, in the order in which they began.
    entries: BTreeMap<u64, Transition>,
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
        for WrittenViolation { number, transition } in written {
            inner.next = inner.next.max(number);
            inner.number_of.insert(transition.violation.clone(), number);
            inner.note_state(number, &transition);
            inner.entries.insert(number, transition);
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

    /// All violations, newest first.
    pub fn newest_first(&self) -> Vec<Transition> {
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
        let written = WrittenViolation { number, transition: transition.clone() };
        let mut pieces = vec![Piece::json(Section::Violations, transition.violation.as_str(), &written)];
        self.entries.insert(number, written.transition);
        if self.entries.len() > VIOLATIONS_MAX {
            let oldest = self.resolved.first().or_else(|| self.entries.keys().next()).copied();
            pieces.extend(oldest.and_then(|number| self.remove(number)));
        }
        pieces
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
        self.number_of.remove(&entry.violation);
        Some(Piece::forget(Section::Violations, entry.violation))
    }

    fn forget_state(&mut self, number: u64) {
        self.resolved.remove(&number);
        let Some(rule) = self.entries.get(&number).map(|entry| &entry.rule) else { return };
        if let Some(pending) = self.pending.get_mut(rule) {
            pending.remove(&number);
            if pending.is_empty() {
                self.pending.remove(rule);
            }
        }
    }
}
