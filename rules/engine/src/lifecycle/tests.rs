//! Timelines: one character a second above, what is told below it.

use std::collections::BTreeMap;
use std::time::Duration;

use flyball_model::action::ActionKind;
use flyball_model::event::{State, Transition};
use flyball_model::state::Piece;
use flyball_model::{Reading, UnixNanos};

use super::*;
use crate::definition::{Rule, from_str};
use crate::evaluate::{INSTANCES_MAX, Outcome, Row};

pub(super) fn rule(lines: &str) -> Rule {
    let text = format!("groups:\n- name: g\n  rules:\n  - rule: R\n    sql: SELECT 1\n{lines}");
    from_str("f", &text).unwrap_or_else(|problems| panic!("{problems:?} in\n{text}")).groups.remove(0).rules.remove(0)
}

pub(super) fn row(host: &str, value: f64) -> Row {
    Row {
        identity: BTreeMap::from([("host".to_owned(), host.to_owned())]),
        values: BTreeMap::from([("load".to_owned(), value)]),
        time: None,
        severity: None,
    }
}

pub(super) fn secs(secs: i64) -> Reading {
    Reading::at(UnixNanos::from_secs(secs))
}

/// The pieces as a log keeps them.
pub(super) fn put(pieces: &mut BTreeMap<String, Vec<u8>>, changes: Changes) {
    for Piece { key, value, .. } in changes.into_pieces() {
        match value {
            Some(value) => drop(pieces.insert(key, value)),
            None => drop(pieces.remove(&key)),
        }
    }
}

/// What another process makes of the pieces.
pub(super) fn read(pieces: &BTreeMap<String, Vec<u8>>) -> Vec<Recovered> {
    recover(pieces.iter().map(|(key, value)| (key.clone(), serde_json::from_slice(value).expect("it was written so"))))
}

pub(super) fn letter(transition: &Transition) -> char {
    match transition.state {
        State::Pending => 'P',
        State::Firing => 'F',
        State::Resolved => 'R',
        State::NoData => 'N',
        State::Error => 'E',
    }
}

/// Plays a timeline for one host. `#` its row is there, `.` it is not, `s` it is not and nothing was measured since, `E` an error,
/// `W` a table without a point, ` ` no evaluation. Below: `P`ending, `F`iring, `R`esolved, `E`rror.
fn check(lines: &str, seen: &str, told: &str) {
    let rule = rule(lines);
    let mut state = RuleState::new(&rule);
    let mut found = String::new();
    let mut sample_at = None;
    for (second, c) in seen.chars().enumerate() {
        let now = UnixNanos::from_secs(second as i64 + 1000);
        if c != 's' {
            sample_at = Some(now);
        }
        let outcome = match c {
            '#' => Outcome::Rows(vec![row("a", second as f64)]),
            '.' | 's' => Outcome::Rows(Vec::new()),
            'E' => Outcome::Error("the query failed".to_owned()),
            'W' => Outcome::Waiting { table: "m".to_owned() },
            _ => {
                found.push(' ');
                continue;
            }
        };
        let transitions = state.step(&rule, Evaluation::of(&outcome, Reading::at(now), sample_at));
        let letters: String = transitions.iter().map(letter).collect();
        found.push_str(if letters.is_empty() { " " } else { &letters });
    }
    assert_eq!(found.trim_end(), told.trim_end(), "\nof\n{seen}\nunder\n{lines}");
}

#[test]
fn without_for_a_row_fires_at_once_and_resolves_when_it_is_gone() {
    check(
        "",
        "..###..#.", //
        "  F  R FR",
    );
}

#[test]
fn a_row_fires_when_it_stayed_for_as_long_as_said() {
    check(
        "    for: 3s\n",
        ".#####..", //
        " P  F R ",
    );
    check(
        "    for: 3s\n",
        ".# #  #.", // evaluations are not needed in between
        " P    FR",
    );
}

#[test]
fn a_row_that_goes_before_its_time_is_forgotten_without_a_word() {
    check(
        "    for: 3s\n",
        ".###.####.", //
        " P   P  FR",
    );
}

