//! Violations as they were: the rows of `flyball.violations`, newest first.

use std::collections::{BTreeMap, BTreeSet};

use flyball_model::event::{State, Transition};
use hashbrown::HashMap;
use parking_lot::Mutex;

/// Violations kept; the oldest resolved ones make room first.
pub(crate) const VIOLATIONS_MAX: usize = 10_000;

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
    /// Takes a transition over.
    pub fn record(&self, transition: &Transition) {
        self.inner.lock().record(transition);
    }

    /// What of a rule is pending, firing or in error after an evaluation. A pending violation that is not among it ended before it
    /// fired, which nobody is told of, and leaves no trace.
    pub fn keep_pending(&self, rule: &str, active: &[Transition]) {
        let mut inner = self.inner.lock();
        let Some(pending) = inner.pending.get(rule) else { return };
        let still: BTreeSet<u64> =
            active.iter().filter_map(|transition| inner.number_of.get(&transition.violation).copied()).collect();
        let ended: Vec<u64> = pending.difference(&still).copied().collect();
        for number in ended {
            inner.remove(number);
        }
    }

    /// All violations, newest first.
    pub fn newest_first(&self) -> Vec<Transition> {
        self.inner.lock().entries.values().rev().cloned().collect()
    }
}

impl Inner {
    fn record(&mut self, transition: &Transition) {
        let number = *self.number_of.entry(transition.violation.clone()).or_insert_with(|| {
            self.next += 1;
            self.next
        });
        self.forget_state(number);
        match transition.state {
            State::Pending => drop(self.pending.entry(transition.rule.clone()).or_default().insert(number)),
            State::Resolved => drop(self.resolved.insert(number)),
            State::Firing | State::NoData | State::Error => {}
        }
        self.entries.insert(number, transition.clone());
        if self.entries.len() > VIOLATIONS_MAX {
            let oldest = self.resolved.first().or_else(|| self.entries.keys().next()).copied();
            oldest.into_iter().for_each(|number| self.remove(number));
        }
    }

    fn remove(&mut self, number: u64) {
        self.forget_state(number);
        if let Some(entry) = self.entries.remove(&number) {
            self.number_of.remove(&entry.violation);
        }
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
