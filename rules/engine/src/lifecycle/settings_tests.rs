//! Timelines under `no_data: fire`, `error_for`, `flaps`, `unless`, and a severity of rows. Each is played twice: in one process, and in a
//! new one for each evaluation.

use std::collections::BTreeMap;

use flyball_model::event::{Identity, State, Transition};
use flyball_model::{Reading, UnixNanos};

use super::tests::{letter, put, read, row, rule};
use super::*;
use crate::definition::{Place, Rule, Unless};
use crate::evaluate::{Outcome, Row};

const START: i64 = 1000;

/// Two letters for what firing may be besides: `f` flapping, `C` critical.
fn word(transition: &Transition) -> char {
    match (transition.state, transition.flapping, transition.severity.as_str()) {
        (State::Firing, true, _) => 'f',
        (State::Firing, false, "critical") => 'C',
        _ => letter(transition),
    }
}

fn unless(on: &[&str]) -> Unless {
    Unless { rule: "Other".to_owned(), place: Place::start_of("f"), on: on.iter().map(|&on| on.to_owned()).collect() }
}

/// As if the rule `Other` fired for this host.
fn other(on: &[&str], host: &str) -> Inhibitors {
    let rule = rule("    labels: {zone: z}\n");
    let rows = Outcome::Rows(vec![row(host, 1.0)]);
    let firing = RuleState::new(&rule).step(&rule, Evaluation::of(&rows, Reading::at(UnixNanos(0)), None));
    let mut other = Inhibitors::default();
    other.add(&unless(on), &firing);
    other
}

/// Plays a timeline for one host, a second a character. `#` its row is there, `!` with the severity critical, `.` it is not, `s` it is not
/// and nothing was measured since, `E` an error, ` ` no evaluation; `H`, `h` and `x` are `#`, `.` and `s` while another rule holds it back.
/// Below: `P`ending, `F`iring, `C` firing as critical, `f` firing and flapping, `N` without data, `R`esolved, `E`rror.
fn check(lines: &str, seen: &str, told: &str) {
    let rule = rule(lines);
    for restarts in [false, true] {
        assert_eq!(play(&rule, seen, restarts), told.trim_end(), "\nof\n{seen}\nunder\n{lines}restarts: {restarts}");
    }
}

fn play(rule: &Rule, seen: &str, restarts: bool) -> String {
    let held_back = other(&["host"], "a");
    let (mut state, mut pieces, mut found, mut sample_at) =
        (RuleState::new(rule), BTreeMap::new(), String::new(), None);
    for (second, c) in seen.chars().enumerate() {
        let at = Reading::at(UnixNanos::from_secs(second as i64 + START));
        if !matches!(c, 's' | 'x') {
            sample_at = Some(at.now);
        }
        let severity = (c == '!').then(|| "critical".to_owned());
        let outcome = match c {
            '#' | '!' | 'H' => Outcome::Rows(vec![Row { severity, ..row("a", 1.0) }]),
            '.' | 's' | 'h' | 'x' => Outcome::Rows(Vec::new()),
            'E' => Outcome::Error("the query failed".to_owned()),
            _ => {
                found.push(' ');
                continue;
            }
        };
        let inhibitors = matches!(c, 'H' | 'h' | 'x').then_some(&held_back);
        let transitions = state.step(rule, Evaluation { inhibitors, ..Evaluation::of(&outcome, at, sample_at) });
        let words: String = transitions.iter().map(word).collect();
        found.push_str(if words.is_empty() { " " } else { &words });
        put(&mut pieces, state.take_changes(rule));
        if restarts {
            let recovered = read(&pieces).pop();
            state =
                recovered.map_or_else(|| RuleState::new(rule), |recovered| recovered.resume(rule).expect("it fits"));
        }
    }
    found.trim_end().to_owned()
}

#[test]
fn silence_fires_after_its_time_and_resolves_when_data_is_back() {
    let fire = "    no_data: fire\n    no_data_after: 3s\n";
    // Nothing was wrong; then nothing was measured.
    check(fire, "..sssss..", "    N  R");
    // What fired is without data, and fires again, or resolves when its row does not come back.
    check(fire, ".#sssss#.", " F  N  FR");
    check(fire, ".#sssss..", " F  N  R");
    check(fire, ".#ss#s.ss.", " F    R");
    // What is pending is without data too; it begins anew.
    check(&format!("    for: 2s\n{fire}"), ".#sssss###.", " P  N  RP FR");
    check(fire, "sssssss", "");
    // A silence that comes back is told again.
    check(fire, "#ssss#ssss.", "F  N F  N R");
}

#[test]
fn an_error_is_told_when_it_has_lasted() {
    let lines = "    error_for: 3s\n";
    check(lines, ".EE.EEEEE..", "       E R");
    check(lines, ".E     E.", "       ER");
    check(lines, "#EE.", "F  R");
}

