//! Opening, evicting, expiring and opening again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flyball_model::batch::STALE_NAN_BITS;
use flyball_model::{MetricInfo, PointBatch, SeriesRef, UnixNanos};

use crate::range::{SeriesFilter, TimeRange};
use crate::snapshot::PointQuery;
use crate::testing::{folder, histograms, log, metric, open, open_with, put, series, sql};
use crate::{LogPressure, Store, StoreError, StoreOptions};

const HOUR: i64 = 3600;

fn at(secs: i64) -> UnixNanos {
    UnixNanos::from_secs(secs)
}

fn values(store: &Store, name: &str) -> Vec<f64> {
    let samples = store.samples(metric(store, name), None, UnixNanos::MIN, UnixNanos::MAX).expect("a readable history");
    samples.into_iter().flat_map(|samples| samples.values).collect()
}

#[tokio::test]
async fn a_restart_finds_series_descriptions_points_and_logs_again() {
    let dir = folder();
    let store = open(&dir);
    let info = MetricInfo { unit: "s".into(), help: "how long".into(), ..MetricInfo::default() };
    store.registry().describe("waiting", &info);
    put(&store, "up", &[("host", "a")], 10, 1.0);
    put(&store, "up", &[("host", "b")], 10, 0.0);
    put(&store, "load", &[("host", "a")], 11, 0.5);
    log(&store, &[("service_name", "web")], 12, "started");
    histograms(&store, "waits", &[("host", "a")], &[(13, 0.5)]);
    store.flush().expect("a writable folder");
    let ids: Vec<_> = {
        let view = store.registry().read();
        (0..view.series_count() as u32).map(|n| view.id(flyball_model::SeriesRef(n))).collect()
    };
    drop(store);

    let store = open(&dir);
    let view = store.registry().read();
    assert_eq!(view.series_count(), ids.len());
    for (number, id) in ids.into_iter().enumerate() {
        assert_eq!(view.id(flyball_model::SeriesRef(number as u32)), id);
    }
    let waiting = view.metric("waiting").expect("described before");
    assert_eq!(view.info(waiting).help, "how long");
    drop(view);
    assert_eq!(store.newest(metric(&store, "up")), Some(at(10)));
    assert_eq!(store.newest(metric(&store, "waits")), Some(at(13)));
    assert_eq!(sql(&store, "SELECT host, count, sum FROM waits").await, ["a|1.0|0.5"]);
    assert_eq!(sql(&store, "SELECT host, value FROM up ORDER BY host").await, ["a|1.0", "b|0.0"]);
    assert_eq!(
        sql(&store, "SELECT service_name, severity, body, attributes FROM logs").await,
        ["web|INFO|started|{length: 7}"]
    );
    // New numbers go on where the old ones ended.
    put(&store, "up", &[("host", "c")], 20, 1.0);
    store.flush().expect("a writable folder");
    drop(store);
    assert_eq!(values(&open(&dir), "up"), [1.0, 0.0, 1.0]);
}

#[test]
fn a_folder_in_use_is_refused_in_one_line() {
    let dir = folder();
    let _store = open(&dir);
    let error = Store::open(dir.path(), StoreOptions::default()).expect_err("the folder is in use");
    assert!(matches!(error, StoreError::InUse { .. }));
    let text = error.to_string();
    assert!(text.contains(&dir.path().display().to_string()) && !text.contains('\n'), "{text}");
}

#[test]
fn old_points_leave_memory_and_young_ones_stay() {
    let dir = folder();
    let store = open(&dir);
    store.maintain(at(0), LogPressure::default()).expect("a writable folder");
    for minute in 0..180 {
        put(&store, "m", &[], minute * 60, minute as f64);
        store.maintain(at(minute * 60), LogPressure::default()).expect("a writable folder");
    }
    let done = store.maintain(at(3 * HOUR), LogPressure::default()).expect("a writable folder");
    let stats = store.stats();
    assert_eq!(stats.hot_points + stats.history_points, 180);
    assert!((40..=60).contains(&stats.history_points), "{stats:?} {done:?}");
    assert_eq!(values(&store, "m"), (0..180).map(f64::from).collect::<Vec<_>>());
}

#[test]
fn old_points_that_trickle_in_do_not_make_a_file_each() {
    let dir = folder();
    let store = open(&dir);
    for tick in 0..100 {
        put(&store, "m", &[], tick, 0.0);
        store.maintain(at(100 * HOUR + tick), LogPressure::default()).expect("a writable folder");
    }
    assert_eq!(store.stats().history_files, 0);
    store.maintain(at(101 * HOUR), LogPressure::default()).expect("a writable folder");
    assert_eq!(store.stats().history_files, 1);
}

