//! Range functions: table functions that give one row per series of a metric.
//!
//! `FROM rate(http_requests_total, INTERVAL '5 minutes')` looks at the samples of each series in `(now - interval, now]` and gives
//! `time`, `value` and the labels. `time` is the evaluation's instant, but for `latest` it is the time of the sample.
//!
//! | function | value | rows |
//! |---|---|---|
//! | `rate`, `increase` | growth of a counter per second, in the interval; resets and missing ends are accounted for | series with two samples |
//! | `delta` | change of a gauge in the interval, missing ends are accounted for | series with two samples |
//! | `irate`, `idelta` | growth of a counter per second, change of a gauge, between the last two samples | series with two samples |
//! | `latest` | the last sample; the interval is 5 minutes if not given | series that have not ended |
//! | `last_over` | the last sample | series with a sample |
//! | `avg_over`, `max_over`, `min_over`, `sum_over`, `count_over`, `stddev_over`, `var_over` | over the samples | series with a sample |
//! | `quantile_over` | interpolated quantile, `(metric, interval, q)` with q from 0 to 1 | series with a sample |
//! | `changes`, `resets` | how often the value changed, a counter fell | series with a sample |
//! | `deriv`, `predict_linear` | slope per second of the straight line through the samples, its value so far ahead | series with two samples |
//! | `holt_winters` or `double_exponential_smoothing` | smoothed by Holt's method | series with two samples |
//! | `ewma` | mean of the samples weighted by their age | series with a sample |
//! | `zscore` | how many standard deviations the last sample is off the mean | series with two samples that have not ended |
//! | `seasonal_baseline` | the last sample beside those of earlier periods | series with a sample and two earlier periods |
//! | `absent` | 1 | one, when no series has a sample |
//!
//! `avg_over`, `max_over`, `min_over`, `sum_over`, `count_over`, `stddev_over`, `var_over` and `quantile_over` also take `spans`: one row a
//! label set and name, over durations in seconds.
//!
//! A staleness marker ends a series: one whose last sample in the interval is a marker is not in `latest`, `zscore` and
//! `seasonal_baseline`, which are about how things are now; in the other functions markers are no samples. In what is about the last
//! sample `time` is that sample's.
//!
//! | file | holds |
//! |---|---|
//! | `call` | the arguments, checked |
//! | `window` | what each function makes of the samples of a window |
//! | `numbers` | the numbers: pure functions of samples |
//! | `table` | the table in a plan; label predicates are pushed down to it |
//! | `exec` | reading the samples and making the rows |
//! | `seasonal` | the samples of earlier periods |
//! | `absent` | rows of what is not there |
//! | `look` | what a table is, for those who look at plans |
//! | `labels` | labels that are asked for by name, and sets of labels |
//! | `spans` | the functions that take `spans` |
//! | `histogram` | those that take native histograms, and what can be asked of a histogram |

mod absent;
mod approx_distinct;
pub(crate) mod call;
mod exec;
pub(crate) mod histogram;
pub(crate) mod labels;
mod look;
pub(crate) mod numbers;
mod presorted;
mod seasonal;
mod spans;
mod table;
#[cfg(test)]
mod tests;
pub(crate) mod window;

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::logical_expr::{Expr, ScalarUDF};
pub(crate) use exec::range_reads_from;
use flyball_model::Shape;

pub(crate) use self::absent::fixed_labels;
pub(crate) use self::approx_distinct::approx_distinct;
pub(crate) use self::look::{
    is_absent, is_never_came, is_range_table, label_columns_of, range_of, range_window_of, unit_through, window_of,
};
pub(crate) use self::presorted::quantiles;
use self::window::Function;
use crate::catalog::relation::TableRead;
use crate::catalog::tables::Tables;
use crate::query::error::QueryError;

