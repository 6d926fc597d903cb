//! The log on the real disk, with its thread.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flyball_model::ledger::{Entry, Ledger, Outcome, Reason, Signal};
use flyball_model::state::{Piece, Section, State, StateLog};
use flyball_model::{PointBatch, SeriesRef, UnixNanos, WallClock};
use tempfile::TempDir;

use crate::simulation::PowerCutDisk;
use crate::testing::{FaultyStorage, Operation};
use crate::{
    Damage, Disk, Durability, Log, LogError, NewBody, NewRecord, PointRun, Position, Recovery, Replayed, Storage,
    Ticket,
};

/// What a log gave back.
struct Back {
    log: Log,
    ledger: Arc<Ledger>,
    state: State,
    /// The numbers of its bodies.
    bodies: Vec<u64>,
    totals: Vec<Vec<u8>>,
    damages: Vec<Damage>,
}

fn open(dir: &Path, storage: Arc<dyn Storage>, durability: Durability) -> Result<Back, LogError> {
    let (mut bodies, mut totals) = (Vec::new(), Vec::new());
    let each = |replayed: Replayed<'_>| {
        match replayed {
            Replayed::Body(body, _) => bodies.push(body.points.values()[0] as u64),
            Replayed::Totals(piece) => totals.push(piece.to_vec()),
            Replayed::Twin(_) | Replayed::Starts(_) | Replayed::Fingerprint(..) => {}
        }
        Ok(())
    };
    let recovered = Recovery::open(dir, storage)?.replay(durability, each, |_| {})?;
    let damages = recovered.damages.clone();
    let clock = Arc::new(WallClock::default());
    let (log, state) = Log::start(recovered, Box::new(|| Ok(())), clock);
    let ledger = Arc::clone(log.ledger());
    Ok(Back { log, ledger, state, bodies, totals, damages })
}

fn on_disk(dir: &TempDir) -> Back {
    open(dir.path(), Arc::new(Disk), Durability::Fsync).expect("a good log")
}

/// Submits a body of about so many bytes.
fn submit(log: &Log, number: u64, bytes: usize) -> Ticket {
    let mut points = PointBatch::default();
    points.push(SeriesRef(0), UnixNanos(1), number as f64);
    let mut entry = Entry::request("remote_write", "a", Signal::Metrics, bytes, UnixNanos(1));
    entry.received = 1;
    entry.add(Outcome::Stored, Reason::None, 1);
    let runs = [PointRun { start: 0, end: 1, ordinal: number }];
    let record = NewBody {
        entry: &entry,
        fingerprint: None,
        totals: &vec![1; bytes],
        starts: &[],
        points: &points,
        runs: &runs,
        rows: &[],
    }
    .encode();
    log.submit(record, entry)
}

fn stored(ledger: &Ledger) -> u64 {
    ledger.balances().iter().map(|balance| balance.outcomes[0]).sum()
}

#[tokio::test]
async fn bodies_that_add_to_the_same_totals_are_in_one_group() {
    let dir = tempfile::tempdir().expect("a folder");
    let Back { log, .. } = on_disk(&dir);
    let (first, second) = (log.add_to_totals(), log.add_to_totals());
    let mut told_second = Box::pin(submit(&log, 2, 10).durable());
    drop(second);
    let early = tokio::time::timeout(Duration::from_millis(50), &mut told_second).await;
    assert!(early.is_err(), "durable before the first, whose change is part of its total");
    let told_first = submit(&log, 1, 10);
    drop(first);
    told_first.durable().await.expect("a good disk");
    told_second.await.expect("a good disk");
    assert_eq!(log.stats().groups, 1);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart_and_the_ledger_with_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let back = on_disk(&dir);
    let tickets: Vec<_> = (0..100).map(|number| submit(&back.log, number, 10)).collect();
    for ticket in tickets {
        ticket.durable().await.expect("a good disk");
    }
    back.log.put_all(vec![Piece { section: Section::Limits, key: "a".into(), value: Some(b"1".to_vec()) }]);
    back.log.settled().await.expect("a good disk");
    assert_eq!(stored(&back.ledger), 100);
    drop(back);
    let mut back = on_disk(&dir);
    assert_eq!((back.bodies, stored(&back.ledger)), ((0..100).collect(), 100));
    assert_eq!(back.state.take(Section::Limits), [("a".to_owned(), b"1".to_vec())].into());
}

