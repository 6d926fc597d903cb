//! Reading points back.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::buffer::ScalarBuffer;
use arrow::compute::cast;
use arrow::datatypes::{Float64Type, TimestampNanosecondType, UInt32Type};
use flyball_model::batch::time_type;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicate, ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
    RowFilter, RowSelection,
};
use parquet::file::metadata::PageIndexPolicy;
use parquet::schema::types::SchemaDescriptor;

use super::checksums::Source;
use super::file::HistoryFile;
use crate::error::StoreError;
use crate::hot::chunk::Points;
use crate::range::{SeriesFilter, TimeRange};

/// Opens a file for reading.
///
/// # Errors
/// When it can't be opened or is damaged.
pub(super) fn open(file: &HistoryFile) -> Result<ParquetRecordBatchReaderBuilder<Source>, StoreError> {
    let source = file.source()?;
    // The offset index lets the reader skip pages; what the column index could tell, our own index has told already.
    let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
    let metadata = ArrowReaderMetadata::load(&source, options).map_err(StoreError::parquet(&file.path))?;
    Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(source, metadata))
}

/// A filter on one column, which is read before the others so that their pages without a hit are skipped.
pub(super) fn predicate(
    schema: &SchemaDescriptor,
    column: usize,
    test: impl Fn(&RecordBatch) -> BooleanArray + Send + 'static,
) -> Box<dyn ArrowPredicate> {
    Box::new(ArrowPredicateFn::new(ProjectionMask::roots(schema, [column]), move |batch| Ok(test(&batch))))
}

/// Reads the points of some rows (see [`HistoryFile::rows_of`]) that are wanted, by metric, series and time.
///
/// # Errors
/// When the file can't be opened or is damaged.
pub(crate) fn read_points(
    file: &HistoryFile,
    rows: Vec<Range<usize>>,
    wanted: &SeriesFilter,
    range: TimeRange,
    batch_rows: usize,
) -> Result<impl Iterator<Item = Result<Points, StoreError>> + use<>, StoreError> {
    let builder = open(file)?;
    let schema = builder.parquet_schema();
    let mut filters = Vec::new();
    if let SeriesFilter::Some(set) = wanted.clone() {
        filters.push(predicate(schema, 0, move |batch| {
            let series = batch.column(0).as_primitive::<UInt32Type>().values();
            series.iter().map(|&series| Some(set.contains(series))).collect()
        }));
    }
    if !range.covers(file.times) {
        filters.push(predicate(schema, 1, move |batch| {
            nanos(batch.column(0)).iter().map(|&time| Some(range.contains(time))).collect()
        }));
    }
    let total = usize::try_from(file.rows).expect("a file's rows were counted in memory once");
    let reader = builder
        .with_row_selection(RowSelection::from_consecutive_ranges(rows.into_iter(), total))
        .with_row_filter(RowFilter::new(filters))
        .with_batch_size(batch_rows)
        .build()
        .map_err(StoreError::parquet(&file.path))?;
    let path = file.path.clone();
    Ok(reader.map(move |batch| {
        let batch = batch.map_err(|error| StoreError::parquet(&path)(error.into()))?;
        Ok(Points {
            series: batch.column(0).as_primitive::<UInt32Type>().values().clone(),
            time: nanos(batch.column(1)),
            value: batch.column(2).as_primitive::<Float64Type>().values().clone(),
        })
    }))
}

/// Times of any unit in nanoseconds.
fn nanos(time: &ArrayRef) -> ScalarBuffer<i64> {
    let time = if *time.data_type() == time_type() { time.clone() } else { widen(time) };
    time.as_primitive::<TimestampNanosecondType>().values().clone()
}

fn widen(time: &ArrayRef) -> ArrayRef {
    cast(time, &time_type()).expect("times were nanoseconds in 64 bits before they were written in a coarser unit")
}
