use std::fs::File;
use std::io::Write;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

/// A batch of one record, told from others by its body.
fn batch(number: usize, size: usize) -> Batch {
    let body = format!("{number:06}{}", "x".repeat(size));
    Batch { records: 1, made_at: UnixNanos(number as i64), body: Bytes::from(body) }
}

fn open(dir: &Path, bytes_max: u64) -> Spool {
    Spool::open(dir, bytes_max, Position::default()).expect("a spool in a fresh folder")
}

fn push(spool: &mut Spool, number: u64, batch: &Batch) -> u64 {
    let mut dropped = 0;
    spool.push(number, batch, &mut dropped).expect("written");
    dropped
}

/// Takes everything out, in order.
fn drain(spool: &mut Spool) -> Vec<Batch> {
    let mut batches = Vec::new();
    while let Some(front) = spool.front() {
        let (number, batch) = front.expect("readable");
        batches.push(batch);
        spool.pop(number);
    }
    batches
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir).expect("a folder").map(|file| file.expect("a file").path()).collect();
    files.sort();
    files
}

#[test]
fn a_restart_finds_what_waits_and_an_empty_spool_leaves_no_files() {
    let dir = tempfile::tempdir().expect("a folder");
    let batches: Vec<_> = (0..20).map(|number| batch(number, 100)).collect();
    let mut spool = open(dir.path(), 16_000);
    for (number, batch) in batches.iter().enumerate() {
        assert_eq!(push(&mut spool, number as u64, batch), 0);
    }
    drop(spool);
    let mut spool = open(dir.path(), 16_000);
    assert_eq!((spool.len(), spool.records(), spool.oldest_at()), (20, 20, Some(UnixNanos(0))));
    assert_eq!(drain(&mut spool), batches);
    assert_eq!((spool.bytes(), files(dir.path()).len(), spool.is_empty()), (0, 0, true));
}

#[test]
fn a_torn_or_damaged_end_is_cut_and_what_stands_before_is_kept() {
    for damage in ["torn head", "torn body", "flipped bit", "wild length"] {
        let dir = tempfile::tempdir().expect("a folder");
        let mut spool = open(dir.path(), 1_000_000);
        for number in 0..3 {
            push(&mut spool, number as u64, &batch(number, 50));
        }
        drop(spool);
        let path = files(dir.path()).remove(0);
        let mut bytes = fs::read(&path).expect("a segment");
        let entry = (bytes.len() - 8) / 3;
        let last = bytes.len() - entry;
        match damage {
            "torn head" => bytes.truncate(last + 5),
            "torn body" => bytes.truncate(last + 30),
            "flipped bit" => bytes[last + 25] ^= 1,
            _ => bytes[last..last + 4].copy_from_slice(&u32::MAX.to_le_bytes()),
        }
        fs::write(&path, &bytes).expect("written");
        let mut spool = open(dir.path(), 1_000_000);
        let next = spool.len();
        push(&mut spool, next, &batch(9, 50));
        assert_eq!(drain(&mut spool), [batch(0, 50), batch(1, 50), batch(9, 50)], "{damage}");
    }
}

#[test]
fn a_file_that_is_none_of_ours_is_refused_and_others_are_left_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    File::create(dir.path().join("notes.txt")).and_then(|mut file| file.write_all(b"keep")).expect("written");
    assert!(Spool::open(dir.path(), 1_000, Position::default()).is_ok());
    File::create(dir.path().join("00000000000000000007.spool"))
        .and_then(|mut file| file.write_all(b"FBSPOOL9 ..."))
        .expect("written");
    let error = Spool::open(dir.path(), 1_000, Position::default()).expect_err("refused").to_string();
    assert!(
        error.contains("00000000000000000007.spool") && error.contains("not a spool file of this version"),
        "{error}"
    );
}

#[test]
fn a_batch_that_changed_on_disk_while_it_waited_is_given_up_and_the_next_one_comes() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut spool = open(dir.path(), 1_000_000);
    push(&mut spool, 0, &batch(0, 10));
    push(&mut spool, 1, &batch(1, 10));
    let path = files(dir.path()).remove(0);
    let mut bytes = fs::read(&path).expect("a segment");
    bytes[8 + 8 + 12] ^= 1;
    File::options().write(true).open(&path).and_then(|mut file| file.write_all(&bytes)).expect("written");
    assert_eq!(spool.front().expect("one waits").expect_err("unreadable").records, 1);
    assert_eq!(drain(&mut spool), [batch(1, 10)]);
}

#[test]
fn a_batch_larger_than_the_spool_is_refused_and_costs_nothing_else() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut spool = open(dir.path(), 500);
    push(&mut spool, 0, &batch(0, 10));
    let mut dropped = 0;
    assert!(spool.push(1, &batch(1, 1_000), &mut dropped).is_err());
    assert_eq!((dropped, drain(&mut spool)), (0, vec![batch(0, 10)]));
}

