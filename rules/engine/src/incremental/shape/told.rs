//! Expressions in obstacles.

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::Expr;

use crate::query::shown::shown;

/// An expression as SQL; columns that are looked up have the name of their table before them.
pub(in super::super) fn told(expr: &Expr) -> String {
    let named = expr.clone().transform_up(|expr| {
        let name = match &expr {
            Expr::Column(Column { relation: Some(table), name, .. }) => {
                // The number of the join is ours.
                table.table().rsplit_once('#').map(|(table, _)| format!("{table}.{name}"))
            }
            _ => None,
        };
        Ok(match name {
            Some(name) => Transformed::yes(Expr::Column(Column::from_name(name))),
            None => Transformed::no(expr),
        })
    });
    named.map_or_else(|_| shown(expr), |named| shown(&named.data))
}
