//! Labels compared with numbers: labels are text, and `'10' < '9'`.

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, ExprSchemable, Operator};

use super::super::codes::LABEL_NUMBER;
use super::{Look, compares, shown};
use crate::evaluate::ColumnKind;

pub(super) fn check(look: &mut Look<'_>) {
    look.each_expr(|look, expr, schema, _| match expr {
        Expr::BinaryExpr(comparison) if compares(comparison.op) => {
            compare(look, &comparison.left, &comparison.right, comparison.op, schema);
            compare(look, &comparison.right, &comparison.left, comparison.op, schema);
        }
        Expr::Between(between) => {
            compare(look, &between.expr, &between.low, Operator::Gt, schema);
        }
        Expr::InList(list) => {
            if let Some(item) = list.list.iter().find(|item| is_number(item, schema)) {
                compare(look, &list.expr, item, Operator::Eq, schema);
            }
        }
        _ => {}
    });
}

fn is_equality(op: Operator) -> bool {
    matches!(op, Operator::Eq | Operator::NotEq | Operator::IsDistinctFrom | Operator::IsNotDistinctFrom)
}

fn compare(look: &mut Look<'_>, label: &Expr, other: &Expr, op: Operator, schema: &DFSchema) {
    let Expr::Column(column) = label else { return };
    if !is_text(label, schema) || !is_number(other, schema) {
        return;
    }
    let (name, number) = (&column.name, shown(other));
    let message = format!("'{name}' is text and is compared with the number {number}");
    let hint = match (is_equality(op), other) {
        (true, Expr::Literal(..)) => format!("write '{number}' in quotes"),
        _ => format!("compare it as a number: CAST({name} AS DOUBLE)"),
    };
    look.note(LABEL_NUMBER, Some(column), None, message, hint);
}

fn is_text(expr: &Expr, schema: &DFSchema) -> bool {
    // Truth is identity too, and compares with nothing but itself.
    expr.get_type(schema)
        .is_ok_and(|found| found != DataType::Boolean && ColumnKind::of_column("", &found) == ColumnKind::Identity)
}

fn is_number(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|found| found.is_numeric())
}
