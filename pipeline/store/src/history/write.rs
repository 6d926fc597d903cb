//! Writing a points file.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, RecordBatch, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, UInt32Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use flyball_model::MetricRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use super::file::{HistoryFile, Index, Kind, MetricRows, name};
use super::order;
use super::sink::FileSink;
use crate::error::StoreError;
use crate::folder::Folder;
use crate::hot::arrival::Arrival;
use crate::hot::chunk::{Chunk, Points};
use crate::hot::rows::TIME;
use crate::range::TimeRange;

/// Rows between two looks at the row group's size.
const BATCH_ROWS: usize = 32 * 1024;

/// Rows of a page: what must be unpacked to read one series.
const PAGE_ROWS: usize = 8 * 1024;

const ROW_GROUP_ROWS: usize = 128 * 1024;

/// Writes the chunks of some metrics (sorted by metric, each metric's chunks in the order of arrival) as file `number`.
/// The file has its name, and is synced, when this returns.
///
/// # Errors
/// When the disk says no; a file of that name may be there then.
pub(crate) fn write_points(
    folder: &Folder,
    number: u64,
    chunks: &[(MetricRef, Arc<Chunk>)],
) -> Result<HistoryFile, StoreError> {
    let unit = common_unit(chunks);
    let schema = points_schema(unit);
    write_file(folder, Kind::Points, number, &schema, points_properties(Compression::UNCOMPRESSED), |writer, path| {
        let mut index = Index::EMPTY;
        for of_metric in chunks.chunk_by(|a, b| a.0 == b.0) {
            let metric = of_metric[0].0;
            let times = of_metric.iter().fold(TimeRange::EMPTY, |times, (_, chunk)| times.hull(chunk.times));
            let points = order::sorted(of_metric.iter().map(|(_, chunk)| &**chunk)).into_points();
            index.rows += points.len() as u64;
            index.series_end = index.series_end.max(points.series.last().map_or(0, |last| last + 1));
            for start in (0..points.len()).step_by(BATCH_ROWS) {
                let rows = BATCH_ROWS.min(points.len() - start);
                writer.write(&to_batch(&schema, unit, points.slice(start, rows))).map_err(StoreError::parquet(path))?;
            }
            let end = u32::try_from(index.rows).expect("a memory budget's worth of points is below 2^32");
            index.metrics.push(MetricRows { metric, end, times });
            let mut arrival = Arrival::default();
            of_metric.iter().for_each(|(_, chunk)| arrival.add_all(&chunk.arrival));
            index.note_ordinals(metric, &arrival.ordinals);
            index.from = index.from.min(times.from);
            index.to = index.to.max(times.to);
        }
        Ok(index)
    })
}

/// The columns of a points file.
pub(super) fn points_schema(unit: TimeUnit) -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("series", DataType::UInt32, false),
        Field::new("time", DataType::Timestamp(unit, Some("UTC".into())), false),
        Field::new("value", DataType::Float64, false),
    ]))
}

/// The unit of the times in a points file.
pub(super) fn time_unit(schema: &Schema) -> TimeUnit {
    match schema.field(TIME).data_type() {
        DataType::Timestamp(unit, _) => *unit,
        _ => TimeUnit::Nanosecond,
    }
}

/// How the columns of a points file are encoded. A file that was not joined yet is not compressed: in a busy estate it lives for seconds,
/// and would be compressed and unpacked for nothing.
pub(super) fn points_properties(compression: Compression) -> WriterPropertiesBuilder {
    let column = |name: &str| ColumnPath::from(name);
    properties(compression)
        .set_dictionary_enabled(false)
        .set_column_encoding(column("series"), Encoding::DELTA_BINARY_PACKED)
        .set_column_encoding(column("time"), Encoding::DELTA_BINARY_PACKED)
        .set_column_encoding(column("value"), Encoding::BYTE_STREAM_SPLIT)
}

