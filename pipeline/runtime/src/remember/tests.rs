//! Rules and what follows from them over crashes and power cuts, compared with a run that nothing interrupted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use flyball_log::simulation::PowerCutDisk;
use flyball_model::action::ActionKind;
use flyball_model::event::{Event, EventKind, State as ViolationState, Transition};
use flyball_model::ports::Delivery;
use flyball_model::state::{MemoryLog, Piece, Section, State, StateLog};
use flyball_model::{Clock, ManualClock, SteadyClock, UnixNanos};
use flyball_remediation::silence::{Draft, Matcher, Silences};
use flyball_remediation::{ActionLimits, BackendAccount, BackendInfo, RemediationLog, RemediationRow};
use flyball_rules::definition::{Rule, from_str};
use flyball_rules::evaluate::{Outcome, Row};
use flyball_rules::lifecycle::{Evaluation, GroupsSeen, Inhibitors, RuleState, Told};
use proptest::prelude::*;

use super::ground::Ground;
use super::{CLOCK_KEY, Decisions, Restored, restore};
use crate::history::{Violation, ViolationHistory, gist};

const RULES: &str = "
groups:
- name: g
  rules:
  - rule: Waits
    sql: SELECT 1
    for: 2s
    keep_firing_for: 3s
    labels: {team: shop}
    summary: '{{ host }} at {{ load }}'
    remediate:
    - {backend: ops, action: scale_out, target: {kind: Node, name: '{{ host }}'}, by: 1}
  - rule: Silent
    sql: SELECT 1
    no_data: resolve
    no_data_after: 4s
    remediate:
    - {backend: ops, action: notify}
    - {backend: pager, action: notify}
  - rule: Kept
    sql: SELECT 1
    for: 1s
    no_data: keep
    remediate:
    - {backend: pager, action: scale_in, target: {kind: Node, name: all}, by: 1}
  - rule: Flaps
    sql: SELECT 1
    flaps: {max: 2, within: 6s}
    error_for: 2s
    unless: [Waits on host]
    remediate:
    - {backend: ops, action: notify}
  - rule: Fires
    sql: SELECT 1
    no_data: fire
    no_data_after: 3s
    keep_firing_for: 1s
    unless: [Silent on host, Flaps on host]
    remediate:
    - {backend: ops, action: scale_out, target: {kind: Node, name: '{{ host }}'}, by: 1}
";

/// The rule that is told of its groups.
const FIRES: usize = 4;

const HOSTS: [&str; 3] = ["a", "b", "c"];
const START: UnixNanos = UnixNanos::from_secs(1_767_225_600);

static PARSED: LazyLock<Vec<Rule>> =
    LazyLock::new(|| from_str("r.yaml", RULES).expect("good rules").groups.remove(0).rules);

/// One evaluation of one rule, and what happens around it.
#[derive(Debug, Clone)]
struct Step {
    millis: u64,
    rule: usize,
    seen: Seen,
    /// Before it somebody silences this host for so many seconds.
    silence: Option<(usize, u64)>,
    /// Whether something was measured since.
    sampled: bool,
    /// Whether backends take events.
    up: bool,
    /// The process ends right after the evaluation; of what it put and nobody waited for, this many calls survive. Then it begins anew, and
    /// the evaluation is made again.
    crash: Option<usize>,
}

