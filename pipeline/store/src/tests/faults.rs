//! Each operation of the disk fails once.

use std::path::Path;
use std::sync::Arc;

use flyball_log::Disk;
use flyball_log::testing::{Fault, FaultyStorage, Operation};
use flyball_model::{PointBatch, UnixNanos};

use super::log::{Log, all_logs, all_points, logs};
use crate::testing::{folder, join, series};
use crate::{LogPressure, Store, StoreError, StoreOptions};

/// What is in the store and should be.
#[derive(Default)]
struct Run {
    log: Log,
    points: Vec<(u32, i64, u64)>,
    logs: Vec<i64>,
}

impl Run {
    fn append(&mut self, store: &Store, metric: &str, values: std::ops::Range<i64>) {
        let series = series(store, metric, &[]);
        let mut batch = PointBatch::default();
        for value in values {
            batch.push(series, UnixNanos(value), value as f64);
            self.points.push((series.0, value, (value as f64).to_bits()));
        }
        self.log.append(store, batch);
    }

    fn append_logs(&mut self, store: &Store, times: &[i64]) {
        self.log.append_rows(store, logs(store, times));
        self.logs.extend(times);
    }

    fn check(&self, disk: &FaultyStorage, store: &Store, when: &str) {
        disk.pause(true);
        let sorted = |mut points: Vec<_>| {
            points.sort_unstable();
            points
        };
        assert_eq!(sorted(all_points(store)), sorted(self.points.clone()), "{when}");
        assert_eq!(all_logs(store), self.logs, "{when}");
        disk.pause(false);
    }
}

/// A life of a store in steps, each of which may fail once and is then done again. `None` when the process is to die at the first
/// failure, and it came.
fn live(dir: &Path, disk: &FaultyStorage, dies: bool) -> (Option<()>, Run) {
    let mut run = Run::default();
    let life = |run: &mut Run| {
        let open = || Store::open_on(dir, StoreOptions::default(), Arc::new(disk.clone()));
        let store = again(disk, None, run, dies, open)?;
        for metric in ["a", "b"] {
            series(&store, metric, &[]);
        }
        logs(&store, &[]);
        again(disk, Some(&store), run, dies, || store.sync_series())?;
        run.append(&store, "a", 0..5);
        run.append(&store, "b", 0..5);
        run.append_logs(&store, &[1, 2]);
        again(disk, Some(&store), run, dies, || store.flush())?;
        series(&store, "c", &[]);
        again(disk, Some(&store), run, dies, || store.sync_series())?;
        run.append(&store, "a", 5..9);
        run.append(&store, "c", 0..3);
        run.append_logs(&store, &[3]);
        let pressure = LogPressure { evict_before: Some(run.log.position()) };
        let maintain = || store.maintain(UnixNanos(10), pressure);
        again(disk, Some(&store), run, dies, maintain)?;
        again(disk, Some(&store), run, dies, || join(&store))?;
        run.append(&store, "c", 3..4);
        drop(store);
        let store = again(disk, None, run, dies, open)?;
        again(disk, None, run, dies, || run.log.replay(&store))?;
        run.check(disk, &store, "replayed");
        run.append(&store, "b", 5..9);
        again(disk, Some(&store), run, dies, || store.flush())?;
        // All has expired.
        let expire = || store.maintain(UnixNanos(i64::MAX), LogPressure::default());
        let later = again(disk, None, run, dies, expire)?;
        assert!(later.files_deleted > 0 || disk.struck() > 0, "{later:?}");
        (run.points, run.logs) = (Vec::new(), Vec::new());
        run.log.records.clear();
        run.check(disk, &store, "expired");
        Some(())
    };
    let ended = life(&mut run);
    (ended, run)
}

/// Does a step, and does it again if it failed; what is in `store` is there all the time.
fn again<T>(
    disk: &FaultyStorage,
    store: Option<&Arc<Store>>,
    run: &Run,
    dies: bool,
    step: impl Fn() -> Result<T, StoreError>,
) -> Option<T> {
    match step() {
        Ok(done) => return Some(done),
        Err(_) if dies => return None,
        // What Parquet's library says when a read fails.
        Err(StoreError::Parquet { .. }) => {}
        Err(error) => assert!(error.is_retryable(), "{error}"),
    }
    if let Some(store) = store {
        run.check(disk, store, "after a failure");
    }
    let done = step().expect("there is one fault only");
    if let Some(store) = store {
        run.check(disk, store, "after the second try");
    }
    Some(done)
}

