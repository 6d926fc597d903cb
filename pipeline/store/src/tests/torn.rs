//! An end of the series journal that can't be read, though something speaks of what stood there.

use std::fs;
use std::path::PathBuf;

use flyball_model::{PointBatch, UnixNanos};
use tempfile::TempDir;

use super::log::{Log, all_points};
use crate::testing::{folder, open, put, series};
use crate::{Store, StoreOptions};

/// Flips a bit of the only frame of the journal.
fn flip(dir: &TempDir) -> (PathBuf, Vec<u8>) {
    let path = dir.path().join("series.journal");
    let mut bytes = fs::read(&path).expect("the journal");
    *bytes.last_mut().expect("a frame") ^= 0x10;
    fs::write(&path, &bytes).expect("a writable folder");
    (path, bytes)
}

#[test]
fn a_history_that_needs_the_end_of_the_journal_names_its_place_and_nothing_is_cut() {
    let dir = folder();
    let store = open(&dir);
    put(&store, "m", &[("host", "a")], 1, 1.0);
    store.flush().expect("a writable folder");
    drop(store);
    let (path, damaged) = flip(&dir);
    for _ in 0..2 {
        let error = Store::open(dir.path(), StoreOptions::default()).expect_err("names are missing").to_string();
        for words in
            ["series.journal is damaged at byte 12: ", "points-000000000000.parquet speaks of 1 series", "backup"]
        {
            assert!(error.contains(words), "{error}");
        }
        assert_eq!(fs::read(&path).expect("the journal"), damaged);
    }
    flip(&dir);
    assert_eq!(all_points(&open(&dir)).len(), 1);
}

#[test]
fn a_log_that_needs_the_end_of_the_journal_names_its_place_and_nothing_is_cut() {
    let dir = folder();
    let store = open(&dir);
    let mut log = Log::default();
    let mut points = PointBatch::default();
    points.push(series(&store, "m", &[("host", "a")]), UnixNanos(1), 1.0);
    log.append(&store, points);
    store.sync_series().expect("a writable folder");
    drop(store);
    let (path, damaged) = flip(&dir);
    for _ in 0..2 {
        let store = open(&dir);
        let error = log.replay(&store).expect_err("names are missing").to_string();
        for words in ["series.journal is damaged at byte 12: ", "the log speaks of series number 0", "backup"] {
            assert!(error.contains(words), "{error}");
        }
        drop(store);
        assert_eq!(fs::read(&path).expect("the journal"), damaged);
    }
    flip(&dir);
    let store = open(&dir);
    assert_eq!(log.replay(&store).expect("records of this folder").restored, 1);
}