/// The coarsest unit that holds all times exactly: most senders count in milliseconds, and then the differences that are
/// stored have twenty bits less.
fn common_unit(chunks: &[(MetricRef, Arc<Chunk>)]) -> TimeUnit {
    let all_multiples_of =
        |step: i64| chunks.iter().all(|(_, chunk)| chunk.points.time.iter().all(|time| time % step == 0));
    if all_multiples_of(1_000_000) {
        TimeUnit::Millisecond
    } else if all_multiples_of(1_000) {
        TimeUnit::Microsecond
    } else {
        TimeUnit::Nanosecond
    }
}

fn to_batch(schema: &SchemaRef, unit: TimeUnit, points: Points) -> RecordBatch {
    let time: ArrayRef = match unit {
        TimeUnit::Millisecond => {
            let time = points.time.iter().map(|time| time / 1_000_000);
            Arc::new(TimestampMillisecondArray::from_iter_values(time).with_timezone("UTC"))
        }
        TimeUnit::Microsecond => {
            let time = points.time.iter().map(|time| time / 1_000);
            Arc::new(TimestampMicrosecondArray::from_iter_values(time).with_timezone("UTC"))
        }
        _ => Arc::new(TimestampNanosecondArray::new(points.time, None).with_timezone("UTC")),
    };
    let columns: Vec<ArrayRef> =
        vec![Arc::new(UInt32Array::new(points.series, None)), time, Arc::new(Float64Array::new(points.value, None))];
    RecordBatch::try_new(Arc::clone(schema), columns).expect("the columns are made for this schema, with one length")
}

/// What all history files share.
fn properties(compression: Compression) -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_created_by(concat!("flyball ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(compression)
        // What statistics could tell, our own index has told already.
        .set_statistics_enabled(EnabledStatistics::None)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
}

/// Writes under a temporary name, syncs, and only then gives the file its name.
///
/// # Errors
/// When the disk says no; a file of either name may be there then.
pub(super) fn write_file(
    folder: &Folder,
    kind: Kind,
    number: u64,
    schema: &SchemaRef,
    properties: WriterPropertiesBuilder,
    fill: impl FnOnce(&mut ArrowWriter<FileSink>, &Path) -> Result<Index, StoreError>,
) -> Result<HistoryFile, StoreError> {
    let path = folder.path.join(name(kind, number));
    let temporary = path.with_extension("tmp");
    let mut index = Index::EMPTY;
    let bytes = write_temporary(folder, &temporary, |sink, path| {
        let mut writer = ArrowWriter::try_new(sink, Arc::clone(schema), Some(properties.build()))
            .map_err(StoreError::parquet(path))?;
        index = fill(&mut writer, path)?;
        index.to_metadata().into_iter().for_each(|entry| writer.append_key_value_metadata(entry));
        writer.into_inner().map_err(StoreError::parquet(path))
    })?;
    folder.rename(&temporary, &path)?;
    Ok(HistoryFile::new(Arc::clone(&folder.storage), path, number, bytes, index))
}

/// Makes a file of what is put into the sink, syncs it, and tells how many bytes it has. It is to get another name.
///
/// # Errors
/// When the disk says no, or `fill`; the file may be there then.
pub(super) fn write_temporary(
    folder: &Folder,
    temporary: &Path,
    fill: impl FnOnce(FileSink, &Path) -> Result<FileSink, StoreError>,
) -> Result<u64, StoreError> {
    let create = || folder.storage.create(temporary);
    let created = match create() {
        // Somebody removed the folder under us.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            folder.make_again()?;
            create()
        }
        created => created,
    };
    let file = created.map_err(StoreError::io("create", temporary))?;
    let (sink, refusal) = FileSink::new(file);
    let sink = fill(sink, temporary).map_err(|error| match refusal.take() {
        Some(refused) => StoreError::io("write", temporary)(refused),
        None => error,
    })?;
    sink.seal().map_err(StoreError::io("sync", temporary))
}