fn disk() -> FaultyStorage {
    FaultyStorage::new(Arc::new(Disk)).without_syncs()
}

fn temporary(dir: &Path) -> Vec<std::path::PathBuf> {
    let files = |dir: &Path| std::fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path());
    files(dir).chain(files(&dir.join("history"))).filter(|path| path.extension().is_some_and(|x| x == "tmp")).collect()
}

#[test]
fn whichever_operation_fails_nothing_is_lost_and_nothing_is_there_twice() {
    let count = {
        let (dir, disk) = (folder(), disk());
        live(dir.path(), &disk, false).0.expect("nobody dies");
        assert_eq!(disk.struck(), 0);
        let operations = disk.operations();
        for operation in [
            Operation::Create,
            Operation::Write,
            Operation::Sync,
            Operation::Rename,
            Operation::SyncDir,
            Operation::Open,
        ] {
            assert!(operations.iter().any(|done| done.0 == operation), "{operation:?}");
        }
        operations.len() as u64
    };
    for (number, fault, dies) in (0..count).flat_map(|number| {
        [Fault::Undone, Fault::Done].into_iter().flat_map(move |fault| [(number, fault, false), (number, fault, true)])
    }) {
        let (dir, disk) = (folder(), disk());
        disk.fail(number, fault);
        let (_, run) = live(dir.path(), &disk, dies);
        assert_eq!(disk.struck(), 1, "operation {number}");
        let store = Store::open(dir.path(), StoreOptions::default()).expect("a good folder");
        let what = format!("operation {number}, {:?}, {fault:?}, dies: {dies}", disk.operations()[number as usize]);
        run.log.replay(&store).expect(&what);
        let expired = run.points.is_empty() && run.log.end > 0;
        // A file that could not be removed is found again, and has expired still.
        store.maintain(if expired { UnixNanos(i64::MAX) } else { UnixNanos(10) }, LogPressure::default()).expect(&what);
        run.check(&disk, &store, &what);
        assert_eq!(temporary(dir.path()), Vec::<std::path::PathBuf>::new(), "{what}");
    }
}

#[test]
fn a_full_disk_leaves_points_in_memory_and_no_half_written_file() {
    let (dir, disk) = (folder(), disk());
    let store = Store::open_on(dir.path(), StoreOptions::default(), Arc::new(disk.clone())).expect("an empty folder");
    let mut run = Run::default();
    run.append(&store, "a", 0..1000);
    run.append_logs(&store, &[1]);
    store.sync_series().expect("there is room yet");
    for full in [&[Operation::Write][..], &[Operation::Create], &[Operation::Sync], &[Operation::Rename]] {
        disk.fail_always(full);
        for _ in 0..2 {
            let error = store.flush().expect_err("the disk is full");
            assert!(matches!(&error, StoreError::Io { .. }) && error.is_retryable(), "{error}");
            assert!(error.to_string().contains("points-000000000000"), "{error}");
            assert!(temporary(dir.path()).is_empty());
        }
        run.check(&disk, &store, "full");
    }
    disk.fail_always(&[Operation::Write, Operation::Remove]);
    store.flush().expect_err("the disk is full");
    disk.fail_always(&[]);
    assert_eq!(temporary(dir.path()).len(), 1);
    store.flush().expect("there is room again");
    assert!(temporary(dir.path()).is_empty());
    run.check(&disk, &store, "room again");
    assert_eq!(store.stats().hot_points, 0);
}

#[test]
fn new_series_are_synced_while_the_history_is_written_and_known_ones_cost_no_operation() {
    let (dir, disk) = (folder(), disk());
    let store = Store::open_on(dir.path(), StoreOptions::default(), Arc::new(disk.clone())).expect("an empty folder");
    let _written_by_another = store.keeper.lock();
    for (metrics, operations) in [(&["a", "b"][..], true), (&["a", "b"], false), (&["c"], true), (&[], false)] {
        for metric in metrics {
            series(&store, metric, &[]);
        }
        let before = disk.operations().len();
        store.sync_series().expect("a writable folder");
        assert_eq!(disk.operations().len() > before, operations, "{metrics:?}");
    }
    let described = flyball_model::MetricInfo { help: "news".into(), ..Default::default() };
    store.registry().describe("a", &described);
    let bytes = store.stats().journal_bytes;
    store.sync_series().expect("a writable folder");
    assert!(store.stats().journal_bytes > bytes);
}
