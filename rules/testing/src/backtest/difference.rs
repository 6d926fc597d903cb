//! What two versions of rules do otherwise.

use flyball_model::event::Identity;

use super::spells::{RuleOutcome, Spell};

/// What two versions of one rule do otherwise.
#[derive(Debug, Clone)]
pub struct RuleDifference {
    /// The rule's name.
    pub rule: String,
    /// It is only among the old rules, or only among the new ones.
    pub only: Option<&'static str>,
    /// What differs, by time.
    pub changes: Vec<Change>,
    /// Spells that are the same in both.
    pub same: usize,
}

impl RuleDifference {
    /// Whether something differs.
    pub fn differs(&self) -> bool {
        !self.changes.is_empty()
    }
}

/// A spell that is not the same in both.
#[derive(Debug, Clone)]
pub enum Change {
    /// Only the new version fires.
    Added(Spell),
    /// Only the old version did.
    Removed(Spell),
    /// Both fire, at times that overlap and are not the same.
    Moved {
        /// The old version's.
        old: Spell,
        /// The new version's.
        new: Spell,
    },
}

impl Change {
    /// Who it is about.
    pub fn identity(&self) -> &Identity {
        match self {
            Change::Added(spell) | Change::Removed(spell) | Change::Moved { new: spell, .. } => &spell.identity,
        }
    }
}

/// Compares rules of the same name. Spells of one instance belong together where their times overlap; each spell belongs to one other.
pub fn differences(old: &[RuleOutcome], new: &[RuleOutcome]) -> Vec<RuleDifference> {
    let named = |rules: &'_ [RuleOutcome], name: &str| rules.iter().position(|rule| rule.rule == name);
    let mut found = Vec::new();
    for rule in new {
        let before = named(old, &rule.rule).map(|place| &old[place]);
        let only = if before.is_none() { Some("new") } else { None };
        found.push(compare(&rule.rule, only, before.map_or(&[], |before| &before.spells), &rule.spells));
    }
    for rule in old.iter().filter(|rule| named(new, &rule.rule).is_none()) {
        found.push(compare(&rule.rule, Some("old"), &rule.spells, &[]));
    }
    found
}

fn compare(rule: &str, only: Option<&'static str>, old: &[Spell], new: &[Spell]) -> RuleDifference {
    let mut left: std::collections::BTreeMap<&Identity, std::collections::VecDeque<&Spell>> = Default::default();
    for spell in old {
        left.entry(&spell.identity).or_default().push_back(spell);
    }
    let (mut changes, mut same) = (Vec::new(), 0);
    for spell in new {
        // Those of one instance come in the order of time and never overlap each other.
        let of_instance = left.entry(&spell.identity).or_default();
        while let Some(before) = of_instance.pop_front_if(|before| before.end() < spell.fired_at) {
            changes.push(Change::Removed(before.clone()));
        }
        match of_instance.pop_front_if(|before| before.fired_at <= spell.end()) {
            None => changes.push(Change::Added(spell.clone())),
            Some(before) if (before.fired_at, before.resolved_at) == (spell.fired_at, spell.resolved_at) => same += 1,
            Some(before) => changes.push(Change::Moved { old: before.clone(), new: spell.clone() }),
        }
    }
    changes.extend(left.into_values().flatten().map(|before| Change::Removed(before.clone())));
    changes.sort_by_key(|change| match change {
        Change::Added(spell) | Change::Removed(spell) | Change::Moved { new: spell, .. } => spell.fired_at,
    });
    RuleDifference { rule: rule.to_owned(), only, changes, same }
}
