//! Writing records.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use flyball_model::{MetricRef, RowKind, SeriesRef, SeriesRegistry};
use parquet::arrow::ArrowWriter;

use super::super::file::{HistoryFile, Index, Kind, MetricRows};
use super::super::sink::FileSink;
use super::super::write::write_file;
use super::encode::properties;
use crate::error::StoreError;
use crate::folder::Folder;
use crate::hot::arrival::Arrival;
use crate::hot::rows::{RowChunk, series, times};
use crate::range::TimeRange;

/// Rows that are brought into order and handed over at a time.
const BATCH_ROWS: usize = 8192;

/// Writes records of one kind as file `number`; it has its name, and is synced, when this returns.
///
/// # Errors
/// When the disk says no; a file of that name may be there then.
pub(crate) fn write_rows(
    folder: &Folder,
    number: u64,
    kind: RowKind,
    chunks: &[Arc<RowChunk>],
    registry: &SeriesRegistry,
) -> Result<HistoryFile, StoreError> {
    let schema = kind.schema();
    let properties = properties(&schema);
    write_file(folder, Kind::Rows(kind), number, &schema, properties, |writer, path| {
        let metrics = match kind {
            RowKind::Histograms => write_by_metric(writer, path, chunks, registry)?,
            RowKind::Logs | RowKind::Spans | RowKind::Exemplars | RowKind::Texts => {
                write_by_time(writer, path, chunks)?;
                Vec::new()
            }
        };
        let times = chunks.iter().fold(TimeRange::EMPTY, |times, chunk| times.hull(chunk.times));
        let all_series = chunks.iter().flat_map(|chunk| series(&chunk.batch));
        let mut index = Index {
            from: times.from,
            to: times.to,
            rows: chunks.iter().map(|chunk| chunk.rows() as u64).sum(),
            series_end: all_series.fold(0, |end, &series| end.max(series + 1)),
            metrics,
            ordinals: Vec::new(),
            joined: None,
        };
        let mut arrival = Arrival::default();
        chunks.iter().for_each(|chunk| arrival.add_all(&chunk.arrival));
        index.note_ordinals(MetricRef(0), &arrival.ordinals);
        Ok(index)
    })
}

/// Whole batches, without a copy. Within a batch the order of arrival stays: a page is as long as a batch of a busy sender,
/// so sorting would let no reader skip more.
fn write_by_time(writer: &mut ArrowWriter<FileSink>, path: &Path, chunks: &[Arc<RowChunk>]) -> Result<(), StoreError> {
    let mut order: Vec<_> = chunks.iter().collect();
    order.sort_by_key(|chunk| chunk.times.from);
    order.into_iter().try_for_each(|chunk| writer.write(&chunk.batch)).map_err(StoreError::parquet(path))
}

/// By metric, series and time; what is equal in these in the order of arrival.
fn write_by_metric(
    writer: &mut ArrowWriter<FileSink>,
    path: &Path,
    chunks: &[Arc<RowChunk>],
    registry: &SeriesRegistry,
) -> Result<Vec<MetricRows>, StoreError> {
    let rows = sorted(chunks, registry);
    let batches: Vec<&RecordBatch> = chunks.iter().map(|chunk| &chunk.batch).collect();
    for piece in rows.chunks(BATCH_ROWS) {
        let places: Vec<_> = piece.iter().map(|row| (row.chunk as usize, row.row as usize)).collect();
        writer.write(&interleave_record_batch(&batches, &places)?).map_err(StoreError::parquet(path))?;
    }
    let mut end = 0;
    let of_metrics = rows.chunk_by(|a, b| a.metric == b.metric).map(|of_metric| {
        end += u32::try_from(of_metric.len()).expect("a memory budget's worth of records is below 2^32");
        let times = of_metric
            .iter()
            .fold(TimeRange::EMPTY, |times, row| times.hull(TimeRange { from: row.time, to: row.time }));
        MetricRows { metric: of_metric[0].metric, end, times }
    });
    Ok(of_metrics.collect())
}

/// A row by what it is sorted by, and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    metric: MetricRef,
    series: u32,
    time: i64,
    chunk: u32,
    row: u32,
}

fn sorted(chunks: &[Arc<RowChunk>], registry: &SeriesRegistry) -> Vec<Row> {
    let mut rows = Vec::with_capacity(chunks.iter().map(|chunk| chunk.rows()).sum());
    let view = registry.read();
    for (chunk, records) in chunks.iter().enumerate() {
        let (series, times) = (series(&records.batch), times(&records.batch));
        rows.extend(series.iter().zip(times).enumerate().map(|(row, (&series, &time))| {
            let metric = view.metric_of(SeriesRef(series));
            Row { metric, series, time, chunk: chunk as u32, row: row as u32 }
        }));
    }
    drop(view);
    rows.sort_unstable();
    rows
}