#[test]
fn what_flaps_stays_firing_and_says_so_until_it_is_calm() {
    let lines = "    flaps: {max: 3, within: 10s}\n";
    // F R F, and the next change would be one too many. Ten seconds of calm end it.
    check(lines, "#.#.#.#.#...........", "FRFf               R");
    // Calm with its row there, it fires as others do.
    check(lines, "#.#.############...", "FRFf          F R");
    // An old change does not count.
    check(lines, "#.       #.#.#.", "FR       FRFf");
}

#[test]
fn rows_say_how_grave_they_are_and_a_change_is_told_anew() {
    check("", "##!!#.", "F C FR");
    check("    severity: critical\n", "#!#.", "C  R");
    check("    for: 2s\n", "#!!#.", "P CFR");
}

#[test]
fn nothing_fires_beside_the_rule_that_holds_it_back() {
    check("", ".HHH##.", "    F R");
    check("", ".HHHh..", "");
    // The wait goes on meanwhile, and what is there when the other ends fires at once.
    check("    for: 2s\n", ".HHHH#.", "     FR");
    check("    for: 3s\n", ".#HHHH#.", " P    FR");
    check("    for: 3s\n", ".HH##.", "   PFR");
    // What fires keeps its state; nothing new is told of it but its end.
    check("", "#HH#.", "F   R");
    check("", "#HhH.", "F R");
    check("    no_data: fire\n    no_data_after: 2s\n", ".#xxxx#.", " F     R");
    // The silence of all tables is nobody's in particular, and has no label to be held back by.
    check("    no_data: fire\n    no_data_after: 2s\n", ".xxxxss.", "  N    R");
}

#[test]
fn labels_say_whom_another_rule_holds_back() {
    let rule = rule("    labels: {team: shop}\n");
    let holds = |inhibitors: &Inhibitors, identity: &[(&str, &str)]| {
        let identity: Identity = identity.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        inhibitors.hold_back(&rule, &identity)
    };
    assert!(holds(&other(&["host"], "a"), &[("host", "a"), ("pod", "p")]));
    assert!(!holds(&other(&["host"], "a"), &[("host", "b")]));
    assert!(!holds(&other(&["host"], "a"), &[("pod", "p")]), "without the label nothing is equal");
    assert!(!holds(&other(&["pod"], "a"), &[("pod", "p")]), "neither when the other has none");
    assert!(holds(&other(&[], "a"), &[("pod", "p")]));
    assert!(holds(&other(&["host", "zone"], "a"), &[("host", "a"), ("zone", "z")]));
    assert!(!holds(&other(&["host", "zone"], "a"), &[("host", "a"), ("zone", "y")]));
    assert!(!holds(&Inhibitors::default(), &[("host", "a")]));
}

#[test]
fn what_is_told_anew_counts_how_often_it_was() {
    let rule = rule("");
    let mut state = RuleState::new(&rule);
    let mut counts = Vec::new();
    for (second, severity) in (0..).zip(["a", "b", "b", "a"]) {
        let rows = Outcome::Rows(vec![Row { severity: Some(severity.to_owned()), ..row("a", 1.0) }]);
        for told in state.step(&rule, Evaluation::of(&rows, Reading::at(UnixNanos::from_secs(second)), None)) {
            counts.push((told.severity, told.before, told.violation));
        }
    }
    assert!(counts.iter().all(|(_, _, violation)| *violation == counts[0].2));
    let counts: Vec<_> = counts.iter().map(|(severity, before, _)| (severity.as_str(), *before)).collect();
    assert_eq!(counts, [("a", 0), ("b", 1), ("a", 2)]);
}

/// One evaluation with a look at groups: what is told, host by host.
fn look(state: &mut RuleState, rule: &Rule, second: i64, rows: &[&str], groups: &[(&str, i64)]) -> String {
    let at = Reading::at(UnixNanos::from_secs(second));
    let outcome = Outcome::Rows(rows.iter().map(|host| row(host, 1.0)).collect());
    let found: Vec<_> = groups.iter().map(|(host, at)| (row(host, 0.0).identity, UnixNanos::from_secs(*at))).collect();
    let evaluation = Evaluation { groups: GroupsSeen::Found(&found), ..Evaluation::of(&outcome, at, Some(at.now)) };
    let told = state.step(rule, evaluation);
    let words: Vec<_> = told.iter().map(|told| format!("{}{}", letter(told), told.identity["host"])).collect();
    words.join(" ")
}

