//! What a predicate is about, for those who evaluate it by themselves.

use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::Expr;

/// Whether the predicate looks only at these columns, and gives the same answer each time.
pub fn is_of(predicate: &Expr, columns: impl Fn(&str) -> bool) -> bool {
    let references = predicate.column_refs();
    !references.is_empty()
        && references.iter().all(|column| columns(&column.name))
        && !predicate.is_volatile()
        && !needs_a_plan(predicate)
}

/// Whether a part of it can't be evaluated on a batch by itself.
pub fn needs_a_plan(predicate: &Expr) -> bool {
    let is_plan = |expr: &Expr| {
        Ok(matches!(
            expr,
            Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_)
                | Expr::Exists(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::Placeholder(_)
                | Expr::AggregateFunction(_)
                | Expr::WindowFunction(_)
        ))
    };
    predicate.exists(is_plan).unwrap_or(true)
}
