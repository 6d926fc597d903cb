use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

const NOW: UnixNanos = UnixNanos::from_secs(1_767_225_610);

fn backend(name: &str) -> BackendInfo {
    BackendInfo { name: name.into(), actions: ActionKind::ALL.to_vec(), events: EventKind::ALL.to_vec() }
}

fn step(backend: &str, action: ActionKind, target: &str) -> ActionStep {
    let target = if target.is_empty() { BTreeMap::new() } else { BTreeMap::from([("name".into(), target.into())]) };
    ActionStep {
        backend: backend.into(),
        action,
        target,
        params: BTreeMap::from([("factor".into(), 1.5.into()), ("max".into(), 25.into())]),
        settle: Duration::from_secs(60),
        attempts: 2,
    }
}

fn transition(state: State, steps: &[ActionStep]) -> Transition {
    Transition {
        version: "b1946ac9".into(),
        identity: BTreeMap::from([("deployment".into(), "web".into())]),
        labels: BTreeMap::from([("deployment".into(), "web".into())]),
        severity: "critical".into(),
        values: BTreeMap::from([("latency_s".into(), 0.41)]),
        summary: "slow".into(),
        active_at: NOW.minus(Duration::from_secs(10)),
        fired_at: (state != State::Pending).then_some(NOW),
        steps: steps.to_vec(),
        ..Transition::bare("0123456789abcdef0123456789abcdef", "HighLatency", state, NOW)
    }
}

/// One line an event: backend, type, what is asked, and why it is held back.
fn lines(planned: &[Planned]) -> Vec<String> {
    planned
        .iter()
        .map(|planned| {
            let mut line = format!("{} {}", planned.backend, planned.event.kind);
            if let Some(action) = &planned.event.action {
                line += &format!(" step {} {}", action.step, action.action.as_str());
            }
            if let Some(why) = &planned.suppressed {
                line += &format!(": {why}");
            }
            line
        })
        .collect()
}

fn check(state: State, steps: &[ActionStep], backends: &[BackendInfo], expected: &[&str]) {
    let mut planner = Planner::new(ActionLimits::default());
    assert_eq!(lines(&planner.plan(&transition(state, steps), backends, Reading::at(NOW))), expected, "{state:?}");
}

#[test]
fn every_backend_of_a_rule_is_told_once_and_only_the_first_rung_is_requested_when_it_fires() {
    let steps = [
        step("ops", ActionKind::Notify, ""),
        step("k8s", ActionKind::ScaleOut, "web"),
        step("k8s", ActionKind::ScaleOut, "proxy"),
        step("ops", ActionKind::ScaleIn, "batch"),
    ];
    let backends = [backend("ops"), backend("k8s"), backend("unused")];
    check(
        State::Firing,
        &steps,
        &backends,
        &[
            "ops flyball.violation.firing",
            "k8s flyball.violation.firing",
            "k8s flyball.remediation.requested step 1 scale_out",
        ],
    );
    for state in [State::Pending, State::Resolved, State::NoData, State::Error] {
        let word = state.as_str();
        let told = [format!("ops flyball.violation.{word}"), format!("k8s flyball.violation.{word}")];
        check(state, &steps, &backends, &told.each_ref().map(String::as_str));
    }
}

#[test]
fn notify_requests_nothing() {
    check(State::Firing, &[step("ops", ActionKind::Notify, "")], &[backend("ops")], &["ops flyball.violation.firing"]);
    check(State::Firing, &[], &[backend("ops")], &[]);
}

#[test]
fn events_that_a_backend_does_not_want_are_not_made() {
    let narrow = BackendInfo {
        events: vec![EventKind::Violation(State::Firing), EventKind::RemediationRequested],
        ..backend("ops")
    };
    let steps = [step("ops", ActionKind::ScaleOut, "web")];
    check(State::Pending, &steps, std::slice::from_ref(&narrow), &[]);
    check(
        State::Firing,
        &steps,
        &[narrow],
        &["ops flyball.violation.firing", "ops flyball.remediation.requested step 0 scale_out"],
    );
}

#[test]
fn what_no_backend_can_take_is_held_back_with_the_reason() {
    check(
        State::Firing,
        &[step("osp", ActionKind::ScaleOut, "web")],
        &[backend("ops"), backend("k8s")],
        &[
            "osp flyball.violation.firing: no backend 'osp' is configured; configured are: ops, k8s",
            "osp flyball.remediation.requested step 0 scale_out: no backend 'osp' is configured; configured are: ops, k8s",
        ],
    );
    check(
        State::Pending,
        &[step("ops", ActionKind::Notify, "")],
        &[],
        &["ops flyball.violation.pending: no backend 'ops' is configured; configured are: none"],
    );
    check(
        State::Firing,
        &[step("ops", ActionKind::ScaleOut, "web")],
        &[BackendInfo { actions: vec![ActionKind::Notify], ..backend("ops") }],
        &[
            "ops flyball.violation.firing",
            "ops flyball.remediation.requested step 0 scale_out: backend 'ops' can't scale_out; address the action to one that can",
        ],
    );
    check(
        State::Firing,
        &[step("ops", ActionKind::ScaleOut, "web")],
        &[BackendInfo { events: vec![EventKind::Violation(State::Firing)], ..backend("ops") }],
        &[
            "ops flyball.violation.firing",
            "ops flyball.remediation.requested step 0 scale_out: backend 'ops' takes no requests; add 'requested' to its events",
        ],
    );
}

