//! Tables that are read from their first point on or from the future on, and joins of every row with every row.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan, Operator, TableScan};
use flyball_model::UnixNanos;

use super::super::codes::{CROSS_JOIN, NO_TIME_BOUND, WINDOW_TOO_SHORT};
use super::Look;
use super::origin::relation_of;
use crate::catalog::TableRead;
use crate::functions::is_range_table;
use crate::query::bind::Binder;

pub(super) fn check(look: &mut Look<'_>) {
    let query = look.query;
    let _ = query.optimized.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::TableScan(scan) if is_unbounded(scan) => {
                let name = scan.table_name.table();
                let message = format!("'{name}' is read from its first point on, at each evaluation");
                let hint = "add WHERE time > now() - INTERVAL '5 minutes'".to_owned();
                look.note(NO_TIME_BOUND, None, Some(name), message, hint);
            }
            LogicalPlan::TableScan(scan) if scan.filters.iter().filter_map(lower_bound).any(|from| from >= 0) => {
                let name = scan.table_name.table();
                let message = format!("'{name}' is read from the time of the evaluation on: no sample is that new");
                let hint = "a window of the last minutes is time > now() - INTERVAL '5 minutes'".to_owned();
                look.note(WINDOW_TOO_SHORT, None, Some(name), message, hint);
            }
            LogicalPlan::Join(join) if is_cross_join(join) => {
                let message = "tables are joined without a condition: every row with every row".to_owned();
                let hint = "write JOIN … ON, with the columns that belong together".to_owned();
                look.note(CROSS_JOIN, None, None, message, hint);
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
}

/// Whether each row is joined with each. One row beside others is how figures are compared.
fn is_cross_join(join: &Join) -> bool {
    let many = |side: &LogicalPlan| side.max_rows().is_none_or(|rows| rows > 1);
    let unconditional = join.join_type == JoinType::Inner && join.on.is_empty() && join.filter.is_none();
    unconditional && many(&join.left) && many(&join.right)
}

/// Whether a scan is of points or records, of any time.
fn is_unbounded(scan: &TableScan) -> bool {
    let Some(relation) = relation_of(scan) else { return false };
    let of_points = match relation.read {
        TableRead::Metric(_) => !is_range_table(relation.table.as_ref()),
        TableRead::Metrics
        | TableRead::Logs
        | TableRead::Spans
        | TableRead::Exemplars
        | TableRead::Texts
        | TableRead::Power => true,
        TableRead::System { .. } => false,
    };
    of_points && !scan.filters.iter().any(bounds_time)
}

/// Whether a predicate holds only from some time on. All parts of an OR must.
fn bounds_time(filter: &Expr) -> bool {
    let is_time = |expr: &Expr| matches!(expr, Expr::Column(column) if column.name == "time");
    match filter {
        Expr::BinaryExpr(pair) => match pair.op {
            Operator::Gt | Operator::GtEq => is_time(&pair.left),
            Operator::Lt | Operator::LtEq => is_time(&pair.right),
            Operator::Eq => is_time(&pair.left) || is_time(&pair.right),
            Operator::And => bounds_time(&pair.left) || bounds_time(&pair.right),
            Operator::Or => bounds_time(&pair.left) && bounds_time(&pair.right),
            _ => false,
        },
        Expr::Between(between) => is_time(&between.expr) && !between.negated,
        _ => false,
    }
}

/// The time from which on `time > now() - INTERVAL …` holds, in nanoseconds after that of the evaluation.
pub(super) fn lower_bound(filter: &Expr) -> Option<i64> {
    let Expr::BinaryExpr(pair) = filter else { return None };
    let bound = match (pair.op, pair.left.as_ref(), pair.right.as_ref()) {
        (Operator::Gt | Operator::GtEq, Expr::Column(column), bound) if column.name == "time" => bound,
        (Operator::Lt | Operator::LtEq, bound, Expr::Column(column)) if column.name == "time" => bound,
        _ => return None,
    };
    // Some instant that leaves room before it.
    let now = UnixNanos(i64::MAX / 2);
    let bound = Binder::new(now, &Arc::default()).ok()?.bind_expr(bound.clone()).ok()?;
    let Expr::Literal(ScalarValue::TimestampNanosecond(Some(from), _), _) = bound else { return None };
    from.checked_sub(now.0)
}
