//! Bounds on what a plan may grow to when it is optimized.
//!
//! The optimizer moves conditions towards the tables, and puts the expression of a subquery's or WITH table's column wherever the column is named. So
//! `SELECT v + v AS v FROM (SELECT v + v AS v FROM (…))` doubles with each level, and a text of a few hundred bytes takes all memory there is, or all
//! of the stack. Here that is computed before, without writing the expressions out.

use std::collections::HashMap;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::diagnose::span_of_column;
use super::error::{Position, QueryError};

/// Operators, functions and columns of one expression. A ratio of sums of CASE over ten tables has some hundred.
const NODES_MAX: usize = 10_000;
/// Steps of the plan one above the other (a filter, a join, a sort, …), and operators one above the other in the deepest expression, together: both
/// are walked by recursion. Unoptimized builds overflow a stack of 2 MiB at about 300 of either.
const DEPTH_MAX: usize = 250;
/// Columns of one SELECT. Planning takes the square of them.
const COLUMNS_MAX: usize = 2_000;

/// How large an expression is, once only columns of tables are left in it.
#[derive(Debug, Clone, Copy)]
struct Size {
    nodes: usize,
    depth: usize,
}

impl Size {
    const ONE: Self = Self { nodes: 1, depth: 1 };
    /// Long lists of literals are cheap.
    const LITERAL: Self = Self { nodes: 0, depth: 1 };

    fn max(self, other: Self) -> Self {
        Self { nodes: self.nodes.max(other.nodes), depth: self.depth.max(other.depth) }
    }
}

/// Checks a plan before it is optimized.
pub(super) fn check(plan: &LogicalPlan) -> Result<()> {
    let mut walk = Walk::default();
    walk.columns(plan, 1)?;
    if walk.plan_depth + walk.expr_depth > DEPTH_MAX {
        return Err(too_deep());
    }
    Ok(())
}

/// The deepest that was met.
#[derive(Debug, Default)]
struct Walk {
    plan_depth: usize,
    expr_depth: usize,
}

impl Walk {
    /// The sizes of the columns of a plan that stands at this depth.
    fn columns(&mut self, plan: &LogicalPlan, depth: usize) -> Result<Vec<Size>> {
        self.plan_depth = self.plan_depth.max(depth);
        if depth > DEPTH_MAX {
            return Err(too_deep());
        }
        plan.apply_subqueries(|subquery| self.columns(subquery, depth + 1).map(|_| TreeNodeRecursion::Continue))?;
        let mut below = Vec::new();
        let mut named = HashMap::new();
        for input in plan.inputs() {
            let columns = self.columns(input, depth + 1)?;
            for (field, size) in input.schema().fields().iter().zip(&columns) {
                // Of two columns of one name the larger one: a look without tables' names is enough for a bound.
                named
                    .entry(field.name().as_str())
                    .and_modify(|known: &mut Size| *known = known.max(*size))
                    .or_insert(*size);
            }
            below.push(columns);
        }
        let mut own = Vec::new();
        plan.apply_expressions(|expr| {
            let size = size(expr, &named)?;
            self.expr_depth = self.expr_depth.max(size.depth);
            own.push(size);
            bounded(size, expr).map(|()| TreeNodeRecursion::Continue)
        })?;
        let count = plan.schema().fields().len();
        if count > COLUMNS_MAX {
            return Err(refused(format!("the query has more than {COLUMNS_MAX} columns: select fewer"), None));
        }
        Ok(above(plan, own, below, count))
    }
}

/// The sizes of a node's columns, by those of its expressions and of what is below it.
fn above(plan: &LogicalPlan, own: Vec<Size>, mut below: Vec<Vec<Size>>, count: usize) -> Vec<Size> {
    let largest = |sizes: &mut dyn Iterator<Item = Size>| vec![sizes.fold(Size::ONE, Size::max); count];
    match plan {
        // What is moved below an aggregate are groups; but orders and what is equal to what are followed through aggregates too.
        LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) if own.len() == count => own,
        LogicalPlan::Aggregate(_) => largest(&mut own.into_iter()),
        LogicalPlan::Join(_) if below.iter().map(Vec::len).sum::<usize>() == count => below.concat(),
        _ if below.len() == 1 && below[0].len() == count => below.swap_remove(0),
        _ => largest(&mut below.into_iter().flatten()),
    }
}