#[test]
fn two_rules_share_the_cooldown_of_a_target_and_both_tell_of_their_violations() {
    let mut planner = Planner::new(ActionLimits::default());
    let steps = [step("ops", ActionKind::ScaleOut, "web")];
    let first = planner.plan(&transition(State::Firing, &steps), &[backend("ops")], Reading::at(NOW));
    assert!(first.iter().all(|planned| planned.suppressed.is_none()));

    let other = Transition { rule: "HighLoad".into(), violation: "f".repeat(32), ..transition(State::Firing, &steps) };
    // The clock was set forwards by an hour meanwhile.
    let later = Reading { now: NOW.plus(Duration::from_secs(3620)), steady: NOW.plus(Duration::from_secs(20)) };
    assert_eq!(
        lines(&planner.plan(&other, &[backend("ops")], later)),
        [
            "ops flyball.violation.firing",
            "ops flyball.remediation.requested step 0 scale_out: backend 'ops' was asked to act on name=web 20s ago; limits_of_action.per_target_cooldown is 60s",
        ]
    );
}

#[test]
fn the_eleventh_request_within_a_minute_is_held_back_and_notifications_are_not() {
    let mut planner = Planner::new(ActionLimits::default());
    let planned: Vec<Planned> = (0..11)
        .flat_map(|i| {
            let steps = [step("ops", ActionKind::ScaleOut, &format!("web-{i}"))];
            planner.plan(&transition(State::Firing, &steps), &[backend("ops")], Reading::at(NOW))
        })
        .collect();
    let held_back: Vec<usize> = (0..planned.len()).filter(|&i| planned[i].suppressed.is_some()).collect();
    assert_eq!(held_back, [21], "eleven pairs of event and request, the last request held back");
    assert_eq!(planned[21].suppressed, Some(Suppression::Rate { backend: "ops".into(), limit: 10 }));
}

#[test]
fn a_request_carries_the_step_as_the_rule_has_it_and_an_id_that_a_second_planner_makes_too() {
    let steps = [step("ops", ActionKind::Notify, ""), step("k8s", ActionKind::ScaleOut, "web")];
    let plan = || {
        Planner::new(ActionLimits::default()).plan(
            &transition(State::Firing, &steps),
            &[backend("ops"), backend("k8s")],
            Reading::at(NOW),
        )
    };
    let planned = plan();
    assert_eq!(planned, plan());
    let event = &planned[2].event;
    let action = event.action.as_ref().expect("a request has an action");
    assert_eq!(action.id, event.id);
    assert_eq!((action.step, action.attempt, action.backend.as_str()), (1, 1, "k8s"));
    assert_eq!((&action.target, &action.params), (&steps[1].target, &steps[1].params));
    assert_eq!(event.expires_at, NOW.plus(Duration::from_secs(300)));
    assert!(planned.iter().all(|planned| planned.event.id.len() == 32));
    assert_ne!(planned[0].event.id, planned[1].event.id, "one id a backend");
}

#[test]
fn a_plan_gives_the_first_row_of_each_event() {
    let mut planner = Planner::new(ActionLimits { per_backend_per_minute: 0, ..ActionLimits::default() });
    let steps = [step("ops", ActionKind::ScaleOut, "web")];
    let rows: Vec<RemediationRow> = planner
        .plan(&transition(State::Firing, &steps), &[backend("ops")], Reading::at(NOW))
        .iter()
        .map(Planned::row)
        .collect();
    let [told, asked] = &rows[..] else { panic!("two rows, not {rows:?}") };
    assert_eq!(
        (told.state, told.action, told.step, told.attempt),
        (RemediationState::Queued, ActionKind::Notify, None, None)
    );
    assert_eq!((told.settled_at, told.reason.as_deref()), (None, None));
    assert_eq!((asked.state, asked.action, asked.step), (RemediationState::Suppressed, ActionKind::ScaleOut, Some(0)));
    assert_eq!((asked.proposed_at, asked.executed_at, asked.settled_at), (NOW, None, Some(NOW)));
    assert!(asked.reason.as_ref().is_some_and(|reason| reason.contains("per_backend_per_minute")), "{asked:?}");
}

#[test]
fn what_is_told_anew_is_another_event_and_asks_for_nothing() {
    let steps = [step("ops", ActionKind::Notify, ""), step("k8s", ActionKind::ScaleOut, "web")];
    let backends = [backend("ops"), backend("k8s")];
    let mut planner = Planner::new(ActionLimits::default());
    let first = planner.plan(&transition(State::Firing, &steps), &backends, Reading::at(NOW));
    let graver = Transition { before: 1, severity: "critical".into(), ..transition(State::Firing, &steps) };
    let again = planner.plan(&graver, &backends, Reading::at(NOW));
    assert_eq!(lines(&again), ["ops flyball.violation.firing", "k8s flyball.violation.firing"]);
    assert!(again.iter().all(|again| first.iter().all(|first| first.event.id != again.event.id)));
}