#[test]
fn firing_is_kept_and_a_row_that_returns_starts_the_wait_anew() {
    check(
        "    keep_firing_for: 3s\n",
        "#..#....#", //
        "F      RF",
    );
    check(
        "    for: 2s\n    keep_firing_for: 3s\n",
        "#.###.....", // pending is not kept
        "P P F   R ",
    );
}

#[test]
fn an_error_is_told_once_and_changes_no_instance() {
    // At the fourth second the error resolves and the instance fires; at the last one both resolve.
    check("    for: 3s\n", "#EE##E E.", "PE FR E  RR");
    check("", "#E.", "FERR");
}

#[test]
fn a_table_without_points_is_no_error_and_resolves_nothing() {
    check(
        "", "WW#WW.", //
        "  F  R",
    );
    check(
        "", "EW.", //
        "ER ",
    );
}

#[test]
fn silence_holds_what_is_judged_by_no_data_until_it_is_long_enough() {
    let seen = "##sssss#ss.";
    check("", seen, "F R    FR  ");
    check("    no_data: keep\n    no_data_after: 3s\n", seen, "F         R");
    check("    no_data: resolve\n    no_data_after: 3s\n", seen, "F   R  F  R");
}

#[test]
fn each_instance_has_its_own_life() {
    let rule = rule("    for: 1s\n");
    let mut state = RuleState::new(&rule);
    let mut told = Vec::new();
    for (second, hosts) in [(0, vec!["b"]), (1, vec!["a", "b"]), (2, vec!["a"]), (3, vec![])] {
        let outcome = Outcome::Rows(hosts.into_iter().map(|host| row(host, 1.0)).collect());
        for transition in state.step(&rule, Evaluation::of(&outcome, secs(second), None)) {
            told.push(format!("{second}{}{}", letter(&transition), transition.identity["host"]));
        }
    }
    assert_eq!(told, ["0Pb", "1Pa", "1Fb", "2Rb", "2Fa", "3Ra"]);
}

#[test]
fn a_transition_tells_the_whole_story() {
    let rule = rule(concat!(
        "    for: 10s\n",
        "    severity: critical\n",
        "    labels: {team: shop, host: '-'}\n",
        "    summary: '{{ host }} has load {{ load | round(1) }}'\n",
        "    remediate:\n",
        "    - {backend: k8s, action: scale_out, target: {kind: Node, name: '{{ host }}'}, by: 2, max: 9}\n",
        "    - {backend: k8s, action: scale_out, target: {kind: Node, name: '{{ zone }}'}, by: 2}\n",
    ));
    let mut state = RuleState::new(&rule);
    let at = UnixNanos::from_secs;
    let pending =
        state.step(&rule, Evaluation::of(&Outcome::Rows(vec![row("a", 7.21)]), Reading::at(at(100)), Some(at(99))));
    let firing =
        state.step(&rule, Evaluation::of(&Outcome::Rows(vec![row("a", 8.34)]), Reading::at(at(110)), Some(at(109))));
    let quiet =
        state.step(&rule, Evaluation::of(&Outcome::Rows(vec![row("a", 9.99)]), Reading::at(at(111)), Some(at(110))));
    assert!(quiet.is_empty());
    let resolved = state.step(&rule, Evaluation::of(&Outcome::Rows(vec![]), Reading::at(at(120)), Some(at(119))));
    let [pending, firing, resolved] = [pending, firing, resolved].map(|mut transitions| transitions.remove(0));

    assert_eq!(firing.summary, "a has load 8.3 (step 1 does not act: the target's 'name' is empty)");
    assert_eq!(firing.severity, "critical");
    assert_eq!(firing.identity, BTreeMap::from([("host".into(), "a".into())]));
    assert_eq!(firing.labels, BTreeMap::from([("host".into(), "-".into()), ("team".into(), "shop".into())]));
    assert_eq!((firing.active_at, firing.fired_at, firing.resolved_at), (at(100), Some(at(110)), None));
    assert_eq!((firing.evaluated_at, firing.sample_at), (at(110), Some(at(109))));
    assert_eq!((resolved.fired_at, resolved.resolved_at), (Some(at(110)), Some(at(120))));
    assert_eq!(resolved.values["load"], 9.99, "values follow while it fires");
    assert_eq!(pending.violation, firing.violation);
    assert_eq!(firing.violation, resolved.violation);
    assert_eq!(firing.violation, violation_id(&rule.version, "R", &firing.identity, at(100)));

    let steps: Vec<_> = firing.steps.iter().map(|step| (step.action, step.target.len())).collect();
    assert_eq!(steps, [(ActionKind::ScaleOut, 2), (ActionKind::Notify, 0)]);
    assert_eq!(firing.steps[0].target["name"], "a");
    assert_eq!(serde_json::Value::from_iter(firing.steps[0].params.clone()), serde_json::json!({"by": 2, "max": 9}));
}

