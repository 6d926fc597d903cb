//! Files that become one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flyball_model::{PointBatch, UnixNanos};

use crate::history::join::Bounds;
use crate::testing::{
    exemplar, folder, histograms, join, join_anew, log, metric, open, open_with, put, series, span, sql, text,
};
use crate::{Joined, LogPressure, Store, StoreError, StoreOptions};

/// Points of two metrics, in nanoseconds and in seconds, late ones and corrections among them, and records of all kinds; a file of each
/// in each of four rounds.
fn live(store: &Arc<Store>) {
    for round in 0..4_i64 {
        for host in ["b", "a"] {
            put(store, "load", &[("host", host)], 100 - round, round as f64);
            put(store, "load", &[("host", host)], 7, round as f64);
            put(store, "up", &[("host", host)], 100 + round, 1.0);
            histograms(store, "waits", &[("host", host)], &[(100 - round, 0.5 + round as f64), (7, round as f64)]);
        }
        let mut fine = PointBatch::default();
        fine.push(series(store, "fine", &[]), UnixNanos(round + 1), round as f64);
        store.append_unlogged(fine);
        log(store, &[("service_name", "web")], 100 + round, &format!("body {round}"));
        span(store, &[("service_name", "web")], 100 + round, "GET /", 5);
        exemplar(store, series(store, "up", &[("host", "a")]), 100 + round, 1.0);
        text(store, "state", &[("host", "a")], 100 + round, "on");
        store.flush().expect("a writable folder");
    }
}

/// All that queries tell.
async fn told(store: &Arc<Store>) -> Vec<String> {
    let mut told = Vec::new();
    for query in [
        "SELECT host, time, value FROM load ORDER BY host, time, value",
        "SELECT name, count(*), sum(value) FROM metrics GROUP BY name ORDER BY name",
        "SELECT value FROM fine WHERE time > '1970-01-01T00:00:00.000000002Z' ORDER BY time",
        "SELECT host, time, count, sum FROM waits ORDER BY host, time, sum",
        "SELECT time, service_name, body, attributes FROM logs ORDER BY time",
        "SELECT body FROM logs WHERE time >= '1970-01-01T00:01:42Z' ORDER BY time",
        "SELECT time, name, duration, attributes FROM spans ORDER BY time",
        "SELECT time, value, attributes FROM exemplars ORDER BY time",
        "SELECT * FROM texts ORDER BY time",
    ] {
        told.extend(sql(store, query).await);
    }
    // Of points with one time the last that arrived is told.
    let samples = store.samples(metric(store, "load"), None, UnixNanos::MIN, UnixNanos::MAX).expect("a history");
    told.extend(samples.iter().map(|samples| format!("{samples:?}")));
    told
}

