//! The state machine against a naive model: at each evaluation the model looks through the whole past again.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use flyball_model::event::State;
use flyball_model::{Reading, UnixNanos};
use proptest::prelude::*;

use super::tests::{letter, put, read, row, rule};
use super::{Evaluation, Inhibitors, RuleState};
use crate::definition::{Place, Unless, format_duration};
use crate::evaluate::Outcome;

const HOSTS: [&str; 3] = ["a", "b", "c"];

/// One evaluation: milliseconds since the last one, and what it saw; bit n is the presence of the nth host.
#[derive(Debug, Clone)]
enum Seen {
    /// Whether another rule holds everything back.
    Rows(u8, bool),
    Waiting,
    Error,
}

fn evaluations() -> impl Strategy<Value = Vec<(u64, Seen)>> {
    let seen = prop_oneof![
        8 => (0u8..8, prop::bool::weighted(0.2)).prop_map(|(bits, held)| Seen::Rows(bits, held)),
        1 => Just(Seen::Waiting),
        2 => Just(Seen::Error),
    ];
    proptest::collection::vec((1u64..4000, seen), 1..60)
}

fn millis(at: UnixNanos) -> u64 {
    at.as_millis() as u64
}

/// What an evaluation saw of one host.
#[derive(Debug, Clone, Copy)]
struct Sight {
    at: u64,
    present: bool,
    held_back: bool,
}

/// What the past of one host says now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Now {
    firing: bool,
    active_at: u64,
    told: bool,
}

/// What the past of one host (the evaluations that succeeded) says now.
fn model(past: &[Sight], for_: u64, keep: u64) -> Option<Now> {
    let mut start = 0;
    loop {
        // The next episode begins where the row first appears.
        let begin = start + past[start..].iter().position(|sight| sight.present)?;
        let active_at = past[begin].at;
        let fires = |sight: &Sight| sight.present && !sight.held_back && sight.at - active_at >= for_;
        // It ends at the first absence that lasted long enough: at once, unless it fired before.
        let end = (begin..past.len()).find(|&end| {
            let last_presence = (begin..=end).rev().find(|&n| past[n].present).expect("the episode begins with one");
            let fired = past[begin..=last_presence].iter().any(fires);
            last_presence < end && (!fired || past[end].at - past[last_presence + 1].at >= keep)
        });
        match end {
            Some(end) => start = end,
            None => {
                let firing = past[begin..].iter().any(fires);
                let told = past[begin..].iter().any(|sight| !sight.held_back);
                return Some(Now { firing, active_at, told });
            }
        }
        if past[start..].iter().all(|sight| !sight.present) {
            return None;
        }
    }
}