#[derive(Debug, Clone)]
enum Seen {
    /// Bit n is the presence of the nth host; and a value.
    Rows(u8, u8),
    Waiting,
    Error(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let seen = prop_oneof![
        10 => (0u8..8, 0u8..3).prop_map(|(hosts, value)| Seen::Rows(hosts, value)),
        1 => Just(Seen::Waiting),
        2 => (0u8..2).prop_map(Seen::Error),
    ];
    let crash = prop_oneof![3 => Just(None), 1 => (0usize..8).prop_map(Some)];
    let silence = prop_oneof![4 => Just(None), 1 => (0usize..3, 1u64..6).prop_map(Some)];
    (1u64..3000, 0usize..5, seen, silence, prop::bool::weighted(0.7), prop::bool::weighted(0.7), crash).prop_map(
        |(millis, rule, seen, silence, sampled, up, crash)| Step { millis, rule, seen, silence, sampled, up, crash },
    )
}

/// When something was measured last: by rule, and by host.
#[derive(Debug)]
struct Samples {
    tables: [UnixNanos; 5],
    groups: BTreeMap<&'static str, UnixNanos>,
}

impl Samples {
    fn note(&mut self, step: &Step, now: UnixNanos) {
        if step.sampled {
            self.tables[step.rule] = now;
        }
        if let (FIRES, Seen::Rows(bits, value)) = (step.rule, &step.seen) {
            // Who has a row was measured once; of the others it is sometimes so.
            let measured = |n: usize| bits & (1 << n) != 0 || (usize::from(*value) == n && step.sampled);
            let measured = HOSTS.iter().enumerate().filter(|(n, _)| measured(*n));
            self.groups.extend(measured.map(|(_, host)| (*host, now)));
            self.tables[FIRES] = self.tables[FIRES].max(self.groups.values().copied().max().unwrap_or(START));
        }
    }
}

fn identity(host: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("host".to_owned(), host.to_owned())])
}

fn outcome(seen: &Seen) -> Outcome {
    match seen {
        Seen::Rows(bits, value) => {
            let hosts = HOSTS.iter().enumerate().filter(|(n, _)| bits & (1 << n) != 0);
            let row = |host: &str| Row {
                identity: identity(host),
                values: BTreeMap::from([("load".to_owned(), f64::from(*value) / 3.0)]),
                time: None,
                severity: (*value > 1).then(|| "critical".to_owned()),
            };
            Outcome::Rows(hosts.map(|(_, host)| row(host)).collect())
        }
        Seen::Waiting => Outcome::Waiting { table: "m".to_owned() },
        Seen::Error(which) => Outcome::Error(format!("error {which}")),
    }
}

/// A process with the log of state that it found.
struct Process {
    ground: Ground,
    steady: Arc<SteadyClock>,
    rules: Vec<Rule>,
    states: Vec<RuleState>,
    decisions: Decisions,
    history: Arc<ViolationHistory>,
    log: Arc<RemediationLog>,
    silences: Arc<Silences>,
    /// What waits in the lanes; one lane a backend.
    lanes: VecDeque<(String, Event)>,
}

impl Process {
    fn start((ground, mut found): (Ground, State), clock: &Arc<ManualClock>, group_bytes: usize) -> Self {
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
        let state_log = ground.log();
        let Restored { steady, rules: remembered, history, remediations: log, planner, silences, undelivered } =
            restore(&mut found, &state_log, ActionLimits::default(), &clock);
        let silences = Arc::new(silences);
        let rules = PARSED.clone();
        let mut states: Vec<RuleState> = rules.iter().map(RuleState::new).collect();
        for recovered in remembered.states {
            let place = rules.iter().position(|rule| recovered.fits(rule)).expect("no rule was changed");
            states[place] = recovered.resume(&rules[place]).expect("it fits");
        }
        let backend = |name: &str| BackendInfo {
            name: name.to_owned(),
            actions: ActionKind::ALL.to_vec(),
            events: EventKind::ALL.to_vec(),
        };
        let backends = vec![backend("ops"), backend("pager")];
        let decisions =
            Decisions::new(planner, backends, Arc::clone(&history), Arc::clone(&log), Arc::clone(&silences));
        let decisions = decisions.in_groups_of(group_bytes);
        Self { ground, steady, rules, states, decisions, history, log, silences, lanes: undelivered.into() }
    }