fn files(dir: &tempfile::TempDir) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir.path().join("history"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn nothing_is_told_differently_when_files_were_joined() {
    for group_rows_min in [1, 1000] {
        check_joined(group_rows_min).await;
    }
}

async fn check_joined(group_rows_min: u64) {
    let dir = folder();
    let store = open(&dir);
    live(&store);
    let before = told(&store).await;
    let stats = store.stats();
    assert_eq!(stats.history_files, 24);
    assert_eq!(join_anew(&store, group_rows_min).expect("a writable folder"), 24);
    assert_eq!(told(&store).await, before);
    let joined = store.stats();
    assert_eq!((joined.history_files, files(&dir).len()), (6, 6));
    assert_eq!((joined.history_points, joined.history_rows), (stats.history_points, stats.history_rows));

    // What comes then is younger.
    put(&store, "load", &[("host", "a")], 7, 9.0);
    store.flush().expect("a writable folder");
    drop(store);
    let store = open(&dir);
    let seven = "SELECT value FROM latest_of WHERE time = '1970-01-01T00:00:07Z'".replace("latest_of", "load");
    assert_eq!(sql(&store, &seven).await.len(), 9);
    let samples = store.samples(metric(&store, "load"), None, UnixNanos::MIN, UnixNanos::from_secs(7));
    assert!(samples.expect("a history").iter().any(|samples| samples.values == [9.0]));
}

#[tokio::test]
async fn a_crash_before_the_parts_are_removed_leaves_nothing_twice() {
    let dir = folder();
    let store = open(&dir);
    live(&store);
    let before = told(&store).await;
    let parts: Vec<_> = files(&dir).into_iter().map(|path| (std::fs::read(&path).expect("a file"), path)).collect();
    join(&store).expect("a writable folder");
    drop(store);
    for (bytes, path) in &parts {
        std::fs::write(path, bytes).expect("a writable folder");
    }
    std::fs::write(dir.path().join("history/joined.part"), "half of it").expect("a writable folder");
    let store = open(&dir);
    assert_eq!(told(&store).await, before);
    assert_eq!(files(&dir).len(), 6);
    // Points that are replayed are known to be there.
    assert_eq!(store.held.lock().points[&metric(&store, "load")].ranges().count(), 1);
}

#[tokio::test]
async fn a_join_that_is_given_up_changes_nothing() {
    let dir = folder();
    let store = open(&dir);
    live(&store);
    let (before, there) = (told(&store).await, store.stats().history_files);
    let bounds = Bounds { files_min: 2, growth_min: 1, ..Bounds::new(Duration::MAX) };
    let stopped = store.join_within(&bounds, &|| true).expect_err("it was stopped");
    assert!(matches!(stopped, StoreError::Stopped), "{stopped}");
    assert_eq!((told(&store).await, store.stats().history_files), (before, there));
}

#[test]
fn files_of_a_query_stay_until_it_has_read_them() {
    let dir = folder();
    let store = open(&dir);
    live(&store);
    let read = store.history.read().clone();
    join(&store).expect("a writable folder");
    assert_eq!(files(&dir).len(), 30);
    drop(read);
    assert_eq!(files(&dir).len(), 6);
}

#[test]
fn few_files_are_left_and_points_are_written_anew_seldom() {
    let dir = folder();
    let store = open_with(&dir, StoreOptions { retention: Duration::from_secs(24 * 3600), ..StoreOptions::default() });
    let (mut written, mut most) = (0, 0);
    for second in 0..500 {
        put(&store, "m", &[], second, 0.0);
        store.flush().expect("a writable folder");
        while let Some(Joined { rows, .. }) = store.join_files(&|| false).expect("a writable folder") {
            written += rows;
        }
        most = most.max(store.stats().history_files);
    }
    assert!(most <= 30, "{most} files");
    assert!(written <= 4 * 500, "{written} points written anew");
    // Points that are an hour apart expire apart.
    put(&store, "m", &[], 500 + 3600, 0.0);
    store.flush().expect("a writable folder");
    while store.join_files(&|| false).expect("a writable folder").is_some() {}
    let expired = store.maintain(UnixNanos::from_secs(25 * 3600), LogPressure::default()).expect("a writable folder");
    assert!(expired.files_deleted > 0 && store.stats().history_points == 1, "{expired:?}");
}

#[tokio::test]
async fn a_file_with_a_flipped_bit_is_named_and_the_others_are_joined() {
    let dir = folder();
    let store = open(&dir);
    for round in 0..5 {
        put(&store, "load", &[("host", "a")], round, round as f64);
        store.flush().expect("a writable folder");
    }
    let damaged = files(&dir).remove(1);
    let mut bytes = std::fs::read(&damaged).expect("a file");
    bytes[40] ^= 1;
    std::fs::write(&damaged, bytes).expect("a writable folder");

    let name = damaged.file_name().and_then(|name| name.to_str()).expect("a name");
    let is_named =
        |error: String| error.contains(name) && error.contains("bytes 0 to ") && error.contains("move it out");
    let error = join(&store).expect_err("it can't be read");
    assert!(is_named(error.to_string()), "{error}");
    assert_eq!(join(&store).expect("the others can be read"), 3);
    let samples = store.samples(metric(&store, "load"), None, UnixNanos::MIN, UnixNanos::MAX);
    let error = samples.expect_err("it can't be read").to_string();
    assert!(is_named(error.clone()), "{error}");
}
