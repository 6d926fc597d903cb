//! Reading records back.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{SchemaRef, TimestampNanosecondType, UInt32Type};
use flyball_model::RowKind;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowFilter, RowSelection};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;

use super::super::checksums::Source;
use super::super::file::HistoryFile;
use super::super::read::{open, predicate};
use crate::error::StoreError;
use crate::hot::rows::{SERIES, TIME};
use crate::range::{SeriesFilter, TimeRange};

/// Which records of a file, and which of their columns.
pub(crate) struct RowQuery<'a> {
    pub(crate) kind: RowKind,
    /// Positions in the kind's schema, sorted.
    pub(crate) columns: &'a [usize],
    /// The rows that may be wanted (see [`HistoryFile::rows_of`]); `None` for all.
    pub(crate) rows: Option<Vec<Range<usize>>>,
    pub(crate) wanted: &'a SeriesFilter,
    pub(crate) times: TimeRange,
    pub(crate) batch_rows: usize,
}

/// Reads the records of a file that are wanted, with the columns that are wanted, in the kind's schema of today.
///
/// # Errors
/// When the file can't be opened or is damaged; reading on may fail too.
pub(crate) fn read_rows(
    file: &HistoryFile,
    query: RowQuery<'_>,
) -> Result<impl Iterator<Item = Result<RecordBatch, StoreError>> + use<>, StoreError> {
    let mut builder = open(file)?;
    let columns = Columns::new(&builder, &query, file)?;
    let schema = builder.parquet_schema();
    let mut filters = Vec::new();
    if !query.times.covers(file.times) {
        let range = query.times;
        filters.push(predicate(schema, TIME, move |batch| {
            let times = batch.column(0).as_primitive::<TimestampNanosecondType>().values();
            times.iter().map(|&time| Some(range.contains(time))).collect()
        }));
    }
    if let SeriesFilter::Some(set) = query.wanted.clone() {
        filters.push(predicate(schema, SERIES, move |batch| {
            let series = batch.column(0).as_primitive::<UInt32Type>().values();
            series.iter().map(|&series| Some(set.contains(series))).collect()
        }));
    }
    let mask = ProjectionMask::roots(schema, columns.in_file.iter().flatten().copied());
    if let Some(rows) = query.rows {
        let total = usize::try_from(file.rows).expect("a file's rows were counted in memory once");
        builder = builder.with_row_selection(RowSelection::from_consecutive_ranges(rows.into_iter(), total));
    } else if !query.times.covers(file.times) {
        let groups = groups_of(builder.metadata(), query.times);
        builder = builder.with_row_groups(groups);
    }
    let reader = builder
        .with_projection(mask)
        .with_row_filter(RowFilter::new(filters))
        .with_batch_size(query.batch_rows)
        .build()
        .map_err(StoreError::parquet(&file.path))?;
    let path = file.path.clone();
    Ok(reader.map(move |batch| columns.of_today(&batch.map_err(|error| StoreError::parquet(&path)(error.into()))?)))
}

/// Reads all records of a file.
///
/// # Errors
/// As [`read_rows`].
pub(in crate::history) fn read_all(
    file: &HistoryFile,
    kind: RowKind,
    batch_rows: usize,
) -> Result<impl Iterator<Item = Result<RecordBatch, StoreError>> + use<>, StoreError> {
    let columns: Vec<usize> = (0..kind.schema().fields().len()).collect();
    let (wanted, times) = (&SeriesFilter::All, TimeRange::ALL);
    read_rows(file, RowQuery { kind, columns: &columns, rows: None, wanted, times, batch_rows })
}

/// The row groups that may have records of these times. A joined file has some for each file that was joined.
fn groups_of(metadata: &ParquetMetaData, range: TimeRange) -> Vec<usize> {
    let may_have = |group: &RowGroupMetaData| match group.column(TIME).statistics() {
        Some(Statistics::Int64(times)) => match (times.min_opt(), times.max_opt()) {
            (Some(&from), Some(&to)) => range.overlaps(TimeRange { from, to }),
            _ => true,
        },
        _ => true,
    };
    let groups = metadata.row_groups().iter().enumerate();
    groups.filter(|(_, group)| may_have(group)).map(|(at, _)| at).collect()
}

/// Where the wanted columns stand in a file. An older flyball may have written fewer, or others.
struct Columns {
    /// For each wanted column its position in the file, if it is there.
    in_file: Vec<Option<usize>>,
    schema: SchemaRef,
}

impl Columns {
    fn new(
        builder: &ParquetRecordBatchReaderBuilder<Source>,
        query: &RowQuery<'_>,
        file: &HistoryFile,
    ) -> Result<Self, StoreError> {
        let (written, schema) = (builder.schema(), query.kind.schema().project(query.columns)?);
        let find = |&at: &usize| {
            // The first two are found by their place: their names are nobody's business.
            if at <= TIME { Some(at) } else { written.index_of(query.kind.schema().field(at).name()).ok() }
        };
        let in_file: Vec<_> = query.columns.iter().map(find).collect();
        let lost = schema.fields().iter().zip(&in_file).find(|(field, at)| at.is_none() && !field.is_nullable());
        match lost {
            None => Ok(Self { in_file, schema: Arc::new(schema) }),
            Some((field, _)) => Err(StoreError::Corrupt {
                path: file.path.clone(),
                offset: 0,
                detail: format!(
                    "it has no column '{}'; move the file out of the folder to go on without it",
                    field.name()
                ),
            }),
        }
    }

    fn of_today(&self, read: &RecordBatch) -> Result<RecordBatch, StoreError> {
        // The reader gives columns in the order of the file.
        let mut order: Vec<_> = self.in_file.iter().flatten().copied().collect();
        order.sort_unstable();
        let columns =
            self.in_file.iter().zip(self.schema.fields()).map(|(at, field)| -> Result<ArrayRef, StoreError> {
                let position = at.and_then(|at| order.binary_search(&at).ok());
                let Some(position) = position else { return Ok(new_null_array(field.data_type(), read.num_rows())) };
                let column = read.column(position);
                Ok(if column.data_type() == field.data_type() {
                    Arc::clone(column)
                } else {
                    cast(column, field.data_type())?
                })
            });
        let columns = columns.collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(read.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}
