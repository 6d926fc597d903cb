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
    Spool::open(dir, bytes_max).expect("a spool in a fresh folder")
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
    assert!(Spool::open(dir.path(), 1_000).is_ok());
    File::create(dir.path().join("00000000000000000007.spool"))
        .and_then(|mut file| file.write_all(b"FBSPOOL9 ..."))
        .expect("written");
    let error = Spool::open(dir.path(), 1_000).expect_err("refused").to_string();
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
                    spool.pop(base + oldest as u64);
                    oldest += 1;
                }
                Step::Pop => {}
                Step::PopOld => spool.pop((base + oldest as u64).wrapping_sub(1)),
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
