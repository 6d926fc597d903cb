//! What backends hear of violations around a silence.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flyball_model::action::{ActionKind, ActionStep};
use flyball_model::event::{Acknowledgement, EventKind, State, Transition};
use flyball_model::state::{MemoryLog, StateLog};
use flyball_model::{Clock, ManualClock, Reading, UnixNanos};
use flyball_remediation::silence::{Draft, Matcher, Silences};
use flyball_remediation::{ActionLimits, BackendInfo, Planned};
use flyball_rules::lifecycle::Changes;

use super::{Decisions, Restored, restore};
use crate::history::{VIOLATIONS_MAX, ViolationHistory};

const START: UnixNanos = UnixNanos::from_secs(1_767_225_600);

struct Bench {
    memory: Arc<MemoryLog>,
    clock: Arc<dyn Clock>,
    decisions: Decisions,
    history: Arc<ViolationHistory>,
    silences: Arc<Silences>,
}

impl Bench {
    fn start(memory: Arc<MemoryLog>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(START));
        let state: Arc<dyn StateLog> = Arc::<MemoryLog>::clone(&memory);
        let mut found = memory.after_crash(usize::MAX);
        let Restored { history, remediations, planner, silences, .. } =
            restore(&mut found, &state, ActionLimits::default(), &clock);
        let backend =
            BackendInfo { name: "ops".to_owned(), actions: ActionKind::ALL.to_vec(), events: EventKind::ALL.to_vec() };
        let silences = Arc::new(silences);
        let decisions =
            Decisions::new(planner, vec![backend], Arc::clone(&history), remediations, Arc::clone(&silences));
        Self { memory, clock, decisions, history, silences }
    }

    /// The process ends and another one goes on.
    fn restart(self) -> Self {
        Self::start(self.memory)
    }

    fn at(&self) -> Reading {
        Reading::at(self.clock.now())
    }

    fn silence(&self, violation: &str) -> String {
        let draft = Draft {
            id: None,
            matchers: vec![Matcher::new("v", violation, false, true).expect("a good matcher")],
            starts_at: START,
            ends_at: START.plus(Duration::from_secs(3600)),
            created_by: "ada".to_owned(),
            comment: String::new(),
        };
        self.silences.set(draft, START).expect("there is room")
    }

    fn sees(&self, violation: &str, seen: &str) -> Vec<String> {
        words(self.takes(violation, seen))
    }

    fn takes(&self, violation: &str, seen: &str) -> Vec<Planned> {
        let transition = transition(violation, seen);
        let active = (transition.state != State::Resolved).then_some(violation);
        self.decisions.take(violation, &[transition], Changes::default(), active, self.at())
    }

    fn releases(&self) -> Vec<String> {
        words(self.decisions.release(self.at(), |_| None))
    }
}

/// Kinds, and what is worth being told anew.
fn words(planned: Vec<Planned>) -> Vec<String> {
    let word = |planned: &Planned| {
        let Transition { severity, flapping, .. } = &planned.event.transition;
        let mut word = planned.event.kind.as_str().to_owned();
        if planned.event.kind != EventKind::RemediationRequested {
            word += if severity == "critical" { " critical" } else { "" };
            word += if *flapping { " flapping" } else { "" };
        }
        word
    };
    planned.iter().map(word).collect()
}

/// `firing`, or `firing critical flapping 2`: the third time that it is told to be firing.
fn transition(violation: &str, seen: &str) -> Transition {
    let words: Vec<&str> = seen.split(' ').collect();
    let state = State::ALL.into_iter().find(|state| state.as_str() == words[0]).expect("a state");
    let critical = words.contains(&"critical");
    Transition {
        labels: BTreeMap::from([("v".into(), violation.into())]),
        before: words.iter().find_map(|word| word.parse().ok()).unwrap_or(0),
        flapping: words.contains(&"flapping"),
        failure: state == State::Error,
        severity: if critical { "critical" } else { "warning" }.into(),
        values: BTreeMap::from([("x".into(), 1.0)]),
        fired_at: (state == State::Firing).then_some(START),
        steps: vec![ActionStep {
            backend: "ops".into(),
            action: ActionKind::ScaleOut,
            target: BTreeMap::from([("name".into(), violation.into())]),
            params: BTreeMap::new(),
            settle: Duration::ZERO,
            attempts: 1,
        }],
        // A rule each, since a rule says of all of its violations which are still there.
        ..Transition::bare(violation, violation, state, START)
    }
}