#[test]
fn a_group_whose_series_went_silent_is_told_though_the_table_is_not_silent() {
    let rule = rule("    no_data: fire\n    no_data_after: 3s\n");
    let mut state = RuleState::new(&rule);
    // c has been silent for long when flyball starts to look, and is known to have been.
    assert_eq!(look(&mut state, &rule, 100, &["a"], &[("a", 100), ("b", 100), ("c", 90)]), "Fa Nc");
    assert_eq!(look(&mut state, &rule, 102, &[], &[("a", 100), ("b", 102)]), "", "a is held by its own silence");
    assert_eq!(look(&mut state, &rule, 103, &[], &[("a", 100), ("b", 103)]), "Na");
    assert_eq!(state.status(&rule).silent, 2);
    assert_eq!(
        look(&mut state, &rule, 104, &["b"], &[("a", 104), ("b", 104)]),
        "Ra Fb",
        "a is back and its row is not"
    );
    assert_eq!(look(&mut state, &rule, 105, &["b", "c"], &[("a", 105), ("b", 105), ("c", 105)]), "Rc Fc");
    assert_eq!(look(&mut state, &rule, 106, &["c"], &[("a", 106), ("b", 106), ("c", 106)]), "Rb");
    // Rows that belong to no group: these are not the rule's groups, and the tables alone are looked at.
    assert_eq!(look(&mut state, &rule, 107, &["c", "x"], &[("a", 107), ("b", 107), ("c", 107)]), "Fx");
    assert_eq!(look(&mut state, &rule, 120, &["c", "x"], &[("a", 107), ("b", 107), ("c", 107)]), "");
}

#[test]
fn a_silent_group_outlives_the_process_and_is_forgotten_after_a_day() {
    let rule = rule("    no_data: fire\n    no_data_after: 3s\n");
    let (mut state, mut pieces) = (RuleState::new(&rule), BTreeMap::new());
    look(&mut state, &rule, 100, &[], &[("a", 100), ("b", 100)]);
    assert_eq!(look(&mut state, &rule, 103, &[], &[("a", 100), ("b", 103)]), "Na");
    put(&mut pieces, state.take_changes(&rule));
    let mut state = read(&pieces).pop().expect("a state").resume(&rule).expect("it fits");
    assert_eq!(look(&mut state, &rule, 104, &[], &[("b", 104)]), "");
    let day = 24 * 3600;
    assert_eq!(look(&mut state, &rule, 102 + day, &[], &[("b", 102 + day)]), "");
    assert_eq!(look(&mut state, &rule, 103 + day, &[], &[("b", 103 + day)]), "Ra");
    put(&mut pieces, state.take_changes(&rule));
    assert!(pieces.is_empty());
}

#[test]
fn groups_are_looked_at_from_time_to_time_and_when_a_row_is_gone() {
    let rule = rule("    no_data: fire\n    no_data_after: 40s\n");
    let mut state = RuleState::new(&rule);
    let rows = |hosts: &[&str]| Outcome::Rows(hosts.iter().map(|host| row(host, 1.0)).collect());
    let asks = |state: &RuleState, hosts: &[&str], second: i64| {
        state.asks_for_groups(&rule, &rows(hosts), Reading::at(UnixNanos::from_secs(second)))
    };
    assert!(asks(&state, &["a"], 100));
    look(&mut state, &rule, 100, &["a"], &[("a", 100)]);
    assert!(!asks(&state, &["a"], 109) && asks(&state, &["a"], 110));
    assert!(asks(&state, &[], 101) && !asks(&state, &["a", "b"], 101));
    let plain = self::rule("");
    assert!(!RuleState::new(&plain).asks_for_groups(&plain, &rows(&[]), Reading::at(UnixNanos(0))));
}

#[test]
fn after_an_absence_nothing_is_without_data_until_senders_had_time_to_come_back() {
    let rule = rule("    no_data: fire\n    no_data_after: 3s\n");
    let mut state = RuleState::new(&rule);
    state.hold(UnixNanos::from_secs(110));
    assert_eq!(look(&mut state, &rule, 100, &[], &[("a", 50)]), "");
    assert_eq!(look(&mut state, &rule, 109, &[], &[("a", 50)]), "");
    assert_eq!(look(&mut state, &rule, 110, &[], &[("a", 50)]), "Na");
}

#[test]
fn a_rule_that_is_gone_resolves_what_was_told_and_leaves_no_changes_behind() {
    let rule = rule("    no_data: fire\n    no_data_after: 3s\n    flaps: {max: 4, within: 1h}\n    error_for: 1h\n");
    let (mut state, mut pieces) = (RuleState::new(&rule), BTreeMap::new());
    look(&mut state, &rule, 100, &["a"], &[("a", 100), ("b", 90)]);
    let failed = Outcome::Error("x".to_owned());
    state.step(&rule, Evaluation::of(&failed, Reading::at(UnixNanos::from_secs(101)), None));
    put(&mut pieces, state.take_changes(&rule));
    let now = UnixNanos::from_secs(102);
    let told: String = state.retire(&rule, now).iter().map(letter).collect();
    assert_eq!(told, "RR", "an error that was not told has no end to be told");
    let (told, changes) = read(&pieces).pop().expect("a state").retire(now);
    assert_eq!(told.len(), 2);
    put(&mut pieces, changes);
    assert!(pieces.is_empty());
}