#[test]
fn the_samples_time_is_the_rows_own_where_it_has_one() {
    let rule = rule("");
    let row = Row { time: Some(UnixNanos(5)), ..row("a", 1.0) };
    let told = RuleState::new(&rule)
        .step(&rule, Evaluation::of(&Outcome::Rows(vec![row]), Reading::at(UnixNanos(9)), Some(UnixNanos(8))));
    assert_eq!(told[0].sample_at, Some(UnixNanos(5)));
}

#[test]
fn an_error_names_everybody_and_asks_for_nothing() {
    let rule = rule("    remediate:\n    - {backend: k8s, action: scale_out, target: {kind: Node, name: n}, by: 2}\n");
    let mut state = RuleState::new(&rule);
    let began = state
        .step(&rule, Evaluation::of(&Outcome::Error("no such column".into()), Reading::at(UnixNanos(1)), None))
        .remove(0);
    assert_eq!((began.state, began.summary.as_str(), began.fired_at), (State::Error, "no such column", None));
    assert_eq!((began.steps[0].action, began.steps[0].target.len()), (ActionKind::Notify, 0));
    assert!(
        state
            .step(&rule, Evaluation::of(&Outcome::Error("something else".into()), Reading::at(UnixNanos(2)), None))
            .is_empty()
    );
    let status = state.status(&rule);
    assert_eq!((status.evaluations, status.errors, status.last_error.as_deref()), (2, 2, Some("something else")));
    assert_eq!(state.active(&rule).iter().map(|t| &t.violation).collect::<Vec<_>>(), [&began.violation]);

    let over = state.step(&rule, Evaluation::of(&Outcome::Rows(vec![]), Reading::at(UnixNanos(3)), None)).remove(0);
    assert_eq!((over.state, over.summary.as_str()), (State::Resolved, "works again after: something else"));
    assert_eq!((over.violation, over.resolved_at), (began.violation, Some(UnixNanos(3))));
    assert_eq!((state.status(&rule).last_error, state.health()), (None, Health::Ok));
}

#[test]
fn the_status_counts_what_there_is() {
    let rule = rule("    for: 1s\n");
    let mut state = RuleState::new(&rule);
    assert_eq!(state.health(), Health::Unknown);
    assert!(state.active(&rule).is_empty());
    state.step(&rule, Evaluation::of(&Outcome::Waiting { table: "m".into() }, Reading::at(UnixNanos(0)), None));
    assert_eq!(state.health(), Health::Waiting { table: "m".into() });
    state.step(&rule, Evaluation::of(&Outcome::Rows(vec![row("a", 1.0)]), secs(1), None));
    state.step(&rule, Evaluation::of(&Outcome::Rows(vec![row("a", 1.0), row("b", 1.0)]), secs(2), None));
    state.took(Duration::from_micros(7));
    let status = state.status(&rule);
    assert_eq!((status.evaluations, status.errors, status.instances, status.firing), (3, 0, 2, 1));
    assert_eq!((status.last_duration, status.health), (Duration::from_micros(7), Health::Ok));
    assert_eq!(state.active(&rule).iter().map(letter).collect::<String>(), "FP");
}

