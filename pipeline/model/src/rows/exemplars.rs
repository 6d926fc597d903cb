//! Examples of what went into a point.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringBuilder, TimestampNanosecondArray, UInt32Array};
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
        Field::new("value", DataType::Float64, false),
        Field::new("trace_id", DataType::Utf8, true),
        Field::new("span_id", DataType::Utf8, true),
        Field::new("attributes", string_map_type(), false),
    ]))
});

/// One exemplar without its attributes.
#[derive(Debug, Clone, Copy)]
pub struct Exemplar {
    /// The series of the point that it illustrates.
    pub series: SeriesRef,
    /// When it was observed.
    pub time: UnixNanos,
    /// What was observed.
    pub value: f64,
    /// The trace in which it was observed.
    pub trace_id: Option<TraceId>,
    /// The span in which it was observed.
    pub span_id: Option<SpanId>,
}

/// Collects [`Exemplar`]s into [`Rows`].
#[derive(Debug, Default)]
pub struct ExemplarBuilder {
    series: Vec<u32>,
    time: Vec<i64>,
    value: Vec<f64>,
    trace_id: StringBuilder,
    span_id: StringBuilder,
    attributes: Attributes,
}

impl ExemplarBuilder {
    /// Appends an exemplar. Its attributes are what the series' labels don't say, by the names they were sent with.
    pub fn push<'t>(&mut self, exemplar: Exemplar, attributes: impl IntoIterator<Item = (&'t str, &'t str)>) {
        self.series.push(exemplar.series.0);
        self.time.push(exemplar.time.0);
        self.value.push(exemplar.value);
        TraceId::append(exemplar.trace_id, &mut self.trace_id);
        SpanId::append(exemplar.span_id, &mut self.span_id);
        self.attributes.push(attributes);
    }

    /// How many exemplars so far.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there is no exemplar yet.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// The batch.
    pub fn finish(mut self) -> Rows {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from(self.series)),
            Arc::new(TimestampNanosecondArray::from(self.time).with_timezone("UTC")),
            Arc::new(Float64Array::from(self.value)),
            Arc::new(self.trace_id.finish()),
            Arc::new(self.span_id.finish()),
            self.attributes.finish(),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&SCHEMA), columns).expect("the builders are made for this schema");
        Rows { kind: RowKind::Exemplars, batch }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Array;

    use super::*;

    #[test]
    fn exemplars_become_rows() {
        let mut builder = ExemplarBuilder::default();
        let exemplar = Exemplar {
            series: SeriesRef(3),
            time: UnixNanos(1),
            value: 0.5,
            trace_id: TraceId::new(&[1; 16]),
            span_id: None,
        };
        builder.push(exemplar, [("user", "a")]);
        let rows = builder.finish();
        assert!(Rows::try_new(RowKind::Exemplars, rows.batch().clone()).is_ok());
        assert_eq!((rows.len(), rows.batch().column(4).null_count()), (1, 1));
    }
}
