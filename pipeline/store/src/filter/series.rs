//! Predicates on what depends on the series alone: evaluated once per series, never per point.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_plan::PhysicalExpr;

use crate::predicates::is_of;

/// The part of a WHERE clause that is about the series.
#[derive(Debug, Clone)]
pub(crate) struct SeriesPredicate {
    /// The columns it looks at, by their position in the table's schema.
    pub(crate) columns: Vec<usize>,
    schema: SchemaRef,
    expr: Arc<dyn PhysicalExpr>,
    text: String,
}

impl SeriesPredicate {
    /// Takes those filters that are about `series_columns` of the table alone; `None` when there is none.
    ///
    /// # Errors
    /// When DataFusion can't plan them.
    pub(crate) fn new(
        session: &dyn Session,
        table: &Schema,
        filters: &[Expr],
        series_columns: impl Fn(&str) -> bool,
    ) -> Result<Option<Self>> {
        let filters = filters.iter().filter(|filter| is_of(filter, &series_columns)).cloned();
        let Some(predicate) = conjunction(filters) else { return Ok(None) };
        let mut columns =
            predicate.column_refs().iter().map(|column| table.index_of(&column.name)).collect::<Result<Vec<_>, _>>()?;
        columns.sort_unstable();
        columns.dedup();
        let schema = Arc::new(table.project(&columns)?);
        let text = predicate.to_string();
        let expr = session.create_physical_expr(predicate, &DFSchema::try_from(Arc::clone(&schema))?)?;
        Ok(Some(Self { columns, schema, expr, text }))
    }

    /// Whether the predicate is true, a row; `columns` are those of [`Self::columns`], in that order.
    ///
    /// # Errors
    /// When the expression fails on a value, as a cast may.
    pub(crate) fn evaluate(&self, columns: Vec<arrow::array::ArrayRef>) -> Result<BooleanArray> {
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        let answer = self.expr.evaluate(&batch)?.into_array(batch.num_rows())?;
        let answer = answer.as_boolean();
        // Unknown is not true.
        Ok((0..answer.len()).map(|row| Some(answer.is_valid(row) && answer.value(row))).collect())
    }
}

impl std::fmt::Display for SeriesPredicate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Ranges that together are `0..length`, none longer than `at_most`: series are looked at piecewise.
pub(crate) fn pieces(length: usize, at_most: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length).step_by(at_most).map(move |start| start..length.min(start + at_most))
}