#[test]
fn instances_beyond_the_cap_are_left_out_and_the_rule_says_so_until_there_is_room() {
    let rule = rule("    keep_firing_for: 10s\n");
    let mut state = RuleState::new(&rule);
    let hosts = |from: usize, to: usize| Outcome::Rows((from..to).map(|n| row(&format!("h{n}"), 1.0)).collect());
    assert_eq!(state.step(&rule, Evaluation::of(&hosts(0, INSTANCES_MAX), secs(0), None)).len(), INSTANCES_MAX);
    // All others are still kept, so the newcomers find no room.
    let told = state.step(&rule, Evaluation::of(&hosts(INSTANCES_MAX, INSTANCES_MAX + 2), secs(1), None));
    assert_eq!(told.iter().map(letter).collect::<String>(), "E");
    assert!(told[0].summary.contains("2 more rows were left out"), "{}", told[0].summary);
    let told = state.step(&rule, Evaluation::of(&hosts(INSTANCES_MAX, INSTANCES_MAX + 2), secs(11), None));
    assert_eq!(told.len(), INSTANCES_MAX + 3, "those kept resolve, the two fire, the error is over");
    assert_eq!(state.health(), Health::Ok);
}

#[test]
fn a_state_goes_on_after_a_reload_when_the_meaning_is_the_same() {
    let before = rule("    for: 2s\n    summary: one\n");
    let mut state = RuleState::new(&before);
    state.step(&before, Evaluation::of(&Outcome::Rows(vec![row("a", 1.0)]), secs(0), None));
    let mut pieces = BTreeMap::new();
    put(&mut pieces, state.take_changes(&before));
    let mut state = read(&pieces).remove(0).resume(&before).expect("the same rule");
    let after = rule("    for: 2s\n    summary: two\n");
    assert!(state.fits(&after) && !state.fits(&rule("    for: 3s\n")));
    let told = state.step(&after, Evaluation::of(&Outcome::Rows(vec![row("a", 1.0)]), secs(2), None));
    assert_eq!((letter(&told[0]), told[0].summary.as_str(), told[0].active_at), ('F', "two", UnixNanos(0)));
}

#[test]
fn a_rule_that_is_gone_resolves_what_it_fired() {
    let rule = rule("    for: 1s\n");
    let mut state = RuleState::new(&rule);
    state.step(&rule, Evaluation::of(&Outcome::Rows(vec![row("a", 1.0)]), secs(0), None));
    state.step(&rule, Evaluation::of(&Outcome::Rows(vec![row("a", 1.0), row("b", 1.0)]), secs(1), None));
    state.step(&rule, Evaluation::of(&Outcome::Error("x".into()), secs(2), None));
    let told = state.retire(&rule, UnixNanos::from_secs(3));
    let hosts: Vec<_> = told.iter().map(|told| (letter(told), told.identity.get("host").map(String::as_str))).collect();
    assert_eq!(hosts, [('R', Some("a")), ('R', None)]);
}

#[test]
fn a_rule_without_instances_leaves_nothing_behind() {
    let rule = rule("    for: 1s\n");
    let (mut state, mut pieces) = (RuleState::new(&rule), BTreeMap::new());
    let mut counts = Vec::new();
    let outcomes = [
        Outcome::Rows(vec![]),
        Outcome::Rows(vec![row("a", 1.0)]),
        Outcome::Rows(vec![row("a", 1.0), row("b", 1.0)]),
        Outcome::Error("x".into()),
        Outcome::Rows(vec![row("b", 1.0)]),
        Outcome::Rows(vec![]),
    ];
    for (second, outcome) in (0..).zip(outcomes) {
        state.step(&rule, Evaluation::of(&outcome, secs(second), None));
        put(&mut pieces, state.take_changes(&rule));
        counts.push(pieces.len());
    }
    // Two for the rule itself, one for each instance and one for the error.
    assert_eq!(counts, [0, 3, 4, 5, 3, 0]);
}

#[test]
fn only_what_changed_is_written() {
    let rule = rule("");
    let mut state = RuleState::new(&rule);
    let mut changed = |rows: Vec<Row>, second: i64, sample: i64| {
        state.step(&rule, Evaluation::of(&Outcome::Rows(rows), secs(second), Some(UnixNanos::from_secs(sample))));
        let changes = state.take_changes(&rule);
        (changes.first.len(), changes.violations.len(), changes.last.len())
    };
    assert_eq!(changed(vec![row("a", 1.0), row("b", 1.0)], 10, 10), (1, 2, 1));
    assert_eq!(changed(vec![row("a", 1.0), row("b", 1.0)], 11, 10), (0, 0, 0), "nothing was measured");
    assert_eq!(changed(vec![row("a", 1.0), row("b", 2.0)], 12, 12), (0, 1, 1), "one has another value");
    assert_eq!(changed(vec![row("b", 2.0)], 13, 12), (0, 1, 0), "one is over");
    assert_eq!(changed(vec![], 14, 12), (0, 1, 2));
}

