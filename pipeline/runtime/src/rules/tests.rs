use flyball_model::action::ActionKind;
use flyball_model::event::{Event, EventKind};
use flyball_model::histogram::Totals;
use flyball_model::ports::{Backend, Delivery};
use flyball_model::rows::HistogramBuilder;
use flyball_model::state::{MemoryLog, State};
use flyball_model::{Histogram, ManualClock, UnixNanos};
use flyball_remediation::{ActionLimits, RemediationLog};
use flyball_rules::definition::{RuleSet, from_str};
use flyball_rules::query::QueryLimits;
use flyball_store::{Store, StoreOptions};
use tempfile::TempDir;

use super::*;
use crate::dispatch::DispatchParts;
use crate::history::ViolationHistory;
use crate::remember::{Restored, restore};
use crate::tables::TableSources;

const START: UnixNanos = UnixNanos::from_secs(1_767_225_600);
const MINUTE: Duration = Duration::from_secs(60);

/// Needs no data: its row is always there.
const ALWAYS: &str =
    "  - {rule: Always, sql: \"SELECT 'a' AS host, 1.5 AS load\", remediate: [{backend: ops, action: notify}]}\n";
const WAITS: &str = "  - {rule: Waits, for: 1m, sql: \"SELECT 'a' AS host, 1.5 AS load\"}\n";

struct Ops;

#[async_trait::async_trait]
impl Backend for Ops {
    fn name(&self) -> &str {
        "ops"
    }

    fn can(&self, _: ActionKind) -> bool {
        true
    }

    fn wants(&self, _: EventKind) -> bool {
        true
    }

    async fn deliver(&self, _: &Event) -> Delivery {
        Delivery::Accepted { attempts: 1 }
    }
}

/// No rule of these tests records.
struct Nowhere;

impl crate::recording::OwnIntake for Nowhere {
    fn take_own(&self, _: &flyball_model::Submission) -> Result<flyball_model::Receipt, flyball_model::Refusal> {
        Ok(flyball_model::Receipt::default())
    }

    fn body_bytes_max(&self) -> usize {
        4096
    }
}

struct Bench {
    running: Running,
    clock: Arc<ManualClock>,
    memory: Arc<MemoryLog>,
    history: Arc<ViolationHistory>,
    log: Arc<RemediationLog>,
    _folder: TempDir,
}

impl Bench {
    async fn start(mut found: State, now: UnixNanos, rules: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), StoreOptions::default()).expect("a store");
        let manual = Arc::new(ManualClock::new(now));
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&manual);
        let memory = Arc::new(MemoryLog::with(found.clone()));
        let state: Arc<dyn StateLog> = Arc::<MemoryLog>::clone(&memory);
        let Restored { steady, rules: left, history, remediations: log, planner, silences, undelivered } =
            restore(&mut found, &state, ActionLimits::default(), &clock);
        let (dispatcher, _) = Dispatcher::new(DispatchParts {
            planner,
            backends: vec![Arc::new(Ops)],
            log: Arc::clone(&log),
            history: Arc::clone(&history),
            silences: Arc::new(silences),
            feed: Arc::default(),
            undelivered,
            state: Arc::clone(&state),
            sinks: Vec::new(),
            stages: Arc::default(),
            clock: Arc::clone(&clock),
        });
        let stage = RuleStage {
            recordings: Recordings::new(Arc::new(Nowhere), Arc::clone(&store), Arc::clone(&state)),
            database: Database::new(store, QueryLimits::default()),
            clock,
            wake: Arc::default(),
            stages: Arc::default(),
            board: Arc::default(),
            dispatcher,
            steady,
            state,
            memory: left,
            budget: Budget::new(Arc::new(|| 2.0)),
        };
        let mut bench = Self { running: Running::new(stage), clock: manual, memory, history, log, _folder: folder };
        bench.running.replace(bench.set(rules)).await;
        bench
    }

    fn set(&self, rules: &[&str]) -> RuleSet {
        if rules.is_empty() {
            return RuleSet::default();
        }
        let text = format!("groups:\n- name: g\n  rules:\n{}", rules.concat());
        RuleSet { files: vec![from_str("r.yaml", &text).expect("good rules")] }
    }

    /// Lets every rule have its turn: it joins its groups, and is evaluated, those that wait for others after these. How many evaluations there were.
    async fn turn(&mut self) -> u64 {
        let evaluations = |bench: &Self| -> u64 {
            bench.running.stage.board.rows().iter().map(|entry| entry.status.evaluations).sum()
        };
        let before = evaluations(self);
        for _ in 0..5 {
            self.running.start_due();
            self.running.join_evaluations().await;
        }
        evaluations(self) - before
    }

    /// Tells the rules that a metric has points, as intake does, brings groups up to date and evaluates the rules that this has touched. Gives their number.
    async fn wake(&mut self, metric: &str) -> usize {
        while let Some(before) = self.running.groups.done().await {
            self.running.touch(before);
        }
        self.clock.advance(Duration::from_millis(250));
        let metric = self.running.stage.database.store().registry().read().metric(metric).expect("it has points");
        self.running.stage.wake.tell(&[metric], self.clock.monotonic());
        self.running.take_wakes();
        self.running.start_due();
        let advanced = self.running.groups.done().await.expect("it was begun");
        let touched = advanced.as_ref().map_or(0, |advanced| advanced.touched.len());
        self.running.touch(advanced);
        self.running.start_due();
        self.running.join_evaluations().await;
        touched
    }

    fn states(&self) -> Vec<(String, &'static str)> {
        let rows = self.history.latest_first();
        rows.iter().map(|violation| (violation.rule.clone(), violation.state.as_str())).collect()
    }
}

