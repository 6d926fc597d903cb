//! Files of points or histograms: one order of metrics, series and times out of several.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::buffer::ScalarBuffer;
use arrow::compute::{cast, interleave_record_batch};
use arrow::datatypes::{
    DataType, SchemaRef, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    UInt32Type,
};
use flyball_model::MetricRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};

use super::{Join, check};
use crate::error::StoreError;
use crate::history::file::{HistoryFile, Kind, MetricRows};
use crate::history::read::open;
use crate::history::rows::{properties as row_properties, read_all};
use crate::history::sink::FileSink;
use crate::history::write::{points_properties, points_schema, time_unit};
use crate::hot::rows::{SERIES, TIME};

/// Rows that are read from an input at a time, and written at a time. Every input has so many in memory.
const BATCH_ROWS: usize = 4096;

/// Points of a row group. What a file says of each group is in memory several times when its end is written.
const GROUP_ROWS: usize = 256 * 1024;

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, StoreError>>>;

/// What a row is sorted by; what is equal in these is in the order of the inputs, which is that of arrival.
type Key = (MetricRef, u32, i64);

/// Merges the inputs.
pub(super) fn merge(join: Join<'_>) -> Result<FileSink, StoreError> {
    let (schema, properties) = match join.kind {
        Kind::Points => {
            let units = join.inputs.iter().map(|file| Ok(time_unit(open(file)?.schema())));
            let unit = units.collect::<Result<Vec<_>, StoreError>>()?.into_iter().max().unwrap_or(TimeUnit::Nanosecond);
            let properties = points_properties(Compression::ZSTD(ZstdLevel::default()));
            (points_schema(unit), properties.set_max_row_group_row_count(Some(GROUP_ROWS)))
        }
        Kind::Rows(kind) => (kind.schema(), row_properties(&kind.schema())),
    };
    let mut cursors = Vec::with_capacity(join.inputs.len());
    for file in join.inputs {
        cursors.push(Cursor::new(file, batches(file, join.kind, &schema)?)?);
    }
    let mut queue: BinaryHeap<_> =
        cursors.iter().enumerate().filter_map(|(input, cursor)| Some(Reverse((cursor.key()?, input)))).collect();
    let mut output = Output::default();
    let written = |error| StoreError::parquet(join.path)(error);
    let mut writer = ArrowWriter::try_new(join.sink, Arc::clone(&schema), Some(properties.build())).map_err(written)?;
    while let Some(Reverse((_, input))) = queue.pop() {
        let next = queue.peek().map(|Reverse(next)| *next);
        let cursor = &mut cursors[input];
        let rows = cursor.run(input, next);
        output.take(cursor, rows);
        if output.is_full() {
            check(join.stop)?;
            writer.write(&output.make(&mut cursors)?).map_err(written)?;
        }
        let cursor = &mut cursors[input];
        cursor.advance(rows)?;
        queue.extend(cursor.key().map(|key| Reverse((key, input))));
    }
    if !output.places.is_empty() {
        writer.write(&output.make(&mut cursors)?).map_err(written)?;
    }
    join.index.to_metadata().into_iter().for_each(|entry| writer.append_key_value_metadata(entry));
    writer.into_inner().map_err(written)
}

/// All rows of a file, in the columns of the joined one.
fn batches(file: &HistoryFile, kind: Kind, schema: &SchemaRef) -> Result<Batches, StoreError> {
    match kind {
        Kind::Points => {
            let reader = open(file)?.with_batch_size(BATCH_ROWS).build().map_err(StoreError::parquet(&file.path))?;
            let (path, schema) = (file.path.clone(), Arc::clone(schema));
            Ok(Box::new(reader.map(move |batch| {
                let batch = batch.map_err(|error| StoreError::parquet(&path)(error.into()))?;
                let columns = batch.columns().iter().zip(schema.fields());
                let columns: Vec<ArrayRef> =
                    columns.map(|(column, field)| cast(column, field.data_type())).collect::<Result<_, _>>()?;
                Ok(RecordBatch::try_new(Arc::clone(&schema), columns)?)
            })))
        }
        Kind::Rows(kind) => Ok(Box::new(read_all(file, kind, BATCH_ROWS)?)),
    }
}