fn size(expr: &Expr, columns: &HashMap<&str, Size>) -> Result<Size> {
    match expr {
        Expr::Column(column) => Ok(columns.get(column.name.as_str()).copied().unwrap_or(Size::ONE)),
        Expr::Literal(..) => Ok(Size::LITERAL),
        Expr::Alias(alias) => size(&alias.expr, columns),
        // Groups beside each other, and no expression of them all.
        Expr::GroupingSet(sets) => {
            let sizes = sets.distinct_expr().into_iter().map(|expr| size(expr, columns));
            sizes.reduce(|a, b| Ok(a?.max(b?))).unwrap_or(Ok(Size::ONE))
        }
        _ => {
            let mut all = Size { nodes: 1, depth: 0 };
            expr.apply_children(|child| {
                let child = size(child, columns)?;
                all.nodes = all.nodes.saturating_add(child.nodes);
                all.depth = all.depth.max(child.depth);
                Ok(TreeNodeRecursion::Continue)
            })?;
            all.depth += 1;
            Ok(all)
        }
    }
}

fn bounded(size: Size, expr: &Expr) -> Result<()> {
    if size.nodes <= NODES_MAX {
        return Ok(());
    }
    let mut places: Vec<_> = expr.column_refs().into_iter().filter_map(span_of_column).map(|span| span.0).collect();
    places.sort_unstable();
    let message = format!(
        "an expression has more than {NODES_MAX} operators once the columns of subqueries and WITH tables are put in: name each of them less often"
    );
    Err(refused(message, places.first().copied()))
}

fn too_deep() -> DataFusionError {
    let message = format!(
        "the query has more than {DEPTH_MAX} steps and operators one above the other, subqueries and WITH tables put in: record what the lower ones give \
         as a metric"
    );
    refused(message, None)
}

fn refused(message: String, position: Option<Position>) -> DataFusionError {
    QueryError::Plan { message, position }.into_datafusion()
}

#[cfg(test)]
mod tests {
    use crate::query::testing::{Fixture, NOW};

    /// WITH tables one above the other, and what is asked of the last one.
    fn chain(levels: usize, column: &str, last: &str) -> String {
        let table = |level: usize| if level == 0 { "m".to_owned() } else { format!("t{}", level - 1) };
        let tables: Vec<_> = (0..levels)
            .map(|level| format!("t{level} AS (SELECT host, {column} AS value FROM {})", table(level)))
            .collect();
        format!("WITH {} {last} FROM {} WHERE value > 1", tables.join(", "), table(levels))
    }

    async fn message(sql: &str) -> Option<(Option<(usize, usize)>, String)> {
        let fixture = Fixture::new().series("m", &[("host", "a")], &[(990, 2.0)]);
        let error = fixture.database.query(sql, NOW).await.err()?;
        Some((error.position(), error.to_string()))
    }

    #[tokio::test]
    async fn columns_that_double_with_each_level_are_refused_before_they_do() {
        let doubling = |levels| chain(levels, "value + value", "SELECT host, value");
        assert_eq!(message(&doubling(8)).await, None);
        let (place, found) = message(&doubling(24)).await.expect("2^24 operators");
        assert!(found.starts_with("an expression has more than 10000 operators once"), "{found}");
        assert!(place.is_some_and(|place| place.0 == 1 && place.1 > 400), "{place:?}");
        for column in ["CASE WHEN value > 1 THEN value ELSE value + 1 END", "abs(value) * value"] {
            let found = message(&chain(24, column, "SELECT host, value")).await.expect("3^24, 2^24");
            assert!(found.1.contains("more than 10000 operators"), "{found:?}");
        }
        let inside =
            format!("SELECT host, value FROM latest(m) WHERE host IN ({})", chain(24, "value + value", "SELECT host"));
        assert!(message(&inside).await.is_some_and(|found| found.1.contains("more than 10000")));
    }

    #[tokio::test]
    async fn columns_that_get_deeper_with_each_level_are_refused() {
        let adding =
            |levels, terms: usize| chain(levels, &format!("value{}", " + 1".repeat(terms)), "SELECT host, value");
        assert_eq!(message(&adding(20, 10)).await, None);
        let found = message(&adding(20, 150)).await.expect("3000 deep");
        assert!(found.1.contains("more than 250 steps and operators one above the other"), "{found:?}");
    }

    #[tokio::test]
    async fn the_largest_cube_is_taken() {
        let columns: Vec<_> = (0..12).map(|at| format!("host || '{at}'")).collect();
        assert_eq!(message(&format!("SELECT count(*) AS n FROM m GROUP BY CUBE ({})", columns.join(", "))).await, None);
    }

    #[tokio::test]
    async fn more_columns_than_anybody_reads_are_refused() {
        let wide = |columns| {
            format!("SELECT {} FROM m", (0..columns).map(|at| format!("value AS v{at}")).collect::<Vec<_>>().join(", "))
        };
        assert_eq!(message(&wide(2_000)).await, None);
        assert_eq!(
            message(&wide(2_001)).await,
            Some((None, "the query has more than 2000 columns: select fewer".into()))
        );
    }
}