#[test]
fn a_rule_that_is_gone_after_a_restart_resolves_what_it_fired_and_tells_the_same_backends() {
    let rule = rule(
        "    labels: {team: shop}\n    severity: critical\n    remediate:\n    - {backend: ops, action: notify}\n",
    );
    let (mut state, mut pieces) = (RuleState::new(&rule), BTreeMap::new());
    let fired = state.step(&rule, Evaluation::of(&Outcome::Rows(vec![row("a", 0.1)]), secs(1), None)).remove(0);
    let error = state.step(&rule, Evaluation::of(&Outcome::Error("x".into()), secs(2), None)).remove(0);
    put(&mut pieces, state.take_changes(&rule));
    let recovered = read(&pieces).remove(0);
    assert_eq!(recovered.violations().collect::<Vec<_>>(), [fired.violation.clone(), error.violation.clone()]);
    let recovered = recovered.resume(&self::rule("    for: 1s\n")).expect_err("it means something else now");
    let (told, changes) = recovered.retire(UnixNanos::from_secs(9));
    put(&mut pieces, changes);
    assert!(pieces.is_empty());
    for (told, before) in told.iter().zip([&fired, &error]) {
        assert_eq!(
            (&told.violation, told.state, &told.severity),
            (&before.violation, State::Resolved, &before.severity)
        );
        assert_eq!((&told.labels, &told.values, told.steps.len()), (&before.labels, &before.values, 1));
        assert_eq!((told.fired_at, told.resolved_at), (before.fired_at, Some(UnixNanos::from_secs(9))));
    }
    assert_eq!(told.len(), 2);
}

#[test]
fn a_clock_that_is_set_fires_and_resolves_nothing_early() {
    const HOUR: i64 = 3600;
    let lines = "    for: 10s\n    keep_firing_for: 10s\n    no_data: resolve\n    no_data_after: 10s\n";
    for set in [-5 * HOUR, 5 * HOUR] {
        let rule = rule(lines);
        let mut state = RuleState::new(&rule);
        let mut step = |second: i64, present: bool, sample: i64| {
            let wall = if second > 100 { second + set } else { second };
            let at = Reading { now: UnixNanos::from_secs(wall), steady: UnixNanos::from_secs(second) };
            let rows = if present { vec![row("a", 1.0)] } else { vec![] };
            let told = state.step(&rule, Evaluation::of(&Outcome::Rows(rows), at, Some(UnixNanos::from_secs(sample))));
            told.iter().map(letter).collect::<String>()
        };
        // It began before the clock was set, and fires ten seconds of steady time after.
        let told = [step(100, true, 100), step(101, true, 101), step(109, true, 109), step(110, true, 110)];
        assert_eq!(told, ["P", "", "", "F"], "set by {set} s");
        // It is gone because nothing is measured: after ten seconds of silence its ten seconds of grace begin.
        let told = [step(111, false, 110), step(119, false, 110), step(121, false, 110), step(130, false, 110)];
        assert_eq!(told, ["", "", "", ""], "set by {set} s");
        assert_eq!(step(131, false, 110), "R", "set by {set} s");
    }
}

#[test]
fn while_a_state_is_held_what_is_gone_ends_nothing_and_what_is_there_fires() {
    let rule = rule("    for: 2s\n");
    let mut state = RuleState::new(&rule);
    state.hold(UnixNanos::from_secs(5));
    let mut told = String::new();
    for (second, present) in [(0, true), (1, false), (2, true), (3, false), (4, false), (5, false)] {
        let rows = if present { vec![row("a", 1.0)] } else { vec![] };
        told.push_str(&second.to_string());
        told.extend(state.step(&rule, Evaluation::of(&Outcome::Rows(rows), secs(second), None)).iter().map(letter));
    }
    assert_eq!(told, "0P12F345R");
}
