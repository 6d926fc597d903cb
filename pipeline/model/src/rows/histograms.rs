//! Points of native histograms.
//!
//! `count`, `sum`, `min` and `max` stand in columns of their own, to be asked for by name, and once more in the struct `histogram`,
//! which functions get alone. A row whose `histogram` and `count` are NULL is a staleness marker: the series ended there.

mod array;

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, Float64Builder, RecordBatch, StructArray, TimestampNanosecondArray, TimestampNanosecondBuilder,
    UInt32Array, UInt32Builder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

pub use array::{BadHistogramArray, HistogramArray, HistogramArrayBuilder, histogram_type};

use super::{RowKind, Rows};
use crate::batch::time_type;
use crate::histogram::Histogram;
use crate::series::SeriesRef;
use crate::time::UnixNanos;

pub(super) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let number = |name| Field::new(name, DataType::Float64, true);
    Arc::new(Schema::new(vec![
        Field::new("series", DataType::UInt32, false),
        Field::new("time", time_type(), false),
        Field::new("start_time", time_type(), true),
        number("count"),
        number("sum"),
        number("min"),
        number("max"),
        Field::new("histogram", histogram_type(), true),
    ]))
});

/// Collects points of native histograms into [`Rows`].
#[derive(Debug)]
pub struct HistogramBuilder {
    series: UInt32Builder,
    time: TimestampNanosecondBuilder,
    start_time: TimestampNanosecondBuilder,
    /// `count`, `sum`, `min`, `max`.
    totals: [Float64Builder; 4],
    histogram: HistogramArrayBuilder,
    buckets: usize,
}

impl Default for HistogramBuilder {
    fn default() -> Self {
        let time = || TimestampNanosecondBuilder::new().with_timezone("UTC");
        Self {
            series: UInt32Builder::new(),
            time: time(),
            start_time: time(),
            totals: Default::default(),
            histogram: HistogramArrayBuilder::default(),
            buckets: 0,
        }
    }
}

impl HistogramBuilder {
    /// Appends a point.
    pub fn push(&mut self, series: SeriesRef, time: UnixNanos, histogram: &Histogram) {
        let totals = histogram.totals();
        self.buckets += histogram.bucket_count();
        self.row(series, time, totals.start_time, [Some(totals.count), totals.sum, totals.min, totals.max]);
        self.histogram.append(histogram);
    }

    /// Appends a staleness marker: the series ended.
    pub fn push_stale(&mut self, series: SeriesRef, time: UnixNanos) {
        self.row(series, time, None, [None; 4]);
        self.histogram.append_null();
    }

    fn row(&mut self, series: SeriesRef, time: UnixNanos, start_time: Option<UnixNanos>, totals: [Option<f64>; 4]) {
        self.series.append_value(series.0);
        self.time.append_value(time.0);
        self.start_time.append_option(start_time.map(|time| time.0));
        self.totals.iter_mut().zip(totals).for_each(|(column, total)| column.append_option(total));
    }

    /// How many points so far.
    pub fn len(&self) -> usize {
        self.histogram.len()
    }

    /// Whether there is no point yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Buckets of all points so far.
    pub fn buckets(&self) -> usize {
        self.buckets
    }

    /// The batch.
    pub fn finish(mut self) -> Rows {
        let [count, sum, min, max] = &mut self.totals;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.series.finish()),
            Arc::new(self.time.finish()),
            Arc::new(self.start_time.finish()),
            Arc::new(count.finish()),
            Arc::new(sum.finish()),
            Arc::new(min.finish()),
            Arc::new(max.finish()),
            Arc::new(self.histogram.finish()),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&SCHEMA), columns).expect("the builders are made for this schema");
        Rows { kind: RowKind::Histograms, batch }
    }
}

/// A stored point of a native histogram.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramRow {
    /// Its series.
    pub series: SeriesRef,
    /// Its time.
    pub time: UnixNanos,
    /// The histogram with its start time; `None` is a staleness marker.
    pub histogram: Option<Histogram>,
}

/// Reads the points of a batch that has the columns of [`RowKind::Histograms`], in their order; others may follow.
///
/// # Errors
/// When the columns are others, or a row is no histogram.
pub fn histogram_rows(batch: &RecordBatch) -> Result<Vec<HistogramRow>, BadHistogramArray> {
    fn column<'a, T: 'static>(batch: &'a RecordBatch, name: &'static str) -> Result<&'a T, BadHistogramArray> {
        let column = batch.column_by_name(name).and_then(|column| column.as_any().downcast_ref());
        column.ok_or(BadHistogramArray::Column { name })
    }
    let series: &UInt32Array = column(batch, "series")?;
    let time: &TimestampNanosecondArray = column(batch, "time")?;
    let start_time: &TimestampNanosecondArray = column(batch, "start_time")?;
    let histograms = HistogramArray::try_new(column::<StructArray>(batch, "histogram")?)?;
    (0..batch.num_rows())
        .map(|row| {
            let started = start_time.is_valid(row).then(|| UnixNanos(start_time.value(row)));
            Ok(HistogramRow {
                series: SeriesRef(series.value(row)),
                time: UnixNanos(time.value(row)),
                histogram: histograms.get(row)?.map(|histogram| histogram.started_at(started)),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::testing::{explicit, exponential};

    #[test]
    fn histograms_become_rows_and_are_read_back() {
        let histograms = [
            Some(explicit(&[0.5, 1.5, 9.0], &[1.0, 2.0]).started_at(Some(UnixNanos(3)))),
            Some(exponential(&[-4.0, 0.0, 0.3, 1e9], 5, 0.01)),
            None,
            Some(explicit(&[], &[])),
            Some(exponential(&[], 20, 0.0)),
        ];
        let mut builder = HistogramBuilder::default();
        for (at, histogram) in histograms.iter().enumerate() {
            match histogram {
                Some(histogram) => builder.push(SeriesRef(7), UnixNanos(at as i64), histogram),
                None => builder.push_stale(SeriesRef(7), UnixNanos(at as i64)),
            }
        }
        assert_eq!(builder.len(), 5);
        let rows = builder.finish();
        assert!(Rows::try_new(RowKind::Histograms, rows.batch().clone()).is_ok());
        let read = histogram_rows(rows.batch()).expect("just built");
        assert_eq!(read.iter().map(|row| row.time.0).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!(read.into_iter().map(|row| row.histogram).collect::<Vec<_>>(), histograms);
        let count = rows.batch().column_by_name("count").expect("in the schema");
        assert_eq!(count.null_count(), 1);
        let read = histogram_rows(&rows.batch().slice(1, 1)).expect("a slice");
        assert_eq!(read[0].histogram, histograms[1]);
    }

    #[test]
    fn other_columns_are_no_histograms() {
        let batch = RecordBatch::new_empty(Arc::new(Schema::empty()));
        let error = histogram_rows(&batch).expect_err("no columns").to_string();
        assert_eq!(error, "the column series is missing or of another type");
    }
}