#[tokio::test]
async fn a_rule_goes_on_after_a_crash_and_one_that_is_gone_resolves() {
    let mut bench = Bench::start(State::default(), START, &[ALWAYS, WAITS]).await;
    bench.turn().await;
    bench.clock.advance(Duration::from_secs(40));
    bench.turn().await;
    assert_eq!(bench.states(), [("Waits".to_owned(), "pending"), ("Always".to_owned(), "firing")]);
    let (before, told) = (bench.history.latest_first(), bench.log.rows().len());

    // Twenty seconds later, of which the process was away for ten.
    let left = bench.memory.after_crash(usize::MAX);
    let mut bench = Bench::start(left, START.plus(MINUTE), &[ALWAYS, WAITS]).await;
    assert_eq!(bench.history.latest_first(), before);
    bench.turn().await;
    assert_eq!(bench.states(), [("Waits".to_owned(), "firing"), ("Always".to_owned(), "firing")]);
    assert_eq!(bench.log.rows().len(), told, "what fires is not told again");
    let firing: Vec<_> = bench.history.latest_first().iter().map(|violation| violation.violation.clone()).collect();
    assert_eq!(firing, before.iter().map(|violation| violation.violation.clone()).collect::<Vec<_>>());

    let left = bench.memory.after_crash(usize::MAX);
    let bench = Bench::start(left, START.plus(MINUTE * 2), &[WAITS]).await;
    assert_eq!(bench.states(), [("Waits".to_owned(), "firing"), ("Always".to_owned(), "resolved")]);
    assert_eq!(bench.log.rows()[0].event.as_str(), "resolved");
}

#[tokio::test]
async fn after_a_start_silence_counts_once_senders_had_the_time_to_come_back() {
    let silent = "  - {rule: Silent, sql: \"SELECT host, value FROM latest(m) WHERE value > 6\", no_data: fire, no_data_after: 10s}\n";
    let mut bench = Bench::start(State::default(), START, &[silent]).await;
    bench.turn().await;
    // Nothing was open when it ended.
    assert_eq!(bench.states(), []);
    let away = Duration::from_secs(20);
    let mut bench = Bench::start(bench.memory.after_crash(usize::MAX), START.plus(away), &[]).await;
    let store = Arc::clone(bench.running.stage.database.store());
    let series = store.registry().resolve("m", flyball_model::Shape::Numbers, &[("host", "a")], START).expect("room");
    let mut points = flyball_model::PointBatch::default();
    points.push(series, START, 1.0);
    store.append_unlogged(points);
    let rules = bench.set(&[silent]);
    bench.running.replace(rules).await;
    for (after, expected) in [(0, None), (19, None), (2, Some("no_data"))] {
        bench.clock.advance(Duration::from_secs(after));
        bench.turn().await;
        let states = bench.states();
        assert_eq!(states.first().map(|(_, state)| *state), expected, "{after} s later");
    }
}

#[tokio::test]
async fn rules_rest_after_the_clock_was_set_and_wait_on_the_steady_time() {
    for back in [false, true] {
        let mut bench = Bench::start(State::default(), START, &[WAITS]).await;
        assert_eq!(bench.turn().await, 1);
        let by = Duration::from_secs(5 * 3600);
        if back {
            bench.clock.set_back(by)
        } else {
            bench.clock.set_ahead(by)
        }
        bench.clock.advance(Duration::from_secs(1));
        assert_eq!(bench.turn().await, 0, "they rest");
        bench.clock.advance(Duration::from_secs(58));
        assert_eq!(bench.turn().await, 0, "they still rest");
        bench.clock.advance(Duration::from_secs(2));
        assert!(bench.turn().await > 0);
        assert_eq!(bench.states(), [("Waits".to_owned(), "firing")], "a minute of steady time has passed");
        assert_eq!(bench.running.stage.steady.jumps(), 1);
    }
}

