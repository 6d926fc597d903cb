//! A rule in a table of groups: which of them it finds.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::cast::as_boolean_array;
use datafusion::error::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{Expr, Operator};
use datafusion::physical_expr::PhysicalExpr;

use super::batch::batch_of;
use super::lookers::{Of, Threshold};
use super::shape::Shape;

/// HAVING and projection of a rule.
#[derive(Debug)]
pub(super) struct Finish {
    having: Option<Arc<dyn PhysicalExpr>>,
    /// Whether HAVING is about what is grouped by, too.
    having_reads_keys: bool,
    threshold: Option<Threshold>,
    projection: Vec<Arc<dyn PhysicalExpr>>,
    output: SchemaRef,
}

/// A rule, and the groups that it finds.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) token: u64,
    pub(super) partition: u32,
    /// The view whose groups it looks at; `None` where it looks at those of the table.
    pub(super) view: Option<Arc<str>>,
    pub(super) finish: Finish,
    /// The groups for which HAVING is true.
    pub(super) found: BTreeSet<u32>,
    /// It has to look at all groups.
    pub(super) anew: bool,
    /// Something has changed since [`super::table::Table::take_touched`].
    pub(super) touched: bool,
    /// Why HAVING can't be evaluated.
    pub(super) error: Option<String>,
}

impl Finish {
    pub(super) fn new(shape: &Shape, state: &SessionState, output: SchemaRef) -> Result<Self> {
        let physical = |expr: &Expr| state.create_physical_expr(expr.clone(), &shape.groups);
        let having = conjunction(shape.having.iter().cloned());
        let keys = &shape.groups.fields()[..shape.key_count()];
        let reads_keys =
            |expr: &Expr| expr.column_refs().iter().any(|column| keys.iter().any(|key| *key.name() == column.name));
        let mut comparisons = having.iter().flat_map(split_conjunction).filter_map(comparison);
        let threshold = match comparisons.find(|(of, ..)| !reads_keys(of)) {
            Some((of, op, value)) => Some(Threshold { of: what(of, shape, physical)?, op, value }),
            None => None,
        };
        Ok(Self {
            having_reads_keys: having.as_ref().is_some_and(reads_keys),
            having: having.as_ref().map(physical).transpose()?,
            threshold,
            projection: shape.projection.iter().map(physical).collect::<Result<_>>()?,
            output,
        })
    }

    /// Whether HAVING is about what is grouped by, too; else those columns may hold anything.
    pub(super) fn having_reads_keys(&self) -> bool {
        self.having_reads_keys
    }

    /// For which rows HAVING is true.
    pub(super) fn holds(&self, batch: &RecordBatch) -> Result<Vec<bool>> {
        match &self.having {
            Some(having) => {
                let holds = having.evaluate(batch)?.into_array(batch.num_rows())?;
                Ok(as_boolean_array(&holds)?.iter().map(|holds| holds == Some(true)).collect())
            }
            None => Ok(vec![true; batch.num_rows()]),
        }
    }

    /// A comparison of aggregates without which HAVING can't be true, if there is one; it is given once.
    pub(super) fn take_threshold(&mut self) -> Option<Threshold> {
        self.threshold.take()
    }

    /// The rows of the rule's query.
    pub(super) fn project(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let column = |(expr, field): (&Arc<dyn PhysicalExpr>, &arrow::datatypes::FieldRef)| -> Result<ArrayRef> {
            let column = expr.evaluate(batch)?.into_array(rows)?;
            if column.data_type() == field.data_type() {
                return Ok(column);
            }
            Ok(cast(&column, field.data_type())?)
        };
        let columns = self.projection.iter().zip(self.output.fields()).map(column).collect::<Result<_>>()?;
        batch_of(&self.output, columns, rows)
    }

    pub(super) fn output(&self) -> &SchemaRef {
        &self.output
    }
}

/// What a threshold is about.
fn what(of: &Expr, shape: &Shape, physical: impl Fn(&Expr) -> Result<Arc<dyn PhysicalExpr>>) -> Result<Of> {
    if let Expr::Column(column) = of
        && let Some(at) = shape.groups.index_of_column(column)?.checked_sub(shape.key_count())
        && shape.aggregates[at].function.is_of_numbers()
        && matches!(shape.aggregates[at].data_type, DataType::Float64 | DataType::Int64)
    {
        return Ok(Of::Aggregate(at));
    }
    Ok(Of::Expression(physical(of)?, of.to_string()))
}

/// `expression > number` and its kin, the expression on the left.
fn comparison(expr: &Expr) -> Option<(&Expr, Operator, f64)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return None };
    let (of, op, literal) = match (left.as_ref(), right.as_ref()) {
        (of, Expr::Literal(literal, _)) => (of, *op, literal),
        (Expr::Literal(literal, _), of) => (of, op.swap()?, literal),
        _ => return None,
    };
    if of.column_refs().is_empty() || !matches!(op, Operator::Gt | Operator::GtEq | Operator::Lt | Operator::LtEq) {
        return None;
    }
    match literal {
        datafusion::common::ScalarValue::Float64(Some(value)) => Some((of, op, *value)),
        // Beyond 2^53 a float is no integer.
        datafusion::common::ScalarValue::Int64(Some(value)) if value.unsigned_abs() < 1 << 53 => {
            Some((of, op, *value as f64))
        }
        _ => None,
    }
}
