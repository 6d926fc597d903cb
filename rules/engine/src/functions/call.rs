//! The arguments of a range function.

use std::time::Duration;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use flyball_model::time::duration_nanos;

use super::window::Function;
use crate::query::error::{Position, QueryError};

/// How far `latest` looks back if it is not told, as Prometheus does.
const LATEST_LOOK_BACK: Duration = Duration::from_secs(300);

/// A range function and how far it looks back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RangeWindow {
    pub(crate) function: Function,
    /// Nanoseconds, above zero.
    pub(crate) length: i64,
}

/// A range function with checked arguments.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    /// The metric as written.
    pub(crate) metric: String,
    /// Where the metric is written.
    pub(crate) position: Option<Position>,
    pub(crate) window: RangeWindow,
}

impl Call {
    /// Checks the arguments of the range function `name`, which is one of [`super::RANGE_FUNCTIONS`].
    pub(crate) fn new(name: &str, args: &[Expr]) -> Result<Self, QueryError> {
        let usage = match name {
            "latest" => "latest(metric) or latest(metric, INTERVAL '5 minutes')".to_string(),
            "quantile_over" => "quantile_over(metric, INTERVAL '5 minutes', 0.95)".to_string(),
            name => format!("{name}(metric, INTERVAL '5 minutes')"),
        };
        let (metric, position) = metric_name(args.first()).ok_or_else(|| {
            argument(name, format!("the first argument is the name of a metric's table: {usage}"), None)
        })?;
        let wrong = |message: &str| argument(name, format!("{message}: {usage}"), position);
        let length = match args.get(1) {
            Some(interval) => interval_nanos(interval).map_err(|message| wrong(&message))?,
            None if name == "latest" => duration_nanos(LATEST_LOOK_BACK),
            None => return Err(wrong("an interval is missing")),
        };
        let function = match (name, args.get(2)) {
            ("quantile_over", Some(q)) => {
                Function::Quantile(quantile(q).ok_or_else(|| wrong("the quantile is a number from 0 to 1"))?)
            }
            ("quantile_over", None) => return Err(wrong("the quantile is missing")),
            (_, Some(_)) => return Err(wrong("there are too many arguments")),
            ("rate", None) => Function::Rate,
            ("increase", None) => Function::Increase,
            ("delta", None) => Function::Delta,
            ("latest", None) => Function::Latest,
            ("avg_over", None) => Function::Avg,
            ("max_over", None) => Function::Max,
            ("min_over", None) => Function::Min,
            _ => return Err(wrong("it is not a range function")),
        };
        if args.len() > 3 {
            return Err(wrong("there are too many arguments"));
        }
        Ok(Self { metric, position, window: RangeWindow { function, length } })
    }
}

fn argument(function: &str, message: String, position: Option<Position>) -> QueryError {
    QueryError::Argument { function: function.to_string(), message, position }
}

/// A name is a column to DataFusion; `'http.server.duration'` in single quotes is understood too.
fn metric_name(arg: Option<&Expr>) -> Option<(String, Option<Position>)> {
    match arg? {
        Expr::Column(column) => {
            let start = column.spans().first().map(|span| span.start);
            let place = start.map(|start| Position { line: start.line as usize, column: start.column as usize });
            // A dotted name without quotes looks like a qualified column.
            Some((column.flat_name(), place))
        }
        Expr::Literal(ScalarValue::Utf8(Some(name)), _) => Some((name.clone(), None)),
        _ => None,
    }
}

fn constant(expr: &Expr) -> Option<ScalarValue> {
    let simplifier = ExprSimplifier::new(SimplifyContext::builder().build());
    match simplifier.simplify(expr.clone()).ok()? {
        Expr::Literal(value, _) => Some(value),
        _ => None,
    }
}

fn interval_nanos(expr: &Expr) -> Result<i64, String> {
    let not_an_interval = || "the second argument is an interval".to_string();
    let (days, nanos) = match constant(expr).ok_or_else(not_an_interval)? {
        ScalarValue::IntervalMonthDayNano(Some(interval)) if interval.months != 0 => {
            return Err("months differ in length; write the interval in days or less".into());
        }
        ScalarValue::IntervalMonthDayNano(Some(interval)) => (interval.days, interval.nanoseconds),
        ScalarValue::IntervalDayTime(Some(interval)) => (interval.days, i64::from(interval.milliseconds) * 1_000_000),
        _ => return Err(not_an_interval()),
    };
    const DAY_NANOS: i64 = 24 * 3600 * 1_000_000_000;
    let nanos = i64::from(days).saturating_mul(DAY_NANOS).saturating_add(nanos);
    if nanos > 0 { Ok(nanos) } else { Err("the interval must be longer than zero".into()) }
}

fn quantile(expr: &Expr) -> Option<f64> {
    let value = match constant(expr)? {
        ScalarValue::Float64(value) => value?,
        ScalarValue::Int64(value) => value? as f64,
        _ => return None,
    };
    (0.0..=1.0).contains(&value).then_some(value)
}