#[tokio::test]
async fn a_rule_that_needs_too_much_is_an_error_of_that_rule_and_the_others_go_on() {
    let rules = [
        ALWAYS,
        "  - {rule: Memory, sql: \"SELECT repeat('x', 100000) AS host, 1 AS load\"}\n",
        "  - {rule: Rows, sql: \"SELECT CAST(value AS VARCHAR) AS host, 1 AS load FROM generate_series(1, 20000)\"}\n",
    ];
    let mut bench = Bench::start(State::default(), START, &rules).await;
    bench.turn().await;
    let states: Vec<_> =
        bench.running.stage.board.rows().iter().map(|entry| (entry.rule.name.clone(), entry.state())).collect();
    let expected = [("Always", "firing"), ("Memory", "error"), ("Rows", "error")];
    assert_eq!(states, expected.map(|(rule, state)| (rule.to_owned(), state)));
}

#[tokio::test]
async fn what_holds_a_rule_back_is_evaluated_first_and_its_end_wakes_the_rule() {
    let node = "  - {rule: Node, sql: \"SELECT host, value AS down FROM latest(down) WHERE value > 0\"}\n";
    let pod =
        "  - {rule: Apod, sql: \"SELECT host, 'p' AS pod, value AS down FROM latest(down)\", unless: [Node on host]}\n";
    let mut bench = Bench::start(State::default(), START, &[pod, node]).await;
    let store = Arc::clone(bench.running.stage.database.store());
    let point = |value: f64, at: UnixNanos| {
        let labels = [("host", "a")];
        let series = store.registry().resolve("down", flyball_model::Shape::Numbers, &labels, at).expect("room");
        let mut points = flyball_model::PointBatch::default();
        points.push(series, at, value);
        store.append_unlogged(points);
    };
    point(1.0, START);
    bench.turn().await;
    bench.running.evidence.join().await;
    assert_eq!(bench.states(), [("Node".to_owned(), "firing")]);
    let held_back: Vec<_> = bench.running.stage.board.rows().iter().map(|entry| entry.status.held_back).collect();
    assert_eq!(held_back, [1, 0]);
    let samples = bench.history.newest_first().remove(0).samples;
    assert_eq!(samples.iter().map(|sample| (sample.time, sample.value)).collect::<Vec<_>>(), [(START, 1.0)]);

    // After a restart too.
    let left = bench.memory.after_crash(usize::MAX);
    let violations = bench.history.newest_first();
    let later = Bench::start(left, START.plus(Duration::from_secs(1)), &[pod, node]).await;
    assert_eq!(later.history.newest_first(), violations);

    bench.clock.advance(Duration::from_secs(2));
    point(0.0, START.plus(Duration::from_secs(2)));
    bench.turn().await;
    assert_eq!(bench.states(), [("Apod".to_owned(), "firing"), ("Node".to_owned(), "resolved")]);
}

#[tokio::test]
async fn a_reload_during_an_evaluation_waits_for_it_and_keeps_the_state_of_what_stays() {
    let mut bench = Bench::start(State::default(), START, &[ALWAYS, WAITS]).await;
    bench.turn().await;
    let before = bench.states();
    bench.clock.advance(MINUTE);
    // Both are out for an evaluation when the new rules come; one of them is gone from these.
    bench.running.start_due();
    assert!(bench.running.slots.iter().all(|slot| slot.unit.is_none()), "no rule is under way");
    let new = "  - {rule: New, sql: \"SELECT 'b' AS host, 2.5 AS load\"}\n";
    let rules = bench.set(&[WAITS, new]);
    bench.running.replace(rules).await;
    assert!(bench.running.slots.iter().all(|slot| slot.unit.is_some()) && bench.running.evaluations.is_empty());
    bench.turn().await;
    let mut after = bench.states();
    after.sort();
    assert_ne!(before, after);
    let expected = [("Always", "resolved"), ("New", "firing"), ("Waits", "firing")];
    assert_eq!(after, expected.map(|(rule, state)| (rule.to_owned(), state)));
}

