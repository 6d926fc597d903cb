//! Histories played back: what is read of them, what the rules make of it, and what they must not see.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flyball_model::rows::LogRecord;
use flyball_model::series::LOGS;
use flyball_model::{LogBuilder, PointBatch, Shape, UnixNanos, WallClock};
use flyball_rules::definition::{Rule, from_str};
use flyball_rules::query::{Database, QueryResult};
use flyball_store::{Store, StoreOptions};
use flyball_twin::{Mapping, Twin};

use super::report::FailOn;
use super::{BacktestError, Options, Report, Source, SourceError, Versions, report, run};
use crate::testing::open;

const START: i64 = 1_767_225_600;

fn at(second: i64) -> UnixNanos {
    UnixNanos::from_secs(START + second)
}

struct History {
    store: Arc<Store>,
    database: Database,
    _folder: tempfile::TempDir,
}

impl History {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), StoreOptions::default()).expect("an empty store");
        let database = open(&store, &Arc::new(Twin::new(Mapping::builtin())));
        Self { store, database, _folder: folder }
    }

    /// A point every 5 s from a second on.
    fn points(&self, metric: &str, labels: &[(&str, &str)], from: i64, values: &[f64]) {
        let registry = self.store.registry();
        let series = registry.resolve(metric, Shape::Numbers, labels, at(from)).expect("below the cap");
        let mut points = PointBatch::default();
        for (step, &value) in (0..).zip(values) {
            points.push(series, at(from + 5 * step), value);
        }
        self.store.append_unlogged(points);
    }
}

/// Gives few rows at once, as a server does with its limits.
struct Narrow<'h> {
    database: &'h Database,
    rows: usize,
    asked: AtomicUsize,
}

impl Source for Narrow<'_> {
    async fn query(&self, sql: &str) -> Result<QueryResult, SourceError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let result = Source::query(self.database, sql).await?;
        if result.rows() > self.rows { Err(SourceError::TooMuch("too many rows".to_owned())) } else { Ok(result) }
    }
}

fn rules(text: &str) -> Vec<Arc<Rule>> {
    let file = from_str("rules.yaml", text).unwrap_or_else(|problems| panic!("{problems:#?}"));
    file.groups.into_iter().flat_map(|group| group.rules).map(Arc::new).collect()
}

fn options(from: i64, to: i64) -> Options {
    Options { from: at(from), to: at(to), every: Duration::from_secs(5), mapping: Mapping::builtin() }
}

async fn played(
    source: &impl Source,
    new: &str,
    old: Option<&str>,
    options: &Options,
) -> Result<Report, BacktestError> {
    let (new, old) = (rules(new), old.map(rules));
    let versions = Versions { new: &new, old: old.as_deref() };
    run(source, versions, options, &open, &WallClock::default(), &mut |_| {}).await
}

/// `R{host=a} 100..160` for each spell, in seconds.
fn spells(report: &Report) -> Vec<String> {
    let second = |time: UnixNanos| (time.0 / 1_000_000_000) - START;
    let all = report.rules.iter().flat_map(|rule| rule.spells.iter().map(move |spell| (rule, spell)));
    all.map(|(rule, spell)| {
        let end = spell.resolved_at.map_or_else(String::new, |end| second(end).to_string());
        let identity = flyball_model::event::identity_text(&spell.identity);
        format!("{}{{{identity}}} {}..{end}", rule.rule, second(spell.fired_at))
    })
    .collect()
}

const HOT: &str = "
groups:
- name: g
  rules:
  - rule: Hot
    sql: SELECT host, max(value) AS celsius FROM room_celsius WHERE time > now() - INTERVAL '10 seconds' GROUP BY host HAVING max(value) > 30
    for: 10s
    remediate: [{backend: k8s, action: scale_out, target: {kind: Deployment, namespace: shop, name: '{{ host }}'}, by: 1}, {backend: ops, action: notify}]
";

fn hot_then_cold() -> History {
    let history = History::new();
    let mut values = vec![20.0; 20];
    values.extend([35.0; 6]);
    values.extend([20.0; 40]);
    history.points("room_celsius", &[("host", "a")], 0, &values);
    history.points("room_celsius", &[("host", "b")], 0, &[20.0; 66]);
    history
}

