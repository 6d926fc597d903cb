//! Expressions of one number: literals, `time()`, and what operators make of them.

use promql_parser::parser::token::{T_ADD, T_ATAN2, T_DIV, T_MOD, T_MUL, T_POW, T_SUB, TokenType};
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{Expr, ParenExpr};

use super::compare::Comparison;
use super::text::{Arithmetic, Number};
use super::{Refused, refuse};

/// Seconds since the epoch, at the time of the evaluation.
pub(super) const NOW: &str = "extract(epoch FROM now())";

/// An expression of type scalar.
pub(super) fn scalar(expr: &Expr) -> Result<Number, Refused> {
    match expr {
        Expr::NumberLiteral(number) => Ok(Number::constant(number.val)),
        Expr::Paren(ParenExpr { expr }) => scalar(expr),
        Expr::Unary(unary) => {
            let value = scalar(&unary.expr)?;
            Ok(match value.constant {
                Some(value) => Number::constant(-value),
                None => Number::arithmetic(Arithmetic::Sub, &Number::constant(0.0), &value),
            })
        }
        Expr::Binary(binary) => {
            let (left, right) = (scalar(&binary.lhs)?, scalar(&binary.rhs)?);
            if let Some(op) = arithmetic(binary.op) {
                return Ok(Number::arithmetic(op, &left, &right));
            }
            match Comparison::of(binary.op) {
                Some(comparison) => Ok(comparison.as_number(&left, true, &right, true)),
                None => refuse(format!("'{}' between scalars", binary.op)),
            }
        }
        Expr::Call(call) => match call.func.name {
            "time" => Ok(Number::atom(NOW)),
            "pi" => Ok(Number::constant(std::f64::consts::PI)),
            name => refuse(format!("{name}(): a vector as a scalar")),
        },
        _ => refuse("a scalar that is not a number"),
    }
}

/// Whether an expression is one number.
pub(super) fn is_scalar(expr: &Expr) -> bool {
    expr.value_type() == ValueType::Scalar
}

pub(super) fn arithmetic(op: TokenType) -> Option<Arithmetic> {
    Some(match op.id() {
        T_ADD => Arithmetic::Add,
        T_SUB => Arithmetic::Sub,
        T_MUL => Arithmetic::Mul,
        T_DIV => Arithmetic::Div,
        T_MOD => Arithmetic::Mod,
        T_POW => Arithmetic::Pow,
        T_ATAN2 => Arithmetic::Atan2,
        _ => return None,
    })
}
