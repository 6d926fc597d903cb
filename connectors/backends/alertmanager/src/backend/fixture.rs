//! A violation, and its event.

use std::collections::BTreeMap;
use std::time::Duration;

use flyball_model::event::{Event, EventKind, State, Transition};
use flyball_model::time::UnixNanos;

/// When it fired.
pub(crate) fn now() -> UnixNanos {
    UnixNanos::from_secs(1_767_225_610)
}

/// A violation in this state; resolved after a minute.
pub(crate) fn transition(violation: &str, state: State) -> Transition {
    let texts = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    Transition {
        version: "b1946ac9".into(),
        identity: texts(&[("cluster", "a")]),
        labels: texts(&[("cluster", "a"), ("team", "shop")]),
        failure: state == State::Error,
        severity: "critical".into(),
        values: BTreeMap::from([("latency_s".into(), 0.41)]),
        summary: "a answers in 0.41 s".into(),
        active_at: UnixNanos::from_secs(1_767_225_600),
        fired_at: Some(now()),
        resolved_at: (state == State::Resolved).then(|| now().plus(Duration::from_secs(60))),
        ..Transition::bare(violation, "HighLatency", state, now())
    }
}

/// The event that tells of it; it expires after five minutes.
pub(crate) fn event(violation: &str, state: State) -> Event {
    Event {
        id: format!("{violation}-{}", state.as_str()),
        kind: EventKind::Violation(state),
        transition: transition(violation, state),
        action: None,
        expires_at: now().plus(Duration::from_secs(300)),
        acknowledged: None,
    }
}