fn other() -> Inhibitors {
    let on_any = Unless { rule: "Other".to_owned(), place: Place::start_of("f"), on: Vec::new() };
    let rule = rule("");
    let firing = RuleState::new(&rule)
        .step(&rule, Evaluation::of(&Outcome::Rows(vec![row("z", 1.0)]), Reading::at(UnixNanos(0)), None));
    let mut other = Inhibitors::default();
    other.add(&on_any, &firing);
    other
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_state_is_what_the_whole_past_says(
        evaluations in evaluations(),
        for_ in prop_oneof![Just(0u64), 1u64..8000],
        keep in prop_oneof![Just(0u64), 1u64..8000],
        error_for in prop_oneof![Just(0u64), 1u64..8000],
    ) {
        let lines = format!(
            "    for: {}\n    keep_firing_for: {}\n    error_for: {}\n",
            format_duration(Duration::from_millis(for_)),
            format_duration(Duration::from_millis(keep)),
            format_duration(Duration::from_millis(error_for)),
        );
        let rule = rule(&lines);
        let mut now = 1_000_000;
        let mut pasts: BTreeMap<&str, Vec<Sight>> = HOSTS.iter().map(|host| (*host, Vec::new())).collect();
        let mut told: BTreeMap<String, String> = BTreeMap::new();
        let mut failing: Option<(u64, bool)> = None;
        let other = other();
        let mut pieces = BTreeMap::new();
        for (gap, seen) in evaluations {
            now += gap;
            let before: BTreeMap<&str, Option<Now>> =
                pasts.iter().map(|(host, past)| (*host, model(past, for_, keep))).collect();
            let mut inhibitors = None;
            let outcome = match seen {
                Seen::Rows(bits, held_back) => {
                    inhibitors = held_back.then_some(&other);
                    for (n, host) in HOSTS.iter().enumerate() {
                        let sight = Sight { at: now, present: bits & (1 << n) != 0, held_back };
                        pasts.get_mut(host).expect("each host has a past").push(sight);
                    }
                    let hosts = HOSTS.iter().enumerate().filter(|(n, _)| bits & (1 << n) != 0);
                    Outcome::Rows(hosts.map(|(_, host)| row(host, now as f64)).collect())
                }
                Seen::Waiting => Outcome::Waiting { table: "m".to_owned() },
                Seen::Error => Outcome::Error("x".to_owned()),
            };
            let is_error = matches!(outcome, Outcome::Error(_));

            // What is written down and read back goes on as if nothing had been.
            let mut state = match read(&pieces).pop() {
                Some(recovered) => recovered.resume(&rule).expect("the same rule"),
                None => RuleState::new(&rule),
            };
            let evaluation = Evaluation::of(&outcome, Reading::at(UnixNanos::from_millis(now as i64)), None);
            let transitions = state.step(&rule, Evaluation { inhibitors, ..evaluation });
            put(&mut pieces, state.take_changes(&rule));

            for host in HOSTS {
                let after = model(&pasts[host], for_, keep);
                let of_host: String = transitions
                    .iter()
                    .filter(|transition| transition.identity.get("host").map(String::as_str) == Some(host))
                    .map(letter)
                    .collect();
                let same = before[host].map(|before| before.active_at) == after.map(|after| after.active_at);
                let expected = match (before[host], after) {
                    (Some(before), None) if before.firing => "R",
                    (_, None) => "",
                    (Some(before), Some(after)) if same && before == after => "",
                    // What fires and is gone may be back at once, as another.
                    (_, Some(after)) if after.firing => "F",
                    (_, Some(after)) if after.told => "P",
                    (_, Some(_)) => "",
                };
                prop_assert_eq!(&of_host, expected, "{} at {}: {:?}", host, now, pasts[host]);
                let kept = state.instances().find(|(identity, _)| identity["host"] == host);
                let kept = kept.map(|(_, instance)| Now {
                    firing: instance.state() == State::Firing,
                    active_at: millis(instance.active_at),
                    told: instance.told.is_some(),
                });
                prop_assert_eq!(kept, after);
            }
            let of_error: String =
                transitions.iter().filter(|transition| transition.identity.is_empty()).map(letter).collect();
            let was_told = failing.is_some_and(|(_, told)| told);
            failing = is_error.then(|| {
                let (since, told) = failing.unwrap_or((now, false));
                (since, told || now - since >= error_for)
            });
            let is_told = failing.is_some_and(|(_, told)| told);
            let expected = match (was_told, is_told) { (false, true) => "E", (true, false) => "R", _ => "" };
            prop_assert_eq!(&of_error, expected);

            for transition in transitions {
                told.entry(transition.violation.clone()).or_default().push(letter(&transition));
                if let (Some(fired), State::Firing) = (transition.fired_at, transition.state) {
                    prop_assert!(millis(fired) - millis(transition.active_at) >= for_);
                }
            }
        }
        // Each id lives one life, in order, each word once.
        let lives: HashSet<&str> = told.values().map(String::as_str).collect();
        for life in lives {
            prop_assert!(["P", "PF", "PFR", "F", "FR", "E", "ER"].contains(&life), "{}", life);
        }
    }

    #[test]
    fn an_instance_changes_no_more_often_than_flaps_allow_and_ends_when_it_is_calm(
        sights in proptest::collection::vec((1u64..3000, prop::bool::ANY), 1..80),
        max in 1u32..5,
        within in 1u64..10_000,
    ) {
        let lines = format!("    flaps: {{max: {max}, within: {}}}\n", format_duration(Duration::from_millis(within)));
        let rule = rule(&lines);
        let (mut now, mut pieces, mut changes) = (1_000_000, BTreeMap::new(), Vec::new());
        // Last, it is gone for as long as it takes.
        let calm = [(1, false), (within, false)];
        for (gap, present) in sights.into_iter().chain(calm) {
            now += gap;
            let rows = if present { vec![row("a", 1.0)] } else { vec![] };
            let mut state = match read(&pieces).pop() {
                Some(recovered) => recovered.resume(&rule).expect("the same rule"),
                None => RuleState::new(&rule),
            };
            let at = Reading::at(UnixNanos::from_millis(now as i64));
            for transition in state.step(&rule, Evaluation::of(&Outcome::Rows(rows), at, None)) {
                if transition.before == 0 {
                    changes.push(now);
                }
            }
            put(&mut pieces, state.take_changes(&rule));
            if state.instances().len() == 0 {
                prop_assert!(!present);
            }
        }
        for window in changes.windows(max as usize + 2) {
            prop_assert!(window[window.len() - 1] - window[0] >= within, "{:?} within {}", changes, within);
        }
        prop_assert!(changes.len() % 2 == 0, "it has resolved: {:?}", changes);
    }
}
