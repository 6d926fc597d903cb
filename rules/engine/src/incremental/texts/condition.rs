//! What a rule may ask of one column of texts.

use arrow::datatypes::{DataType, Schema};
use datafusion::logical_expr::expr::{BinaryExpr, ScalarFunction};
use datafusion::logical_expr::{Expr, Like, Operator};
use regex::RegexBuilder;

use super::like;

/// A regular expression that takes more when it is compiled is left to those who ask for it.
const REGEX_BYTES_MAX: usize = 256 * 1024;

/// A test of a text. That of null is null.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in super::super) enum Test {
    Is(String),
    /// Not of the empty text, nor are the two below.
    Contains(String),
    StartsWith(String),
    EndsWith(String),
    /// Found anywhere in it.
    Regex(String),
}

/// A test of a column.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Condition {
    /// Its place in the schema.
    pub(in super::super) column: usize,
    pub(in super::super) test: Test,
    /// Whether it is asked for what fails the test.
    pub(in super::super) is_negated: bool,
}

impl Condition {
    /// The condition that an expression is; `None` where it is none, or one that had better be evaluated by itself.
    pub(super) fn of(expr: &Expr, schema: &Schema) -> Option<Self> {
        let (column, test, is_negated) = match expr {
            Expr::Like(Like { negated, expr, pattern, escape_char: None | Some('\\'), case_insensitive }) => {
                (expr.as_ref(), like::test(text(pattern)?, *case_insensitive)?, *negated)
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (left.as_ref(), op) {
                (Expr::ScalarFunction(call), _) if call.name() == "strpos" => {
                    let (column, needle) = of_call(call)?;
                    (column, Test::Contains(needle), !is_somewhere(*op, right)?)
                }
                (column, Operator::Eq | Operator::NotEq) => {
                    (column, Test::Is(text(right)?.into()), *op == Operator::NotEq)
                }
                (column, Operator::RegexMatch | Operator::RegexNotMatch) => {
                    (column, Test::Regex(text(right)?.into()), *op == Operator::RegexNotMatch)
                }
                (column, Operator::RegexIMatch | Operator::RegexNotIMatch) => {
                    (column, Test::Regex(format!("(?i){}", text(right)?)), *op == Operator::RegexNotIMatch)
                }
                _ => return None,
            },
            Expr::ScalarFunction(call) => {
                let (column, needle) = of_call(call)?;
                let test = match call.name() {
                    "contains" => Test::Contains(needle),
                    "starts_with" => Test::StartsWith(needle),
                    "ends_with" => Test::EndsWith(needle),
                    _ => return None,
                };
                (column, test, false)
            }
            _ => return None,
        };
        let Expr::Column(column) = column else { return None };
        let column = schema.index_of(&column.name).ok()?;
        let is_text = *schema.field(column).data_type() == DataType::Utf8;
        (is_text && test.is_cheap()).then_some(Self { column, test, is_negated })
    }
}

impl Test {
    /// Whether it is worth to be compiled with others.
    fn is_cheap(&self) -> bool {
        match self {
            Test::Is(_) => true,
            Test::Contains(text) | Test::StartsWith(text) | Test::EndsWith(text) => !text.is_empty(),
            Test::Regex(regex) => RegexBuilder::new(regex).size_limit(REGEX_BYTES_MAX).build().is_ok(),
        }
    }
}

fn text(expr: &Expr) -> Option<&str> {
    let Expr::Literal(value, _) = expr else { return None };
    value.try_as_str()?
}

/// The arguments of a function of a column and a literal.
fn of_call(call: &ScalarFunction) -> Option<(&Expr, String)> {
    let [column, needle] = call.args.as_slice() else { return None };
    Some((column, text(needle)?.into()))
}

/// Whether a comparison of a position, counted from 1, is true of any and false of 0; `Some(false)` where it is the other way round.
fn is_somewhere(op: Operator, than: &Expr) -> Option<bool> {
    let Expr::Literal(than, _) = than else { return None };
    let than = i64::try_from(than.clone()).or_else(|_| i32::try_from(than.clone()).map(i64::from)).ok()?;
    match (op, than) {
        (Operator::Gt | Operator::NotEq, 0) | (Operator::GtEq, 1) => Some(true),
        (Operator::Eq | Operator::LtEq, 0) | (Operator::Lt, 1) => Some(false),
        _ => None,
    }
}
