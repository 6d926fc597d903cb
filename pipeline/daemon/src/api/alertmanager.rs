//! As much of Alertmanager's API v2 as its clients need to look at alerts and to silence them: `amtool --alertmanager.url` works. Errors
//! are JSON strings here, as in Alertmanager.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use flyball_model::UnixNanos;
use flyball_model::event::Transition;
use flyball_remediation::silence::{Matcher, SilenceError, label_of};
use flyball_runtime::Alert;
use serde_json::{Value, json};

use super::Shared;
use super::silences::{Postable, Refused, push_filter, truth};

/// An alert that is not sent again counts as resolved after so long in Alertmanager, unless configured otherwise. Here it is what
/// `endsAt` shows, which Alertmanager requires: flyball itself knows what fires.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(300);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.status, Json(self.message)).into_response()
    }
}

/// `GET /api/v2/silences`
pub(crate) async fn silences(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Response {
    shared.silences(query.as_deref()).into_response()
}

/// `POST /api/v2/silences`
pub(crate) async fn make(State(shared): State<Shared>, wanted: Result<Json<Postable>, JsonRejection>) -> Response {
    shared.make_silence(wanted).await.into_response()
}

/// `GET /api/v2/silence/{id}`
pub(crate) async fn silence(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    shared.silence(&id).into_response()
}

/// `DELETE /api/v2/silence/{id}`
pub(crate) async fn expire(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    shared.expire_silence(&id).await.into_response()
}

/// `GET /api/v2/alerts`
pub(crate) async fn alerts(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Response {
    let now = shared.clock.now();
    let wanted = match Wanted::read(query.as_deref()) {
        Ok(wanted) => wanted,
        Err(refused) => return refused.into_response(),
    };
    let alerts = shared.runtime.alerts(now);
    let mut alerts: Vec<Value> =
        alerts.iter().filter(|alert| wanted.has(alert)).map(|alert| shown(alert, now)).collect();
    alerts.sort_by_cached_key(|alert| alert["fingerprint"].to_string());
    Json(alerts).into_response()
}

/// `?filter=host="a"&active=true&silenced=true&receiver=ops`; nothing is inhibited or unprocessed here.
struct Wanted {
    filter: Vec<Matcher>,
    receiver: Option<Matcher>,
    active: bool,
    silenced: bool,
}

impl Wanted {
    fn read(query: Option<&str>) -> Result<Self, Refused> {
        let mut wanted = Self { filter: Vec::new(), receiver: None, active: true, silenced: true };
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "filter" => push_filter(&mut wanted.filter, &value)?,
                "receiver" => {
                    wanted.receiver = Some(Matcher::new("receiver", &value, true, true).map_err(SilenceError::from)?);
                }
                "active" => wanted.active = truth(&name, &value)?,
                "silenced" => wanted.silenced = truth(&name, &value)?,
                _ => {}
            }
        }
        Ok(wanted)
    }

    fn has(&self, Alert { transition, silenced_by, .. }: &Alert) -> bool {
        let state = if silenced_by.is_empty() { self.active } else { self.silenced };
        state
            && self.filter.iter().all(|matcher| matcher.matches(label_of(transition, matcher.name())))
            && self
                .receiver
                .as_ref()
                .is_none_or(|receiver| receivers(transition).iter().any(|name| receiver.matches(name)))
    }
}

/// Whom the violation's rule tells.
fn receivers(transition: &Transition) -> BTreeSet<&str> {
    transition.steps.iter().map(|step| step.backend.as_str()).collect()
}

/// Alertmanager's `gettableAlert`; who takes it on stands among the annotations.
fn shown(Alert { transition, acknowledged, silenced_by }: &Alert, now: UnixNanos) -> Value {
    let mut labels: BTreeMap<&str, &str> = transition.labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    labels.retain(|_, value| !value.is_empty());
    labels.extend([("alertname", transition.rule.as_str()), ("severity", transition.severity.as_str())]);
    let mut annotations = transition.annotations();
    if let Some(by) = acknowledged {
        annotations.extend([("acknowledged_by", by.by.as_str()), ("acknowledged_comment", by.comment.as_str())]);
    }
    json!({
        "annotations": annotations,
        "endsAt": now.plus(RESOLVE_TIMEOUT).to_string(),
        "fingerprint": fingerprint(&labels),
        "receivers": receivers(transition).into_iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
        "startsAt": transition.fired_at.unwrap_or(transition.active_at).to_string(),
        "status": {
            "inhibitedBy": [],
            "silencedBy": silenced_by,
            "state": if silenced_by.is_empty() { "active" } else { "suppressed" },
        },
        "updatedAt": transition.evaluated_at.to_string(),
        "generatorURL": format!("/api/v1/violations/{}", transition.violation),
        "labels": labels,
    })
}

/// The fingerprint of a label set as Prometheus' programs have it: FNV-1a over names and values, each ended by 0xff.
fn fingerprint(labels: &BTreeMap<&str, &str>) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let bytes = labels.iter().flat_map(|(name, value)| [name.as_bytes(), &[0xff], value.as_bytes(), &[0xff]]).flatten();
    let hash = bytes.fold(OFFSET, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    format!("{hash:016x}")
}
