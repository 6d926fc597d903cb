//! A violation in the words of Alertmanager's `postableAlert`.

use std::collections::BTreeMap;

use flyball_model::event::{State, Transition};
use flyball_model::time::UnixNanos;
use serde::Serialize;

/// What tells a rule's own error from its violations: both are alerts of one name.
const ERROR_LABEL: (&str, &str) = ("flyball_state", "error");

/// One alert. Alertmanager knows it by its labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Alert {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<&'static str, String>,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: String,
}

impl Alert {
    /// The alert of a violation. While it fires it is taken for over at `until`, unless it is sent again before.
    pub(crate) fn of(transition: &Transition, until: UnixNanos, external_url: &str) -> Self {
        let mut labels: BTreeMap<String, String> = transition
            .labels
            .iter()
            // An empty label is an absent one.
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (label_name(name), value.clone()))
            .collect();
        labels.insert("alertname".to_owned(), transition.rule.clone());
        labels.insert("severity".to_owned(), transition.severity.clone());
        if transition.failure {
            labels.insert(ERROR_LABEL.0.to_owned(), ERROR_LABEL.1.to_owned());
        }
        let starts_at = transition.fired_at.unwrap_or(transition.active_at);
        let ends_at = match transition.state {
            State::Resolved => transition.resolved_at.unwrap_or(transition.evaluated_at).max(starts_at),
            _ => until,
        };
        Self {
            labels,
            annotations: transition.annotations().into_iter().map(|(name, text)| (name, text.to_owned())).collect(),
            starts_at: starts_at.to_string(),
            ends_at: ends_at.to_string(),
            generator_url: format!("{}/api/v1/violations/{}", external_url.trim_end_matches('/'), transition.violation),
        }
    }
}

/// A column's name as a label's name: `Deployment Name` becomes `Deployment_Name`.
fn label_name(column: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    let name: String = column.chars().map(keep).collect();
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::fixture::{now, transition};

    fn json(transition: &Transition) -> serde_json::Value {
        let until = now().plus(std::time::Duration::from_secs(240));
        serde_json::to_value(Alert::of(transition, until, "http://edge-1:8480/")).expect("plain")
    }

    #[test]
    fn a_violation_is_an_alert_until_it_is_not_sent_again() {
        let expected = serde_json::json!({
            "labels": {"alertname": "HighLatency", "severity": "critical", "cluster": "a", "team": "shop"},
            "annotations": {"summary": "a answers in 0.41 s"},
            "startsAt": "2026-01-01T00:00:10Z",
            "endsAt": "2026-01-01T00:04:10Z",
            "generatorURL": "http://edge-1:8480/api/v1/violations/v1",
        });
        assert_eq!(json(&transition("v1", State::Firing)), expected);
    }

    #[test]
    fn a_resolved_one_ends_when_it_did_and_keeps_its_labels() {
        let (firing, resolved) = (json(&transition("v1", State::Firing)), json(&transition("v1", State::Resolved)));
        assert_eq!((&resolved["endsAt"], &resolved["labels"]), (&"2026-01-01T00:01:10Z".into(), &firing["labels"]));
        let early = Transition { resolved_at: Some(UnixNanos(0)), ..transition("v1", State::Resolved) };
        assert_eq!(json(&early)["endsAt"], json(&early)["startsAt"], "nothing ends before it began");
    }

    #[test]
    fn an_error_and_its_end_are_one_alert_and_no_violation() {
        let error = Transition { fired_at: None, ..transition("v1", State::Error) };
        let end = Transition { fired_at: None, failure: true, ..transition("v1", State::Resolved) };
        assert_eq!(json(&error)["labels"], json(&end)["labels"]);
        assert_eq!(json(&error)["labels"]["flyball_state"], "error");
        assert_eq!(json(&error)["startsAt"], "2026-01-01T00:00:00Z");
    }

    #[test]
    fn what_is_without_data_is_the_alert_that_fired_or_would_have() {
        for fired_at in [None, Some(now())] {
            let of = |state| json(&Transition { fired_at, ..transition("v1", state) });
            assert_eq!(of(State::NoData)["labels"], json(&transition("v1", State::Firing))["labels"]);
            assert_eq!(of(State::NoData)["labels"], of(State::Resolved)["labels"]);
        }
    }

    #[test]
    fn names_of_columns_become_names_of_labels() {
        for (column, label) in
            [("host", "host"), ("Deployment Name", "Deployment_Name"), ("1st", "_1st"), ("", "_"), ("größe", "gr__e")]
        {
            assert_eq!(label_name(column), label);
        }
        let mut odd = transition("v1", State::Firing);
        odd.labels.insert("empty".into(), String::new());
        assert_eq!(json(&odd)["labels"].get("empty"), None);
    }
}