#[test]
fn what_is_over_the_budget_leaves_oldest_first() {
    let dir = folder();
    let budget = 64 * 1024;
    let store = open_with(&dir, StoreOptions { hot_bytes: budget, ..StoreOptions::default() });
    let (a, b) = (series(&store, "a", &[]), series(&store, "b", &[]));
    let mut batch = PointBatch::default();
    for second in 0..3000 {
        if second < 2000 {
            batch.push(a, at(10_000 + second), 1.0);
        }
        batch.push(b, at(second), 2.0);
    }
    store.append_unlogged(batch);
    assert!(store.needs_maintenance() && store.over_budget());
    let done = store.maintain(at(20_000), LogPressure::default()).expect("a writable folder");
    assert!(!store.needs_maintenance() && !store.over_budget());
    assert_eq!((done.files_written, done.points_evicted), (1, 3000));
    assert!(store.stats().hot_bytes <= budget as u64);
    assert_eq!(values(&store, "a").len() + values(&store, "b").len(), 5000);
    assert_eq!(store.stats().files_opened, 1, "only b is in the history");
}

#[test]
fn expired_files_are_deleted_whole_and_a_reader_may_finish() {
    let dir = folder();
    let options = StoreOptions { retention: Duration::from_secs(100), ..StoreOptions::default() };
    let store = open_with(&dir, options);
    put(&store, "m", &[], 10, 1.0);
    put(&store, "m", &[], 50, 2.0);
    store.flush().expect("a writable folder");
    put(&store, "m", &[], 200, 3.0);
    store.flush().expect("a writable folder");
    let files = || std::fs::read_dir(dir.path().join("history")).expect("the history").count();
    assert_eq!((store.maintain(at(150), LogPressure::default()).expect("ok").files_deleted, files()), (0, 2));
    let reader = store.history.read().points[0].clone();
    assert_eq!(store.maintain(at(151), LogPressure::default()).expect("ok").files_deleted, 1);
    assert_eq!((values(&store, "m"), files()), (vec![3.0], 2));
    drop(reader);
    assert_eq!(files(), 1);
}

#[test]
fn half_written_files_are_removed_and_strangers_left_alone() {
    let dir = folder();
    drop(open(&dir));
    let history = dir.path().join("history");
    for kind in ["points", "logs", "spans"] {
        std::fs::write(history.join(format!("{kind}-000000000000.tmp")), "half").expect("a writable folder");
    }
    std::fs::write(history.join("notes.txt"), "mine").expect("a writable folder");
    let store = open(&dir);
    let left: Vec<_> =
        std::fs::read_dir(&history).expect("the history").map(|entry| entry.expect("ok").file_name()).collect();
    assert_eq!(left, ["notes.txt"]);
    assert_eq!(store.stats().history_files, 0);
}

#[test]
fn a_damaged_history_file_is_named() {
    let dir = folder();
    drop(open(&dir));
    let path = dir.path().join("history/points-000000000007.parquet");
    std::fs::write(&path, "not parquet at all").expect("a writable folder");
    let error = Store::open(dir.path(), StoreOptions::default()).expect_err("the file is damaged").to_string();
    assert!(error.contains("points-000000000007.parquet"), "{error}");
}

#[test]
fn a_history_without_its_journal_is_refused() {
    let dir = folder();
    let store = open(&dir);
    put(&store, "m", &[], 1, 1.0);
    store.flush().expect("a writable folder");
    drop(store);
    std::fs::remove_file(dir.path().join("series.journal")).expect("the journal");
    let error = Store::open(dir.path(), StoreOptions::default()).expect_err("numbers without names").to_string();
    assert!(error.contains("series.journal has 0"), "{error}");
}

#[test]
fn a_failed_write_loses_nothing_and_is_tried_again() {
    let dir = folder();
    let store = open(&dir);
    put(&store, "m", &[], 1, 1.0);
    let (history, aside) = (dir.path().join("history"), dir.path().join("aside"));
    std::fs::rename(&history, &aside).expect("a writable folder");
    std::fs::write(&history, "in the way").expect("a writable folder");
    let error = store.flush().expect_err("the folder is gone and can't be made");
    assert!(error.is_retryable() && error.to_string().contains("history"), "{error}");
    assert_eq!(values(&store, "m"), [1.0]);
    std::fs::remove_file(&history).expect("the file");
    std::fs::rename(&aside, &history).expect("a writable folder");
    store.flush().expect("the folder is back");
    assert_eq!((values(&store, "m"), store.stats().hot_points), (vec![1.0], 0));
}

