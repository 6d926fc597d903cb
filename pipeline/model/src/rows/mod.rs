//! Records that are more than a number at a time: log records, spans, histograms, exemplars, texts.
//!
//! Each kind has one schema. Its first two columns are always `series` (u32, a [`crate::series::SeriesRef`]) and `time`, so that the store
//! treats all kinds alike; [`Rows`] can only be made with the schema of its kind.

mod attributes;
mod exemplars;
mod histograms;
mod id;
mod logs;
mod span_parts;
mod spans;
mod texts;

use std::sync::Arc;

use arrow::array::{AsArray, MapFieldNames, RecordBatch};
use arrow::datatypes::{DataType, Field, SchemaRef, TimestampNanosecondType};

pub use exemplars::{Exemplar, ExemplarBuilder};
pub use histograms::{
    BadHistogramArray, HistogramArray, HistogramArrayBuilder, HistogramBuilder, HistogramRow, histogram_rows,
    histogram_type,
};
pub use id::{Id, SpanId, TraceId};
pub use logs::{LogBuilder, LogRecord};
pub use span_parts::{SpanEvent, SpanLink};
pub use spans::{Span, SpanBuilder, SpanKind, SpanStatus};
pub use texts::TextBuilder;

/// A kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKind {
    /// Log records. Their series are resources, under the pseudo-metric [`crate::series::LOGS`].
    Logs,
    /// Spans. Their series are resources, under the pseudo-metric [`crate::series::SPANS`].
    Spans,
    /// Points of native histograms, explicit or exponential. Their series are those of their metric.
    Histograms,
    /// Examples of what went into a number or a histogram. Their series are those of the metric they illustrate.
    Exemplars,
    /// Text values (string fields of line protocol). Their series are under the pseudo-metric [`crate::series::TEXTS`].
    Texts,
}

impl RowKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [RowKind; 5] =
        [RowKind::Logs, RowKind::Spans, RowKind::Histograms, RowKind::Exemplars, RowKind::Texts];

    /// The word in file names and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            RowKind::Logs => "logs",
            RowKind::Spans => "spans",
            RowKind::Histograms => "histograms",
            RowKind::Exemplars => "exemplars",
            RowKind::Texts => "texts",
        }
    }

    /// The schema of stored records; the first two columns are `series` and `time`.
    pub fn schema(self) -> SchemaRef {
        Arc::clone(match self {
            RowKind::Logs => &logs::SCHEMA,
            RowKind::Spans => &spans::SCHEMA,
            RowKind::Histograms => &histograms::SCHEMA,
            RowKind::Exemplars => &exemplars::SCHEMA,
            RowKind::Texts => &texts::SCHEMA,
        })
    }
}

/// Records of one kind, with the schema of that kind.
#[derive(Debug, Clone)]
pub struct Rows {
    kind: RowKind,
    batch: RecordBatch,
}

impl Rows {
    /// Takes a batch.
    ///
    /// # Errors
    /// Gives the batch back when its schema is not that of the kind.
    pub fn try_new(kind: RowKind, batch: RecordBatch) -> Result<Self, Box<RecordBatch>> {
        if batch.schema().fields() == kind.schema().fields() { Ok(Self { kind, batch }) } else { Err(Box::new(batch)) }
    }

    /// The kind.
    pub fn kind(&self) -> RowKind {
        self.kind
    }

    /// The columns.
    pub fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// Event times of the records, in nanoseconds since the epoch.
    pub fn times(&self) -> &[i64] {
        self.batch.column(1).as_primitive::<TimestampNanosecondType>().values()
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Names inside every map of strings.
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