#[tokio::test]
async fn a_rule_fires_when_it_would_have_and_asks_for_nothing() {
    let history = hot_then_cold();
    let report = played(&history.database, HOT, None, &options(50, 300)).await.expect("a report");
    // Hot from second 100 to 125; two evaluations later it fires, and ten seconds after the last hot point it is over.
    assert_eq!(spells(&report), ["Hot{host=a} 110..135"]);
    let rule = &report.rules[0];
    assert_eq!((rule.told["ops"], rule.requests()), (3, (1, 0)), "{rule:?}");
    assert_eq!(rule.spells[0].values["celsius"], 35.0);
    assert_eq!(report.points, 2 * 53, "from second 40 on, as far as the rule looks back, to 300");
    assert!(rule.evaluations <= 51 && rule.evaluations > 40, "{}", rule.evaluations);
    let text = report::text(&report);
    assert!(
        text.contains("Hot  rules.yaml:5:11  would have fired: 1 instance once, for 25s in all; 1 request\n"),
        "{text}"
    );
    assert!(text.contains("would ask k8s: scale_out Deployment shop/a (by=1)"), "{text}");
    let json = report::json(&report, FailOn::default());
    assert_eq!(json["rules"][0]["spells"][0]["would_ask"][0]["action"], "scale_out");
    for (fail_on, good) in [(FailOn::default(), true), (FailOn { firing: true, difference: false }, false)] {
        assert_eq!(fail_on.is_good(&report), good);
        assert_eq!(report::junit(&report, fail_on).contains("<failure message=\"it fired"), !good);
    }
    let svg = report::svg(&report);
    assert_eq!((svg.matches("class=\"firing\"").count(), svg.matches("class=\"pending\"").count()), (1, 1), "{svg}");
    assert!(report::html(&report).contains("<svg "));
}

#[tokio::test]
async fn it_makes_no_difference_in_how_many_pieces_the_history_is_read() {
    let history = hot_then_cold();
    let whole = played(&history.database, HOT, None, &options(0, 300)).await.expect("a report");
    let narrow = Narrow { database: &history.database, rows: 16, asked: AtomicUsize::new(0) };
    let pieces = played(&narrow, HOT, None, &options(0, 300)).await.expect("a report");
    assert!(narrow.asked.load(Ordering::Relaxed) > 15, "{narrow:?}", narrow = narrow.asked);
    assert_eq!((spells(&whole), whole.points), (spells(&pieces), pieces.points));
    let tiny = Narrow { database: &history.database, rows: 3, asked: AtomicUsize::new(0) };
    assert!(played(&tiny, HOT, None, &options(0, 300)).await.is_ok(), "four points in five seconds");
}

