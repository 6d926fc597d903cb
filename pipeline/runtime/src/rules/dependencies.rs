//! Rules that wait for others (`unless`): in which order they are evaluated, and what they are told.

use flyball_model::event::{State, Transition};
use flyball_rules::definition::Rule;
use flyball_rules::lifecycle::Inhibitors;
use hashbrown::HashMap;

use crate::board::RuleBoard;

/// Which slots wait for which.
#[derive(Debug, Default)]
pub(super) struct Dependencies {
    /// Of each slot that names others: their slots.
    waits_for: HashMap<usize, Vec<usize>>,
    /// Of each slot that others name: theirs.
    holds_back: HashMap<usize, Vec<usize>>,
}

impl Dependencies {
    /// Of rules in the order of their slots. Names of rules that are not there hold nothing back.
    pub(super) fn of<'a>(rules: impl Iterator<Item = &'a Rule> + Clone) -> Self {
        let slot_of: HashMap<&str, usize> =
            rules.clone().enumerate().map(|(slot, rule)| (rule.name.as_str(), slot)).collect();
        let mut dependencies = Self::default();
        for (slot, rule) in rules.enumerate() {
            for other in rule.unless.iter().filter_map(|unless| slot_of.get(unless.rule.as_str())) {
                dependencies.waits_for.entry(slot).or_default().push(*other);
                dependencies.holds_back.entry(*other).or_default().push(slot);
            }
        }
        dependencies
    }

    /// Whether a slot has to wait for others that are due or under way (`is_busy`): it comes after them, so that it knows what they found in the
    /// same data.
    pub(super) fn waits(&self, slot: usize, is_busy: impl Fn(usize) -> bool) -> bool {
        self.waits_for.get(&slot).is_some_and(|others| others.iter().any(|&other| is_busy(other)))
    }

    /// The slots that have to be evaluated anew since this one found other things to fire.
    pub(super) fn wakes(&self, slot: usize, transitions: &[Transition]) -> &[usize] {
        let Some(held_back) = self.holds_back.get(&slot) else { return &[] };
        let turns =
            |transition: &Transition| matches!(transition.state, State::Firing | State::NoData | State::Resolved);
        if transitions.iter().any(turns) { held_back } else { &[] }
    }
}

/// What the rules that hold this one back have found; `None` if it names none.
pub(super) fn inhibitors(rule: &Rule, board: &RuleBoard) -> Option<Inhibitors> {
    if rule.unless.is_empty() {
        return None;
    }
    let mut inhibitors = Inhibitors::default();
    for unless in &rule.unless {
        if let Some(entry) = board.of(&unless.rule) {
            inhibitors.add(unless, &entry.active);
        }
    }
    Some(inhibitors)
}
