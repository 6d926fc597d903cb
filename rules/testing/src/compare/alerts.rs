//! Alerts: all that is pending, firing or in error must be expected, and all that is expected must be.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use flyball_model::event::{State, Transition};

use super::pair::{nearest, pair};
use super::words::{alike, braced, has_all, numbers, same_number};
use super::{Failure, Line, Mark, failure};
use crate::run::Stage;
use crate::test::Alert;

pub(super) fn compare(at: Duration, wanted: &[Alert], stage: &Stage) -> Option<Failure> {
    let mut found = stage.active();
    let active = found.len();
    found.extend(ended(stage));
    let pairs = pair(wanted.len(), found.len(), &|one, other| fits(&wanted[one], &found[other]));
    let mut left: Vec<usize> = (0..found.len()).filter(|place| !pairs.contains(&Some(*place))).collect();
    let (mut lines, mut rules, mut notes) = (Vec::new(), BTreeSet::new(), Vec::new());
    for (alert, pair) in wanted.iter().zip(pairs) {
        let expected = wanted_text(alert);
        let beside = pair.or_else(|| nearest(&left, |place| likeness(alert, &found[place])));
        let mark = match (pair, beside) {
            (Some(_), _) => Mark::Same,
            (None, Some(_)) => Mark::Differs,
            (None, None) => Mark::Missing,
        };
        if mark != Mark::Same {
            rules.insert(alert.rule.clone());
            notes.extend(note(alert, stage));
        }
        left.retain(|place| Some(*place) != beside);
        let found = beside.map(|place| found_text(&found[place], Some(alert))).unwrap_or_default();
        lines.push(Line { mark, expected, found });
    }
    for place in left.into_iter().filter(|&place| place < active) {
        rules.insert(found[place].rule.clone());
        lines.push(Line { mark: Mark::Unexpected, expected: String::new(), found: found_text(&found[place], None) });
    }
    notes.dedup();
    failure(at, "alerts", lines, rules, notes)
}

/// What has resolved and did not begin anew: of each thing the latest.
fn ended(stage: &Stage) -> Vec<Transition> {
    let active = stage.active();
    let mut seen: HashSet<_> = active.iter().map(|alert| (alert.rule.as_str(), &alert.identity)).collect();
    let mut ended = Vec::new();
    for transition in stage.resolved().iter().rev() {
        if seen.insert((transition.rule.as_str(), &transition.identity)) {
            ended.push(transition.clone());
        }
    }
    ended
}

fn fits(wanted: &Alert, found: &Transition) -> bool {
    wanted.rule == found.rule
        && wanted.state == found.state
        && has_all(&found.labels, &wanted.labels)
        && wanted
            .values
            .iter()
            .all(|(name, &value)| found.values.get(name).is_some_and(|&found| same_number(found, value)))
        && wanted.summary.as_ref().is_none_or(|summary| *summary == found.summary)
        && wanted.severity.as_ref().is_none_or(|severity| *severity == found.severity)
}

/// How much what was found is like what was expected; nothing of another rule is.
fn likeness(wanted: &Alert, found: &Transition) -> Option<usize> {
    let labels = alike(&found.labels, &wanted.labels);
    let comparable =
        wanted.rule == found.rule && (labels > 0 || wanted.labels.is_empty() || found.state == State::Error);
    comparable.then_some(2 * labels + usize::from(wanted.state == found.state))
}

fn wanted_text(alert: &Alert) -> String {
    let mut text = format!("{}{} {}", alert.rule, braced(&alert.labels), alert.state.as_str());
    text.push_str(&numbers(&alert.values));
    if let Some(severity) = &alert.severity {
        text.push_str(&format!(" severity={severity}"));
    }
    if let Some(summary) = &alert.summary {
        text.push_str(&format!(" \"{summary}\""));
    }
    text
}

/// An alert with what was expected of it, if that is known.
fn found_text(alert: &Transition, wanted: Option<&Alert>) -> String {
    let mut text = format!("{}{} {}", alert.rule, braced(&alert.labels), alert.state.as_str());
    text.push_str(&numbers(&alert.values));
    if wanted.is_some_and(|wanted| wanted.severity.is_some()) {
        text.push_str(&format!(" severity={}", alert.severity));
    }
    if alert.state == State::Error {
        text.push_str(&format!(": {}", alert.summary));
    } else if wanted.is_some_and(|wanted| wanted.summary.is_some()) {
        text.push_str(&format!(" \"{}\"", alert.summary));
    }
    text
}

/// Why a rule may have found nothing.
fn note(alert: &Alert, stage: &Stage) -> Option<String> {
    if !stage.has(&alert.rule) {
        return Some(format!("{} takes no part: the test's 'rules' do not name it", alert.rule));
    }
    let table = stage.waits_for(&alert.rule)?;
    Some(format!("{} waits for the first point of the table '{table}': no input has given it one", alert.rule))
}
