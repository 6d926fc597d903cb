//! Files that another flyball has written.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampNanosecondArray, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema};
use flyball_log::Disk;
use flyball_model::RowKind;
use flyball_model::batch::time_type;

use super::encode::properties;
use super::{RowQuery, read_rows};
use crate::error::StoreError;
use crate::folder::Folder;
use crate::history::file::{HistoryFile, Index, Kind};
use crate::history::write::write_file;
use crate::range::{SeriesFilter, TimeRange};

/// A file of log records with three columns, the third a text of this name; severities are 0, 1, 2, ….
fn older(dir: &Path, third: &str) -> HistoryFile {
    let schema = Arc::new(Schema::new(vec![
        Field::new("stream", DataType::UInt32, false),
        Field::new("time", time_type(), false),
        Field::new(third, DataType::Utf8, true),
    ]));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt32Array::from(vec![0, 1, 0])),
        Arc::new(TimestampNanosecondArray::from(vec![10, 20, 30]).with_timezone("UTC")),
        Arc::new(StringArray::from(vec!["7", "8", "9"])),
    ];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).expect("three columns");
    let index = Index { from: 10, to: 30, rows: 3, series_end: 2, ..Index::EMPTY };
    let folder = Folder::make(dir.to_owned(), Arc::new(Disk)).expect("a writable folder");
    write_file(&folder, Kind::Rows(RowKind::Logs), 1, &schema, properties(&schema), |writer, path| {
        writer.write(&batch).map_err(StoreError::parquet(path))?;
        Ok(index)
    })
    .expect("a writable folder")
}

fn read(file: &HistoryFile, columns: &[&str], times: TimeRange) -> Result<Vec<RecordBatch>, StoreError> {
    let schema = RowKind::Logs.schema();
    let mut columns: Vec<_> = columns.iter().map(|name| schema.index_of(name).expect("a column of logs")).collect();
    columns.sort_unstable();
    let wanted = &SeriesFilter::All;
    read_rows(file, RowQuery { kind: RowKind::Logs, columns: &columns, rows: None, wanted, times, batch_rows: 100 })?
        .collect()
}

#[test]
fn columns_that_an_older_file_lacks_are_null_and_other_types_are_cast() {
    let dir = crate::testing::folder();
    let file = older(dir.path(), "severity_number");
    let times = TimeRange { from: 20, to: 30 };
    let batches = read(&file, &["series", "severity_number", "body"], times).expect("a readable file");
    let text = arrow::util::pretty::pretty_format_batches(&batches).expect("columns that print").to_string();
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(
        rows,
        [
            "| series | severity_number | body |",
            "| 1      | 8               |      |",
            "| 0      | 9               |      |"
        ]
    );
}

#[test]
fn a_file_without_a_column_that_every_record_has_is_named() {
    let dir = crate::testing::folder();
    let file = older(dir.path(), "body");
    let error = read(&file, &["attributes"], TimeRange::ALL).expect_err("no attributes").to_string();
    assert!(error.contains("logs-000000000001.parquet") && error.contains("'attributes'"), "{error}");
    assert_eq!(read(&file, &["body"], TimeRange::ALL).expect("a readable file")[0].num_rows(), 3);
}
