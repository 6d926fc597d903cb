//! Series whose labels left the memory: whatever is asked, the answer is as if they had not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use flyball_model::series::Swept;
use flyball_model::{SeriesRef, UnixNanos};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::testing::{exemplar, folder, histograms, log, metric, open, open_with, put, series, span, sql, text};
use crate::{Store, StoreOptions};

const IDLE: Duration = Duration::from_secs(3600);
const HOUR: i64 = 3600;

/// Has everything leave the memory that has no point within the hour before `secs`.
fn let_leave(store: &Store, secs: i64) -> Swept {
    let at = |secs| UnixNanos::from_secs(secs);
    store.sync_series().expect("a writable folder");
    // When it was made is known from the second one on.
    let _ = store.registry().sweep(at(secs - 20_000), IDLE).expect("a readable journal");
    store.registry().sweep(at(secs), IDLE).expect("a readable journal")
}

/// A store that has no labels in memory when it is opened.
fn open_cold(dir: &TempDir) -> Arc<Store> {
    let store = open_with(dir, StoreOptions { series_cap: 0, ..StoreOptions::default() });
    assert_eq!(store.registry().in_memory(), 0);
    store.registry().bound(1_000_000, usize::MAX);
    store
}

fn estate(dir: &TempDir) -> Arc<Store> {
    let store = open(dir);
    for (host, at) in [("a", 10), ("b", 11), ("c", 12)] {
        put(&store, "up", &[("host", host), ("zone", "north")], at, 1.0);
        put(&store, "load", &[("host", host), ("value", "half")], at, 0.5);
        let labels = [("instance", host), ("exe", "java"), ("pid", "7")];
        put(&store, "scaph_process_power_consumption_microwatts", &labels, at, 2e6);
        put(&store, "scaph_host_power_microwatts", &[("instance", host)], at, 9e6);
        log(&store, &[("service_name", host)], at, "started");
        span(&store, &[("service_name", host)], at, "GET", 3);
        histograms(&store, "waits", &[("host", host)], &[(at, 0.5)]);
        text(&store, "disk_state", &[("host", host)], at, "ok");
        exemplar(&store, series(&store, "up", &[("host", host), ("zone", "north")]), at, 1.0);
    }
    put(&store, "up", &[("host", "d")], 20_000, 1.0);
    store
}

const QUERIES: [&str; 13] = [
    "SELECT * FROM up ORDER BY host",
    "SELECT host FROM up WHERE zone = 'north' AND host <> 'b' ORDER BY host",
    "SELECT host FROM up WHERE zone IS NULL",
    "SELECT zone, count(*) FROM up GROUP BY zone ORDER BY zone",
    "SELECT exported_value, host FROM load WHERE host IN ('a', 'c') ORDER BY host",
    "SELECT name, labels FROM metrics WHERE labels['host'] = 'b' ORDER BY name",
    "SELECT service_name, body FROM logs WHERE service_name > 'a' ORDER BY service_name",
    "SELECT service_name, name, duration FROM spans ORDER BY service_name",
    "SELECT host, count FROM waits WHERE host = 'c'",
    "SELECT name, host, value FROM texts WHERE host = 'a'",
    "SELECT name, labels, value FROM exemplars ORDER BY time",
    "SELECT host, scope, exe, watts FROM power ORDER BY host, scope",
    "SELECT metric, labels, first_at FROM series ORDER BY metric, labels['host'], labels['service_name'], labels['instance']",
];

async fn answers(store: &Arc<Store>) -> Vec<Vec<String>> {
    let mut answers = Vec::new();
    for query in QUERIES {
        answers.push(sql(store, query).await);
    }
    answers
}

#[tokio::test]
async fn every_table_has_the_labels_of_idle_series() {
    let dir = folder();
    let store = estate(&dir);
    let expected = answers(&store).await;
    assert!(expected.iter().all(|rows| !rows.is_empty()), "{expected:#?}");
    let all = store.registry().len();
    assert_eq!(let_leave(&store, 20_100), Swept { left: all - 1, returned: 0 });
    assert_eq!((store.registry().in_memory(), store.stats().series), (1, all as u64));
    assert_eq!(answers(&store).await, expected);
    store.flush().expect("a writable folder");
    assert_eq!(answers(&store).await, expected);
    drop(store);
    let store = open_cold(&dir);
    assert_eq!(answers(&store).await, expected);
    assert_eq!(store.registry().in_memory(), 0, "a query takes nothing into memory");
}

