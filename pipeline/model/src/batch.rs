//! Points and log records on their way: columns that become Arrow arrays without a copy.
//!
//! A batch can only be made with its schema, so one with a wrong schema cannot exist.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, Float64Array, MapBuilder, MapFieldNames, RecordBatch, StringBuilder, TimestampNanosecondArray,
    TimestampNanosecondBuilder, UInt8Builder, UInt32Array, UInt32Builder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::series::SeriesRef;
use crate::time::UnixNanos;

/// The bits of the NaN that Prometheus writes when a series ended.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// Whether a value is Prometheus' staleness marker, and not some other NaN.
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

/// Names inside the `attributes` map of the logs table.
pub fn map_field_names() -> MapFieldNames {
    MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() }
}

/// The type of a map of strings, as in `logs.attributes` and `metrics.labels`.
pub fn string_map_type() -> DataType {
    let entries = Field::new(
        "entries",
        DataType::Struct(
            vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, true)].into(),
        ),
        false,
    );
    DataType::Map(Arc::new(entries), false)
}

static LOG_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("stream", DataType::UInt32, false),
        Field::new("time", time_type(), false),
        Field::new("observed_time", time_type(), true),
        Field::new("severity_number", DataType::UInt8, true),
        Field::new("severity", DataType::Utf8, true),
        Field::new("body", DataType::Utf8, true),
        Field::new("event_name", DataType::Utf8, true),
        Field::new("trace_id", DataType::Utf8, true),
        Field::new("span_id", DataType::Utf8, true),
        Field::new("attributes", string_map_type(), false),
    ]))
});

/// The schema of stored log records. `stream` is the [`SeriesRef`] of the resource's label set under [`crate::series::LOGS`].
pub fn log_schema() -> SchemaRef {
    Arc::clone(&LOG_SCHEMA)
}

/// One log record, borrowed. Ids are lower-case hex; empty text is null.
#[derive(Debug, Clone, Copy)]
pub struct LogRecord<'a> {
    /// The resource's label set.
    pub stream: SeriesRef,
    /// Event time, or the observed time where there is none.
    pub time: UnixNanos,
    /// When the collector saw it.
    pub observed_time: Option<UnixNanos>,
    /// OpenTelemetry's 1 (TRACE) to 24 (FATAL4); 0 is null.
    pub severity_number: u8,
    /// The severity as text.
    pub severity: &'a str,
    /// The body; what is not text is written as JSON.
    pub body: Option<&'a str>,
    /// The event's name.
    pub event_name: &'a str,
    /// 32 hex digits.
    pub trace_id: &'a str,
    /// 16 hex digits.
    pub span_id: &'a str,
    /// Attribute names as sent and values; what is not text is written as JSON.
    pub attributes: &'a [(&'a str, &'a str)],
}

/// Log records with the schema of [`log_schema`].
#[derive(Debug, Clone)]
pub struct LogBatch(RecordBatch);

impl LogBatch {
    /// Takes a batch that was read back from a file.
    ///
    /// # Errors
    /// Gives the batch back when its schema is not [`log_schema`].
    pub fn try_from_batch(batch: RecordBatch) -> Result<Self, Box<RecordBatch>> {
        if batch.schema().fields() == LOG_SCHEMA.fields() { Ok(Self(batch)) } else { Err(Box::new(batch)) }
    }

    /// The columns.
    pub fn batch(&self) -> &RecordBatch {
        &self.0
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.0.num_rows()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Collects [`LogRecord`]s into a [`LogBatch`].
#[derive(Debug)]
pub struct LogBatchBuilder {
    stream: UInt32Builder,
    time: TimestampNanosecondBuilder,
    observed_time: TimestampNanosecondBuilder,
    severity_number: UInt8Builder,
    texts: [StringBuilder; 5],
    attributes: MapBuilder<StringBuilder, StringBuilder>,
    records: usize,
}

impl Default for LogBatchBuilder {
    fn default() -> Self {
        Self {
            stream: UInt32Builder::new(),
            time: TimestampNanosecondBuilder::new().with_timezone("UTC"),
            observed_time: TimestampNanosecondBuilder::new().with_timezone("UTC"),
            severity_number: UInt8Builder::new(),
            texts: Default::default(),
            attributes: MapBuilder::new(Some(map_field_names()), StringBuilder::new(), StringBuilder::new()),
            records: 0,
        }
    }
}

impl LogBatchBuilder {
    /// Appends a record.
    pub fn push(&mut self, record: LogRecord<'_>) {
        self.stream.append_value(record.stream.0);
        self.time.append_value(record.time.0);
        self.observed_time.append_option(record.observed_time.map(|time| time.0));
        self.severity_number.append_option((record.severity_number != 0).then_some(record.severity_number));
        let texts =
            [some(record.severity), record.body, some(record.event_name), some(record.trace_id), some(record.span_id)];
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.append_option(text);
        }
        for (name, value) in record.attributes {
            self.attributes.keys().append_value(name);
            self.attributes.values().append_value(value);
        }
        self.attributes.append(true).expect("a key was appended with each value");
        self.records += 1;
    }

    /// How many records so far.
    pub fn len(&self) -> usize {
        self.records
    }

    /// Whether there is no record yet.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// The batch.
    pub fn finish(mut self) -> LogBatch {
        let [severity, body, event_name, trace_id, span_id] = &mut self.texts;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.stream.finish()),
            Arc::new(self.time.finish()),
            Arc::new(self.observed_time.finish()),
            Arc::new(self.severity_number.finish()),
            Arc::new(severity.finish()),
            Arc::new(body.finish()),
            Arc::new(event_name.finish()),
            Arc::new(trace_id.finish()),
            Arc::new(span_id.finish()),
            Arc::new(self.attributes.finish()),
        ];
        LogBatch(RecordBatch::try_new(log_schema(), columns).expect("the builders are made for this schema"))
    }
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
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

    #[test]
    fn log_records_become_an_arrow_batch() {
        let mut builder = LogBatchBuilder::default();
        builder.push(LogRecord {
            stream: SeriesRef(0),
            time: UnixNanos(1),
            observed_time: None,
            severity_number: 9,
            severity: "INFO",
            body: Some("started"),
            event_name: "",
            trace_id: "",
            span_id: "",
            attributes: &[("k", "v")],
        });
        let batch = builder.finish();
        assert_eq!(batch.len(), 1);
        assert!(LogBatch::try_from_batch(batch.batch().clone()).is_ok());
    }
}
