//! Following what arrives.

use std::sync::Arc;

use flyball_model::rows::{LogBuilder, LogRecord};
use flyball_model::series::LOGS;
use flyball_model::{PointBatch, RowKind, Shape, UnixNanos};
use tempfile::TempDir;

use crate::testing::{folder, metric, open, series, shaped_series};
use crate::{Follower, RowFollower, Store};

/// Points of one series, one a second.
fn points(store: &Store, first: i64, count: i64) {
    let mut batch = PointBatch::default();
    let series = series(store, "m", &[]);
    (first..first + count).for_each(|at| batch.push(series, UnixNanos::from_secs(at), at as f64));
    store.append_unlogged(batch);
}

fn logs(store: &Store, first: i64, count: i64) {
    let mut batch = LogBuilder::default();
    let stream = shaped_series(store, LOGS, Shape::Streams, &[]);
    let record = |at| LogRecord::new(stream, UnixNanos::from_secs(at));
    (first..first + count).for_each(|at| batch.push(record(at), [("k", "v"); 0]));
    store.append_rows_unlogged(batch.finish());
}

/// A store with so many history files, each with so many points or records that `put` makes.
fn with_files(dir: &TempDir, files: i64, each: i64, put: fn(&Store, i64, i64)) -> Arc<Store> {
    let store = open(dir);
    for file in 0..files {
        put(&store, file * each, each);
        store.flush().expect("a writable folder");
    }
    store
}

#[test]
fn what_arrives_while_stored_points_are_read_is_not_missed_though_it_leaves_memory() {
    let dir = folder();
    let store = with_files(&dir, 3, 64, points);
    let (mut given, mut reads) = (Vec::new(), 0);
    let follower = Follower::start(&store, metric(&store, "m"), UnixNanos(0), |read| {
        given.extend(read.value.iter().copied());
        if reads < 3 {
            // What came during the read before leaves now.
            store.flush().expect("a writable folder");
            points(&store, 192 + reads * 10, 10);
            reads += 1;
        }
    });
    let mut follower = follower.expect("a readable history");
    points(&store, 222, 1);
    let rest = follower.follow(&store).expect("nothing was missed");
    given.extend(rest.iter().flat_map(|points| points.value.iter().copied()));
    assert_eq!(given, (0..223).map(f64::from).collect::<Vec<_>>());
}

#[test]
fn what_arrives_while_stored_records_are_read_is_not_missed_though_it_leaves_memory() {
    let dir = folder();
    let store = with_files(&dir, 3, 2, logs);
    let (mut given, mut reads) = (0, 0);
    let follower = RowFollower::start(&store, RowKind::Logs, None, &[0, 1], UnixNanos(0), |records| {
        given += records.num_rows();
        if reads < 3 {
            store.flush().expect("a writable folder");
            logs(&store, 6 + reads, 1);
            reads += 1;
        }
    });
    let mut follower = follower.expect("a readable history");
    let rest = follower.follow(&store).expect("nothing was missed");
    assert_eq!(given + rest.iter().map(|records| records.num_rows()).sum::<usize>(), 9);
}

#[test]
fn who_holds_as_much_as_there_is_room_for_is_told_what_it_missed() {
    let dir = folder();
    let store = with_files(&dir, 4, 64, points);
    let mut next = 256;
    let follower = Follower::start(&store, metric(&store, "m"), UnixNanos(0), |read| {
        if read.len() == 64 {
            store.flush().expect("a writable folder");
            points(&store, next, 1000);
            next += 1000;
        }
    });
    let mut follower = follower.expect("a readable history");
    store.flush().expect("a writable folder");
    assert!(follower.follow(&store).is_none());
}
