//! Replay of a log.

use flyball_log::{PointRun, Position};
use flyball_model::{PointBatch, RowKind, UnixNanos};

use super::log::{Log, Record, all_logs, all_points, logs};
use crate::testing::{folder, open, open_with, series};
use crate::{LogPressure, Store, StoreError, StoreOptions};

/// A point for each value, of one series and with the value as time.
fn points(store: &Store, metric: &str, values: std::ops::Range<i64>) -> PointBatch {
    let series = series(store, metric, &[]);
    let mut batch = PointBatch::default();
    values.for_each(|value| batch.push(series, UnixNanos(value), value as f64));
    batch
}

/// The times of all points, in the order in which they are stored.
fn times(store: &Store) -> Vec<i64> {
    all_points(store).into_iter().map(|point| point.1).collect()
}

#[test]
fn what_is_only_in_memory_comes_back_from_the_log_and_what_is_in_the_history_is_not_taken_twice() {
    let dir = folder();
    let store = open(&dir);
    let mut log = Log::default();
    log.append(&store, points(&store, "m", 0..10));
    log.append_rows(&store, logs(&store, &[1, 2]));
    store.flush().expect("a writable folder");
    log.append(&store, points(&store, "m", 10..15));
    log.append_rows(&store, logs(&store, &[3]));
    log.append(&store, points(&store, "n", 0..2));
    store.sync_series().expect("a writable folder");
    let stats = store.stats();
    drop(store);

    let store = open(&dir);
    let count = log.replay(&store).expect("records of this folder");
    assert_eq!((count.restored, count.known), (5 + 1 + 2, 10 + 2));
    assert_eq!((times(&store), all_logs(&store)), ((0..15).chain(0..2).collect(), vec![1, 2, 3]));
    assert_eq!(store.stats().hot_points, stats.hot_points);
    // And ordinals go on where they were.
    let appended = log.append(&store, points(&store, "m", 15..16));
    assert_eq!(appended.runs, [PointRun { start: 0, end: 1, ordinal: 15 }]);
    assert_eq!(store.append_rows(logs(&store, &[4]), Position(9)).ordinal, 3);
}

#[test]
fn ordinals_go_on_after_the_history_when_there_is_no_log() {
    let dir = folder();
    let store = open(&dir);
    store.append_unlogged(points(&store, "m", 0..7));
    store.append_rows_unlogged(logs(&store, &[1, 2, 3]));
    store.flush().expect("a writable folder");
    drop(store);
    let store = open(&dir);
    assert_eq!(store.append(points(&store, "m", 7..8), Position(0)).runs[0].ordinal, 7);
    assert_eq!(store.append_rows(logs(&store, &[4]), Position(0)).ordinal, 3);
}

/// Splits a replay of one metric's points 0..9 into these records.
fn replay(records: &[std::ops::Range<i64>], options: StoreOptions) -> (Vec<i64>, u64) {
    let dir = folder();
    let store = open_with(&dir, options);
    let mut restore = store.begin_restore();
    let mut known = 0;
    for record in records {
        let run = PointRun { start: 0, end: (record.end - record.start) as u32, ordinal: record.start as u64 };
        let count = restore.points(&points(&store, "m", record.clone()), &[run], Position(0)).expect("a good record");
        known += count.known;
    }
    restore.finish().expect("a writable folder");
    (times(&store), known)
}

#[test]
fn records_in_another_order_come_back_in_the_order_of_arrival() {
    for (records, expected, known) in [
        (&[0..3, 3..9][..], (0..9).collect::<Vec<_>>(), 0),
        (&[3..9, 0..3], (0..9).collect(), 0),
        (&[5..7, 7..9, 2..5, 0..2], (0..9).collect(), 0),
        // The same record twice, and one that has a part of another.
        (&[0..3, 0..3, 3..9, 3..9], (0..9).collect(), 9),
        (&[2..5, 0..9, 4..6], (0..9).collect(), 3 + 2),
        // Some were never logged.
        (&[0..3, 5..9], [0..3, 5..9].into_iter().flatten().collect(), 0),
        (&[7..9, 3..5], [3..5, 7..9].into_iter().flatten().collect(), 0),
    ] {
        assert_eq!(replay(records, StoreOptions::default()), (expected, known), "{records:?}");
        // When nothing may wait, all of them are there nevertheless.
        let (mut found, again) = replay(records, StoreOptions { hot_bytes: 1, ..StoreOptions::default() });
        found.sort_unstable();
        let mut all: Vec<_> = records.iter().cloned().flatten().collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!((found, again), (all, known), "{records:?}");
    }
}