#[tokio::test]
async fn a_series_that_comes_back_is_the_same_one() {
    let dir = folder();
    let store = open(&dir);
    put(&store, "jobs_total", &[("host", "a")], 10, 5.0);
    put(&store, "jobs_total", &[("host", "b")], 10, 7.0);
    let numbers = [series(&store, "jobs_total", &[("host", "a")]), series(&store, "jobs_total", &[("host", "b")])];
    let_leave(&store, 20_000);
    assert_eq!(store.registry().in_memory(), 0);
    for is_sent_again in [false, true] {
        put(&store, "jobs_total", &[("host", "a")], 20_010, 9.0);
        if is_sent_again {
            store.flush().expect("a writable folder");
        }
        assert_eq!(series(&store, "jobs_total", &[("host", "a")]), numbers[0]);
        let samples = store.samples(metric(&store, "jobs_total"), Some(&numbers[..1]), UnixNanos(0), UnixNanos::MAX);
        let samples = samples.expect("a readable history");
        assert_eq!((samples.len(), samples[0].values.as_slice()), (1, &[5.0, 9.0][..]), "no gap and no duplicate");
        assert_eq!(
            sql(&store, "SELECT host, value FROM jobs_total WHERE host = 'a' ORDER BY time").await,
            ["a|5.0", "a|9.0"]
        );
        assert_eq!(sql(&store, "SELECT metric, count(*) FROM series GROUP BY metric").await, ["jobs_total|2"]);
        store.registry().sweep(UnixNanos::from_secs(20_020), IDLE).expect("a readable journal");
        assert!(store.registry().labels_in_memory().has(numbers[0]));
    }
}

#[tokio::test]
async fn labels_of_idle_series_are_read_only_where_they_matter_and_damage_is_an_error() {
    let dir = folder();
    let store = open(&dir);
    for host in ["a", "b", "c"] {
        put(&store, "up", &[("host", host)], 10, 1.0);
    }
    put(&store, "up", &[("host", "d")], 20_000, 1.0);
    assert_eq!(let_leave(&store, 20_100).left, 3);
    let path = dir.path().join("series.journal");
    let good = std::fs::read(&path).expect("the journal");
    let spoilt: Vec<_> = good.iter().map(|&byte| if byte == b'a' { b'x' } else { byte }).collect();
    std::fs::write(&path, spoilt).expect("a writable folder");

    let recent = "WHERE time > timestamp '1970-01-01T05:00:00Z'";
    assert_eq!(sql(&store, &format!("SELECT host FROM up {recent} AND host <> 'a'")).await, ["d"]);
    assert_eq!(
        sql(&store, &format!("SELECT labels FROM metrics {recent} AND labels['host'] <> 'a'")).await,
        ["{host: d}"]
    );
    assert_eq!(sql(&store, "SELECT metric, count(*), count(last_at) FROM series GROUP BY metric").await, ["up|4|4"]);
    assert_eq!(sql(&store, "SELECT count(*) FROM up").await, ["4"]);
    let error = crate::testing::context(&store).sql("SELECT host FROM up").await.expect("a good query").collect().await;
    let error = error.expect_err("the labels of 'a' are spoilt").to_string();
    assert!(error.contains("the labels of idle series can't be read back"), "{error}");

    std::fs::write(&path, good).expect("a writable folder");
    assert_eq!(sql(&store, "SELECT host FROM up ORDER BY host").await, ["a", "b", "c", "d"]);
}

/// What happens to a store.
#[derive(Debug, Clone)]
enum Step {
    /// A point of a series: metric, host, zone (or none).
    Put(usize, usize, usize),
    /// Time passes.
    Pass(i64),
    Sweep,
    Flush,
    /// The process dies, and the next one has so many labels in memory.
    Crash(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..2_usize, 0..4_usize, 0..3_usize).prop_map(|(metric, host, zone)| Step::Put(metric, host, zone)),
        3 => (1..5_000_i64).prop_map(Step::Pass),
        4 => Just(Step::Sweep),
        2 => Just(Step::Flush),
        1 => prop_oneof![Just(0), 1..5_usize, Just(1000)].prop_map(Step::Crash),
    ]
}

