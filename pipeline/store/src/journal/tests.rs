//! The journal against crashes and damage.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flyball_log::Disk;
use flyball_model::series::LOGS;
use flyball_model::{Kind, MetricInfo, SeriesRef, SeriesRegistry, Shape, Temporality, UnixNanos};
use proptest::prelude::*;

use super::writer::Journal;
use super::{FILE_HEADER_BYTES, FRAME_HEADER_BYTES};
use crate::StoreError;
use crate::folder::Folder;
use crate::testing::folder;

fn fill(registry: &SeriesRegistry, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let host = format!("h{number}");
        registry
            .resolve("m", Shape::Numbers, &[("host", &host), ("rack", "r")], UnixNanos(number as i64))
            .expect("below the cap");
    }
}

fn open(dir: &Path) -> Result<(Journal, SeriesRegistry), StoreError> {
    open_with(dir, 1000)
}

fn open_with(dir: &Path, cap: usize) -> Result<(Journal, SeriesRegistry), StoreError> {
    Journal::open(&Folder { path: dir.to_owned(), storage: Arc::new(Disk) }, cap)
}

/// A journal of two frames, with 3 and 2 series; returns the length after each.
fn two_frames(dir: &Path) -> (u64, u64) {
    let (mut journal, registry) = open(dir).expect("an empty folder");
    fill(&registry, 0..3);
    journal.catch_up(&registry).expect("a writable folder");
    let first = journal.bytes();
    fill(&registry, 3..5);
    assert_eq!(journal.catch_up(&registry).expect("a writable folder"), 2);
    assert_eq!(journal.catch_up(&registry).expect("a writable folder"), 0);
    (first, journal.bytes())
}

fn series_after(dir: &Path) -> Result<usize, StoreError> {
    open(dir).map(|(_, registry)| registry.len())
}

#[test]
fn series_and_descriptions_come_back_with_their_numbers() {
    let dir = folder();
    let (mut journal, registry) = open(dir.path()).expect("an empty folder");
    let counter = MetricInfo {
        original: "http.requests".into(),
        kind: Kind::Counter,
        unit: "1".into(),
        temporality: Some(Temporality::Delta),
        monotonic: Some(true),
        help: "requests".into(),
        shape: None,
    };
    registry.describe("http_requests", &counter);
    fill(&registry, 0..2);
    journal.catch_up(&registry).expect("a writable folder");
    let later = MetricInfo { help: "all requests".into(), ..MetricInfo::default() };
    registry.describe("http_requests", &later);
    registry.resolve("http_requests", Shape::Numbers, &[("söme", "ünïcode")], UnixNanos(-7)).expect("below the cap");
    journal.catch_up(&registry).expect("a writable folder");
    drop(journal);

    let (_, again) = open(dir.path()).expect("a good journal");
    let (before, after) = (registry.read(), again.read());
    assert_eq!(after.series_count(), 3);
    for metric in before.metrics() {
        assert_eq!(after.metric(before.metric_name(metric)), Some(metric));
        assert_eq!(after.info(metric), before.info(metric));
        for &series in before.series_of(metric) {
            assert_eq!((after.id(series), after.first_at(series)), (before.id(series), before.first_at(series)));
        }
    }
    assert_eq!(after.info(after.metric("http_requests").expect("described")).help, "all requests");
}

#[test]
fn each_metric_comes_back_with_the_shape_of_its_points() {
    let dir = folder();
    let (mut journal, registry) = open(dir.path()).expect("an empty folder");
    let shapes = [("h", Shape::Histograms), (LOGS, Shape::Streams), ("n", Shape::Numbers)];
    // Two frames: what a metric is may be known only after it was described.
    shapes.iter().for_each(|(name, _)| registry.describe(name, &MetricInfo::default()));
    journal.catch_up(&registry).expect("a writable folder");
    for (name, shape) in shapes {
        registry.resolve(name, shape, &[], UnixNanos(0)).expect("below the cap");
    }
    journal.catch_up(&registry).expect("a writable folder");
    drop(journal);
    let (_, again) = open(dir.path()).expect("a good journal");
    let view = again.read();
    for (name, shape) in shapes {
        assert_eq!(view.shape(view.metric(name).expect("described")), shape, "{name}");
    }
    drop(view);
    assert!(again.resolve("h", Shape::Numbers, &[], UnixNanos(0)).is_err());
}