#[tokio::test]
async fn segments_go_behind_a_checkpoint_and_what_it_holds_is_read_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let back = on_disk(&dir);
    for number in 0..40 {
        submit(&back.log, number, 1 << 20).durable().await.expect("a good disk");
    }
    assert_eq!(back.log.stats().segments, 3);
    assert!(back.log.has_surplus(back.log.end()));
    let under_way = back.log.begin();
    back.log.checkpoint(back.log.needed_from(), |checkpoint| checkpoint.totals(b"seven")).expect("a good disk");
    submit(&back.log, 40, 10).durable().await.expect("a good disk");
    drop(under_way);
    back.log.stop();
    assert_eq!(back.log.stats().segments, 1);
    drop(back.log);
    let back = on_disk(&dir);
    // The segment that is still written to holds some bodies from before the checkpoint; they count once.
    assert_eq!((back.bodies.last(), stored(&back.ledger)), (Some(&40), 41));
    assert!(back.bodies.len() < 20 && back.totals.contains(&b"seven".to_vec()));
}

#[tokio::test]
async fn a_flipped_bit_is_told_with_its_place_and_all_around_it_is_kept() {
    let dir = tempfile::tempdir().expect("a folder");
    let back = on_disk(&dir);
    for number in 0..20 {
        submit(&back.log, number, 100_000).durable().await.expect("a good disk");
    }
    drop(back.log);
    let path = dir.path().join("log").join(crate::segment::name(Position(0)));
    let mut bytes = std::fs::read(&path).expect("the segment");
    bytes[1_000_000] ^= 1;
    std::fs::write(&path, bytes).expect("the segment");
    let back = on_disk(&dir);
    assert_eq!(back.bodies.len(), 19);
    let [Damage { path: found, offset, bytes }] = &back.damages[..] else { panic!("{:?}", back.damages) };
    assert!(*found == path && (900_000..=1_000_000).contains(offset) && (100_000..110_000).contains(bytes));
}

#[test]
fn a_newer_version_is_refused_with_both_numbers() {
    let dir = tempfile::tempdir().expect("a folder");
    drop(on_disk(&dir));
    let path = dir.path().join("log").join(crate::segment::name(Position(7)));
    std::fs::write(&path, [b"flyblog\n".as_slice(), &9_u32.to_le_bytes(), &[0; 12]].concat()).expect("a segment");
    let error = open(dir.path(), Arc::new(Disk), Durability::Fsync).err().expect("it is of a newer version");
    assert!(
        error.to_string().ends_with("has format version 9, and this flyball knows 1; start the newer flyball again")
    );
}

#[tokio::test]
async fn a_disk_that_refuses_is_told_at_once_and_tried_until_it_takes_all() {
    let disk = PowerCutDisk::new(1);
    let back = open(Path::new("/d"), Arc::new(disk.clone()), Durability::Fsync).expect("a good log");
    submit(&back.log, 0, 10).durable().await.expect("a good disk");
    disk.fail_one_in(1);
    let refused = submit(&back.log, 1, 10).durable().await.expect_err("the disk is full");
    assert!(refused.0.contains("no storage space"), "{refused}");
    assert_eq!(back.log.trouble(), Some(refused.0));
    back.log.put(Section::Limits, "a", Some(b"1".to_vec()));
    let patient = back.log.settlement();
    disk.fail_one_in(0);
    patient.durable().await.expect("the disk takes it again");
    assert_eq!((back.log.trouble(), stored(&back.ledger)), (None, 2));
    drop(back.log);
    let back = open(Path::new("/d"), Arc::new(disk), Durability::Fsync).expect("a good log");
    assert_eq!((back.bodies, stored(&back.ledger), back.damages), (vec![0, 1], 2, vec![]));
}

