//! Rows that a rule writes itself: `VALUES ('a', 5), ('b', 6)`.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, Values};
use flyball_model::UnixNanos;
use hashbrown::HashSet;

use super::joins::is_text;
use crate::catalog::SystemTable;

/// A table that never changes.
#[derive(Debug)]
pub(super) struct Written(RecordBatch);

impl Written {
    /// `None` where a value is not written out.
    pub(super) fn of(values: &Values) -> Option<Self> {
        let schema: SchemaRef = Arc::clone(values.schema.inner());
        let mut columns = Vec::new();
        for (place, field) in schema.fields().iter().enumerate() {
            let literals = values.values.iter().map(|row| literal(row.get(place)?));
            let column = ScalarValue::iter_to_array(literals.collect::<Option<Vec<_>>>()?).ok()?;
            columns.push(cast(&column, field.data_type()).ok()?);
        }
        RecordBatch::try_new(schema, columns).ok().map(Self)
    }

    /// The columns that are another text in each row.
    pub(super) fn unique(&self) -> Vec<String> {
        let schema = self.0.schema();
        let columns = schema.fields().iter().zip(self.0.columns());
        let texts = columns.filter(|(field, _)| is_text(field.data_type()));
        let unique = texts.filter(|(_, column)| {
            let texts = cast(column, &DataType::Utf8).ok();
            texts.is_some_and(|texts| {
                let mut seen = HashSet::new();
                texts.as_string::<i32>().iter().flatten().all(|text| seen.insert(text.to_owned()))
            })
        });
        unique.map(|(field, _)| field.name().clone()).collect()
    }
}

fn literal(expr: &Expr) -> Option<ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value.clone()),
        _ => None,
    }
}

impl SystemTable for Written {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn rows(&self, _: UnixNanos) -> Result<RecordBatch, ArrowError> {
        Ok(self.0.clone())
    }

    fn revision(&self) -> Option<u64> {
        Some(0)
    }
}
