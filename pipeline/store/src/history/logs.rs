//! Writing and reading files of log records.
//!
//! They have the columns of `flyball_model::batch::log_schema`, sorted by time in runs of bounded size.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{sort_to_indices, take_record_batch};
use arrow::datatypes::{TimestampNanosecondType, UInt32Type};
use flyball_model::batch::log_schema;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowFilter};
use parquet::basic::Encoding;
use parquet::schema::types::ColumnPath;

use super::file::{HistoryFile, Index, Kind};
use super::read::{open, predicate};
use super::write::{properties, write_file};
use crate::error::StoreError;
use crate::hot::logs::{LogChunk, join};
use crate::options::LOG_CHUNK_BYTES;
use crate::range::{SeriesFilter, TimeRange};

/// Writes log records as file `number`; it has its name, and is synced, when this returns.
///
/// # Errors
/// When the disk says no; then no file of that name exists.
pub(crate) fn write_logs(dir: &Path, number: u64, chunks: &[Arc<LogChunk>]) -> Result<HistoryFile, StoreError> {
    let properties = properties()
        .set_column_dictionary_enabled(ColumnPath::from("time"), false)
        .set_column_encoding(ColumnPath::from("time"), Encoding::DELTA_BINARY_PACKED);
    write_file(dir, Kind::Logs, number, &log_schema(), properties, |writer, path| {
        let mut index = Index { from: i64::MAX, to: i64::MIN, rows: 0, series_end: 0, metrics: Vec::new() };
        let mut rest = chunks;
        while !rest.is_empty() {
            let (run, later) = rest.split_at(run_length(rest));
            rest = later;
            let batch = join(run)?;
            let order = sort_to_indices(batch.column(1), None, None)?;
            let batch = take_record_batch(&batch, &order)?;
            writer.write(&batch).map_err(StoreError::parquet(path))?;
            let times = run.iter().fold(TimeRange::EMPTY, |times, chunk| times.hull(chunk.times));
            let streams = batch.column(0).as_primitive::<UInt32Type>().values();
            index.rows += batch.num_rows() as u64;
            index.series_end = streams.iter().fold(index.series_end, |end, &stream| end.max(stream + 1));
            index.from = index.from.min(times.from);
            index.to = index.to.max(times.to);
        }
        Ok(index)
    })
}

/// How many of the chunks are sorted together: at least one, and not many more bytes than a chunk may have.
fn run_length(chunks: &[Arc<LogChunk>]) -> usize {
    let mut bytes = 0;
    let full = chunks.iter().position(|chunk| {
        bytes += chunk.bytes();
        bytes >= LOG_CHUNK_BYTES
    });
    full.map_or(chunks.len(), |last| last + 1)
}

/// Reads the records of a file that are wanted, with the columns (of `log_schema`) that are wanted.
///
/// # Errors
/// When the file can't be opened or is damaged; reading on may fail too.
pub(crate) fn read_logs(
    file: &HistoryFile,
    columns: &[usize],
    wanted: &SeriesFilter,
    range: TimeRange,
    batch_rows: usize,
) -> Result<ParquetRecordBatchReader, StoreError> {
    let builder: ParquetRecordBatchReaderBuilder<File> = open(file)?;
    let schema = builder.parquet_schema();
    let mut filters = Vec::new();
    if !range.covers(file.times) {
        filters.push(predicate(schema, 1, move |batch: &RecordBatch| {
            let times = batch.column(0).as_primitive::<TimestampNanosecondType>().values();
            times.iter().map(|&time| Some(range.contains(time))).collect()
        }));
    }
    if let SeriesFilter::Some(set) = wanted.clone() {
        filters.push(predicate(schema, 0, move |batch: &RecordBatch| {
            let streams = batch.column(0).as_primitive::<UInt32Type>().values();
            streams.iter().map(|&stream| Some(set.contains(stream))).collect()
        }));
    }
    let mask = ProjectionMask::roots(schema, columns.iter().copied());
    builder
        .with_projection(mask)
        .with_row_filter(RowFilter::new(filters))
        .with_batch_size(batch_rows)
        .build()
        .map_err(StoreError::parquet(&file.path))
}
