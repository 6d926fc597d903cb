//! Rules that are held back by labels (`unless`) which violations don't have.

use std::collections::{BTreeSet, HashMap};

use arrow::datatypes::Schema;
use flyball_yaml::nearest;

use super::codes::UNLESS_LABEL;
use crate::definition::{Problem, Rule, RuleSet, Unless};
use crate::evaluate::ColumnKind;

/// The labels that violations of a rule may have; `None` where a map has some that only the data knows.
pub(super) fn labels(rule: &Rule, schema: &Schema) -> Option<BTreeSet<String>> {
    let mut labels: BTreeSet<String> = rule.labels.keys().cloned().collect();
    for field in schema.fields() {
        match ColumnKind::of_column(field.name(), field.data_type()) {
            ColumnKind::Identity => {
                labels.insert(field.name().clone());
            }
            ColumnKind::IdentityMap => return None,
            _ => {}
        }
    }
    Some(labels)
}

/// Notes items of `unless` that can never hold anything back. `known` are the labels of those rules of which they are known.
pub(super) fn check(rules: &RuleSet, known: &HashMap<&str, BTreeSet<String>>, problems: &mut Vec<Problem>) {
    for (_, rule) in rules.rules() {
        problems.extend(rule.unless.iter().filter_map(|unless| finding(rule, unless, known)));
    }
}

fn finding(rule: &Rule, unless: &Unless, known: &HashMap<&str, BTreeSet<String>>) -> Option<Problem> {
    let sides = [rule.name.as_str(), unless.rule.as_str()].map(|name| (name, known.get(name)));
    let without = |label: &str| -> Vec<String> {
        let lacking = sides.iter().filter(|(_, labels)| labels.is_some_and(|labels| !labels.contains(label)));
        lacking.map(|(name, _)| format!("'{name}'")).collect()
    };
    let mut lacking = unless.on.iter().map(|label| (label, without(label)));
    let (label, names) = lacking.find(|(_, names)| !names.is_empty())?;
    let message = format!("no violation of {} has a label '{label}', so this holds nothing back", names.join(" or "));
    let meant = match sides {
        [(_, Some(own)), (_, Some(others))] => nearest(label, own.intersection(others).map(String::as_str)),
        _ => None,
    };
    let hint = match meant {
        Some(meant) => format!("did you mean '{meant}'?"),
        None => format!("select {label} in both rules, or name a label that both have"),
    };
    Some(Problem::warning(unless.place.clone(), message).hint(hint).code(UNLESS_LABEL))
}
