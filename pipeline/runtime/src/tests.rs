//! The whole way inside one process: a body in, an event out.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use flyball_log::{Disk, Durability};
use flyball_model::action::ActionKind;
use flyball_model::admission::Lease;
use flyball_model::event::{Acknowledgement, Event, EventKind};
use flyball_model::intake::{Encoding, Format, RefusalKind, Submission};
use flyball_model::ledger::Signal;
use flyball_model::ledger::{Outcome, Reason};
use flyball_model::ports::{Backend, Delivery};
use flyball_model::{Clock, Intake, Limits, WallClock};
use flyball_remediation::ActionLimits;
use flyball_rules::definition::{RuleSet, from_str};
use flyball_rules::query::QueryLimits;
use flyball_store::{Store, StoreOptions};
use flyball_twin::{Mapping, Twin};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use prost::Message;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{LogParts, Parts, Runtime, Tasks};

/// Pending for ever: its `for` is longer than any test.
const SLOW: &str = "
groups:
- name: g
  rules:
  - {rule: Slow, for: 1h, sql: 'SELECT room, value FROM latest(temperature) WHERE value > 30'}
";

const RULES: &str = "
groups:
- name: g
  rules:
  - rule: Hot
    sql: SELECT room, value AS celsius FROM latest(temperature) WHERE value > 30
    remediate:
    - {backend: ops, action: scale_out, target: {kind: Fan, name: '{{ room }}'}, by: 1}
";

/// A backend that tells the test what it got.
struct Told(mpsc::Sender<Event>);

#[async_trait]
impl Backend for Told {
    fn name(&self) -> &str {
        "ops"
    }

    fn can(&self, _: ActionKind) -> bool {
        true
    }

    fn wants(&self, _: EventKind) -> bool {
        true
    }

    async fn deliver(&self, event: &Event) -> Delivery {
        self.0.send(event.clone()).await.expect("the test listens");
        Delivery::Accepted { attempts: 1 }
    }
}

pub(crate) struct Bench {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) tasks: Tasks,
    pub(crate) clock: Arc<dyn Clock>,
    events: mpsc::Receiver<Event>,
    pub(crate) folder: TempDir,
}

impl Bench {
    pub(crate) async fn start(rules: &str) -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"), rules).await
    }

    /// Goes on in a folder where another one was.
    pub(crate) async fn start_in(folder: TempDir, rules: &str) -> Self {
        let store = Store::open(folder.path(), StoreOptions::default()).expect("a store");
        let clock: Arc<dyn Clock> = Arc::new(WallClock::default());
        let (told, events) = mpsc::channel(16);
        let parts = Parts {
            store,
            twin: Arc::new(Twin::new(Mapping::builtin())),
            limits: Limits { body_bytes: 4096, ..Limits::default() },
            query_limits: QueryLimits::default(),
            action_limits: ActionLimits::default(),
            windows: Vec::new(),
            snapshot_every: Duration::from_secs(10),
            backends: vec![Arc::new(Told(told))],
            sinks: Vec::new(),
            stopping: CancellationToken::new(),
            clock: Arc::clone(&clock),
            idle_cores: Arc::new(|| 1.0),
            log: LogParts {
                data_dir: folder.path().to_owned(),
                storage: Arc::new(Disk),
                durability: Durability::Fsync,
            },
            progress: Arc::default(),
        };
        let rules = RuleSet { files: vec![from_str("r.yaml", rules).expect("good rules")] };
        let (runtime, tasks) = Runtime::start(parts, rules).await.expect("a good folder");
        Self { runtime, tasks, clock, events, folder }
    }

    fn submission(&self, body: impl Into<Bytes>) -> Submission {
        Submission {
            receiver: "test",
            peer: "here".to_owned(),
            format: Format::Otlp(Signal::Metrics),
            encoding: Encoding::Identity,
            body: body.into(),
            received_at: self.clock.now(),
            context: None,
            lease: Lease::default(),
        }
    }

    pub(crate) async fn send(&self, room: &str, celsius: f64) {
        let body = gauge("temperature", room, celsius, self.clock.now().0 as u64);
        let receipt = self.runtime.pipeline.take(self.submission(body)).await.expect("a good body");
        assert_eq!((receipt.stored, receipt.rejected()), (1, 0), "{}", receipt.message());
    }

    pub(crate) async fn next(&mut self) -> Event {
        let event = tokio::time::timeout(Duration::from_secs(20), self.events.recv());
        event.await.expect("an event within 20 s").expect("the backend lives")
    }
}