const METRICS: [&str; 2] = ["cpu", "mem"];

/// Metric, host, zone, second.
type Point = (usize, usize, usize, i64);

fn labels(host: usize, zone: usize) -> Vec<(&'static str, &'static str)> {
    let mut labels = vec![("host", ["a", "b", "c", "north"][host])];
    labels.extend([("zone", ["", "north", "south"][zone])].into_iter().filter(|_| zone > 0));
    labels
}

/// The rows that a query with a predicate and a start should give.
fn expected(points: &BTreeSet<Point>, metric: usize, zone: Option<usize>, from: i64) -> Vec<String> {
    let wanted =
        points.iter().filter(|point| point.0 == metric && zone.is_none_or(|zone| point.2 == zone) && point.3 >= from);
    let mut rows: Vec<_> = wanted
        .map(|&(_, host, zone, at)| {
            let labels = labels(host, zone);
            format!("{}|{}|{at}.0", labels[0].1, labels.get(1).map_or("", |label| label.1))
        })
        .collect();
    rows.sort_unstable();
    rows
}

async fn check(store: &Arc<Store>, points: &BTreeSet<Point>, now: i64) {
    for (number, name) in METRICS.iter().enumerate() {
        if !points.iter().any(|point| point.0 == number) {
            continue;
        }
        for (zone, from) in [(None, 0), (Some(1), 0), (None, now - HOUR), (Some(2), now - HOUR)] {
            // A table has the columns that its series brought.
            let has_zone = points.iter().any(|point| point.0 == number && point.2 > 0);
            if zone.is_some() && !has_zone {
                continue;
            }
            let of_zone = zone.map_or(String::new(), |zone| format!("AND zone = '{}'", labels(0, zone)[1].1));
            let column = if has_zone { "zone" } else { "NULL" };
            let query = format!(
                "SELECT host, {column} AS zone, value FROM {name} WHERE time >= to_timestamp_seconds({from}) {of_zone}"
            );
            let mut rows = sql(store, &query).await;
            rows.sort_unstable();
            assert_eq!(rows, expected(points, number, zone, from), "{query}");
        }
    }
    let series: BTreeMap<_, _> = points.iter().map(|point| ((point.0, point.1, point.2), ())).collect();
    let listed = sql(store, "SELECT metric, labels FROM series").await;
    assert_eq!(listed.iter().collect::<BTreeSet<_>>().len(), listed.len(), "each stands there once");
    assert!(listed.len() >= series.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_point_has_its_labels_whatever_leaves_and_returns(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
        let dir = folder();
        let mut store = open(&dir);
        let (mut points, mut durable): (BTreeSet<Point>, BTreeSet<Point>) = Default::default();
        let mut numbers: BTreeMap<(usize, usize, usize), SeriesRef> = BTreeMap::new();
        let mut now = 100_000;
        for step in steps {
            match step {
                Step::Put(metric, host, zone) => {
                    now += 1;
                    put(&store, METRICS[metric], &labels(host, zone), now, now as f64);
                    points.insert((metric, host, zone, now));
                }
                Step::Pass(secs) => now += secs,
                Step::Sweep => {
                    store.sync_series().expect("a writable folder");
                    let swept = store.registry().sweep(UnixNanos::from_secs(now), IDLE);
                    prop_assert!(swept.is_ok());
                }
                Step::Flush => {
                    store.flush().expect("a writable folder");
                    durable = points.clone();
                    for &(metric, host, zone, _) in &points {
                        let number = series(&store, METRICS[metric], &labels(host, zone));
                        prop_assert_eq!(*numbers.entry((metric, host, zone)).or_insert(number), number);
                    }
                }
                Step::Crash(series_cap) => {
                    drop(store);
                    store = open_with(&dir, StoreOptions { series_cap, ..StoreOptions::default() });
                    store.registry().bound(1000, usize::MAX);
                    points = durable.clone();
                    runtime.block_on(check(&store, &points, now));
                }
            }
        }
        runtime.block_on(check(&store, &points, now));
        for (&(metric, host, zone), &number) in &numbers {
            prop_assert_eq!(series(&store, METRICS[metric], &labels(host, zone)), number);
        }
    }
}