#[test]
fn a_tail_torn_anywhere_stays_until_the_journal_goes_on_in_its_place() {
    let dir = folder();
    let (first, second) = two_frames(dir.path());
    let path = dir.path().join("series.journal");
    let whole = fs::read(&path).expect("the journal");
    for length in first..second {
        fs::write(&path, &whole[..length as usize]).expect("a writable folder");
        assert_eq!(series_after(dir.path()).expect("a torn tail is no error"), 3, "cut at {length}");
        assert_eq!(fs::read(&path).expect("the journal"), whole[..length as usize]);
    }
    // The first one is shorter than the tail.
    for range in [3..4, 4..9] {
        let (mut journal, registry) = open(dir.path()).expect("a good journal");
        assert_eq!(journal.torn().is_some(), range.start == 3);
        fill(&registry, range.clone());
        journal.catch_up(&registry).expect("a writable folder");
        drop(journal);
        assert_eq!(series_after(dir.path()).expect("a good journal"), range.end);
    }
}

#[test]
fn a_tail_of_garbage_is_not_read() {
    let dir = folder();
    let (first, second) = two_frames(dir.path());
    let path = dir.path().join("series.journal");
    let whole = fs::read(&path).expect("the journal");
    for garbage in [0x00, 0xff] {
        let mut torn = whole.clone();
        torn[first as usize + 5..].fill(garbage);
        fs::write(&path, torn).expect("a writable folder");
        assert_eq!(series_after(dir.path()).expect("a torn tail is no error"), 3);
    }
    assert!(second > first);
}

#[test]
fn damage_with_good_data_behind_it_is_an_error_that_names_file_and_offset() {
    let dir = folder();
    let (first, _) = two_frames(dir.path());
    let path = dir.path().join("series.journal");
    let whole = fs::read(&path).expect("the journal");
    // In the length, in the checksums, and in the body of the first frame.
    for at in [0, 4, 8, FRAME_HEADER_BYTES, first as usize - FILE_HEADER_BYTES - 1] {
        let mut damaged = whole.clone();
        damaged[FILE_HEADER_BYTES + at] ^= 0x40;
        fs::write(&path, damaged).expect("a writable folder");
        let error = series_after(dir.path()).expect_err("damage inside").to_string();
        assert!(error.contains("series.journal is damaged at byte 12"), "{at}: {error}");
    }
    fs::write(&path, &whole[..5]).expect("a writable folder");
    let error = series_after(dir.path()).expect_err("half a header").to_string();
    assert!(
        error.contains("series.journal is damaged at byte 5: the file ends within its header of 12 bytes"),
        "{error}"
    );
}

#[test]
fn a_newer_format_is_refused_with_its_number() {
    let dir = folder();
    two_frames(dir.path());
    let path = dir.path().join("series.journal");
    let mut bytes = fs::read(&path).expect("the journal");
    bytes[8] = 9;
    fs::write(&path, bytes).expect("a writable folder");
    let error = series_after(dir.path()).expect_err("a newer format");
    assert!(matches!(error, StoreError::NewerFormat { found: 9, known: 1, .. }), "{error}");
}

#[test]
fn what_was_written_is_taken_back_even_when_the_cap_is_lower_now() {
    let dir = folder();
    two_frames(dir.path());
    let (_, registry) = open_with(dir.path(), 2).expect("a good journal");
    assert_eq!((registry.len(), registry.cap(), registry.in_memory()), (5, 2, 2));
}

#[test]
fn many_series_are_written_in_frames_of_bounded_size() {
    let dir = folder();
    let (mut journal, registry) = open_with(dir.path(), 100_000).expect("an empty folder");
    let long = "x".repeat(1000);
    for number in 0..3000 {
        registry
            .resolve("m", Shape::Numbers, &[("n", &format!("{long}{number}"))], UnixNanos(0))
            .expect("below the cap");
    }
    assert_eq!(journal.catch_up(&registry).expect("a writable folder"), 3001);
    drop(journal);
    assert_eq!(series_after(dir.path()).expect("a good journal"), 3000);
}

/// Whether the labels of these series are read back as they are.
fn check_read_back(registry: &SeriesRegistry, numbers: &[u32], host: impl Fn(u32) -> String) {
    let series: Vec<_> = numbers.iter().copied().map(SeriesRef).collect();
    let view = registry.labels_of(&series).expect("a good journal");
    for &series in &series {
        assert_eq!(view.label(series, "host").map(|host| host.to_string()), Some(host(series.0)));
    }
}

