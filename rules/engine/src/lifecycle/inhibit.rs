//! What other rules found, for rules that must not fire beside it (`unless`).

use std::collections::{BTreeMap, HashSet};

use flyball_model::event::{Identity, State, Transition, identity_text};

use crate::definition::{Rule, Unless};

/// For each item of a rule's `unless`, the labels of the other rule's instances that hold this one back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inhibitors {
    items: Vec<Item>,
}

/// The labels `on` of every instance, as text. Without labels it is the empty text, once there is any instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Item {
    on: Vec<String>,
    found: HashSet<String>,
}

impl Inhibitors {
    /// Adds what another rule found. Its instances that fire count, and those that are told as being without data: a node that went silent is
    /// as good as one that is down.
    pub fn add<'a>(&mut self, unless: &Unless, active: impl IntoIterator<Item = &'a Transition>) {
        let active = active.into_iter().filter(|other| matches!(other.state, State::Firing | State::NoData));
        let found = active.filter_map(|other| key(&unless.on, |label| other.labels.get(label)));
        self.items.push(Item { on: unless.on.clone(), found: found.collect() });
    }

    /// Whether an instance of `rule` is held back now.
    pub(super) fn hold_back(&self, rule: &Rule, identity: &Identity) -> bool {
        let label = |name: &str| rule.labels.get(name).or_else(|| identity.get(name));
        self.items
            .iter()
            .filter(|item| !item.found.is_empty())
            .any(|item| key(&item.on, label).is_some_and(|key| item.found.contains(&key)))
    }
}

/// The labels as one text; `None` if one is missing: what has no such label is equal to nothing.
fn key<'a>(on: &[String], label: impl Fn(&str) -> Option<&'a String>) -> Option<String> {
    let labels: Option<BTreeMap<String, String>> =
        on.iter().map(|name| Some((name.clone(), label(name)?.clone()))).collect();
    Some(identity_text(&labels?))
}
