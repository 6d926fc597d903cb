//! Range functions: table functions that give one row per series of a metric.
//!
//! `FROM rate(http_requests_total, INTERVAL '5 minutes')` looks at the samples of each series in `(now - interval, now]` and gives
//! `time`, `value` and the labels. `time` is the evaluation's instant, but for `latest` it is the time of the sample.
//!
//! | function | value | rows |
//! |---|---|---|
//! | `rate`, `increase` | growth of a counter per second, in the interval; resets and missing ends are accounted for | series with two samples |
//! | `delta` | change of a gauge in the interval, missing ends are accounted for | series with two samples |
//! | `latest` | the last sample; the interval is 5 minutes if not given | series that have not ended |
//! | `avg_over`, `max_over`, `min_over` | over the samples | series with a sample |
//! | `quantile_over` | interpolated quantile, `(metric, interval, q)` with q from 0 to 1 | series with a sample |
//!
//! `avg_over`, `max_over`, `min_over` and `quantile_over` also take `spans`: one row a label set and name, over durations in seconds.
//!
//! A staleness marker ends a series: one whose last sample in the interval is a marker is not in `latest`; in the other functions
//! markers are no samples.
//!
//! | file | holds |
//! |---|---|
//! | `call` | the arguments, checked |
//! | `window` | the numbers: pure functions of a window's samples |
//! | `table` | the table in a plan; label predicates are pushed down to it |
//! | `exec` | reading the samples and making the rows |
//! | `spans` | the functions that take `spans` |
//! | `histogram` | those that take native histograms, and what can be asked of a histogram |

mod call;
mod exec;
pub(crate) mod histogram;
mod spans;
mod table;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::logical_expr::{Expr, ScalarUDF};
pub(crate) use exec::range_reads_from;
use flyball_model::Shape;

use crate::catalog::relation::TableRead;
use crate::catalog::tables::Tables;
use crate::query::error::QueryError;

/// Whether a table is a range function's.
pub(crate) fn is_range_table(table: &dyn TableProvider) -> bool {
    table.downcast_ref::<table::RangeTable>().is_some()
}

/// The names of all range functions.
pub(crate) const RANGE_FUNCTIONS: [&str; 8] =
    ["rate", "increase", "delta", "latest", "avg_over", "max_over", "min_over", "quantile_over"];

/// The table that a range function gives; `now` is the function of that name.
///
/// # Errors
/// Unknown metrics and arguments that don't fit.
pub(crate) fn relation(
    tables: &Arc<Tables>,
    now: &Arc<ScalarUDF>,
    name: &str,
    args: &[Expr],
) -> Result<Arc<dyn TableProvider>, QueryError> {
    let call = call::Call::new(name, args)?;
    let (read, exact) = tables.find_read(&call.metric).map_err(|error| error.at(call.position))?;
    let wrong = |message: String| QueryError::Argument { function: name.to_string(), message, position: call.position };
    match read {
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
        TableRead::Metric(metric) => Ok(Arc::new(
            tables.relation_of(read, exact, || Arc::new(table::RangeTable::new(&tables.store, metric, call.window))),
        )),
        TableRead::Spans => {
            let view = spans::over(tables.relation(TableRead::Spans, exact), now, call.window);
            match view.map_err(|error| QueryError::Internal { message: error.to_string() })? {
                Some(view) => Ok(Arc::new(view)),
                None => Err(wrong(
                    "spans are no samples of series; avg_over, max_over, min_over and quantile_over give figures of their durations"
                        .into(),
                )),
            }
        }
        _ => Err(wrong(format!("'{}' is not the table of one metric", call.metric))),
    }
}
