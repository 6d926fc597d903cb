//! The units of a result's columns.
//!
//! DataFusion carries a field's metadata through columns and aliases and drops it at functions. The mean of seconds is seconds too,
//! so units are followed through the functions that keep them. Nothing is ever derived: a product has no unit.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator};

use super::{UNIT_KEY, unit_of};

/// Functions whose value has the unit of their first argument.
const KEEPING: [&str; 22] = [
    "abs",
    "approx_median",
    "approx_percentile_cont",
    "avg",
    "ceil",
    "coalesce",
    "first_value",
    "floor",
    "greatest",
    "last_value",
    "least",
    "max",
    "mean",
    "median",
    "merge",
    "min",
    "percentile_cont",
    "quantile",
    "round",
    "stddev",
    "sum",
    "trunc",
];

/// The unit of each column of a plan, as far as it is known.
pub(crate) fn units(plan: &LogicalPlan) -> Vec<Option<String>> {
    units_from(plan, &told)
}

/// The units that the columns of a table carry.
pub(crate) fn told(plan: &LogicalPlan) -> Vec<Option<String>> {
    plan.schema().fields().iter().map(|field| unit_of(field).map(str::to_string)).collect()
}

/// As [`units`], with those of a table's columns by `leaf`.
pub(crate) fn units_from(
    plan: &LogicalPlan,
    leaf: &dyn Fn(&LogicalPlan) -> Vec<Option<String>>,
) -> Vec<Option<String>> {
    let units = |plan: &LogicalPlan| units_from(plan, leaf);
    let columns = plan.schema().fields().len();
    let found = match (plan, plan.inputs().as_slice()) {
        (LogicalPlan::Projection(projection), [input]) => {
            let of = units(input);
            projection.expr.iter().map(|expr| unit(expr, input.schema(), &of)).collect()
        }
        (LogicalPlan::Aggregate(aggregate), [input]) => {
            let of = units(input);
            let exprs = aggregate.group_expr.iter().chain(&aggregate.aggr_expr);
            exprs.map(|expr| unit(expr, input.schema(), &of)).collect()
        }
        (LogicalPlan::Join(_), [left, right]) => units(left).into_iter().chain(units(right)).collect(),
        (
            LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Distinct(_)
            | LogicalPlan::Union(_),
            [first, ..],
        ) => units(first),
        _ => leaf(plan),
    };
    // Grouping sets, semi joins, window functions: the columns are not simply those of the inputs.
    if found.len() == columns { found } else { vec![None; columns] }
}

/// The unit of an expression over columns of a schema whose units are `of`, as far as it is known.
pub(crate) fn unit(expr: &Expr, schema: &DFSchema, of: &[Option<String>]) -> Option<String> {
    let first = |args: &[Expr]| args.first().and_then(|arg| unit(arg, schema, of));
    match expr {
        Expr::Column(column) => of.get(schema.maybe_index_of_column(column)?)?.clone(),
        Expr::Alias(alias) => unit(&alias.expr, schema, of),
        Expr::Cast(cast) => unit(&cast.expr, schema, of),
        Expr::TryCast(cast) => unit(&cast.expr, schema, of),
        Expr::Negative(inner) => unit(inner, schema, of),
        Expr::AggregateFunction(call) if KEEPING.contains(&call.func.name()) => first(&call.params.args),
        Expr::ScalarFunction(call) if KEEPING.contains(&call.func.name()) => first(&call.args),
        Expr::BinaryExpr(sum) if matches!(sum.op, Operator::Plus | Operator::Minus) => {
            let left = unit(&sum.left, schema, of);
            left.filter(|left| unit(&sum.right, schema, of).as_ref() == Some(left))
        }
        _ => None,
    }
}

/// The schema with units written into the fields that have none.
pub(super) fn with_units(schema: &SchemaRef, units: &[Option<String>]) -> SchemaRef {
    let fields = schema.fields().iter().enumerate().map(|(at, field)| match units.get(at) {
        Some(Some(unit)) if unit_of(field).is_none() => {
            let mut metadata = field.metadata().clone();
            metadata.insert(UNIT_KEY.into(), unit.clone());
            Arc::new(field.as_ref().clone().with_metadata(metadata))
        }
        _ => Arc::clone(field),
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}

/// The batch under a schema that differs in units only.
pub(super) fn relabel(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &options)?)
}