#[tokio::test]
async fn without_durability_nothing_is_written_and_the_ledger_is_right() {
    let dir = tempfile::tempdir().expect("a folder");
    let back = open(dir.path(), Arc::new(Disk), Durability::Memory).expect("a good log");
    back.log
        .submit(
            NewRecord::from(Vec::new()),
            Entry::request("host", "local", Signal::Metrics, 1, UnixNanos(1)).refused(Reason::TooOld),
        )
        .durable()
        .await
        .expect("memory");
    assert_eq!(back.ledger.rows().len(), 1);
    assert_eq!(std::fs::read_dir(dir.path().join("log")).expect("the folder").count(), 0);
}

#[tokio::test]
async fn a_folder_that_is_made_anew_has_its_name_synced() {
    let dir = tempfile::tempdir().expect("a folder");
    let (data, folder) = (dir.path().join("a/b"), dir.path().join("a/b/log"));
    let storage = FaultyStorage::new(Arc::new(Disk));
    let Back { log, .. } = open(&data, Arc::new(storage.clone()), Durability::Fsync).expect("a good disk");
    submit(&log, 1, 10).durable().await.expect("a good disk");
    let before = storage.operations().len();
    std::fs::remove_dir_all(&data).expect("removed");
    submit(&log, 2, 10).durable().await.expect_err("the segment is gone");
    // Waits until the group is taken.
    log.settled().await.expect("a good disk");
    let operations = storage.operations().split_off(before);
    let place =
        |operation: Operation, path: &Path| operations.iter().position(|done| *done == (operation, path.to_owned()));
    let made = place(Operation::CreateDir, &folder).expect("made anew");
    let synced = place(Operation::SyncDir, &data).expect("its name is synced");
    let created = operations.iter().position(|(operation, _)| *operation == Operation::Create).expect("a new segment");
    assert!(made < synced && synced < created, "{operations:?}");
}

#[tokio::test]
async fn a_record_that_could_not_be_read_back_is_refused_for_good() {
    let dir = tempfile::tempdir().expect("a folder");
    let Back { log, ledger, .. } = on_disk(&dir);
    // Zeros that nobody looks at take no memory.
    let record = NewRecord::from(vec![0; 1 << 30]);
    let error = Log::check(&record).expect_err("longer than a frame");
    assert!(!error.is_retryable() && error.to_string().contains("1073741824 bytes"), "{error}");
    let entry = Entry::request("remote_write", "a", Signal::Metrics, 1, UnixNanos(1)).refused(Reason::TooOld);
    let refused = log.submit(record, entry).durable().await.expect_err("it is not written");
    assert_eq!(refused.0, error.to_string());
    submit(&log, 1, 10).durable().await.expect("nothing is in its way");
    assert_eq!(log.trouble(), None);
    assert!(ledger.rows().iter().all(|row| row.reason == Reason::None), "{:?}", ledger.rows());
}

#[tokio::test]
async fn who_waits_for_the_ledger_lets_others_work() {
    let dir = tempfile::tempdir().expect("a folder");
    let Back { log, ledger, .. } = on_disk(&dir);
    let held = log.add_to_totals();
    log.note(Entry::request("remote_write", "a", Signal::Metrics, 1, UnixNanos(1)).refused(Reason::TooOld));
    let reader = async {
        log.catch_up(Duration::from_secs(5)).await;
        ledger.rows().len()
    };
    // There is one thread for both, and nothing is written until the other one is done.
    let (rows, ()) = tokio::join!(reader, async { drop(held) });
    assert_eq!(rows, 1);
}