    fn evaluate(&mut self, step: &Step, samples: &Samples) {
        let rule = &self.rules[step.rule];
        let mut inhibitors = Inhibitors::default();
        for unless in &rule.unless {
            let other = self.rules.iter().position(|other| other.name == unless.rule).expect("it is one of these");
            inhibitors.add(unless, &self.states[other].active(&self.rules[other]));
        }
        let state = &mut self.states[step.rule];
        let at = self.steady.read();
        let groups: Vec<_> = samples.groups.iter().map(|(host, newest)| (identity(host), *newest)).collect();
        let evaluation = Evaluation {
            outcome: &outcome(&step.seen),
            at,
            sample_at: Some(samples.tables[step.rule]),
            groups: if step.rule == FIRES { GroupsSeen::Found(&groups) } else { GroupsSeen::Inseparable },
            inhibitors: Some(&inhibitors),
        };
        let transitions = state.step(rule, evaluation);
        let changes = state.take_changes(rule);
        let active = state.active(rule);
        let active = active.iter().map(|transition| transition.violation.as_str());
        let outgoing = self.decisions.take(&rule.name, &transitions, changes, active, at);
        let released = self.decisions.release(at, |_| None);
        self.lanes.extend(outgoing.into_iter().chain(released).map(|planned| (planned.backend, planned.event)));
        self.ground.log().put_all(vec![Piece::json(Section::Instances, CLOCK_KEY, &at)]);
    }

    /// Waits for the log of state and delivers what waits; the backends' own view is `received`.
    fn deliver(&mut self, received: &mut Vec<Event>) {
        self.ground.settle();
        let now = self.steady.read().now;
        for (_, event) in self.lanes.drain(..) {
            self.log.settle(&event.id, &Delivery::Accepted { attempts: 1 }, now);
            if received.iter().all(|before| before.id != event.id) {
                received.push(event);
            }
        }
    }
}

/// All that can be seen from outside at the end.
#[derive(Debug, PartialEq)]
struct Visible {
    received: Vec<Event>,
    violations: Vec<Violation>,
    remediations: Vec<RemediationRow>,
    accounts: Vec<BackendAccount>,
    active: Vec<Transition>,
}

fn run(steps: &[Step], ground: (Ground, State), crashes: bool, group_bytes: usize) -> Visible {
    let clock = Arc::new(ManualClock::new(START));
    let mut process = Process::start(ground, &clock, group_bytes);
    let mut received = Vec::new();
    let mut samples = Samples { tables: [START; 5], groups: BTreeMap::new() };
    for step in steps {
        clock.advance(Duration::from_millis(step.millis));
        samples.note(step, clock.now());
        if let Some((host, seconds)) = step.silence {
            let now = clock.now();
            let draft = Draft {
                id: None,
                matchers: vec![Matcher::new("host", HOSTS[host], false, true).expect("a good matcher")],
                starts_at: now,
                ends_at: now.plus(Duration::from_secs(seconds)),
                created_by: String::new(),
                comment: String::new(),
            };
            process.silences.set(draft, now).expect("there is room");
        }
        // What was decided before is durable by now.
        process.ground.settle();
        process.evaluate(step, &samples);
        if let (true, Some(kept)) = (crashes, step.crash) {
            process = Process::start(process.ground.crash(kept), &clock, group_bytes);
            process.evaluate(step, &samples);
        }
        if step.up {
            process.deliver(&mut received);
            if let (true, Some(kept)) = (crashes, step.crash) {
                process = Process::start(process.ground.crash(kept), &clock, group_bytes);
                process.deliver(&mut received);
            }
        }
    }
    // Events of different violations may overtake each other.
    received.sort_by(|a, b| a.transition.violation.cmp(&b.transition.violation));
    let mut active: Vec<Transition> =
        process.rules.iter().zip(&process.states).flat_map(|(rule, state)| state.active(rule)).collect();
    active.iter_mut().for_each(|transition| transition.evaluated_at = START);
    Visible {
        received,
        violations: process.history.newest_first(),
        remediations: process.log.rows(),
        accounts: process.log.accounts(),
        active,
    }
}

