//! Log records.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, RecordBatch, StringBuilder, TimestampNanosecondArray, TimestampNanosecondBuilder, UInt8Builder,
    UInt32Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::attributes::Attributes;
use super::id::{SpanId, TraceId};
use super::{RowKind, Rows, string_map_type};
use crate::batch::time_type;
use crate::series::SeriesRef;
use crate::time::UnixNanos;

pub(super) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("series", DataType::UInt32, false),
        Field::new("time", time_type(), false),
        Field::new("observed_time", time_type(), true),
        Field::new("severity_number", DataType::UInt8, true),
        Field::new("severity", DataType::Utf8, true),
        Field::new("body", DataType::Utf8, true),
        Field::new("event_name", DataType::Utf8, true),
        Field::new("trace_id", DataType::Utf8, true),
        Field::new("span_id", DataType::Utf8, true),
        Field::new("flags", DataType::UInt32, false),
        Field::new("attributes", string_map_type(), false),
        Field::new("dropped_attributes_count", DataType::UInt32, false),
    ]))
});

/// One log record without its attributes, borrowed. Empty text is null.
#[derive(Debug, Clone, Copy)]
pub struct LogRecord<'a> {
    /// The resource's label set, a series of [`crate::series::LOGS`].
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
    /// The trace it was written in.
    pub trace_id: Option<TraceId>,
    /// The span it was written in.
    pub span_id: Option<SpanId>,
    /// The lowest eight bits are W3C trace flags; 0 where not said.
    pub flags: u32,
    /// How many attributes its sender has left out.
    pub dropped_attributes_count: u32,
}

impl LogRecord<'_> {
    /// A record of which nothing is known but when and where it was written.
    pub const fn new(stream: SeriesRef, time: UnixNanos) -> Self {
        Self {
            stream,
            time,
            observed_time: None,
            severity_number: 0,
            severity: "",
            body: None,
            event_name: "",
            trace_id: None,
            span_id: None,
            flags: 0,
            dropped_attributes_count: 0,
        }
    }
}

/// Collects [`LogRecord`]s into [`Rows`], straight into the columns.
#[derive(Debug)]
pub struct LogBuilder {
    stream: Vec<u32>,
    time: Vec<i64>,
    observed_time: TimestampNanosecondBuilder,
    severity_number: UInt8Builder,
    severity: StringBuilder,
    body: StringBuilder,
    event_name: StringBuilder,
    trace_id: StringBuilder,
    span_id: StringBuilder,
    flags: Vec<u32>,
    attributes: Attributes,
    dropped_attributes_count: Vec<u32>,
}

impl Default for LogBuilder {
    fn default() -> Self {
        Self::for_body(0)
    }
}

/// A record takes about this many bytes on the wire: a first guess at the room for a batch.
const RECORD_BYTES_GUESS: usize = 256;

/// And has about this many attributes.
const ATTRIBUTES_GUESS: usize = 6;

impl LogBuilder {
    /// A builder with room for the records of a message of `bytes`: a guess, that spares most of the growing.
    pub fn for_body(bytes: usize) -> Self {
        let records = bytes / RECORD_BYTES_GUESS;
        let texts = |bytes| StringBuilder::with_capacity(records, bytes);
        Self {
            stream: Vec::with_capacity(records),
            time: Vec::with_capacity(records),
            observed_time: TimestampNanosecondBuilder::with_capacity(records).with_timezone("UTC"),
            severity_number: UInt8Builder::with_capacity(records),
            severity: texts(records * "INFO".len()),
            body: texts(bytes / 3),
            event_name: texts(0),
            trace_id: texts(0),
            span_id: texts(0),
            flags: Vec::with_capacity(records),
            attributes: Attributes::with_capacity(records, ATTRIBUTES_GUESS * records, bytes / 4),
            dropped_attributes_count: Vec::with_capacity(records),
        }
    }

    /// Appends a record. Attributes have the names they were sent with; what is not text is written as JSON.
    #[inline]
    pub fn push<'t>(&mut self, record: LogRecord<'_>, attributes: impl IntoIterator<Item = (&'t str, &'t str)>) {
        self.stream.push(record.stream.0);
        self.time.push(record.time.0);
        self.observed_time.append_option(record.observed_time.map(|time| time.0));
        self.severity_number.append_option((record.severity_number != 0).then_some(record.severity_number));
        append_text(&mut self.severity, record.severity);
        self.body.append_option(record.body);
        append_text(&mut self.event_name, record.event_name);
        TraceId::append(record.trace_id, &mut self.trace_id);
        SpanId::append(record.span_id, &mut self.span_id);
        self.flags.push(record.flags);
        self.attributes.push(attributes);
        self.dropped_attributes_count.push(record.dropped_attributes_count);
    }

    /// How many records so far.
    pub fn len(&self) -> usize {
        self.stream.len()
    }

    /// Whether there is no record yet.
    pub fn is_empty(&self) -> bool {
        self.stream.is_empty()
    }

    /// The batch.
    pub fn finish(mut self) -> Rows {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from(self.stream)),
            Arc::new(TimestampNanosecondArray::from(self.time).with_timezone("UTC")),
            Arc::new(self.observed_time.finish()),
            Arc::new(self.severity_number.finish()),
            Arc::new(self.severity.finish()),
            Arc::new(self.body.finish()),
            Arc::new(self.event_name.finish()),
            Arc::new(self.trace_id.finish()),
            Arc::new(self.span_id.finish()),
            Arc::new(UInt32Array::from(self.flags)),
            self.attributes.finish(),
            Arc::new(UInt32Array::from(self.dropped_attributes_count)),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&SCHEMA), columns).expect("the builders are made for this schema");
        Rows { kind: RowKind::Logs, batch }
    }
}

/// Appends text; null where it is empty.
#[inline]
pub(super) fn append_text(column: &mut StringBuilder, text: &str) {
    if text.is_empty() { column.append_null() } else { column.append_value(text) }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};

    use super::*;

    #[test]
    fn log_records_become_rows() {
        let mut builder = LogBuilder::for_body(1000);
        let full = LogRecord {
            severity_number: 9,
            severity: "INFO",
            body: Some(""),
            trace_id: TraceId::new(&[1; 16]),
            ..LogRecord::new(SeriesRef(0), UnixNanos(1))
        };
        builder.push(full, [("k", "v"), ("l", "")]);
        builder.push(LogRecord::new(SeriesRef(1), UnixNanos(2)), []);
        assert_eq!(builder.len(), 2);
        let rows = builder.finish();
        assert!(Rows::try_new(RowKind::Logs, rows.batch().clone()).is_ok());
        let nulls: Vec<_> = rows.batch().columns().iter().map(|column| column.null_count()).collect();
        assert_eq!(nulls, [0, 0, 2, 1, 1, 1, 2, 1, 2, 0, 0, 0]);
        assert_eq!(rows.batch()["attributes"].as_map().value_offsets(), [0, 2, 2]);
    }

    #[test]
    fn no_records_are_an_empty_batch() {
        assert!(LogBuilder::default().finish().is_empty());
    }
}