#[test]
fn a_restart_goes_on_at_the_head() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut spool = open(dir.path(), 16_000);
    for number in 0..20 {
        push(&mut spool, number, &batch(number as usize, 100));
    }
    for number in 0..13 {
        spool.pop(number);
    }
    let head = spool.position();
    assert!(head.segment > 0 && head.batches > 0, "{head:?}");
    drop(spool);
    let mut spool = Spool::open(dir.path(), 16_000, head).expect("a spool");
    assert_eq!(spool.position(), head);
    assert_eq!(drain(&mut spool), (13..20).map(|number| batch(number, 100)).collect::<Vec<_>>());
    // Numbers go on where they were, so that an older place never names a newer file.
    let end = spool.position();
    drop(spool);
    let mut spool = Spool::open(dir.path(), 16_000, end).expect("a spool");
    push(&mut spool, 0, &batch(0, 10));
    assert_eq!(spool.position(), end);
    drop(spool);
    assert_eq!(
        Spool::open(dir.path(), 16_000, head).expect("a spool").len(),
        1,
        "an older place sends more, never less"
    );
}

#[test]
fn a_folder_that_was_taken_away_is_made_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let inner = dir.path().join("spool");
    let mut spool = open(&inner, 500);
    push(&mut spool, 0, &batch(0, 10));
    fs::remove_dir_all(&inner).expect("taken away");
    for number in 1..10 {
        let mut dropped = 0;
        // Into the file that has no name any more, then into new ones.
        spool.push(number, &batch(number as usize, 10), &mut dropped).expect("written");
    }
    assert!(spool.sync().is_ok() && !files(&inner).is_empty());
}

/// A small file system of its own; `None` where nobody may mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(kibibytes: u32) -> Option<SmallDisk> {
        let dir = tempfile::tempdir().expect("a folder");
        let options = format!("size={kibibytes}k");
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir.path());
        mount.output().is_ok_and(|output| output.status.success()).then_some(SmallDisk(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_disk_refuses_a_batch_and_keeps_the_others() {
    // Where it can't be mounted, the bound of the spool itself and a folder that is gone are all that is tested.
    let Some(disk) = SmallDisk::mount(64) else { return };
    let mut spool = open(disk.0.path(), 1_000_000);
    let random: Vec<u8> = (0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let batch = |number| Batch { records: 1, made_at: UnixNanos(number), body: Bytes::from(random.clone()) };
    let (mut kept, mut full) = (Vec::new(), 0);
    for number in 0..6 {
        let mut dropped = 0;
        match spool.push(number, &batch(number as i64), &mut dropped) {
            Ok(()) => kept.push(batch(number as i64)),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error}");
                full += 1;
            }
        }
        assert_eq!(dropped, 0);
    }
    assert!(full > 0 && kept.len() >= 2, "{full} of 6");
    // What stands there is good for a later process, and there is room again once some of it is delivered.
    drop(spool);
    let mut spool = open(disk.0.path(), 1_000_000);
    assert_eq!(drain(&mut spool), kept);
    push(&mut spool, 100, &batch(7));
    assert_eq!(drain(&mut spool), [batch(7)]);
}

#[derive(Debug, Clone)]
enum Step {
    Push(usize),
    Pop,
    /// A batch is delivered whose number is no longer the oldest.
    PopOld,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_usize..300).prop_map(Step::Push),
        3 => Just(Step::Pop),
        1 => Just(Step::PopOld),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn it_is_a_bounded_queue_that_loses_only_its_oldest_and_counts_them(
        steps in prop::collection::vec(step(), 1..80),
        bytes_max in 600_u64..6_000,
    ) {
        let dir = tempfile::tempdir().expect("a folder");
        let mut spool = open(dir.path(), bytes_max);
        // The model: everything ever pushed, the place of the oldest that waits, and the number of the first.
        let (mut pushed, mut oldest, mut base) = (Vec::new(), 0_usize, 0_u64);
        for step in steps {
            match step {
                Step::Push(size) => {
                    let batch = batch(pushed.len(), size);
                    oldest += push(&mut spool, base + pushed.len() as u64, &batch) as usize;
                    pushed.push(batch);
                }
                Step::Pop if oldest < pushed.len() => {
                    assert!(spool.pop(base + oldest as u64));
                    oldest += 1;
                }
                Step::Pop => {}
                Step::PopOld => assert!(!spool.pop((base + oldest as u64).wrapping_sub(1))),
                Step::Reopen => {
                    let waited = pushed.len() - oldest;
                    drop(spool);
                    spool = open(dir.path(), bytes_max);
                    // Delivered batches of a segment that was not empty come again; nothing that waited is missing.
                    let again = spool.len() as usize;
                    prop_assert!(again >= waited);
                    pushed.drain(..pushed.len() - again);
                    (oldest, base) = (0, 0);
                }
            }
            prop_assert!(spool.bytes() <= bytes_max);
            prop_assert_eq!(spool.bytes(), files(dir.path()).iter().map(|path| path.metadata().expect("a file").len()).sum::<u64>());
            prop_assert_eq!(spool.records(), (pushed.len() - oldest) as u64);
            prop_assert_eq!(spool.is_empty(), oldest == pushed.len());
            let front = spool.front().map(|front| front.expect("readable"));
            prop_assert_eq!(front, pushed.get(oldest).map(|batch| (base + oldest as u64, batch.clone())));
        }
        prop_assert_eq!(drain(&mut spool), pushed.split_off(oldest));
    }
}