#[tokio::test]
async fn a_change_of_the_twin_alone_wakes_a_rule_that_is_kept_over_a_join_with_it() {
    let loaded = "  - {rule: Loaded, sql: \"SELECT n.id AS host, n.cpu_cores, avg(m.value) AS load FROM m JOIN twin.node n ON n.id = m.host \
        WHERE m.time > now() - INTERVAL '5 minutes' AND n.unschedulable = 0 GROUP BY n.id, n.cpu_cores HAVING avg(m.value) > n.cpu_cores\"}\n";
    let mut bench = Bench::start(State::default(), START, &[]).await;
    let store = Arc::clone(bench.running.stage.database.store());
    let sources = TableSources::empty(Arc::clone(&store));
    sources.register(&bench.running.stage.database);
    let send = |bench: &Bench, metric: &str, labels: &[(&str, &str)], value: f64| {
        let at = bench.clock.now();
        let series = store.registry().resolve(metric, flyball_model::Shape::Numbers, labels, at).expect("room");
        let mut points = flyball_model::PointBatch::default();
        points.push(series, at, value);
        store.append_unlogged(points.clone());
        sources.twin.observe(store.registry(), &points).expect("labels are in memory");
    };
    let cordoned = |bench: &Bench, value| send(bench, "kube_node_spec_unschedulable", &[("node", "a")], value);
    let cores = |bench: &Bench, value| {
        send(bench, "kube_node_status_capacity", &[("node", "a"), ("resource", "cpu")], value);
    };
    send(&bench, "m", &[("host", "a")], 5.0);
    cordoned(&bench, 0.0);
    cores(&bench, 8.0);
    let rules = bench.set(&[loaded]);
    bench.running.replace(rules).await;
    bench.turn().await;
    let way = |bench: &Bench| bench.running.stage.board.rows()[0].way.as_str();
    assert_eq!((bench.states(), way(&bench)), (vec![], "incremental"));

    let states = |state| vec![("Loaded".to_owned(), state)];
    bench.clock.advance(Duration::from_secs(1));
    cores(&bench, 4.0);
    assert_eq!(bench.wake("kube_node_status_capacity").await, 1);
    assert_eq!(bench.states(), states("firing"));
    cordoned(&bench, 1.0);
    assert_eq!(bench.wake("kube_node_spec_unschedulable").await, 1);
    assert_eq!(bench.states(), states("resolved"));
    bench.clock.advance(Duration::from_secs(1));
    send(&bench, "node_load1", &[("node", "a")], 3.0);
    assert_eq!(bench.wake("node_load1").await, 0, "the rule does not read that");
}

#[tokio::test]
async fn a_quantile_of_native_histograms_fires_as_they_arrive_and_resolves_when_the_slow_ones_leave() {
    let slow = "  - {rule: Slow, sql: \"SELECT host, quantile(merge(histogram), 0.99) AS p99 FROM rate(latency, INTERVAL '1 minute') \
        GROUP BY host HAVING quantile(merge(histogram), 0.99) > 1\"}\n";
    let mut bench = Bench::start(State::default(), START, &[]).await;
    let store = Arc::clone(bench.running.stage.database.store());
    // How many requests took up to 1 s so far, and how many up to 4 s.
    let send = |bench: &Bench, counts: [f64; 2]| {
        let (at, labels) = (bench.clock.now(), [("host", "a")]);
        let series = store.registry().resolve("latency", flyball_model::Shape::Histograms, &labels, at).expect("room");
        let totals = Totals { count: counts.iter().sum(), ..Totals::default() };
        let histogram = Histogram::explicit(totals, vec![1.0, 4.0], [counts.as_slice(), &[0.0]].concat());
        let mut rows = HistogramBuilder::default();
        rows.push(series, at, &histogram.expect("two bounds, three counts"));
        store.append_rows_unlogged(rows.finish());
    };
    send(&bench, [0.0, 0.0]);
    let rules = bench.set(&[slow]);
    bench.running.replace(rules).await;
    bench.turn().await;
    assert_eq!(bench.running.stage.board.rows()[0].way.as_str(), "incremental");

    bench.clock.advance(Duration::from_secs(10));
    send(&bench, [90.0, 0.0]);
    bench.wake("latency").await;
    assert_eq!(bench.states(), [], "all were fast");
    bench.clock.advance(Duration::from_secs(10));
    send(&bench, [90.0, 90.0]);
    assert_eq!(bench.wake("latency").await, 1);
    assert_eq!(bench.states(), [("Slow".to_owned(), "firing")]);
    bench.clock.advance(MINUTE);
    for fast in [100.0, 110.0] {
        bench.clock.advance(Duration::from_secs(5));
        send(&bench, [fast, 90.0]);
        bench.wake("latency").await;
    }
    assert_eq!(bench.states(), [("Slow".to_owned(), "resolved")]);
}