/// What no silence may bring about: an end of what nobody heard of, the same told twice running, and something fires of which backends were
/// told and nobody was asked.
fn told_wrongly(whole: &Visible) -> Option<String> {
    let mut told: BTreeMap<(&str, &str), Told> = BTreeMap::new();
    let lanes =
        whole.remediations.iter().map(|row| (row.id.as_str(), row.backend.as_str())).collect::<BTreeMap<_, _>>();
    for event in &whole.received {
        let transition = &event.transition;
        let lane = (transition.violation.as_str(), lanes[event.id.as_str()]);
        if event.kind == EventKind::RemediationRequested {
            continue;
        }
        let last = told.insert(lane, gist(transition));
        let is_wrong = match transition.state {
            ViolationState::Resolved => {
                last.is_none_or(|last| matches!(last.state, ViolationState::Pending | ViolationState::Resolved))
            }
            _ => last == Some(gist(transition)),
        };
        if is_wrong {
            return Some(format!("{} is told to be {:?}", event.subject(), transition.state));
        }
        let asks = transition.steps.iter().any(|step| step.action != ActionKind::Notify);
        let is_of = |row: &&RemediationRow| row.violation == transition.violation && row.step.is_some();
        if transition.state == ViolationState::Firing && asks && whole.remediations.iter().filter(is_of).count() != 1 {
            return Some(format!("{} was told to fire and is not asked for once", event.subject()));
        }
    }
    None
}

/// What is seen from outside of a run with crashes and of one without.
fn compare(steps: &[Step], ground: (Ground, State), group_bytes: usize) -> Result<(), TestCaseError> {
    let interrupted = run(steps, ground, true, group_bytes);
    let whole = run(steps, Ground::memory(State::default()), false, usize::MAX);
    prop_assert_eq!(&interrupted.received, &whole.received);
    prop_assert_eq!(&interrupted.violations, &whole.violations);
    prop_assert_eq!(&interrupted.remediations, &whole.remediations);
    prop_assert_eq!(&interrupted.accounts, &whole.accounts);
    prop_assert_eq!(&interrupted.active, &whole.active);
    let ids: BTreeSet<_> = whole.received.iter().map(|event| &event.id).collect();
    prop_assert_eq!(ids.len(), whole.received.len());
    prop_assert_eq!(told_wrongly(&whole), None);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn crashes_change_nothing_that_can_be_seen(
        steps in prop::collection::vec(step(), 1..40),
        group_bytes in prop_oneof![Just(0usize), Just(usize::MAX)],
    ) {
        compare(&steps, Ground::memory(State::default()), group_bytes)?;
    }

    #[test]
    fn power_cuts_under_the_log_change_nothing_that_can_be_seen(
        steps in prop::collection::vec(step(), 1..40),
        group_bytes in prop_oneof![Just(0usize), Just(usize::MAX)],
        seed in 1..u64::MAX,
    ) {
        compare(&steps, Ground::disk(PowerCutDisk::new(seed)), group_bytes)?;
    }
}

#[test]
fn what_is_gone_ends_nothing_for_as_long_as_nobody_looked_and_a_minute_at_most() {
    for (away, expected) in [(0, 0), (11, 11), (45, 45), (7200, 60)] {
        let clock = Arc::new(ManualClock::new(START));
        let before = Process::start(Ground::memory(State::default()), &clock, 1 << 20);
        before.ground.settle();
        clock.advance(Duration::from_secs(away));
        let (_, mut found) = before.ground.crash(0);
        let log: Arc<dyn StateLog> = Arc::new(MemoryLog::with(found.clone()));
        let clock: Arc<dyn Clock> = clock;
        let restored = restore(&mut found, &log, ActionLimits::default(), &clock);
        assert_eq!(restored.rules.hold, Duration::from_secs(expected), "away for {away} s");
    }
}