#[test]
fn any_series_can_be_read_back_from_frames_of_any_size() {
    let dir = folder();
    // Some take more than is read at a time, and descriptions stand between them.
    let host = |number: u32| match number % 50 {
        3 => "x".repeat(10_000 + number as usize),
        _ => format!("h{number}"),
    };
    let (mut journal, mut registry) = open_with(dir.path(), 10_000).expect("an empty folder");
    let mut made = 0;
    for frame in [1, 1, 2, 500, 1, 7, 9, 1200, 3, 1] {
        for number in made..made + frame {
            let metric = format!("m{}", number % 13);
            let info = MetricInfo { help: format!("of {number}"), ..MetricInfo::default() };
            registry.describe(&metric, &info);
            registry.resolve(&metric, Shape::Numbers, &[("host", &host(number))], UnixNanos(0)).expect("below the cap");
        }
        made += frame;
        journal.catch_up(&registry).expect("a writable folder");
        drop((journal, registry));
        // Nothing is in memory that is not newer than this.
        let (again, reopened) = open_with(dir.path(), 0).expect("a good journal");
        assert_eq!((reopened.len(), reopened.in_memory()), (made as usize, 0));
        let all: Vec<_> = (0..made).collect();
        check_read_back(&reopened, &all, host);
        for step in [2, 7, 17, 100] {
            check_read_back(&reopened, &all.iter().copied().rev().step_by(step).collect::<Vec<_>>(), host);
        }
        all.iter().step_by(37).for_each(|&number| check_read_back(&reopened, &[number], host));
        reopened.bound(10_000, usize::MAX);
        (journal, registry) = (again, reopened);
    }
}

#[test]
fn series_that_were_just_written_are_read_back_too() {
    let dir = folder();
    let (mut journal, registry) = open(dir.path()).expect("an empty folder");
    let at = UnixNanos::from_secs;
    for second in 0..40 {
        fill(&registry, second as usize * 3..second as usize * 3 + 3);
        journal.catch_up(&registry).expect("a writable folder");
        registry.sweep(at(second * 10), Duration::from_secs(60)).expect("a good journal");
        let all: Vec<_> = (0..registry.len() as u32).collect();
        check_read_back(&registry, &all, |number| format!("h{number}"));
    }
    assert!(registry.in_memory() < 30, "{}", registry.in_memory());
}

#[test]
fn a_removed_journal_is_put_back_whole_though_labels_have_left_the_memory() {
    let dir = folder();
    two_frames(dir.path());
    let path = dir.path().join("series.journal");
    let (mut journal, registry) = open_with(dir.path(), 0).expect("a good journal");
    assert_eq!(registry.in_memory(), 0);
    registry.bound(1000, usize::MAX);
    fs::remove_file(&path).expect("the journal");
    fill(&registry, 5..7);
    journal.catch_up(&registry).expect("an open file");
    assert!(!journal.is_there().expect("an open file"));
    journal.put_back().expect("a writable folder");
    assert!(journal.is_there().expect("an open file"));
    fill(&registry, 7..9);
    journal.catch_up(&registry).expect("a writable folder");
    check_read_back(&registry, &(0..9).collect::<Vec<_>>(), |number| format!("h{number}"));
    assert_eq!(fs::metadata(&path).expect("the journal").len(), journal.bytes());
    drop(journal);
    assert_eq!(series_after(dir.path()).expect("a good journal"), 9);
}

#[test]
fn a_removed_journal_takes_the_place_of_its_backup_and_not_of_another_one() {
    let dir = folder();
    let (first, _) = two_frames(dir.path());
    let path = dir.path().join("series.journal");
    let whole = fs::read(&path).expect("the journal");
    let (mut journal, _registry) = open(dir.path()).expect("a good journal");
    fs::remove_file(&path).expect("the journal");
    let mut other = whole.clone();
    other[first as usize - 1] ^= 1;
    for other in [other, [whole.as_slice(), b"more"].concat()] {
        fs::write(&path, &other).expect("a writable folder");
        let error = journal.put_back().expect_err("a journal of another folder");
        assert!(error.is_retryable() && error.to_string().contains("series.journal: it was removed"), "{error}");
        assert_eq!(fs::read(&path).expect("the other journal"), other);
    }
    fs::write(&path, &whole[..first as usize]).expect("a writable folder");
    journal.put_back().expect("a backup is there");
    assert_eq!(fs::read(&path).expect("the journal"), whole);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused_without_a_panic(tail in prop::collection::vec(any::<u8>(), 0..200)) {
        let dir = folder();
        two_frames(dir.path());
        let path = dir.path().join("series.journal");
        let mut bytes = fs::read(&path).expect("the journal");
        bytes.extend(tail);
        fs::write(&path, bytes).expect("a writable folder");
        prop_assert_eq!(series_after(dir.path()).expect("a torn tail is no error"), 5);
    }
}
