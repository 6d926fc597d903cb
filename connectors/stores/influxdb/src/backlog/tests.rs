use flyball_model::ports::FieldValue;

use super::*;
use crate::options::{BATCH_BYTES_MAX, BATCH_LINES_MAX};

fn records(count: u64, text_bytes: usize) -> Vec<Record> {
    let field = if text_bytes == 0 { FieldValue::Float(1.0) } else { FieldValue::Text("x".repeat(text_bytes)) };
    let record =
        Record { measurement: "m".into(), tags: Vec::new(), fields: vec![("v".into(), field)], time: UnixNanos(1) };
    vec![record; count as usize]
}

fn backlog(dir: &tempfile::TempDir, bytes_max: u64) -> Backlog {
    Backlog::new(Spool::open(dir.path(), bytes_max, Position::default()).expect("a spool in a fresh folder"))
}

/// Takes everything out; records by batch.
fn drain(backlog: &mut Backlog) -> Vec<(u64, u64)> {
    let mut batches = Vec::new();
    while let (Some((number, batch)), lost) = backlog.front() {
        assert_eq!(lost, Lost::default());
        batches.push((number, batch.records));
        backlog.done(number);
    }
    batches
}

#[test]
fn batches_are_sealed_at_their_bounds_and_when_nothing_else_waits() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut backlog = backlog(&dir, 1_000_000);
    backlog.add(&records(BATCH_LINES_MAX + 3, 0), UnixNanos(5));
    assert_eq!(backlog.oldest_at(), Some(UnixNanos(5)));
    assert_eq!(drain(&mut backlog), [(0, BATCH_LINES_MAX), (1, 3)]);
    let long = BATCH_BYTES_MAX as u64 / 50_000 + 1;
    backlog.add(&records(long + 2, 50_000), UnixNanos(6));
    assert!(drain(&mut backlog)[0].1 <= long);
    assert_eq!((backlog.oldest_at(), backlog.spool_bytes()), (None, 0));
}

#[test]
fn order_is_kept_from_memory_over_the_spool_to_what_comes_after() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut backlog = backlog(&dir, 1_000_000);
    let more = MEMORY_BATCHES as u64 + 3;
    for _ in 0..more {
        backlog.add(&records(BATCH_LINES_MAX, 0), UnixNanos(1));
    }
    assert!(backlog.spool_bytes() > 0, "what does not fit memory is on disk");
    let (front, _) = backlog.front();
    backlog.add(&records(2, 0), UnixNanos(1));
    backlog.done(front.expect("one waits").0);
    let numbers: Vec<_> = drain(&mut backlog).into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, (1..=more).collect::<Vec<_>>());
}

#[test]
fn a_failure_and_the_end_write_down_what_is_in_memory() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut first = backlog(&dir, 1_000_000);
    first.add(&records(BATCH_LINES_MAX + 1, 0), UnixNanos(1));
    assert_eq!(first.spill(), Lost::default());
    drop(first);
    let mut second = backlog(&dir, 1_000_000);
    second.add(&records(2, 0), UnixNanos(1));
    assert_eq!(second.close(), Lost::default());
    drop(second);
    assert_eq!(drain(&mut backlog(&dir, 1_000_000)), [(0, BATCH_LINES_MAX), (1, 1), (2, 2)]);
}

#[test]
fn what_will_not_be_gone_soon_is_written_down() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut backlog = backlog(&dir, 1_000_000);
    assert_eq!(backlog.spill_if_slow(), (false, Lost::default()));
    backlog.add(&records(2, 0), UnixNanos(1));
    let (posted, _) = backlog.front();
    backlog.add(&records(3, 0), UnixNanos(1));
    assert_eq!(backlog.spill_if_slow(), (true, Lost::default()));
    assert_eq!(backlog.spool_bytes(), 0, "the answer may come at once");
    assert_eq!(backlog.spill_if_slow(), (false, Lost::default()));
    let bytes = backlog.spool_bytes();
    assert!(bytes > 0, "it did not");
    backlog.add(&records(4, 0), UnixNanos(1));
    assert_eq!(backlog.spill_if_slow(), (false, Lost::default()));
    assert!(backlog.spool_bytes() > bytes, "others go first");
    assert!(backlog.done(posted.expect("one waits").0), "its answer counts wherever it waits");
    assert_eq!(drain(&mut backlog), [(1, 3), (2, 4)]);
}

#[test]
fn a_spool_that_takes_nothing_does_not_fill_memory_with_small_batches() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut backlog = backlog(&dir, 10);
    for _ in 0..2 * MEMORY_BATCHES {
        backlog.add(&records(1, 0), UnixNanos(1));
        assert_eq!(backlog.spill().records, 0);
    }
    assert_eq!(drain(&mut backlog), [(0, 1), (1, 2 * MEMORY_BATCHES as u64 - 1)]);
}

#[test]
fn a_full_spool_loses_the_oldest_and_says_how_many() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut backlog = backlog(&dir, 2_000);
    let mut lost = 0;
    for _ in 0..200 {
        lost += backlog.add(&records(BATCH_LINES_MAX, 0), UnixNanos(1)).records;
    }
    assert!(backlog.spool_bytes() <= 2_000 && lost > 0);
    let kept: u64 = drain(&mut backlog).iter().map(|(_, records)| records).sum();
    assert_eq!(kept + lost, 200 * BATCH_LINES_MAX);
}

#[test]
fn a_spool_that_takes_nothing_leaves_a_bounded_memory() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut backlog = backlog(&dir, 10);
    let mut lost = Lost::default();
    for _ in 0..MEMORY_BATCHES + 5 {
        let more = backlog.add(&records(BATCH_LINES_MAX, 0), UnixNanos(1));
        lost.records += more.records;
        lost.error = more.error.or(lost.error);
    }
    assert_eq!(lost.records, 5 * BATCH_LINES_MAX);
    assert!(lost.error.is_some_and(|error| error.contains("larger than the whole spool")));
    assert_eq!(drain(&mut backlog).len(), MEMORY_BATCHES);
}

#[test]
fn a_record_without_fields_is_lost_and_counted() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut backlog = backlog(&dir, 1_000);
    let empty = Record { measurement: "m".into(), tags: Vec::new(), fields: Vec::new(), time: UnixNanos(1) };
    assert_eq!(backlog.add(&[empty], UnixNanos(1)).unwritable, 1);
    assert_eq!(backlog.front().0, None);
}