/// Where the reading of an input is.
struct Cursor {
    batches: Batches,
    metrics: Box<[MetricRows]>,
    /// Of the next row, in `metrics`.
    metric: usize,
    /// Rows of the file before `batch`.
    before: usize,
    batch: Option<RecordBatch>,
    series: ScalarBuffer<u32>,
    times: ScalarBuffer<i64>,
    /// The next row, in `batch`.
    row: usize,
    /// Which of the output's batches `batch` is, if it is among them.
    place: Option<usize>,
}

impl Cursor {
    fn new(file: &HistoryFile, batches: Batches) -> Result<Self, StoreError> {
        let mut cursor = Self {
            batches,
            metrics: file.metrics.clone(),
            metric: 0,
            before: 0,
            batch: None,
            series: Vec::new().into(),
            times: Vec::new().into(),
            row: 0,
            place: None,
        };
        cursor.read()?;
        Ok(cursor)
    }

    /// Goes on to the next batch with rows.
    fn read(&mut self) -> Result<(), StoreError> {
        self.before += self.series.len();
        (self.row, self.place) = (0, None);
        self.batch = loop {
            match self.batches.next().transpose()? {
                Some(batch) if batch.num_rows() == 0 => {}
                batch => break batch,
            }
        };
        (self.series, self.times) = match &self.batch {
            None => (Vec::new().into(), Vec::new().into()),
            Some(batch) => {
                (batch.column(SERIES).as_primitive::<UInt32Type>().values().clone(), times(batch.column(TIME)))
            }
        };
        Ok(())
    }

    /// Of the next row; `None` at the end.
    fn key(&self) -> Option<Key> {
        self.batch.as_ref()?;
        let of_metric = self.metrics.get(self.metric)?;
        Some((of_metric.metric, self.series[self.row], self.times[self.row]))
    }

    /// How many rows, of those at hand, come before the next one of the other inputs. At least one.
    fn run(&self, input: usize, next: Option<(Key, usize)>) -> usize {
        let of_metric = self.metrics[self.metric];
        let end = (of_metric.end as usize - self.before).min(self.series.len());
        let Some(((metric, series, time), other)) = next else { return end - self.row };
        if of_metric.metric < metric {
            return end - self.row;
        }
        let next = (series, time, other);
        let rows = self.series[self.row..end].iter().zip(&self.times[self.row..end]);
        rows.take_while(|&(&series, &time)| (series, time, input) < next).count()
    }

    fn advance(&mut self, rows: usize) -> Result<(), StoreError> {
        self.row += rows;
        if self.before + self.row == self.metrics[self.metric].end as usize {
            self.metric += 1;
        }
        if self.row == self.series.len() { self.read() } else { Ok(()) }
    }
}

/// Rows to be written, as places in batches of the inputs.
#[derive(Default)]
struct Output {
    batches: Vec<RecordBatch>,
    places: Vec<(usize, usize)>,
}

impl Output {
    fn take(&mut self, cursor: &mut Cursor, rows: usize) {
        let Some(batch) = &cursor.batch else { return };
        let place = *cursor.place.get_or_insert_with(|| {
            self.batches.push(batch.clone());
            self.batches.len() - 1
        });
        self.places.extend((cursor.row..cursor.row + rows).map(|row| (place, row)));
    }

    fn is_full(&self) -> bool {
        self.places.len() >= BATCH_ROWS
    }

    fn make(&mut self, cursors: &mut [Cursor]) -> Result<RecordBatch, StoreError> {
        let batches: Vec<_> = self.batches.iter().collect();
        let made = interleave_record_batch(&batches, &self.places)?;
        self.batches.clear();
        self.places.clear();
        cursors.iter_mut().for_each(|cursor| cursor.place = None);
        Ok(made)
    }
}

/// Times as they are counted in their column.
fn times(column: &ArrayRef) -> ScalarBuffer<i64> {
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            column.as_primitive::<TimestampMillisecondType>().values().clone()
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            column.as_primitive::<TimestampMicrosecondType>().values().clone()
        }
        _ => column.as_primitive::<TimestampNanosecondType>().values().clone(),
    }
}
