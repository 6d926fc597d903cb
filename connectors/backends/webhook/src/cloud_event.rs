//! The body: a CloudEvent 1.0 in structured JSON. Fields stand in the order of docs/events.md; times that are not known are
//! left out.

use std::collections::BTreeMap;

use bytes::Bytes;
use flyball_model::event::{Acknowledgement, Action, Event};
use flyball_model::time::UnixNanos;
use serde::{Serialize, Serializer};

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    #[serde(rename = "type")]
    kind: String,
    subject: String,
    #[serde(serialize_with = "rfc_3339")]
    time: UnixNanos,
    datacontenttype: &'static str,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    rule: &'a str,
    rule_version: &'a str,
    state: &'static str,
    severity: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    flapping: bool,
    labels: &'a BTreeMap<String, String>,
    /// JSON has no NaN and no infinities: they are null.
    values: &'a BTreeMap<String, f64>,
    summary: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    runbook: Option<&'a str>,
    #[serde(serialize_with = "rfc_3339")]
    active_at: UnixNanos,
    #[serde(serialize_with = "rfc_3339_if_known", skip_serializing_if = "Option::is_none")]
    fired_at: Option<UnixNanos>,
    #[serde(serialize_with = "rfc_3339_if_known", skip_serializing_if = "Option::is_none")]
    resolved_at: Option<UnixNanos>,
    #[serde(serialize_with = "rfc_3339")]
    evaluated_at: UnixNanos,
    #[serde(serialize_with = "rfc_3339_if_known", skip_serializing_if = "Option::is_none")]
    sample_at: Option<UnixNanos>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a Action>,
    #[serde(serialize_with = "rfc_3339")]
    expires_at: UnixNanos,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged: Option<Acknowledged<'a>>,
}

/// Who has taken the violation on.
#[derive(Serialize)]
struct Acknowledged<'a> {
    #[serde(serialize_with = "rfc_3339")]
    at: UnixNanos,
    by: &'a str,
    comment: &'a str,
}

impl<'a> From<&'a Acknowledgement> for Acknowledged<'a> {
    fn from(Acknowledgement { at, by, comment }: &'a Acknowledgement) -> Self {
        Self { at: *at, by, comment }
    }
}

fn rfc_3339<S: Serializer>(time: &UnixNanos, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

fn rfc_3339_if_known<S: Serializer>(time: &Option<UnixNanos>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}

/// The bytes to post. The same event gives the same bytes, so every try of it carries one body.
pub(crate) fn cloud_event(event: &Event, source: &str) -> Bytes {
    let transition = &event.transition;
    let cloud_event = CloudEvent {
        specversion: "1.0",
        id: &event.id,
        source,
        kind: event.kind.to_string(),
        subject: event.subject(),
        time: transition.evaluated_at,
        datacontenttype: "application/json",
        data: Data {
            rule: &transition.rule,
            rule_version: &transition.version,
            state: transition.state.as_str(),
            severity: &transition.severity,
            flapping: transition.flapping,
            labels: &transition.labels,
            values: &transition.values,
            summary: &transition.summary,
            runbook: transition.runbook.as_deref(),
            active_at: transition.active_at,
            fired_at: transition.fired_at,
            resolved_at: transition.resolved_at,
            evaluated_at: transition.evaluated_at,
            sample_at: transition.sample_at,
            action: event.action.as_ref(),
            expires_at: event.expires_at,
            acknowledged: event.acknowledged.as_ref().map(Acknowledged::from),
        },
    };
    serde_json::to_vec(&cloud_event).expect("keys are strings and no serializer of these types fails").into()
}

#[cfg(test)]
mod tests {
    use flyball_model::event::{EventKind, State};

    use super::*;
    use crate::backend::fixture;

    #[test]
    fn a_request_is_as_interface_md_has_it() {
        let body = cloud_event(&fixture::request(), "/flyball/edge-1");
        let expected = concat!(
            r#"{"specversion":"1.0","id":"9f2c0000000000000000000000000001","source":"/flyball/edge-1","#,
            r#""type":"flyball.remediation.requested","subject":"HighLatency/cluster=a,deployment=web","#,
            r#""time":"2026-01-01T00:00:10Z","datacontenttype":"application/json","data":{"rule":"HighLatency","#,
            r#""rule_version":"b1946ac9","state":"firing","severity":"critical","#,
            r#""labels":{"cluster":"a","deployment":"web","team":"shop"},"values":{"latency_s":0.41},"#,
            r#""summary":"web on a answers in 0.41 s","active_at":"2026-01-01T00:00:00Z","#,
            r#""fired_at":"2026-01-01T00:00:10Z","evaluated_at":"2026-01-01T00:00:10Z","#,
            r#""sample_at":"2026-01-01T00:00:09.5Z","action":{"id":"9f2c0000000000000000000000000001","step":0,"#,
            r#""attempt":1,"action":"scale_out","backend":"ops","#,
            r#""target":{"kind":"Deployment","name":"web","namespace":"shop"},"#,
            r#""params":{"factor":1.5,"max":25,"min":2}},"expires_at":"2026-01-01T00:05:10Z"}}"#,
        );
        assert_eq!(String::from_utf8_lossy(&body), expected);
    }

    #[test]
    fn a_violation_has_no_action_and_leaves_unknown_times_out() {
        let mut event = fixture::request();
        event.kind = EventKind::Violation(State::Pending);
        event.action = None;
        event.transition.state = State::Pending;
        event.transition.fired_at = None;
        event.transition.sample_at = None;
        event.transition.values.insert("ratio".into(), f64::NAN);
        let body: serde_json::Value =
            serde_json::from_slice(&cloud_event(&event, "/flyball/edge-1")).expect("it is JSON");
        assert_eq!(body["type"], "flyball.violation.pending");
        assert_eq!(body["data"]["values"]["ratio"], serde_json::Value::Null);
        let fields: Vec<&str> = body["data"].as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(
            fields,
            [
                "rule",
                "rule_version",
                "state",
                "severity",
                "labels",
                "values",
                "summary",
                "active_at",
                "evaluated_at",
                "expires_at"
            ]
        );
    }

    #[test]
    fn a_rules_runbook_goes_along() {
        let mut event = fixture::request();
        event.transition.runbook = Some("Restart it.".into());
        let body: serde_json::Value =
            serde_json::from_slice(&cloud_event(&event, "/flyball/edge-1")).expect("it is JSON");
        assert_eq!(body["data"]["runbook"], "Restart it.");
    }

    #[test]
    fn an_acknowledged_violation_says_by_whom() {
        let mut event = fixture::request();
        let at = event.transition.evaluated_at;
        event.acknowledged = Some(Acknowledgement { at, by: "ada".into(), comment: "on it".into() });
        let body: serde_json::Value =
            serde_json::from_slice(&cloud_event(&event, "/flyball/edge-1")).expect("it is JSON");
        let expected = serde_json::json!({"at": "2026-01-01T00:00:10Z", "by": "ada", "comment": "on it"});
        assert_eq!(body["data"]["acknowledged"], expected);
    }

    #[test]
    fn a_resolved_violation_says_when() {
        let mut event = fixture::request();
        event.kind = EventKind::Violation(State::Resolved);
        event.transition.state = State::Resolved;
        event.transition.resolved_at = Some(event.transition.evaluated_at);
        let body: serde_json::Value =
            serde_json::from_slice(&cloud_event(&event, "/flyball/edge-1")).expect("it is JSON");
        assert_eq!(body["data"]["resolved_at"], "2026-01-01T00:00:10Z");
    }
}
