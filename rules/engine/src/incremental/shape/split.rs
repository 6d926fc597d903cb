//! Which part of an expression over a join is about what is kept, and which about what is looked up.
//!
//! What is kept is grouped by the first, so that a group has one row to look up, and the looked-up rows have the second as columns.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, TableReference};
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::ScalarFunction;

use super::joins::Joined;

/// Functions that take a value out of a map.
const OUT_OF_MAP: [&str; 3] = ["get_field", "map_extract", "array_element"];

/// A table whose rows are looked up, and what is asked of them.
#[derive(Debug)]
pub(in super::super) struct LookedUp {
    pub(in super::super) of: Joined,
    /// Over the table's columns.
    pub(in super::super) columns: Vec<Expr>,
}

/// What is grouped by, and what is looked up, as it is found in expressions.
#[derive(Debug)]
pub(super) struct Split {
    pub(super) keys: Vec<Expr>,
    pub(super) tables: Vec<LookedUp>,
}

/// What a group of the table is called in expressions over joins.
pub(in super::super) fn key_name(place: usize) -> String {
    format!("key#{place}")
}

/// What a looked-up column is called in them.
pub(in super::super) fn column_name(place: usize) -> String {
    format!("column#{place}")
}

impl Split {
    pub(super) fn new(joins: Vec<Joined>) -> Self {
        let tables = joins.into_iter().map(|of| LookedUp { of, columns: Vec::new() }).collect();
        Self { keys: Vec::new(), tables }
    }

    /// An expression in terms of keys and looked-up columns. One that is about what is kept alone is a key as a whole.
    pub(super) fn key(&mut self, expr: Expr) -> Result<Expr> {
        let columns = expr.column_refs();
        if !columns.is_empty() && columns.iter().all(|column| self.table_of(column).is_none()) {
            return Ok(self.grouped_by(expr));
        }
        drop(columns);
        self.parts(expr, true)
    }

    /// An expression in terms of keys and looked-up columns. What is about both is evaluated for rows that have found each other alone, where it
    /// can't fail for others.
    pub(super) fn condition(&mut self, expr: Expr) -> Result<Expr> {
        self.parts(expr, true)
    }

    /// An expression with looked-up columns, of which the other columns stay as they are.
    pub(super) fn looked_up(&mut self, expr: Expr) -> Result<Expr> {
        self.parts(expr, false)
    }

    fn parts(&mut self, expr: Expr, with_keys: bool) -> Result<Expr> {
        let parts = expr.transform_down(|expr| {
            let Some(column) = taken_from(&expr) else { return Ok(Transformed::no(expr)) };
            let part = match self.table_of(column) {
                Some(table) => self.column(table, expr),
                None if with_keys => self.grouped_by(expr),
                None => expr,
            };
            Ok(Transformed::new(part, true, TreeNodeRecursion::Jump))
        })?;
        Ok(parts.data)
    }

    fn grouped_by(&mut self, expr: Expr) -> Expr {
        let place = place_of(&mut self.keys, expr);
        Expr::Column(Column::from_name(key_name(place)))
    }

    fn column(&mut self, table: usize, expr: Expr) -> Expr {
        let LookedUp { of, columns } = &mut self.tables[table];
        let name = column_name(place_of(columns, expr));
        Expr::Column(Column::new(Some(of.name.clone()), name))
    }

    fn table_of(&self, column: &Column) -> Option<usize> {
        self.tables.iter().position(|table| is_of(column, &table.of.name))
    }
}

/// Whether a column is one of a table that is looked up.
pub(super) fn is_of(column: &Column, table: &TableReference) -> bool {
    column.relation.as_ref() == Some(table)
}

fn place_of(exprs: &mut Vec<Expr>, expr: Expr) -> usize {
    exprs.iter().position(|known| *known == expr).unwrap_or_else(|| {
        exprs.push(expr);
        exprs.len() - 1
    })
}

/// The column that this is, or takes one value out of.
fn taken_from(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::ScalarFunction(ScalarFunction { func, args }) if OUT_OF_MAP.contains(&func.name()) => match &args[..] {
            [of, Expr::Literal(..)] => taken_from(of),
            _ => None,
        },
        _ => None,
    }
}