/// What is told before the silence, while it lasts, and when it is over; with a restart in each place or not.
#[test]
fn when_a_silence_is_over_backends_hear_what_they_must_know() {
    let none: &[&str] = &[];
    for (before, meanwhile, told_then, after, told_after) in [
        (&[][..], &["pending", "firing"][..], &["firing", "requested"][..], &["resolved"][..], &["resolved"][..]),
        (&[], &["pending"], &["pending"], &["firing"], &["firing", "requested"]),
        (&["pending"], &["firing"], &["firing", "requested"], &["resolved"], &["resolved"]),
        (&["pending", "firing"], &[], none, &["resolved"], &["resolved"]),
        (&["pending", "firing"], &["resolved"], &["resolved"], &[], none),
        (&["pending"], &["firing", "resolved"], none, &[], none),
        (&[], &["pending", "firing", "resolved"], none, &[], none),
        (&[], &["error"], &["error"], &["resolved"], &["resolved"]),
        (&["error"], &["resolved"], &["resolved"], &[], none),
        // Told anew is what differs from what was told, and what fires is asked for once.
        (&["firing"], &["firing critical 1"], &["firing critical"], &["firing 2"], &["firing"]),
        (&["firing"], &["firing critical 1", "firing 2"], none, &["resolved"], &["resolved"]),
        (&["firing"], &["firing flapping 1"], &["firing flapping"], &["firing 2"], &["firing"]),
        (&[], &["firing", "firing critical 1"], &["firing critical", "requested"], &["firing 2"], &["firing"]),
        (&["firing"], &["no_data"], &["no_data"], &["firing 1"], &["firing"]),
        (&["firing"], &["no_data", "firing 1"], none, &["no_data 1"], &["no_data"]),
        (&["no_data"], &["resolved"], &["resolved"], &[], none),
        (&[], &["no_data", "resolved"], none, &[], none),
        (&[], &["firing", "no_data"], &["no_data"], &["firing 1"], &["firing", "requested"]),
        // What is over is what was told.
        (&["firing"], &["firing critical 1", "resolved critical"], &["resolved"], &[], none),
    ] {
        // What is pending goes on only with its rule's instance, which there is none of here.
        for restarts in [false, meanwhile.last() != Some(&"pending")] {
            let mut bench = Bench::start(Arc::default());
            let again = |bench: Bench| if restarts { bench.restart() } else { bench };
            let mut ids = Vec::new();
            let mut heard = |planned: Vec<Planned>| {
                ids.extend(planned.iter().map(|planned| planned.event.id.clone()));
                words(planned)
            };
            for seen in before {
                assert_ne!(heard(bench.takes("a", seen)), none);
            }
            let id = bench.silence("a");
            bench = again(bench);
            for seen in meanwhile {
                assert_eq!(bench.sees("a", seen), none, "{before:?} {meanwhile:?}");
            }
            assert_eq!(bench.releases(), none, "it is silenced still");
            assert_ne!(bench.sees("b", "firing"), none, "others are not");
            bench = again(bench);
            bench.silences.expire(&id, START).expect("it is there");
            bench = again(bench);
            let released = bench.decisions.release(bench.at(), |_| None);
            assert_eq!(heard(released), told_then, "{before:?} {meanwhile:?}");
            assert_eq!(bench.releases(), none, "once");
            bench = again(bench);
            for seen in after {
                assert_eq!(heard(bench.takes("a", seen)), told_after, "{before:?} {meanwhile:?}");
            }
            let told = ids.len();
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), told, "{before:?} {meanwhile:?}: consumers drop ids that they know");
        }
    }
}

