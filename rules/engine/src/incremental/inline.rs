//! Expressions of one node of a plan in terms of another.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result;
use datafusion::logical_expr::Expr;

/// What each column of a node's result is, in terms of a node below it.
pub(super) type Meaning = Vec<Expr>;

/// The columns of a schema, as themselves.
pub(super) fn columns_of(schema: &DFSchema) -> Meaning {
    schema.columns().into_iter().map(Expr::Column).collect()
}

/// The columns of a schema, without the name of their table.
pub(super) fn plain_columns_of(schema: &DFSchema) -> Meaning {
    schema.fields().iter().map(|field| Expr::Column(Column::from_name(field.name()))).collect()
}

/// An expression over the columns of `schema`, of which `meaning` says what they are.
pub(super) fn inline(expr: Expr, schema: &DFSchema, meaning: &Meaning) -> Result<Expr> {
    let inlined = expr.transform_up(|expr| match &expr {
        Expr::Column(column) => Ok(Transformed::yes(meaning[schema.index_of_column(column)?].clone())),
        _ => Ok(Transformed::no(expr)),
    })?;
    Ok(inlined.data.unalias_nested().data)
}

/// The same expression without the names of tables.
pub(super) fn plain(expr: Expr) -> Result<Expr> {
    let plain = expr.transform_up(|expr| match expr {
        Expr::Column(column) => Ok(Transformed::yes(Expr::Column(Column::from_name(column.name)))),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(plain.data.unalias_nested().data)
}
