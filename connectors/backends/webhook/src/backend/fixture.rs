//! The event that docs/events.md shows.

use std::collections::BTreeMap;

use flyball_model::action::ActionKind;
use flyball_model::event::{Action, Event, EventKind, State, Transition};
use flyball_model::time::UnixNanos;

fn time(text: &str) -> UnixNanos {
    text.parse().expect("RFC 3339")
}

fn texts<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// When [`request`] was made.
pub(crate) fn now() -> UnixNanos {
    time("2026-01-01T00:00:10Z")
}

/// A `flyball.remediation.requested` that expires five minutes after [`now`].
pub(crate) fn request() -> Event {
    let id = "9f2c0000000000000000000000000001";
    Event {
        id: id.into(),
        kind: EventKind::RemediationRequested,
        transition: Transition {
            version: "b1946ac9".into(),
            identity: texts([("cluster", "a"), ("deployment", "web")]),
            labels: texts([("cluster", "a"), ("deployment", "web"), ("team", "shop")]),
            severity: "critical".into(),
            values: BTreeMap::from([("latency_s".into(), 0.41)]),
            summary: "web on a answers in 0.41 s".into(),
            active_at: time("2026-01-01T00:00:00Z"),
            fired_at: Some(now()),
            sample_at: Some(time("2026-01-01T00:00:09.5Z")),
            ..Transition::bare("0123456789abcdef0123456789abcdef", "HighLatency", State::Firing, now())
        },
        action: Some(Action {
            id: id.into(),
            step: 0,
            attempt: 1,
            action: ActionKind::ScaleOut,
            backend: "ops".into(),
            target: texts([("kind", "Deployment"), ("namespace", "shop"), ("name", "web")]),
            params: BTreeMap::from([
                ("factor".into(), 1.5.into()),
                ("min".into(), 2.into()),
                ("max".into(), 25.into()),
            ]),
        }),
        expires_at: time("2026-01-01T00:05:10Z"),
        acknowledged: None,
    }
}
