//! Points that are sent twice.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flyball_model::batch::STALE_NAN_BITS;
use flyball_model::{PointBatch, UnixNanos};

use super::log::{Log, all_points};
use crate::options::CANDIDATES_MAX;
use crate::testing::{folder, open, open_with, series};
use crate::{LogPressure, Store, StoreOptions};

/// A series and a time in seconds, with a value.
type Point = (&'static str, i64, f64);

enum Step {
    /// These points are sent; so many are duplicates.
    Send(&'static [Point], u64),
    Flush,
    /// Flushed, and opened again.
    Restart,
    /// The history's files grow so old that no sender tries again what is in them.
    GrowOld,
}

use Step::{Flush, GrowOld, Restart, Send};

const STALE: f64 = f64::from_bits(STALE_NAN_BITS);

fn batch(store: &Store, points: &[Point]) -> PointBatch {
    let mut batch = PointBatch::default();
    for (host, secs, value) in points {
        // Two metrics, whose points stand between each other.
        let metric = if *host < "m" { "first" } else { "second" };
        batch.push(series(store, metric, &[("host", host)]), UnixNanos::from_secs(*secs), *value);
    }
    batch
}

fn check(name: &str, steps: &[Step]) {
    let dir = folder();
    let mut store = open(&dir);
    let mut kept = 0;
    for (at, step) in steps.iter().enumerate() {
        match step {
            Send(points, duplicates) => {
                let appended = Log::default().append(&store, batch(&store, points));
                kept += appended.points.len();
                assert_eq!(appended.duplicates, *duplicates, "{name}, step {at}");
                assert_eq!(appended.points.len() as u64 + duplicates, points.len() as u64, "{name}, step {at}");
            }
            Flush => store.flush().expect("a writable folder"),
            Restart => {
                store.flush().expect("a writable folder");
                drop(store);
                store = open(&dir);
            }
            GrowOld => {
                let written = store.history.read().points.iter().map(|file| file.written).max().expect("a file");
                let later = UnixNanos(written).plus(Duration::from_secs(3601));
                store.history.write().age(later);
            }
        }
    }
    assert_eq!(all_points(&store).len(), kept, "{name}");
}

const BODY: &[Point] = &[
    ("a", 10, 1.0),
    ("z", 10, 2.0),
    ("b", 10, 3.0),
    ("y", 10, 4.0),
    ("a", 20, 1.5),
    ("b", 20, 3.5),
    ("z", 20, 2.5),
    ("a", 30, 1.0),
    ("b", 30, 1.0),
    ("c", 30, 1.0),
    ("d", 30, 1.0),
    ("e", 30, 1.0),
    ("f", 30, 1.0),
];
const ALL: u64 = BODY.len() as u64;

#[test]
fn a_point_with_series_time_and_value_of_one_that_is_stored_is_dropped_and_counted() {
    for (name, steps) in [
        ("a body again", &[Send(BODY, 0), Send(BODY, ALL), Send(BODY, ALL)][..]),
        ("from the history", &[Send(BODY, 0), Flush, Send(BODY, ALL)]),
        ("after a restart", &[Send(BODY, 0), Restart, Send(BODY, ALL), Send(BODY, ALL)]),
        (
            "an older one of a series that was heard of again since the restart",
            &[Send(BODY, 0), Restart, Send(&[("a", 15, 7.0)], 0), Send(&[("a", 20, 1.5), ("a", 15, 7.0)], 2)],
        ),
        (
            "half in memory, half in the history",
            &[
                Send(&[("a", 1, 1.0)], 0),
                Flush,
                Send(&[("a", 2, 1.0)], 0),
                Send(&[("a", 1, 1.0), ("a", 2, 1.0), ("a", 3, 1.0)], 2),
            ],
        ),
        (
            "in two files",
            &[
                Send(&[("a", 1, 1.0), ("z", 1, 1.0)], 0),
                Flush,
                Send(&[("a", 2, 1.0)], 0),
                Flush,
                Send(&[("a", 1, 1.0), ("z", 1, 1.0), ("a", 2, 1.0)], 3),
            ],
        ),
        ("a part of a body", &[Send(BODY, 0), Send(&[("b", 20, 3.5), ("b", 40, 1.0), ("z", 10, 2.0)], 2)]),
        (
            "another value is a correction, and that may be a duplicate",
            &[Send(BODY, 0), Send(&[("a", 10, 9.0)], 0), Send(&[("a", 10, 9.0), ("a", 10, 1.0)], 2)],
        ),
        ("an older point is none", &[Send(BODY, 0), Send(&[("a", 5, 1.0), ("a", 15, 1.0), ("y", 9, 4.0)], 0)]),
        ("another series is none", &[Send(&[("a", 1, 1.0)], 0), Send(&[("b", 1, 1.0), ("z", 1, 1.0)], 0)]),
        (
            "twice in one body",
            &[Send(&[("a", 1, 1.0), ("b", 1, 1.0), ("a", 1, 1.0), ("a", 1, 2.0), ("a", 1, 1.0), ("a", 1, 2.0)], 3)],
        ),
        ("bits are compared", &[Send(&[("a", 1, 0.0)], 0), Send(&[("a", 1, -0.0)], 0), Send(&[("a", 1, -0.0)], 1)]),
        (
            "staleness markers and other NaNs are values",
            &[
                Send(&[("a", 1, STALE)], 0),
                Send(&[("a", 1, f64::NAN)], 0),
                Flush,
                Send(&[("a", 1, STALE), ("a", 1, f64::NAN)], 2),
            ],
        ),
        (
            "what was written long ago is not searched",
            &[Send(BODY, 0), Flush, GrowOld, Send(BODY, 0), Send(BODY, ALL), Flush, Send(BODY, ALL)],
        ),
    ] {
        check(name, steps);
    }
}

#[test]
fn duplicates_that_are_not_finite_are_counted_apart_but_for_staleness_markers() {
    let dir = folder();
    let store = open(&dir);
    let points = [("a", 1, f64::NAN), ("a", 2, f64::INFINITY), ("a", 3, STALE), ("a", 4, 1.0)];
    for (stored, duplicates, not_finite) in [(4, 0, 0), (0, 4, 2)] {
        let appended = Log::default().append(&store, batch(&store, &points));
        let found = (appended.points.len(), appended.duplicates, appended.duplicates_not_finite);
        assert_eq!(found, (stored, duplicates, not_finite));
        assert_eq!(appended.touched.len(), usize::from(stored > 0));
    }
}

#[test]
fn more_points_than_are_looked_up_at_a_time_are_found_too() {
    let dir = folder();
    let store = open(&dir);
    let series = series(&store, "m", &[]);
    let batch = |times: &[(i64, i64)]| {
        let mut batch = PointBatch::default();
        times.iter().flat_map(|&(from, to)| from..to).for_each(|time| batch.push(series, UnixNanos(time), 1.0));
        batch
    };
    let most = CANDIDATES_MAX as i64;
    // So that everything else is old.
    store.append_unlogged(batch(&[(10 * most, 10 * most + 1)]));
    for (sent, duplicates) in [
        (&[(0, most + 10)][..], 0),
        // Equal ones stand in other turns.
        (&[(2 * most, 4 * most), (2 * most, 4 * most)], 2 * most),
        (&[(0, most + 10), (5 * most, 6 * most), (2 * most, 4 * most), (5 * most, 5 * most + 1)], 3 * most + 11),
    ] {
        assert_eq!(store.append(batch(sent), flyball_log::Position(0)).duplicates as i64, duplicates);
        if duplicates > 0 {
            store.flush().expect("a writable folder");
        }
    }
    assert_eq!(all_points(&store).len() as i64, 1 + most + 10 + 2 * most + most);
}

#[test]
fn a_file_that_was_found_is_searched_until_it_is_an_hour_old() {
    let dir = folder();
    // Points of 1970 don't expire.
    let options = StoreOptions { retention: Duration::from_secs(200 * 365 * 86_400), ..StoreOptions::default() };
    let store = open_with(&dir, options.clone());
    store.append_unlogged(batch(&store, BODY));
    store.flush().expect("a writable folder");
    drop(store);
    let store = open_with(&dir, options);
    let written = UnixNanos(store.history.read().points[0].written);
    let again = |after: u64| {
        store.maintain(written.plus(Duration::from_secs(after)), LogPressure::default()).expect("a writable folder");
        store.append(batch(&store, &BODY[..1]), flyball_log::Position(0)).duplicates
    };
    assert_eq!((again(0), again(3600)), (1, 1));
    // Memory has seen the series at no time yet, and the file is old.
    assert_eq!((again(3601), again(3601)), (0, 1));
}

#[test]
fn connections_that_send_the_same_bodies_at_once_store_each_point_once() {
    const ROUNDS: i64 = 40;
    let dir = folder();
    let store = open_with(&dir, StoreOptions { hot_bytes: 16 * 1024, ..StoreOptions::default() });
    let hosts: Vec<String> = (0..10).map(|host| format!("{host}")).collect();
    let all: Vec<_> = hosts
        .iter()
        .flat_map(|host| [("first", host), ("second", host)])
        .map(|(metric, host)| series(&store, metric, &[("host", host)]))
        .collect();
    let (stored, duplicates) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for sender in 0..4_i64 {
            let (store, all, stored, duplicates) = (&store, &all, &stored, &duplicates);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let mut batch = PointBatch::default();
                    for time in round * 3..round * 3 + 5 {
                        // Each sender has an order of its own.
                        let rotated = all.iter().cycle().skip(sender as usize * 3).take(all.len());
                        rotated.for_each(|&series| batch.push(series, UnixNanos(time), time as f64));
                    }
                    let appended = store.append(batch, flyball_log::Position(0));
                    stored.fetch_add(appended.points.len() as u64, Ordering::Relaxed);
                    duplicates.fetch_add(appended.duplicates, Ordering::Relaxed);
                    if round % 8 == sender {
                        store.flush().expect("a writable folder");
                    }
                }
            });
        }
    });
    let mut points = all_points(&store);
    points.sort_unstable();
    let found = points.len();
    points.dedup();
    let unique = 20 * (ROUNDS as usize * 3 + 2);
    assert_eq!((found, points.len()), (unique, unique));
    assert_eq!(stored.into_inner() as usize, unique);
    assert_eq!(duplicates.into_inner() as usize, 4 * ROUNDS as usize * 5 * 20 - unique);
}

#[test]
fn what_is_far_behind_its_series_is_late_unless_it_is_there_already() {
    let dir = folder();
    let store = open(&dir);
    for (step, (points, late)) in [
        // Of a series that nobody knew nothing is late, however old.
        (&[("a", 100, 1.0), ("b", 1000, 1.0)][..], 0),
        (&[("a", 70, 1.0), ("a", 69, 1.0), ("b", 980, 1.0), ("c", 1, 1.0)], 1),
        // Twice, once as another value, and behind what came in the same batch.
        (&[("a", 69, 1.0), ("a", 69, 2.0), ("a", 200, 1.0), ("a", 169, 1.0), ("z", 1, 1.0)], 2),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(Log::default().append(&store, batch(&store, points)).late, late, "step {step}");
        if step == 1 {
            store.flush().expect("a writable folder");
        }
    }
}
