//! What a query that can be planned likely does not mean. Each of them is a warning: the rule runs.
//!
//! | file | finds |
//! |---|---|
//! | `labels` | labels compared with numbers |
//! | `units` | units mixed, by the units that senders named |
//! | `time` | tables read from their first point on, joins without a condition |
//! | `interval` | `for` and windows too short for the distance of the samples |
//! | `counters` | counters without `rate`, `rate` of gauges |
//! | `identity` | rows of one identity |
//! | `always` | queries that give a row whatever the data say |
//! | `origin` | which table's column a column is, for these |

mod always;
mod counters;
mod identity;
mod interval;
mod labels;
mod origin;
mod time;
mod units;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchemaRef};
use datafusion::logical_expr::{Expr, LogicalPlan, Operator};

use self::interval::Intervals;
use super::sql;
use crate::definition::{Problem, Rule};
use crate::query::Database;
use crate::query::inspect::Inspected;
use crate::query::shown::shown;

/// Findings of one rule that are told: whoever made so many slips will check again.
const FINDINGS_MAX: usize = 20;

/// Looks at queries; what it learnt of the data for one rule it knows for the next.
pub(super) struct Lints<'a> {
    database: &'a Database,
    intervals: Intervals,
}

/// One query with its rule, and what was found.
pub(super) struct Look<'a> {
    rule: &'a Rule,
    query: &'a Inspected,
    database: &'a Database,
    found: Vec<Problem>,
    told: HashSet<(&'static str, String)>,
}

impl<'a> Lints<'a> {
    pub(super) fn new(database: &'a Database) -> Self {
        Self { database, intervals: Intervals::default() }
    }

    /// Looks at one query.
    pub(super) async fn look(&mut self, rule: &Rule, query: &Inspected, problems: &mut Vec<Problem>) {
        let mut look = Look { rule, query, database: self.database, found: Vec::new(), told: HashSet::new() };
        labels::check(&mut look);
        units::check(&mut look);
        time::check(&mut look);
        counters::check(&mut look);
        identity::check(&mut look);
        always::check(&mut look);
        interval::check(&mut look, &mut self.intervals).await;
        problems.append(&mut look.found);
    }
}

impl Look<'_> {
    /// Notes a finding at the first place that is known of these: a column's, a name's in the query, the query's. The same is told once.
    fn note(&mut self, code: &'static str, column: Option<&Column>, name: Option<&str>, message: String, hint: String) {
        if self.found.len() >= FINDINGS_MAX || !self.told.insert((code, message.clone())) {
            return;
        }
        let of_column = column
            .and_then(|column| column.spans().first())
            .map(|span| (span.start.line as usize, span.start.column as usize));
        let of_name = || name.or(column.map(|column| column.name.as_str())).and_then(|name| self.query.find(name));
        let position = of_column.or_else(|| of_name().map(|at| (at.line, at.column)));
        let place = sql::place(self.rule, position);
        self.found.push(Problem::warning(place, message).hint(hint).code(code));
    }

    /// Calls `with` for each expression of the query as it was written, with each of its parts, and the columns it is over: the
    /// schema, and the node whose columns these are.
    fn each_expr(&mut self, mut with: impl FnMut(&mut Self, &Expr, &DFSchemaRef, &LogicalPlan)) {
        let query = self.query;
        let mut walk = |node: &LogicalPlan| {
            let inputs = node.inputs();
            // A join's conditions are over the columns of both sides, which are its own.
            let over = match inputs.as_slice() {
                [] => return Ok(TreeNodeRecursion::Continue),
                [input] => input,
                _ => node,
            };
            node.apply_expressions(|expr| {
                expr.apply(|part| {
                    with(self, part, over.schema(), over);
                    Ok(TreeNodeRecursion::Continue)
                })
            })
        };
        // It can only fail where the closure does.
        let _ = query.written.apply_with_subqueries(&mut walk);
    }
}

/// Whether an operator compares.
fn compares(op: Operator) -> bool {
    op.supports_propagation() || matches!(op, Operator::NotEq | Operator::IsDistinctFrom | Operator::IsNotDistinctFrom)
}

/// The first column of an expression, by which its place is known.
fn first_column(expr: &Expr) -> Option<Column> {
    let mut columns: Vec<_> = expr.column_refs().into_iter().cloned().collect();
    columns.sort_by_key(|column| column.spans().first().map(|span| (span.start.line, span.start.column)));
    columns.into_iter().next()
}