#[test]
fn samples_are_sorted_half_open_and_the_last_of_a_time_wins() {
    let dir = folder();
    let store = open(&dir);
    put(&store, "m", &[("k", "x")], 3, 3.0);
    put(&store, "m", &[("k", "x")], 2, 2.0);
    store.flush().expect("a writable folder");
    put(&store, "m", &[("k", "x")], 2, 2.5);
    put(&store, "m", &[("k", "x")], 1, 1.0);
    put(&store, "m", &[("k", "y")], 3, 9.0);
    let m = metric(&store, "m");
    let x = series(&store, "m", &[("k", "x")]);
    let samples = store.samples(m, Some(&[x]), at(1), at(3)).expect("a readable history");
    assert_eq!(samples.len(), 1);
    assert_eq!((samples[0].series, &samples[0].values), (x, &vec![2.5, 3.0]));
    assert_eq!(store.samples(m, None, at(0), at(3)).expect("a readable history").len(), 2);
    assert!(store.samples(m, None, at(3), at(3)).expect("a readable history").is_empty());
}

#[test]
fn a_sample_was_there_though_a_marker_took_its_place() {
    let dir = folder();
    let store = open(&dir);
    put(&store, "m", &[("k", "x")], 1, f64::from_bits(STALE_NAN_BITS));
    put(&store, "m", &[("k", "x")], 2, 2.0);
    store.flush().expect("a writable folder");
    put(&store, "m", &[("k", "x")], 2, f64::from_bits(STALE_NAN_BITS));
    put(&store, "m", &[("k", "y")], 3, 9.0);
    let m = metric(&store, "m");
    let (x, y) = (series(&store, "m", &[("k", "x")]), series(&store, "m", &[("k", "y")]));
    let any = |series: &[SeriesRef], from, to| store.has_samples(m, series, at(from), at(to)).expect("a history");
    assert!(any(&[x], 1, 2) && any(&[x, y], 2, 3) && any(&[y], 0, 9));
    assert!(!any(&[x], 0, 1) && !any(&[x], 2, 9) && !any(&[y], 3, 9) && !any(&[], 0, 9));
}

#[test]
fn the_newest_samples_are_found_without_those_before_them() {
    let dir = folder();
    let store = open(&dir);
    for file in 0..5 {
        for secs in file * 10..file * 10 + 10 {
            put(&store, "m", &[("k", "x")], secs, secs as f64);
        }
        store.flush().expect("a writable folder");
    }
    put(&store, "m", &[("k", "y")], 49, 9.0);
    put(&store, "m", &[("k", "x")], 50, f64::from_bits(STALE_NAN_BITS));
    // Comes last, and is of a time that only the first file has.
    put(&store, "m", &[("k", "x")], 4, 4.5);
    let m = metric(&store, "m");
    let (x, y) = (series(&store, "m", &[("k", "x")]), series(&store, "m", &[("k", "y")]));
    let newest = |series: &[SeriesRef], count| {
        let found = store.newest_samples(m, series, at(0), at(100), count).expect("a readable history");
        found.into_iter().map(|samples| (samples.series, samples.values)).collect::<Vec<_>>()
    };
    let opened = || store.stats().files_opened;
    let before = opened();
    assert_eq!(newest(&[x, y], 3), [(x, vec![48.0, 49.0]), (y, vec![9.0])]);
    assert_eq!(opened(), before + 1);
    assert_eq!(newest(&[y], 10), [(y, vec![9.0])]);
    assert_eq!(newest(&[x], 100)[0].1[3], 4.5);
    assert!(newest(&[x], 0).is_empty() && newest(&[], 3).is_empty());
}

#[test]
fn readers_beside_appends_and_evictions_see_each_point_once() {
    const ROUNDS: usize = 100;
    let dir = folder();
    let store = open(&dir);
    let series = series(&store, "m", &[]);
    let query = PointQuery { metrics: vec![metric(&store, "m")], wanted: SeriesFilter::All, times: TimeRange::ALL };
    let (begun, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..ROUNDS {
                let mut batch = PointBatch::default();
                batch.push(series, at(round as i64), 0.0);
                begun.store(round + 1, Ordering::SeqCst);
                store.append_unlogged(batch);
                done.store(round + 1, Ordering::SeqCst);
                store.flush().expect("a writable folder");
            }
        });
        // Two readers that wait for the lock get in at the very moment of the swap.
        for _ in 0..2 {
            scope.spawn(|| {
                let mut least = 0;
                while least < ROUNDS {
                    least = done.load(Ordering::SeqCst);
                    let rows = store.snapshot(query.clone()).rows();
                    assert!((least..=begun.load(Ordering::SeqCst)).contains(&rows), "{rows} of {least}");
                }
            });
        }
    });
}