#[tokio::test]
async fn nothing_newer_than_the_simulated_time_is_seen() {
    let history = History::new();
    history.points("seen", &[("host", "a")], 0, &[1.0; 40]);
    // The second series, with another label, comes after a minute and a half.
    history.points("seen", &[("host", "b"), ("zone", "z")], 100, &[1.0; 20]);
    history.points("later", &[("host", "a")], 150, &[1.0; 10]);
    let text = "
groups:
- name: g
  rules:
  - {rule: Newest, sql: \"SELECT host FROM seen WHERE time > now()\"}
  - {rule: All, sql: \"SELECT count(*) AS n, max(time) > now() AS ahead, 'all' AS of FROM seen HAVING count(*) > 50\"}
  - {rule: Zone, sql: \"SELECT host, zone FROM seen WHERE time > now() - INTERVAL '10 seconds' AND zone = 'z' GROUP BY host, zone\"}
  - {rule: Later, sql: \"SELECT host FROM later WHERE time > now() - INTERVAL '10 seconds'\"}
";
    let report = played(&history.database, text, None, &options(0, 200)).await.expect("a report");
    assert_eq!(
        spells(&report),
        ["All{ahead=false,of=all} 175..", "Zone{host=b,zone=z} 100..", "Later{host=a} 150.."],
        "{report:#?}"
    );
    // Until its label came, the rule could not be planned, as on a server that had not heard of it.
    let zone = &report.rules[2];
    assert_eq!((zone.failing.len(), zone.failing[0].until), (1, Some(at(100))), "{zone:?}");
    assert!(report.notes.iter().any(|note| note.contains("All: it has no bound on time")), "{:?}", report.notes);
}

#[tokio::test]
async fn labels_that_were_known_before_are_known_from_the_beginning() {
    let history = History::new();
    history.points("seen", &[("host", "b"), ("zone", "z")], 0, &[1.0; 4]);
    history.points("seen", &[("host", "a")], 0, &[1.0; 60]);
    let text = "
groups:
- name: g
  rules: [{rule: Zone, sql: \"SELECT host, zone FROM seen WHERE time > now() - INTERVAL '10 seconds' AND zone = 'z'\"}]
";
    let report = played(&history.database, text, None, &options(100, 200)).await.expect("a report");
    assert!(report.rules[0].failing.is_empty() && !report.rules[0].fired(), "{report:#?}");
    // There is silence in what the rule reads for most of the time, but points of the table keep coming.
    assert_eq!(report.rules[0].evaluations, 21);
}

#[tokio::test]
async fn silence_is_noticed_and_what_nothing_can_change_is_not_evaluated() {
    let history = History::new();
    history.points("beat", &[("host", "a")], 0, &[1.0; 21]);
    history.points("other", &[("host", "a")], 0, &[1.0; 400]);
    let text = "
groups:
- name: g
  rules:
  - {rule: Gone, sql: \"SELECT 'beat' AS what, count(*) AS n FROM beat WHERE time > now() - INTERVAL '30 seconds' HAVING count(*) < 3\"}
  - {rule: Quiet, sql: \"SELECT host FROM beat WHERE time > now() - INTERVAL '30 seconds' AND value > 3\"}
  - {rule: Other, sql: \"SELECT host FROM other WHERE time > now() - INTERVAL '30 seconds' AND value > 3\"}
";
    let report = played(&history.database, text, None, &options(30, 2000)).await.expect("a report");
    // At 120 s the points of 95 and 100 are left.
    assert_eq!(spells(&report), ["Gone{what=beat} 120.."]);
    let evaluations: Vec<_> = report.rules.iter().map(|rule| rule.evaluations).collect();
    assert_eq!(evaluations[0], 395, "it fires, so it goes on");
    assert!(evaluations[1] < 25, "{evaluations:?}");
    assert_eq!(evaluations[2], 395, "{evaluations:?}");
}

#[tokio::test]
async fn a_group_without_data_and_rules_that_hold_others_back_are_as_live() {
    let history = History::new();
    history.points("node_up", &[("host", "a")], 0, &[1.0; 21]);
    history.points("node_up", &[("host", "b")], 0, &[1.0; 80]);
    history.points("pod_up", &[("host", "a"), ("pod", "p")], 150, &[0.0; 50]);
    let text = "
groups:
- name: g
  rules:
  - {rule: PodDown, sql: \"SELECT host, pod, value AS up FROM latest(pod_up, INTERVAL '1 minute') WHERE value = 0\", unless: [NodeDown on host]}
  - {rule: NodeDown, sql: \"SELECT host, value AS up FROM latest(node_up, INTERVAL '1 minute') WHERE value = 0\", no_data: fire, no_data_after: 30s}
";
    let report = played(&history.database, text, None, &options(90, 380)).await.expect("a report");
    let found = spells(&report);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("NodeDown{host=a} 13") && found[0].ends_with(".."), "{found:?}");
    assert!(report.rules[1].spells[0].no_data);
    let alone = text.replace(", unless: [NodeDown on host]", "");
    let report = played(&history.database, &alone, None, &options(90, 380)).await.expect("a report");
    assert_eq!(spells(&report)[0], "PodDown{host=a,pod=p} 150..");
}

#[tokio::test]
async fn two_versions_are_compared_spell_by_spell() {
    let history = hot_then_cold();
    let later = HOT.replace("for: 10s", "for: 20s");
    let lower = HOT.replace("> 30", "> 10");
    let same = played(&history.database, HOT, Some(HOT), &options(50, 300)).await.expect("a report");
    assert!(same.differences().iter().all(|difference| !difference.differs() && difference.same == 1));
    let text = report::text(&played(&history.database, &later, Some(HOT), &options(50, 300)).await.expect("a report"));
    assert!(
        text.contains("  ! host=a  2026-01-01T00:02:00Z for 15s; before: 2026-01-01T00:01:50Z for 25s\n"),
        "{text}"
    );
    let report = played(&history.database, &lower, Some(HOT), &options(50, 300)).await.expect("a report");
    let text = report::text(&report);
    assert!(text.contains("  + host=b  2026-01-01T00:01:00Z for 4m, and still at the end"), "{text}");
    assert!(!FailOn { firing: false, difference: true }.is_good(&report));
    assert_eq!(report::json(&report, FailOn::default())["differences"][0]["changes"].as_array().map(Vec::len), Some(2));
    let renamed = HOT.replace("rule: Hot", "rule: Warm");
    let text =
        report::text(&played(&history.database, &renamed, Some(HOT), &options(50, 300)).await.expect("a report"));
    assert!(
        text.contains("Warm  (only among the new rules)") && text.contains("Hot  (only among the old rules)"),
        "{text}"
    );
}

#[tokio::test]
async fn logs_and_the_twin_are_played_back() {
    let history = History::new();
    let stream =
        history.store.registry().resolve(LOGS, Shape::Streams, &[("service_name", "web")], at(0)).expect("room");
    let mut logs = LogBuilder::default();
    for second in (60..120).step_by(5) {
        let record = LogRecord { severity: "ERROR", body: Some("refused"), ..LogRecord::new(stream, at(second)) };
        logs.push(record, [("path", "/")].into_iter());
    }
    history.store.append_rows_unlogged(logs.finish());
    history.points("node_load1", &[("instance", "n1"), ("job", "node")], 0, &[3.0; 60]);
    let text = "
groups:
- name: g
  rules:
  - {rule: Errors, sql: \"SELECT service_name, count(*) AS errors FROM logs WHERE time > now() - INTERVAL '30 seconds' AND severity = 'ERROR' AND attributes['path'] = '/' GROUP BY service_name HAVING count(*) >= 3\"}
  - {rule: Nodes, sql: \"SELECT id FROM twin.node\"}
";
    let report = played(&history.database, text, None, &options(0, 200)).await.expect("a report");
    let found = spells(&report);
    assert_eq!(found[0], "Errors{service_name=web} 70..135", "{report:#?}");
    assert!(found.len() == 2 && found[1].starts_with("Nodes{id="), "{found:?}");
}

#[tokio::test]
async fn what_can_not_be_played_back_says_what_to_do() {
    let history = hot_then_cold();
    let fails = async |text: &str, options: &Options| {
        let error = played(&history.database, text, None, options).await.expect_err("no report");
        error.to_string()
    };
    assert_eq!(
        fails(HOT, &options(100_000, 100_100)).await,
        "the history has no point between 2026-01-02T03:46:30Z and 2026-01-02T03:48:20Z of what these rules read; it has them from 2026-01-01T00:00:00Z to 2026-01-01T00:05:25Z: set --from and --to within that"
    );
    assert!(fails(&HOT.replace("room_celsius", "rom_celsius"), &options(0, 100)).await.contains("(rom_celsius)"));
    assert!(fails(HOT, &options(100, 100)).await.contains("not before --to"));
    let long = Options { every: Duration::from_millis(100), ..options(0, 40_000_000) };
    assert!(fails(&HOT.replace("for: 10s", "for: 0s"), &long).await.contains("take a longer --every"));
}

/// Not asserted, since machines differ: `cargo test -p flyball-rules-testing speed -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "a measurement, to be run by hand"]
async fn speed() {
    let (series, minutes) = (1_000, 60);
    let history = History::new();
    for host in 0..series {
        history.points("load", &[("host", &host.to_string()), ("zone", "a")], 0, &vec![1.0; minutes * 12]);
    }
    let mut text = "groups:\n- name: g\n  rules:\n".to_owned();
    for rule in 0..10 {
        text.push_str(&format!("  - {{rule: R{rule}, sql: \"SELECT host, avg(value) AS v FROM load WHERE time > now() - INTERVAL '1 minute' GROUP BY host HAVING avg(value) > {}\"}}\n", rule + 2));
    }
    let options = Options { every: Duration::from_secs(15), ..options(0, 60 * minutes as i64) };
    let report = played(&history.database, &text, None, &options).await.expect("a report");
    eprintln!("{}", report::text(&report));
}
