//! Tables that are read from their first point on, and joins of every row with every row.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan, Operator, TableScan};

use super::super::codes::{CROSS_JOIN, NO_TIME_BOUND};
use super::Look;
use super::origin::relation_of;
use crate::catalog::TableRead;
use crate::functions::is_range_table;

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