/// The names of all range functions.
pub(crate) const RANGE_FUNCTIONS: [&str; 25] = [
    "rate",
    "increase",
    "delta",
    "latest",
    "avg_over",
    "max_over",
    "min_over",
    "quantile_over",
    "sum_over",
    "count_over",
    "stddev_over",
    "var_over",
    "last_over",
    "irate",
    "idelta",
    "changes",
    "resets",
    "deriv",
    "predict_linear",
    "zscore",
    "ewma",
    "holt_winters",
    "double_exponential_smoothing",
    "seasonal_baseline",
    "absent",
];

/// The table that a range function gives; `now` is the function of that name, `supposed` are the labels of what `absent` looks for in vain.
///
/// # Errors
/// Unknown metrics and arguments that don't fit.
pub(crate) fn relation(
    tables: &Arc<Tables>,
    now: &Arc<ScalarUDF>,
    name: &str,
    args: &[Expr],
    supposed: &[Arc<str>],
) -> Result<Arc<dyn TableProvider>, QueryError> {
    let (args, wanted) = labels::Wanted::split(name, args)?;
    let call = call::Call::new(name, args)?;
    let absent = call.window.function == Function::Absent;
    let (read, exact) = match (tables.find_read(&call.metric), &wanted) {
        // Planned anew when a metric comes that the name may mean.
        (Err(QueryError::UnknownTable { .. }), None) if absent => {
            let known = TableRead::System { schema: "flyball".into(), name: "metric_info".into() };
            return Ok(Arc::new(tables.relation_of(known, false, || Arc::new(absent::NeverCame::new(supposed)))));
        }
        (Err(QueryError::UnknownTable { .. }), Some(wanted)) if !absent => {
            return Ok(Arc::new(wanted.of_none(tables, &call.metric)));
        }
        (found, _) => found.map_err(|error| error.at(call.position))?,
    };
    let wrong = |message: String| QueryError::Argument { function: name.to_string(), message, position: call.position };
    if absent && wanted.is_some() {
        return Err(wrong(
            "what is not there has no labels to be asked for by name; predicates say which series are meant".into(),
        ));
    }
    match read {
        TableRead::Metric(metric) if absent && tables.store.registry().read().shape(metric) != Shape::Numbers => {
            Err(wrong(format!(
                "the points of '{0}' are histograms; count them: SELECT count(*) AS points FROM {0} WHERE time > now() - INTERVAL '5 minutes' \
                 HAVING count(*) = 0",
                call.metric
            )))
        }
        TableRead::Metric(metric) if tables.store.registry().read().shape(metric) == Shape::Histograms => {
            let view = histogram::over(tables.relation(read, exact), now, call.window);
            match view.map_err(|error| QueryError::Internal { message: error.to_string() })? {
                Some(view) => Ok(Arc::new(view)),
                None => Err(wrong(format!(
                    "the points of '{0}' are histograms, of which there are rate, increase and latest; take quantile(histogram, 0.95), \
                     count or sum FROM one of these, or FROM {0}",
                    call.metric
                ))),
            }
        }
        TableRead::Metric(metric) => {
            let make =
                || Arc::new(table::RangeTable::new(&tables.store, metric, call.window)) as Arc<dyn TableProvider>;
            let table = Arc::new(tables.relation_of(read, exact, make));
            let Some(wanted) = wanted else { return Ok(table) };
            let view = wanted.of(&tables.store, metric, table);
            match view.map_err(|error| QueryError::Internal { message: error.to_string() })? {
                Some(view) => Ok(Arc::new(view)),
                None => Err(wrong("labels are asked for by name where there is one value a series".into())),
            }
        }
        TableRead::Spans => {
            let view = spans::over(tables.relation(TableRead::Spans, exact), now, call.window);
            match view.map_err(|error| QueryError::Internal { message: error.to_string() })? {
                Some(view) => Ok(Arc::new(view)),
                None => Err(wrong(
                    "spans are no samples of series; avg_over, max_over, min_over, sum_over, count_over, stddev_over, var_over and quantile_over \
                     give figures of their durations"
                        .into(),
                )),
            }
        }
        _ => Err(wrong(format!("'{}' is not the table of one metric", call.metric))),
    }
}