fn gauge(name: &str, room: &str, value: f64, time_unix_nano: u64) -> Vec<u8> {
    let room = KeyValue {
        key: "room".to_owned(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(room.to_owned())) }),
        ..KeyValue::default()
    };
    let point = NumberDataPoint {
        attributes: vec![room],
        time_unix_nano,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    };
    let metric = Metric {
        name: name.to_owned(),
        data: Some(metric::Data::Gauge(Gauge { data_points: vec![point] })),
        ..Metric::default()
    };
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_becomes_a_violation_an_event_and_a_request_and_resolves() {
    let mut bench = Bench::start(RULES).await;
    bench.send("attic", 20.0).await;
    bench.send("attic", 35.0).await;
    let firing = bench.next().await;
    assert_eq!(firing.kind.to_string(), "flyball.violation.firing");
    assert_eq!((firing.subject().as_str(), firing.transition.values["celsius"]), ("Hot/room=attic", 35.0));
    let request = bench.next().await;
    assert_eq!(request.kind, EventKind::RemediationRequested);
    assert_eq!(request.action.as_ref().map(|action| action.target["name"].as_str()), Some("attic"));
    bench.send("attic", 21.0).await;
    let resolved = bench.next().await;
    assert_eq!(resolved.kind.to_string(), "flyball.violation.resolved");
    assert_eq!(resolved.transition.violation, firing.transition.violation);
    assert_ne!(resolved.id, firing.id);

    let database = bench.runtime.database.clone();
    let now = bench.clock.now();
    for (sql, rows) in [
        ("SELECT * FROM flyball.violations WHERE state = 'resolved' AND instance = 'room=attic'", 1),
        ("SELECT * FROM flyball.remediations WHERE backend = 'ops'", 3),
        ("SELECT * FROM flyball.rules WHERE rule = 'Hot' AND firing = 0 AND errors = 0 AND evaluations > 1", 1),
        ("SELECT * FROM flyball.ledger WHERE source = 'test/here' AND outcome = 'stored' AND points = 3", 1),
        ("SELECT * FROM flyball.series WHERE metric = 'temperature' AND labels['room'] = 'attic'", 1),
        ("SELECT * FROM flyball.stages WHERE stage = 'receive_to_ack' AND count = 3", 1),
        ("SELECT * FROM twin.node", 0),
    ] {
        let result = database.query(sql, now).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(result.rows(), rows, "{sql}");
    }
    assert!(bench.runtime.metrics().contains("flyball_rule_firing{group=\"g\",rule=\"Hot\"} 0"));
    bench.tasks.drain().await.expect("a clean drain");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_refused_stands_in_the_ledger() {
    let bench = Bench::start(RULES).await;
    let refusal = bench.runtime.pipeline.take(bench.submission(&b"\x0a\xff"[..])).await.expect_err("malformed");
    assert_eq!(refusal.kind, RefusalKind::Malformed);
    let refusal = bench.runtime.pipeline.take(bench.submission(vec![0; 5000])).await.expect_err("too large");
    assert_eq!(refusal.kind, RefusalKind::TooLarge);
    let rows = bench.runtime.tables.ledger.read().await.rows();
    let found: Vec<_> = rows.iter().map(|row| (row.outcome, row.reason, row.points)).collect();
    assert_eq!(found, [(Outcome::Rejected, Reason::Malformed, 1), (Outcome::Rejected, Reason::BodyTooLarge, 1)]);
    bench.tasks.drain().await.expect("a clean drain");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_far_behind_its_series_is_stored_and_counted_as_late() {
    let bench = Bench::start(RULES).await;
    bench.send("attic", 20.0).await;
    for behind in [10, 60] {
        let time = bench.clock.now().0 as u64 - behind * 1_000_000_000;
        let receipt = bench.runtime.pipeline.take(bench.submission(gauge("temperature", "attic", 1.0, time))).await;
        assert_eq!(receipt.map(|receipt| (receipt.stored, receipt.warnings.len())), Ok((1, 0)));
    }
    let rows = bench.runtime.tables.ledger.read().await.rows();
    let found: Vec<_> = rows.iter().map(|row| (row.outcome, row.reason, row.points)).collect();
    assert_eq!(found, [(Outcome::Stored, Reason::None, 2), (Outcome::Stored, Reason::Late, 1)]);
    bench.tasks.drain().await.expect("a clean drain");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_is_taken_away_resolves_what_it_fired() {
    let mut bench = Bench::start(RULES).await;
    bench.send("attic", 35.0).await;
    assert_eq!(bench.next().await.kind.to_string(), "flyball.violation.firing");
    assert_eq!(bench.next().await.kind, EventKind::RemediationRequested);
    bench.runtime.rules.replace(RuleSet::default()).await;
    assert_eq!(bench.next().await.kind.to_string(), "flyball.violation.resolved");
    bench.tasks.drain().await.expect("a clean drain");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_violation_that_ends_before_it_fires_leaves_no_trace() {
    let bench = Bench::start(SLOW).await;
    let rows = async |sql: &str| bench.runtime.database.query(sql, bench.clock.now()).await.expect("good SQL").rows();
    bench.send("attic", 35.0).await;
    while rows("SELECT * FROM flyball.violations WHERE state = 'pending'").await == 0 {
        tokio::task::yield_now().await;
    }
    bench.send("attic", 20.0).await;
    while rows("SELECT * FROM flyball.violations").await > 0 {
        tokio::task::yield_now().await;
    }
    bench.tasks.drain().await.expect("a clean drain");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_and_summary_of_a_violation_follow_its_row() {
    const FOLLOWED: &str = "
groups:
- name: g
  rules:
  - {rule: Hot, summary: '{{ celsius }} C', sql: 'SELECT room, value AS celsius FROM latest(temperature) WHERE value > 30'}
  - {rule: Slow, for: 1h, summary: '{{ celsius }} C', sql: 'SELECT room, value AS celsius FROM latest(temperature) WHERE value > 30'}
";
    let bench = Bench::start(FOLLOWED).await;
    let (mut changes, _) = bench.runtime.feed.listen(None).expect("nobody else listens");
    let sql = r#"SELECT rule, state, "values"['celsius'], summary FROM flyball.violations ORDER BY rule"#;
    for celsius in [35.0, 36.5, 34.0] {
        bench.send("attic", celsius).await;
        let row = |rule: &str, state: &str| format!(r#"["{rule}","{state}",{celsius:?},"{celsius} C"]"#);
        let rows = format!("[{},{}]", row("Hot", "firing"), row("Slow", "pending"));
        let followed = async {
            while count(&bench, sql).await != rows {
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(20), followed).await;
        assert!(in_time.is_ok(), "{rows}: {}", count(&bench, sql).await);
    }
    let written = bench.runtime.tables.history.newest_first();
    assert!(written.iter().all(|violation| violation.latest.values["celsius"] == 35.0), "{written:?}");

    for violation in &written {
        let by = Acknowledgement { at: bench.clock.now(), by: "ada".to_owned(), comment: String::new() };
        bench.runtime.acknowledge(&violation.latest.violation, by).expect("it is not over");
    }
    // After the firing one and the pending one.
    for acknowledged in [false, false, true, true] {
        let change = changes.next().await.expect("it listens");
        assert_eq!(change.kind == "flyball.violation.acknowledged", acknowledged, "{}", change.kind);
        assert!(!acknowledged || change.json.contains(r#""summary":"34 C""#), "{}", change.json);
    }
    bench.tasks.drain().await.expect("a clean drain");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_decided_before_the_end_is_delivered_and_what_comes_after_is_refused() {
    let mut bench = Bench::start(RULES).await;
    bench.send("attic", 35.0).await;
    assert_eq!(bench.next().await.kind.to_string(), "flyball.violation.firing");
    let late = bench.submission(gauge("temperature", "attic", 36.0, bench.clock.now().0 as u64));
    bench.tasks.drain().await.expect("a clean drain");
    assert_eq!(bench.events.recv().await.map(|event| event.kind), Some(EventKind::RemediationRequested));
    let refusal = bench.runtime.pipeline.take(late).await.expect_err("the intake is closed");
    assert_eq!(refusal.kind, RefusalKind::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_has_its_turn_however_many_are_due() {
    let rules: String = (0..40)
        .map(|index| {
            format!("  - {{rule: R{index}, sql: 'SELECT room, value FROM temperature WHERE value > {index}'}}\n")
        })
        .collect();
    let bench = Bench::start(&format!("groups:\n- name: g\n  rules:\n{rules}")).await;
    let sql = "SELECT * FROM flyball.rules WHERE evaluations > 1";
    while bench.runtime.database.query(sql, bench.clock.now()).await.expect("good SQL").rows() < 40 {
        bench.send("attic", 35.0).await;
    }
    bench.tasks.drain().await.expect("a clean drain");
}

/// Rows of a query, as text.
pub(crate) async fn count(bench: &Bench, sql: &str) -> String {
    let result = bench.runtime.database.query(sql, bench.clock.now()).await.expect("a good query");
    flyball_rules::query::output::json(&result)["rows"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_very_same_body_is_stored_once_and_told_the_same() {
    let bench = Bench::start(SLOW).await;
    let body = gauge("temperature", "attic", 20.0, bench.clock.now().0 as u64 - 1_000_000);
    for _ in 0..3 {
        let receipt = bench.runtime.pipeline.take(bench.submission(body.clone())).await.expect("a good body");
        assert_eq!((receipt.stored, receipt.rejected()), (1, 0));
    }
    assert_eq!(count(&bench, "SELECT count(*) FROM temperature").await, "[[1]]");
    let rows = bench.runtime.tables.ledger.read().await.rows();
    let lines: Vec<_> = rows.iter().map(|row| (row.outcome, row.reason, row.points)).collect();
    assert_eq!(lines, [(Outcome::Stored, Reason::None, 1), (Outcome::Dropped, Reason::Duplicate, 2)]);
    bench.tasks.drain().await.expect("a clean drain");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_vanished_is_gone_on_with() {
    let bench = Bench::start(SLOW).await;
    let body = gauge("temperature", "attic", 35.0, bench.clock.now().0 as u64 - 1_000_000);
    bench.runtime.pipeline.take(bench.submission(body.clone())).await.expect("a good body");
    let twin = bench.runtime.tables.twin.document(flyball_model::UnixNanos(0));
    // Nothing is drained, flushed or stopped: the folder is as a kill would leave it.
    let Bench { runtime, tasks, folder, .. } = bench;
    let copy = tempfile::tempdir().expect("a folder");
    for file in ["series.journal", "log/segment-00000000000000000000.log"] {
        let to = copy.path().join(file);
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        std::fs::copy(folder.path().join(file), to).expect("a file of the data folder");
    }
    let again = Bench::start_in(copy, SLOW).await;
    assert_eq!(count(&again, "SELECT count(*) FROM temperature").await, "[[1]]");
    assert_eq!(again.runtime.tables.twin.document(flyball_model::UnixNanos(0)), twin);
    // Its sender missed the answer.
    let receipt = again.runtime.pipeline.take(again.submission(body)).await.expect("a good body");
    assert_eq!(receipt.stored, 1);
    assert_eq!(count(&again, "SELECT count(*) FROM temperature").await, "[[1]]");
    assert!(again.runtime.tables.ledger.read().await.balances().iter().all(flyball_model::ledger::Balance::is_even));
    again.tasks.drain().await.expect("a clean drain");
    drop(runtime);
    tasks.drain().await.expect("a clean drain");
}
