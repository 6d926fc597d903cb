//! Which table's column a column of a plan is.

use datafusion::common::{Column, DFSchema};
use datafusion::datasource::DefaultTableSource;
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan};

use crate::catalog::relation::Relation;

/// A column of a table that stands in the catalog.
pub(super) struct Origin<'a> {
    pub(super) relation: &'a Relation,
    /// Its name in the table.
    pub(super) column: String,
}

/// The table that a scan reads.
pub(super) fn relation_of(scan: &TableScan) -> Option<&Relation> {
    scan.source.downcast_ref::<DefaultTableSource>()?.table_provider.downcast_ref::<Relation>()
}

/// The column of a table that `column`, among those of `plan`, is a plain copy of.
pub(super) fn origin<'a>(plan: &'a LogicalPlan, column: &Column) -> Option<Origin<'a>> {
    at(plan, index(plan.schema(), column)?)
}

fn index(schema: &DFSchema, column: &Column) -> Option<usize> {
    schema.maybe_index_of_column(column)
}

fn at(plan: &LogicalPlan, place: usize) -> Option<Origin<'_>> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let column = scan.projected_schema.field(place).name().clone();
            Some(Origin { relation: relation_of(scan)?, column })
        }
        LogicalPlan::Projection(projection) => of_expr(projection.expr.get(place)?, &projection.input),
        LogicalPlan::Aggregate(aggregate) => of_expr(aggregate.group_expr.get(place)?, &aggregate.input),
        LogicalPlan::Join(join) => {
            let left = join.left.schema().fields().len();
            if join.schema.fields().len() != left + join.right.schema().fields().len() {
                return None;
            }
            if place < left { at(&join.left, place) } else { at(&join.right, place - left) }
        }
        LogicalPlan::SubqueryAlias(alias) => at(&alias.input, place),
        LogicalPlan::Filter(filter) => at(&filter.input, place),
        LogicalPlan::Sort(sort) => at(&sort.input, place),
        LogicalPlan::Limit(limit) => at(&limit.input, place),
        LogicalPlan::Distinct(distinct) => at(distinct.input(), place),
        _ => None,
    }
}

/// The origin of an expression over the columns of `input`.
pub(super) fn of_expr<'a>(expr: &Expr, input: &'a LogicalPlan) -> Option<Origin<'a>> {
    match expr {
        Expr::Column(column) => origin(input, column),
        Expr::Alias(alias) => of_expr(&alias.expr, input),
        Expr::Cast(cast) => of_expr(&cast.expr, input),
        _ => None,
    }
}
