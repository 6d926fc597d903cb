//! PromQL to SQL.
//!
//! Parsed by the crate `promql-parser`, walked once. What has no exact form in SQL is refused with the reason; nothing is translated to
//! something that is only similar.
//!
//! | file | holds |
//! |---|---|
//! | `bounds` | how large an expression may be |
//! | `text` | names, numbers and intervals as SQL |
//! | `vector` | an instant vector as a SELECT, WITH tables |
//! | `select` | selectors and matchers |
//! | `scalar` | expressions of one number |
//! | `function` | functions of vectors |
//! | `aggregate` | `sum by (job) (…)` and its kin |
//! | `compare` | comparisons, NaN and all |
//! | `binary` | operators between vectors: joins |

mod aggregate;
mod binary;
mod bounds;
mod compare;
mod function;
mod scalar;
mod select;
mod text;
mod vector;

use promql_parser::parser::value::ValueType;
use promql_parser::parser::{Expr, ParenExpr};

use self::select::{Range, select};
use self::text::{Arithmetic, Number};
use self::vector::{Demand, Labels, Tables, Vector};

/// Why an expression was not translated, as a phrase: `'offset': …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) String);

fn refuse<T>(reason: impl Into<String>) -> Result<T, Refused> {
    Err(Refused(reason.into()))
}

/// Tables that a query of flyball may read.
const TABLES_MAX: usize = 64;

/// A query that gives what an expression gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    /// The SELECT. Its columns are labels, or the one map `labels`, and `value`.
    pub(crate) sql: String,
    /// The labels that are columns; `None` where they are a map.
    pub(crate) columns: Option<Vec<String>>,
}

/// Translates an expression.
///
/// # Errors
/// The reason why it can't be.
pub(crate) fn translate(text: &str) -> Result<Query, Refused> {
    bounds::check(text).map_err(Refused)?;
    let expr =
        promql_parser::parser::parse(text).map_err(|error| Refused(format!("not PromQL: {}", one_line(&error))))?;
    let mut tables = Tables::default();
    let vector = match expr.value_type() {
        ValueType::Scalar => one_row(scalar::scalar(&expr)?),
        ValueType::Vector => vector(&expr, &Demand::All, &mut tables)?,
        _ => return refuse("not a vector: a rule needs an instant vector"),
    };
    if vector.tables > TABLES_MAX {
        return refuse(format!("more than {TABLES_MAX} tables read; record parts of it first"));
    }
    let columns = match &vector.labels {
        Labels::Columns(columns) => Some(columns.iter().map(|column| column.0.clone()).collect()),
        Labels::Set(_) => None,
    };
    let value = match vector.value.constant {
        Some(_) => vector.value.float(),
        None => format!("finite({})", vector.value.text),
    };
    Ok(Query { sql: tables.query(&vector.select(&value)), columns })
}

fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(200).collect()
}

/// One element without labels.
fn one_row(value: Number) -> Vector {
    let mut vector = Vector::of("(SELECT 1 AS one) AS one".to_owned(), Labels::Columns(Vec::new()), value, 1);
    vector.nan = vector.value.constant.is_none_or(f64::is_nan);
    vector
}

/// An instant vector.
fn vector(expr: &Expr, demand: &Demand, tables: &mut Tables) -> Result<Vector, Refused> {
    match expr {
        Expr::Paren(ParenExpr { expr }) => vector(expr, demand, tables),
        Expr::VectorSelector(selector) => select(selector, &Range::LATEST, demand),
        Expr::Unary(unary) => {
            let mut vector = vector(&unary.expr, demand, tables)?;
            // And not a minus in front: minus zero is less than zero to SQL.
            vector.value = Number::arithmetic(Arithmetic::Sub, &Number::constant(0.0), &vector.value);
            Ok(vector)
        }
        Expr::Call(call) => function::call(call, demand, tables),
        Expr::Aggregate(aggregate) => aggregate::aggregate(aggregate, demand, tables),
        Expr::Binary(binary) => binary::binary(binary, demand, tables),
        Expr::Subquery(_) => refuse("a subquery ([5m:1m])"),
        Expr::MatrixSelector(_) => refuse("a range where an instant vector is needed"),
        Expr::StringLiteral(_) => refuse("a text where an instant vector is needed"),
        Expr::NumberLiteral(_) => Ok(one_row(scalar::scalar(expr)?)),
        Expr::Extension(_) => refuse("an extension of PromQL"),
    }
}
