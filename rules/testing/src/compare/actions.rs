//! Actions: every request must be expected, and every one that is expected must have been made. What backends are merely told is looked
//! at only where it is named.

use std::collections::BTreeSet;
use std::time::Duration;

use flyball_model::action::ActionKind;
use flyball_model::event::EventKind;
use serde_json::Value;

use super::pair::{nearest, pair};
use super::words::{braced, has_all, numbers, same_number};
use super::{Failure, Line, Mark, failure};
use crate::run::Asked;
use crate::test::Action;

pub(super) fn compare(at: Duration, wanted: &[Action], asked: &[Asked]) -> Option<Failure> {
    let pairs = pair(wanted.len(), asked.len(), &|one, other| fits(&wanted[one], &asked[other]));
    let mut left: Vec<usize> = (0..asked.len()).filter(|place| !pairs.contains(&Some(*place))).collect();
    let (mut lines, mut rules) = (Vec::new(), BTreeSet::new());
    for (action, pair) in wanted.iter().zip(pairs) {
        let beside = pair.or_else(|| nearest(&left, |place| likeness(action, &asked[place])));
        let mark = match (pair, beside) {
            (Some(_), _) => Mark::Same,
            (None, Some(_)) => Mark::Differs,
            (None, None) => Mark::Missing,
        };
        if mark != Mark::Same {
            rules.extend(action.rule.clone());
            rules.extend(beside.map(|place| asked[place].planned.event.transition.rule.clone()));
        }
        left.retain(|place| Some(*place) != beside);
        let found = beside.map(|place| found_text(&asked[place])).unwrap_or_default();
        lines.push(Line { mark, expected: wanted_text(action), found });
    }
    for place in left.into_iter().filter(|&place| asked[place].is_request()) {
        rules.insert(asked[place].planned.event.transition.rule.clone());
        lines.push(Line { mark: Mark::Unexpected, expected: String::new(), found: found_text(&asked[place]) });
    }
    failure(at, "actions", lines, rules, Vec::new())
}

fn fits(wanted: &Action, asked: &Asked) -> bool {
    let event = &asked.planned.event;
    let common = wanted.backend == asked.planned.backend
        && wanted.rule.as_ref().is_none_or(|rule| *rule == event.transition.rule)
        && asked.planned.suppressed.is_none();
    if !common {
        return false;
    }
    match &event.action {
        Some(action) => {
            action.action == wanted.action
                && has_all(&action.target, &wanted.target)
                && wanted.params.iter().all(|(name, &value)| {
                    action.params.get(name).and_then(Value::as_f64).is_some_and(|found| same_number(found, value))
                })
        }
        None => wanted.action == ActionKind::Notify && event.kind == EventKind::Violation(wanted.state),
    }
}

/// How much something asked is like what was expected: of the same backend, and a request beside a request.
fn likeness(wanted: &Action, asked: &Asked) -> Option<usize> {
    let event = &asked.planned.event;
    let told = event.action.is_none();
    let comparable = wanted.backend == asked.planned.backend && told == (wanted.action == ActionKind::Notify);
    let same_rule = wanted.rule.as_ref().is_none_or(|rule| *rule == event.transition.rule);
    let same_action = event.action.as_ref().is_none_or(|action| action.action == wanted.action);
    comparable.then_some(usize::from(same_rule) + usize::from(same_action))
}

fn wanted_text(wanted: &Action) -> String {
    let mut text = format!("{} {}", wanted.backend, wanted.action.as_str());
    if wanted.action == ActionKind::Notify {
        text.push_str(&format!(" {}", wanted.state.as_str()));
    }
    if !wanted.target.is_empty() {
        text.push_str(&format!(" {}", braced(&wanted.target)));
    }
    text.push_str(&numbers(&wanted.params));
    if let Some(rule) = &wanted.rule {
        text.push_str(&format!(" by {rule}"));
    }
    text
}

fn found_text(asked: &Asked) -> String {
    let event = &asked.planned.event;
    let mut text = asked.planned.backend.clone();
    match &event.action {
        Some(action) => {
            text.push_str(&format!(" {} {}", action.action.as_str(), braced(&action.target)));
            let numbers_of = action.params.iter().filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)));
            text.push_str(&numbers(&numbers_of.collect()));
        }
        None => text.push_str(&format!(" notify {}", event.kind.as_str())),
    }
    text.push_str(&format!(" by {}", event.transition.rule));
    if let Some(why) = &asked.planned.suppressed {
        text.push_str(&format!(", held back: {why}"));
    }
    text
}
