//! The store against a plain list of points.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use flyball_model::{MetricRef, PointBatch, SeriesRef, UnixNanos};
use proptest::prelude::*;

use crate::testing::{folder, histograms, join, log, open_with, series};
use crate::{LogPressure, SeriesSamples, Store, StoreOptions};

const METRICS: [&str; 3] = ["a", "b", "c"];
const HOSTS: [&str; 4] = ["w", "x", "y", "z"];

#[derive(Debug, Clone)]
enum Step {
    /// Points as (metric, host, seconds).
    Append(Vec<(usize, usize, i64)>),
    /// Log records as (host, seconds), a batch each.
    Logs(Vec<(usize, i64)>),
    /// Points of histograms as (metric, host, seconds), a batch each.
    Histograms(Vec<(usize, usize, i64)>),
    Maintain,
    Flush,
    Join,
    /// Flush first: what is only in memory is lost until there is a write-ahead log.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let point = (0..METRICS.len(), 0..HOSTS.len(), 0..500i64);
    prop_oneof![
        6 => prop::collection::vec(point.clone(), 0..200).prop_map(Step::Append),
        2 => prop::collection::vec((0..HOSTS.len(), 0..500i64), 0..90).prop_map(Step::Logs),
        2 => prop::collection::vec(point, 0..90).prop_map(Step::Histograms),
        2 => Just(Step::Maintain),
        2 => Just(Step::Flush),
        1 => Just(Step::Join),
        1 => Just(Step::Reopen),
    ]
}

/// Every point and record as (series, time, value), sorted; values are distinct, so that each point can be told from the others.
fn stored(store: &Arc<Store>, runtime: &tokio::runtime::Runtime) -> Vec<(String, i64, i64)> {
    let mut queries = vec![
        "SELECT name || '/' || labels['host'], to_unixtime(time), value FROM metrics".to_owned(),
        "SELECT 'logs/' || host, to_unixtime(time), body FROM logs".to_owned(),
    ];
    for metric in METRICS {
        if store.registry().read().metric(&format!("h{metric}")).is_some() {
            queries.push(format!("SELECT 'h{metric}/' || host, to_unixtime(time), sum FROM h{metric}"));
        }
    }
    let mut rows: Vec<_> = queries
        .iter()
        .filter(|query| !query.ends_with("logs") || store.registry().read().metric("logs").is_some())
        .flat_map(|query| runtime.block_on(crate::testing::sql(store, query)))
        .map(|row| {
            let cells: Vec<&str> = row.split('|').collect();
            let number = |cell: &str| cell.parse::<f64>().expect("a number") as i64;
            (cells[0].to_owned(), number(cells[1]), number(cells[2]))
        })
        .collect();
    rows.sort();
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_point_and_record_is_there_exactly_once_whatever_happens(steps in prop::collection::vec(step(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let dir = folder();
        let options = StoreOptions { hot_bytes: 4096, hot_age: Duration::from_secs(100), ..StoreOptions::default() };
        let mut store = open_with(&dir, options.clone());
        let mut model: Vec<(SeriesRef, String, i64, i64)> = Vec::new();
        let mut clock = UnixNanos::from_secs(300);
        for step in steps {
            match step {
                Step::Append(points) => {
                    let mut batch = PointBatch::default();
                    for (metric, host, secs) in points {
                        let series = series(&store, METRICS[metric], &[("host", HOSTS[host])]);
                        let value = model.len() as i64;
                        model.push((series, format!("{}/{}", METRICS[metric], HOSTS[host]), secs, value));
                        batch.push(series, UnixNanos::from_secs(secs), value as f64);
                    }
                    store.append_unlogged(batch);
                }
                Step::Logs(records) => {
                    for (host, secs) in records {
                        let (host, body) = (HOSTS[host], model.len());
                        log(&store, &[("host", host)], secs, &body.to_string());
                        model.push((SeriesRef(0), format!("logs/{host}"), secs, body as i64));
                    }
                }
                Step::Histograms(points) => {
                    for (metric, host, secs) in points {
                        let (metric, host, value) = (format!("h{}", METRICS[metric]), HOSTS[host], model.len());
                        histograms(&store, &metric, &[("host", host)], &[(secs, value as f64)]);
                        model.push((SeriesRef(0), format!("{metric}/{host}"), secs, value as i64));
                    }
                }
                Step::Maintain => {
                    clock = clock.plus(Duration::from_secs(30));
                    store.maintain(clock, LogPressure::default()).expect("a writable folder");
                    prop_assert!(!store.needs_maintenance());
                }
                Step::Flush => {
                    store.flush().expect("a writable folder");
                    prop_assert_eq!(store.stats().hot_points, 0);
                }
                Step::Join => drop(join(&store).expect("a writable folder")),
                Step::Reopen => {
                    store.flush().expect("a writable folder");
                    drop(store);
                    store = open_with(&dir, options.clone());
                }
            }
            check(&store, &model);
        }
        let mut expected: Vec<_> = model.into_iter().map(|(_, name, time, value)| (name, time, value)).collect();
        expected.sort();
        prop_assert_eq!(stored(&store, &runtime), expected);
    }
}

/// The samples of one range are those of the list, the last of a series and time only.
fn check(store: &Arc<Store>, model: &[(SeriesRef, String, i64, i64)]) {
    let (from, to) = (UnixNanos::from_secs(100), UnixNanos::from_secs(300));
    for name in METRICS {
        let Some(metric) = store.registry().read().metric(name) else { continue };
        let mut expected = std::collections::BTreeMap::new();
        let prefix = format!("{name}/");
        for (series, _, secs, value) in model.iter().filter(|p| p.1.starts_with(&prefix) && 100 < p.2 && p.2 <= 300) {
            expected.insert((*series, secs * 1_000_000_000), *value as f64);
        }
        let samples = store.samples(metric, None, from, to).expect("a readable history");
        let found = flat(&samples);
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(found, expected);
        check_newest(store, metric, &expected, (from, to));
    }
}

/// The points one after the other.
fn flat(samples: &[SeriesSamples]) -> Vec<((SeriesRef, i64), f64)> {
    let points = |s: &SeriesSamples| {
        let points = s.times.iter().zip(&s.values).map(|(&time, &value)| ((s.series, time), value));
        points.collect::<Vec<_>>()
    };
    samples.iter().flat_map(points).collect()
}

/// The newest points of half of the series are those of the list.
fn check_newest(
    store: &Store,
    metric: MetricRef,
    points: &[((SeriesRef, i64), f64)],
    (from, to): (UnixNanos, UnixNanos),
) {
    let asked: Vec<_> = store.registry().read().series_of(metric).iter().copied().step_by(2).collect();
    for count in [1, 3, 100] {
        let mut expected: Vec<_> = points.iter().filter(|point| asked.contains(&point.0.0)).copied().collect();
        expected.sort_by_key(|&((series, time), _)| (Reverse(time), series));
        expected.truncate(count);
        expected.sort_by_key(|&(key, _)| key);
        let found = store.newest_samples(metric, &asked, from, to, count).expect("a readable history");
        assert_eq!(flat(&found), expected, "{count} of {asked:?}");
    }
}
