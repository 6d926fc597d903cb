//! The arguments of a range function.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;

use super::window::{Function, LOOK_BACK, Season};
use crate::query::error::{Position, QueryError};

/// How many periods `seasonal_baseline` compares with if it is not told: the days of a week.
const PERIODS_DEFAULT: u32 = 7;
/// The most of them; each costs a read.
const PERIODS_MAX: u32 = 100;

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
        let usage = usage(name);
        let (metric, position) = metric_name(args.first()).ok_or_else(|| {
            argument(name, format!("the first argument is the name of a metric's table: {usage}"), None)
        })?;
        let wrong = |message: String| argument(name, format!("{message}: {usage}"), position);
        let mut rest = Rest { args: args.get(1..).unwrap_or_default(), read: 0 };
        let window = window(name, &mut rest).map_err(wrong)?;
        if rest.is_left() {
            return Err(wrong("there are too many arguments".into()));
        }
        Ok(Self { metric, position, window })
    }
}

/// How a function is called.
fn usage(name: &str) -> String {
    let more = match name {
        "latest" => return "latest(metric) or latest(metric, INTERVAL '5 minutes')".into(),
        "quantile_over" => ", 0.95",
        "predict_linear" => return "predict_linear(metric, INTERVAL '1 hour', INTERVAL '4 hours')".into(),
        "ewma" => return "ewma(metric, INTERVAL '1 hour', INTERVAL '10 minutes')".into(),
        "holt_winters" | "double_exponential_smoothing" => ", 0.5, 0.1",
        "seasonal_baseline" => {
            return "seasonal_baseline(metric, INTERVAL '1 day') or seasonal_baseline(metric, INTERVAL '1 day', 7)"
                .into();
        }
        _ => "",
    };
    format!("{name}(metric, INTERVAL '5 minutes'{more})")
}

/// Reads the arguments behind the metric.
fn window(name: &str, rest: &mut Rest<'_>) -> Result<RangeWindow, String> {
    let length = match name {
        "latest" if !rest.is_left() => LOOK_BACK,
        _ => rest.interval("an interval is missing", "the second argument is an interval")?,
    };
    let function = match name {
        "rate" => Function::Rate,
        "increase" => Function::Increase,
        "delta" => Function::Delta,
        "latest" => Function::Latest,
        "avg_over" => Function::Avg,
        "max_over" => Function::Max,
        "min_over" => Function::Min,
        "sum_over" => Function::Sum,
        "count_over" => Function::Count,
        "stddev_over" => Function::Stddev,
        "var_over" => Function::Var,
        "last_over" => Function::Last,
        "irate" => Function::Irate,
        "idelta" => Function::Idelta,
        "changes" => Function::Changes,
        "resets" => Function::Resets,
        "deriv" => Function::Deriv,
        "zscore" => Function::Zscore,
        "absent" => Function::Absent,
        "quantile_over" => {
            Function::Quantile(rest.number("the quantile is missing", "the quantile is a number from 0 to 1", |q| {
                (0.0..=1.0).contains(&q)
            })?)
        }
        "predict_linear" => Function::PredictLinear(
            rest.interval("how far to look ahead is missing", "how far to look ahead is an interval")?,
        ),
        "ewma" => Function::Ewma(rest.interval("the half-life is missing", "the half-life is an interval")?),
        "holt_winters" | "double_exponential_smoothing" => {
            let mut factor = || {
                rest.number(
                    "the smoothing factors of level and trend are missing",
                    "the smoothing factors of level and trend are numbers above 0 and below 1",
                    |factor| factor > 0.0 && factor < 1.0,
                )
            };
            Function::HoltWinters(factor()?, factor()?)
        }
        "seasonal_baseline" => {
            let period = length;
            let count = if rest.is_left() {
                let wrong = format!("the number of periods is a whole number from 2 to {PERIODS_MAX}");
                let whole = |count: f64| count.fract() == 0.0 && (2.0..=f64::from(PERIODS_MAX)).contains(&count);
                rest.number("", &wrong, whole)? as u32
            } else {
                PERIODS_DEFAULT
            };
            // What `latest` would have given then; in short periods not what belongs to the one before.
            let length = LOOK_BACK.min(period);
            return Ok(RangeWindow { function: Function::Seasonal(Season { period, count }), length });
        }
        _ => return Err("it is not a range function".into()),
    };
    Ok(RangeWindow { function, length })
}

/// Arguments that are read one after the other.
struct Rest<'a> {
    args: &'a [Expr],
    read: usize,
}

impl Rest<'_> {
    fn is_left(&self) -> bool {
        self.read < self.args.len()
    }

    fn next(&mut self, missing: &str) -> Result<&Expr, String> {
        self.read += 1;
        self.args.get(self.read - 1).ok_or_else(|| missing.to_owned())
    }

    fn interval(&mut self, missing: &str, wrong: &str) -> Result<i64, String> {
        interval_nanos(self.next(missing)?, wrong)
    }

    fn number(&mut self, missing: &str, wrong: &str, fits: impl Fn(f64) -> bool) -> Result<f64, String> {
        number(self.next(missing)?).filter(|&number| fits(number)).ok_or_else(|| wrong.to_owned())
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

fn interval_nanos(expr: &Expr, not_an_interval: &str) -> Result<i64, String> {
    let (days, nanos) = match constant(expr).ok_or(not_an_interval)? {
        ScalarValue::IntervalMonthDayNano(Some(interval)) if interval.months != 0 => {
            return Err("months differ in length; write the interval in days or less".into());
        }
        ScalarValue::IntervalMonthDayNano(Some(interval)) => (interval.days, interval.nanoseconds),
        ScalarValue::IntervalDayTime(Some(interval)) => (interval.days, i64::from(interval.milliseconds) * 1_000_000),
        _ => return Err(not_an_interval.into()),
    };
    const DAY_NANOS: i64 = 24 * 3600 * 1_000_000_000;
    let nanos = i64::from(days).saturating_mul(DAY_NANOS).saturating_add(nanos);
    if nanos > 0 { Ok(nanos) } else { Err("the interval must be longer than zero".into()) }
}

fn number(expr: &Expr) -> Option<f64> {
    match constant(expr)? {
        ScalarValue::Float64(value) => value,
        ScalarValue::Int64(value) => Some(value? as f64),
        _ => None,
    }
}