#[test]
fn a_gap_outlives_a_restart_and_its_points_may_still_come() {
    let dir = folder();
    let mut log = Log::default();
    let store = open_with(&dir, StoreOptions { hot_bytes: 1, ..StoreOptions::default() });
    store.sync_series().expect("a writable folder");
    let record = |range: std::ops::Range<i64>| {
        let run = PointRun { start: 0, end: (range.end - range.start) as u32, ordinal: range.start as u64 };
        Record::Points(points(&store, "m", range), vec![run])
    };
    let records = [record(0..4), record(6..9), record(4..6)];
    store.sync_series().expect("a writable folder");
    // The process dies in the middle of a replay, when what is behind the gap is in the history already.
    records[..2].iter().for_each(|record| log.push(record.clone()));
    log.replay(&store).expect("a good record");
    store.flush().expect("a writable folder");
    drop(store);
    let store = open(&dir);
    log.push(records[2].clone());
    let count = log.replay(&store).expect("good records");
    assert_eq!((count.restored, count.known), (2, 7));
    let mut found = times(&store);
    found.sort_unstable();
    assert_eq!(found, (0..9).collect::<Vec<_>>());
    assert_eq!(log.append(&store, points(&store, "m", 9..10)).runs[0].ordinal, 9);
}

#[test]
fn a_replay_of_more_than_memory_holds_goes_on_into_the_history() {
    let dir = folder();
    let budget = 64 * 1024;
    let options = StoreOptions { hot_bytes: budget, ..StoreOptions::default() };
    let store = open_with(&dir, options.clone());
    let mut log = Log::default();
    for part in 0..100 {
        log.append(&store, points(&store, "m", part * 100..part * 100 + 100));
    }
    store.sync_series().expect("a writable folder");
    drop(store);
    let store = open_with(&dir, options);
    assert_eq!(log.replay(&store).expect("a writable folder").restored, 10_000);
    assert!(store.stats().hot_bytes <= budget as u64 && store.stats().history_files > 0, "{:?}", store.stats());
    assert_eq!(times(&store), (0..10_000).collect::<Vec<_>>());
    assert_eq!(log.replay(&store).expect("a writable folder").known, 10_000);
}

#[test]
fn records_of_another_folder_are_refused_and_not_taken() {
    let dir = folder();
    let store = open(&dir);
    let good = points(&store, "m", 0..4);
    let mut mixed = good.clone();
    mixed.push(series(&store, "n", &[]), UnixNanos(1), 1.0);
    let mut unknown = good.clone();
    unknown.push(flyball_model::SeriesRef(1_000_000), UnixNanos(1), 1.0);
    let run = |start, end, ordinal| PointRun { start, end, ordinal };
    let mut restore = store.begin_restore();
    for (points, runs) in [
        (&good, &[run(0, 3, 0)][..]),
        (&good, &[run(0, 5, 0)]),
        (&good, &[run(0, 2, 0), run(3, 4, 0)]),
        (&good, &[run(0, 3, 0), run(2, 4, 0)]),
        (&good, &[run(0, 0, 0), run(0, 4, 0)]),
        (&good, &[run(4, 0, 0)]),
        (&good, &[]),
        (&good, &[run(0, 4, u64::MAX - 2)]),
        (&mixed, &[run(0, 5, 0)]),
        (&unknown, &[run(0, 5, 0)]),
    ] {
        let error = restore.points(points, runs, Position(0)).expect_err("a bad record");
        assert!(matches!(error, StoreError::Foreign { .. }), "{runs:?}: {error}");
    }
    let rows = restore.rows(logs(&store, &[1, 2]), u64::MAX, Position(0));
    assert!(matches!(rows, Err(StoreError::Foreign { .. })));
    drop(restore);
    assert_eq!(store.stats().hot_points, 0);
}

#[test]
fn the_log_is_needed_from_where_the_oldest_thing_in_memory_may_stand() {
    let dir = folder();
    let store = open(&dir);
    assert_eq!(store.needed_from(), None);
    store.append(points(&store, "m", 0..20_000), Position(7));
    assert_eq!(store.needed_from(), Some(Position(7)));
    store.append(points(&store, "n", 0..1), Position(5));
    store.append_rows(logs(&store, &[1]), Position(3));
    store.append_rows(logs(&store, &[2]), Position(4));
    assert_eq!(store.needed_from(), Some(Position(3)));
    store.append(points(&store, "n", 1..2), Position(20));
    store.append_unlogged(points(&store, "k", 0..1));
    for (before, needed, evicted) in
        [(None, Some(3), (0, 0)), (Some(3), Some(3), (0, 0)), (Some(5), Some(5), (0, 2)), (Some(8), None, (20_002, 0))]
    {
        let log = LogPressure { evict_before: before.map(Position) };
        let done = store.maintain(UnixNanos(0), log).expect("a writable folder");
        assert_eq!(store.needed_from(), needed.map(Position), "{before:?}");
        assert_eq!((done.points_evicted, done.rows_evicted), evicted, "{before:?}");
    }
    // What is in no log stays as long as there is room.
    assert_eq!((store.stats().hot_points, store.stats().hot_rows.get(RowKind::Logs)), (1, 0));
    store.flush().expect("a writable folder");
    assert_eq!(store.needed_from(), None);
}
