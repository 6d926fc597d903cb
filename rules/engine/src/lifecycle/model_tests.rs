//! The state machine against a naive model: at each evaluation the model looks through the whole past again.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use flyball_model::event::State;
use flyball_model::{Reading, UnixNanos};
use proptest::prelude::*;

use super::RuleState;
use super::tests::{letter, put, read, row, rule};
use crate::definition::format_duration;
use crate::evaluate::Outcome;

const HOSTS: [&str; 3] = ["a", "b", "c"];

/// One evaluation: milliseconds since the last one, and what it saw; bit n is the presence of the nth host.
#[derive(Debug, Clone)]
enum Seen {
    Rows(u8),
    Waiting,
    Error,
}

fn evaluations() -> impl Strategy<Value = Vec<(u64, Seen)>> {
    let seen = prop_oneof![
        8 => (0u8..8).prop_map(Seen::Rows),
        1 => Just(Seen::Waiting),
        2 => Just(Seen::Error),
    ];
    proptest::collection::vec((1u64..4000, seen), 1..60)
}

fn millis(at: UnixNanos) -> u64 {
    at.as_millis() as u64
}

/// What the past of one host (times and presences of the evaluations that succeeded) says now: the letter of its state, if any,
/// and since when it is active.
fn model(past: &[(u64, bool)], for_: u64, keep: u64) -> Option<(char, u64)> {
    let mut start = 0;
    loop {
        // The next episode begins where the row first appears.
        let begin = start + past[start..].iter().position(|(_, present)| *present)?;
        let active_at = past[begin].0;
        let fires = |&(at, present): &(u64, bool)| present && at - active_at >= for_;
        // It ends at the first absence that lasted long enough: at once, unless it fired before.
        let end = (begin..past.len()).find(|&end| {
            let last_presence = (begin..=end).rev().find(|&n| past[n].1).expect("the episode begins with one");
            let fired = past[begin..=last_presence].iter().any(fires);
            last_presence < end && (!fired || past[end].0 - past[last_presence + 1].0 >= keep)
        });
        match end {
            Some(end) => start = end,
            None => return Some((if past[begin..].iter().any(fires) { 'F' } else { 'P' }, active_at)),
        }
        if past[start..].iter().all(|(_, present)| !present) {
            return None;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_state_is_what_the_whole_past_says(
        evaluations in evaluations(),
        for_ in prop_oneof![Just(0u64), 1u64..8000],
        keep in prop_oneof![Just(0u64), 1u64..8000],
    ) {
        let lines = format!(
            "    for: {}\n    keep_firing_for: {}\n",
            format_duration(Duration::from_millis(for_)),
            format_duration(Duration::from_millis(keep)),
        );
        let rule = rule(&lines);
        let mut now = 1_000_000;
        let mut pasts: BTreeMap<&str, Vec<(u64, bool)>> = HOSTS.iter().map(|host| (*host, Vec::new())).collect();
        let mut told: BTreeMap<String, String> = BTreeMap::new();
        let mut failing = false;
        let mut pieces = BTreeMap::new();
        for (gap, seen) in evaluations {
            now += gap;
            let before: BTreeMap<&str, Option<(char, u64)>> =
                pasts.iter().map(|(host, past)| (*host, model(past, for_, keep))).collect();
            let outcome = match seen {
                Seen::Rows(bits) => {
                    for (n, host) in HOSTS.iter().enumerate() {
                        pasts.get_mut(host).expect("each host has a past").push((now, bits & (1 << n) != 0));
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
            let transitions = state.step(&rule, &outcome, Reading::at(UnixNanos::from_millis(now as i64)), None);
            put(&mut pieces, state.take_changes(&rule));

            for host in HOSTS {
                let after = model(&pasts[host], for_, keep);
                let of_host: String = transitions
                    .iter()
                    .filter(|transition| transition.identity.get("host").map(String::as_str) == Some(host))
                    .map(letter)
                    .collect();
                let expected = match (before[host], after) {
                    (Some(('F', then)), Some(('F', now))) if then == now => "",
                    (Some(('P', then)), Some(('P', now))) if then == now => "",
                    (Some(('F', _)), None) => "R",
                    (_, None) => "",
                    (_, Some(('F', _))) => "F",
                    (_, Some(_)) => "P",
                };
                prop_assert_eq!(&of_host, expected, "{} at {}: {:?}", host, now, pasts[host]);
                let kept = state.instances().find(|(identity, _)| identity["host"] == host);
                let kept = kept.map(|(_, instance)| {
                    (if instance.state() == State::Firing { 'F' } else { 'P' }, millis(instance.active_at))
                });
                prop_assert_eq!(kept, after);
            }
            let of_error: String =
                transitions.iter().filter(|transition| transition.identity.is_empty()).map(letter).collect();
            prop_assert_eq!(&of_error, match (failing, is_error) { (false, true) => "E", (true, false) => "R", _ => "" });
            failing = is_error;

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
}
