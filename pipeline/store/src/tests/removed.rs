//! Files and folders that somebody removes while they are in use.

use std::fs;

use super::log::all_points;
use crate::testing::{folder, open, put};
use crate::{Store, StoreError, StoreOptions};

#[test]
fn a_removed_journal_is_put_back_with_new_series_and_without() {
    let dir = folder();
    let store = open(&dir);
    let path = dir.path().join("series.journal");
    for (number, host) in ["a", "b", "b", "c"].into_iter().enumerate() {
        put(&store, "m", &[("host", host)], number as i64, 1.0);
        store.sync_series().expect("a writable folder");
        fs::remove_file(&path).expect("the journal");
    }
    // Nothing is new.
    store.sync_series().expect("a writable folder");
    assert!(path.is_file());
    store.flush().expect("a writable folder");
    drop(store);
    let store = open(&dir);
    assert_eq!((store.stats().series, all_points(&store).len()), (3, 4));
}

#[test]
fn a_removed_history_folder_is_made_again() {
    let dir = folder();
    let store = open(&dir);
    put(&store, "m", &[], 1, 1.0);
    fs::remove_dir(dir.path().join("history")).expect("an empty folder");
    store.flush().expect("a writable folder");
    drop(store);
    assert_eq!(all_points(&open(&dir)).len(), 1);
}

#[test]
fn a_removed_data_folder_is_made_again_with_what_is_in_memory() {
    let dir = folder();
    let store = open(&dir);
    put(&store, "m", &[("host", "a")], 1, 1.0);
    store.sync_series().expect("a writable folder");
    fs::remove_dir_all(dir.path()).expect("the folder");
    put(&store, "m", &[("host", "b")], 2, 2.0);
    store.flush().expect("a writable folder");
    // And it is locked again.
    assert!(matches!(Store::open(dir.path(), StoreOptions::default()), Err(StoreError::InUse { .. })));
    drop(store);
    assert_eq!(all_points(&open(&dir)).len(), 2);
}

#[test]
fn a_removed_data_folder_that_another_process_made_again_is_left_to_it() {
    let dir = folder();
    let store = open(&dir);
    put(&store, "m", &[("host", "a")], 1, 1.0);
    store.sync_series().expect("a writable folder");
    fs::remove_dir_all(dir.path()).expect("the folder");
    let other = open(&dir);
    put(&other, "n", &[], 1, 1.0);
    other.flush().expect("a writable folder");
    for _ in 0..2 {
        for error in [store.sync_series(), store.flush()] {
            let error = error.expect_err("another one works there");
            assert!(matches!(error, StoreError::InUse { .. }) && error.is_retryable(), "{error}");
        }
    }
    drop((store, other));
    let other = open(&dir);
    assert!(other.registry().read().metric("m").is_none());
    assert_eq!(all_points(&other).len(), 1);
}

#[test]
fn a_removed_lock_lets_no_second_process_in() {
    let dir = folder();
    let store = open(&dir);
    fs::remove_file(dir.path().join("LOCK")).expect("the lock");
    for second in [Store::open, Store::open_read_only] {
        let error = second(dir.path(), StoreOptions::default()).expect_err("the folder is in use");
        assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    }
    drop(store);
    open(&dir);
}
