//! Text values: string fields of line protocol. A text is a value of its series at a time, as a number is a metric's.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, RecordBatch, StringBuilder, TimestampNanosecondBuilder, UInt32Builder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::{RowKind, Rows};
use crate::batch::time_type;
use crate::series::SeriesRef;
use crate::time::UnixNanos;

pub(super) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("series", DataType::UInt32, false),
        Field::new("time", time_type(), false),
        Field::new("value", DataType::Utf8, false),
    ]))
});

/// Collects texts into [`Rows`].
#[derive(Debug)]
pub struct TextBuilder {
    series: UInt32Builder,
    time: TimestampNanosecondBuilder,
    value: StringBuilder,
    records: usize,
}

impl Default for TextBuilder {
    fn default() -> Self {
        Self {
            series: UInt32Builder::new(),
            time: TimestampNanosecondBuilder::new().with_timezone("UTC"),
            value: StringBuilder::new(),
            records: 0,
        }
    }
}

impl TextBuilder {
    /// Appends a text. `series` is one of [`crate::series::TEXTS`].
    pub fn push(&mut self, series: SeriesRef, time: UnixNanos, value: &str) {
        self.series.append_value(series.0);
        self.time.append_value(time.0);
        self.value.append_value(value);
        self.records += 1;
    }

    /// How many texts so far.
    pub fn len(&self) -> usize {
        self.records
    }

    /// Whether there is no text yet.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// The batch.
    pub fn finish(mut self) -> Rows {
        let columns: Vec<ArrayRef> =
            vec![Arc::new(self.series.finish()), Arc::new(self.time.finish()), Arc::new(self.value.finish())];
        let batch = RecordBatch::try_new(Arc::clone(&SCHEMA), columns).expect("the builders are made for this schema");
        Rows { kind: RowKind::Texts, batch }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;

    use super::*;

    #[test]
    fn texts_become_rows() {
        let mut builder = TextBuilder::default();
        assert!(builder.is_empty());
        builder.push(SeriesRef(3), UnixNanos(7), "RUNNING");
        builder.push(SeriesRef(3), UnixNanos(8), "");
        assert_eq!(builder.len(), 2);
        let rows = builder.finish();
        assert_eq!((rows.kind(), rows.len()), (RowKind::Texts, 2));
        assert_eq!(rows.batch().column(2).as_string::<i32>().value(0), "RUNNING");
        assert!(Rows::try_new(RowKind::Texts, rows.batch().clone()).is_ok());
    }
}