#[test]
fn what_is_told_late_has_the_values_of_today_unless_the_rules_tell_more_than_them() {
    for (today, told, value) in [("firing critical", "firing critical", 2.0), ("firing", "firing critical", 1.0)] {
        let bench = Bench::start(Arc::default());
        let first = bench.takes("a", "firing").remove(0).event.id;
        let id = bench.silence("a");
        bench.sees("a", "firing critical 1");
        bench.silences.expire(&id, START).expect("it is there");
        let values = BTreeMap::from([("x".to_owned(), 2.0)]);
        let today = Transition { values, ..transition("a", today) };
        let planned = bench.decisions.release(bench.at(), |_| Some(today.clone()));
        assert_eq!((planned[0].event.transition.values["x"], planned[0].event.id == first), (value, false));
        assert_eq!(words(planned), [told]);
    }
}

#[test]
fn a_change_right_after_the_silence_is_told_without_what_it_outdates() {
    let bench = Bench::start(Arc::default());
    let id = bench.silence("a");
    bench.sees("a", "firing");
    bench.silences.expire(&id, START).expect("it is there");
    assert_eq!(bench.sees("a", "resolved"), [] as [&str; 0], "nobody heard that it fired");
    assert_eq!(bench.releases(), [] as [&str; 0]);
}

#[test]
fn a_pending_violation_that_ends_while_silenced_leaves_no_trace() {
    let bench = Bench::start(Arc::default());
    let id = bench.silence("a");
    bench.sees("a", "pending");
    bench.decisions.take("a", &[], Changes::default(), [], bench.at());
    bench.silences.expire(&id, START).expect("it is there");
    assert_eq!((bench.releases().len(), bench.history.newest_first().len()), (0, 0));
}

#[test]
fn what_was_told_last_is_known_while_others_are_held_back() {
    let bench = Bench::start(Arc::default());
    bench.sees("told", "firing");
    bench.silence("told");
    bench.sees("told", "firing critical 1");
    bench.silence("secret");
    bench.sees("secret", "firing");
    let told = |violation| bench.history.told(violation).map(|told| (told.state, told.severity));
    assert_eq!(told("told"), Some((State::Firing, "warning".to_owned())));
    assert_eq!((told("secret"), told("nobody")), (None, None));
}

#[test]
fn an_acknowledgement_stands_in_later_events_and_outlives_the_process() {
    let bench = Bench::start(Arc::default());
    bench.sees("a", "firing");
    let by = Acknowledgement { at: START, by: "ada".to_owned(), comment: "on it".to_owned() };
    let (piece, _) = bench.history.acknowledge("a", by.clone()).expect("it is there");
    bench.memory.put_all(vec![piece]);
    assert!(bench.history.acknowledge("b", by.clone()).is_none());
    let bench = bench.restart();
    let planned = bench.decisions.take("a", &[transition("a", "resolved")], Changes::default(), [], bench.at());
    assert_eq!(planned[0].event.acknowledged, Some(by));
}

#[test]
fn more_than_can_be_remembered_is_told_although_it_is_silenced() {
    let bench = Bench::start(Arc::default());
    let draft = |name: &str| Matcher::new(name, "nobody", false, false).expect("a good matcher");
    let all = Draft {
        id: None,
        matchers: vec![draft("v")],
        starts_at: START,
        ends_at: START.plus(Duration::from_secs(60)),
        created_by: String::new(),
        comment: String::new(),
    };
    bench.silences.set(all, START).expect("there is room");
    let transitions: Vec<_> = (0..=VIOLATIONS_MAX).map(|n| transition(&n.to_string(), "firing")).collect();
    let ids = transitions.iter().map(|transition| transition.violation.as_str());
    let planned = bench.decisions.take("r", &transitions, Changes::default(), ids, bench.at());
    let told: Vec<_> = planned.iter().map(|planned| planned.event.transition.violation.as_str()).collect();
    assert_eq!(told, ["0", "0"], "the oldest, as firing and with its request");
    let planned = bench.takes("0", "resolved");
    assert!(planned.iter().all(|planned| planned.event.transition.violation == "1"), "it is silenced still");
    assert_eq!(bench.history.told("0").map(|told| told.state), Some(State::Firing), "and so its end is to be told");
}
