//! Points on their way: columns that become Arrow arrays without a copy.
//!
//! A batch can only be made with its schema, so one with a wrong schema cannot exist.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float64Array, RecordBatch, TimestampNanosecondArray, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::series::SeriesRef;
use crate::time::UnixNanos;

/// The bits of the NaN that Prometheus writes when a series ended.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// Whether a value is Prometheus' staleness marker, and not some other NaN.
#[inline]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// The type of every time column: nanoseconds, UTC.
pub fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

/// Points of any metrics: three columns of one length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PointBatch {
    series: Vec<u32>,
    time: Vec<i64>,
    value: Vec<f64>,
}

impl PointBatch {
    /// An empty batch with room for `points`.
    pub fn with_capacity(points: usize) -> Self {
        Self { series: Vec::with_capacity(points), time: Vec::with_capacity(points), value: Vec::with_capacity(points) }
    }

    /// Appends a point; `time` in nanoseconds since the epoch.
    #[inline]
    pub fn push(&mut self, series: SeriesRef, time: UnixNanos, value: f64) {
        self.series.push(series.0);
        self.time.push(time.0);
        self.value.push(value);
    }

    /// How many points.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Dense series numbers ([`SeriesRef`]).
    pub fn series(&self) -> &[u32] {
        &self.series
    }

    /// Event times, nanoseconds since the epoch.
    pub fn times(&self) -> &[i64] {
        &self.time
    }

    /// Values.
    pub fn values(&self) -> &[f64] {
        &self.value
    }

    /// Point by point.
    pub fn iter(&self) -> impl Iterator<Item = (SeriesRef, UnixNanos, f64)> {
        self.series
            .iter()
            .zip(&self.time)
            .zip(&self.value)
            .map(|((&series, &time), &value)| (SeriesRef(series), UnixNanos(time), value))
    }

    /// Forgets all points and keeps the room.
    pub fn clear(&mut self) {
        self.series.clear();
        self.time.clear();
        self.value.clear();
    }

    /// The columns as an Arrow batch (`series`, `time`, `value`), without a copy.
    pub fn into_record_batch(self) -> RecordBatch {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from(self.series)),
            Arc::new(TimestampNanosecondArray::from(self.time).with_timezone("UTC")),
            Arc::new(Float64Array::from(self.value)),
        ];
        RecordBatch::try_new(Arc::clone(&POINT_SCHEMA), columns)
            .expect("the columns are made for this schema, with one length")
    }
}

static POINT_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("series", DataType::UInt32, false),
        Field::new("time", time_type(), false),
        Field::new("value", DataType::Float64, false),
    ]))
});

/// The schema of a batch of points: `series` u32, `time` timestamp ns UTC, `value` f64; nothing is null.
pub fn point_schema() -> SchemaRef {
    Arc::clone(&POINT_SCHEMA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_become_an_arrow_batch() {
        let mut points = PointBatch::with_capacity(1);
        points.push(SeriesRef(3), UnixNanos(7), 0.5);
        let batch = points.into_record_batch();
        assert_eq!((batch.num_rows(), batch.schema()), (1, point_schema()));
    }
}
