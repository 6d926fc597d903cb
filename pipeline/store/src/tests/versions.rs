//! History files of other versions of flyball.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, TimestampNanosecondArray, UInt32Array};
use flyball_log::{PointRun, Position};
use flyball_model::batch::point_schema;
use flyball_model::{PointBatch, UnixNanos};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;

use super::log::all_points;
use crate::testing::{folder, open, series};
use crate::{Store, StoreError, StoreOptions};

/// A points file with two points of metric 0 and its series 0, as another version would write it.
fn write(dir: &Path, version: &str, index: &str) {
    let path = dir.join("history/points-000000000000.parquet");
    let file = std::fs::File::create(path).expect("a writable folder");
    let mut writer = ArrowWriter::try_new(file, point_schema(), None).expect("a schema that Parquet can hold");
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt32Array::from(vec![0, 0])),
        Arc::new(TimestampNanosecondArray::from(vec![10, 20]).with_timezone("UTC")),
        Arc::new(Float64Array::from(vec![1.0, 2.0])),
    ];
    writer.write(&RecordBatch::try_new(point_schema(), columns).expect("three columns")).expect("a writable folder");
    for (key, value) in [("flyball.version", version), ("flyball.index", index)] {
        writer.append_key_value_metadata(KeyValue::new(key.to_owned(), value.to_owned()));
    }
    writer.close().expect("a writable folder");
}

/// A folder that knows one series.
fn with_series() -> tempfile::TempDir {
    let dir = folder();
    let store = open(&dir);
    series(&store, "m", &[]);
    store.sync_series().expect("a writable folder");
    dir
}

const INDEX: &str = r#"{"from":10,"to":20,"rows":2,"series_end":1,"metrics":[[0,2,10,20]]}"#;

#[test]
fn a_file_of_version_1_is_read_and_holds_no_ordinals() {
    let dir = with_series();
    write(dir.path(), "1", INDEX);
    let store = open(&dir);
    let old = [(0, 10, 1_f64.to_bits()), (0, 20, 2_f64.to_bits())];
    assert_eq!(all_points(&store), old);
    let mut points = PointBatch::default();
    points.push(series(&store, "m", &[]), UnixNanos(30), 3.0);
    let mut restore = store.begin_restore();
    let run = PointRun { start: 0, end: 1, ordinal: 0 };
    assert_eq!(restore.points(&points, &[run], Position(0)).expect("a good record").restored, 1);
    restore.finish().expect("a writable folder");
    store.flush().expect("a writable folder");
    drop(store);
    let store = open(&dir);
    assert_eq!(all_points(&store), [&old[..], &[(0, 30, 3_f64.to_bits())]].concat());
    assert_eq!(store.append(points, Position(0)).duplicates, 1);
}

#[test]
fn a_newer_file_is_refused_and_so_is_one_whose_ordinals_are_not_in_order() {
    let ordinals = |ordinals: &str| INDEX.replace("]]}", &format!("]],\"ordinals\":{ordinals}}}"));
    for (version, index, good) in [
        ("2", INDEX.to_owned(), true),
        ("2", ordinals("[[0,0,2]]"), true),
        ("2", ordinals("[[0,0,1],[0,5,6]]"), true),
        ("2", ordinals("[[0,5,6],[0,0,1]]"), false),
        ("2", ordinals("[[0,2,2]]"), false),
        ("2", ordinals("[[0,0,2],[0,1,3]]"), false),
        ("2", ordinals("[[1,0,2]]"), false),
    ] {
        let dir = with_series();
        write(dir.path(), version, &index);
        match Store::open(dir.path(), StoreOptions::default()) {
            Ok(_) => assert!(good, "{index}"),
            Err(error) => assert!(!good && matches!(error, StoreError::Corrupt { .. }), "{index}: {error}"),
        }
    }
    let dir = with_series();
    write(dir.path(), "5", INDEX);
    let error = Store::open(dir.path(), StoreOptions::default()).expect_err("a newer format");
    assert!(matches!(error, StoreError::NewerFormat { found: 5, known: 4, .. }), "{error}");
    let dir = with_series();
    write(dir.path(), "4", INDEX);
    let error = Store::open(dir.path(), StoreOptions::default()).expect_err("a file that lost its checksums");
    assert!(error.to_string().contains("its checksums are gone"), "{error}");
}
