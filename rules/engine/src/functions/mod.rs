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
//! A staleness marker ends a series: one whose last sample in the interval is a marker is not in `latest`; in the other functions
//! markers are no samples.
//!
//! | file | holds |
//! |---|---|
//! | `call` | the arguments, checked |
//! | `window` | the numbers: pure functions of a window's samples |
//! | `table` | the table in a plan; label predicates are pushed down to it |
//! | `exec` | reading the samples and making the rows |

mod call;
mod exec;
mod table;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Arc;

use datafusion::logical_expr::Expr;

use crate::catalog::relation::{Relation, TableRead};
use crate::catalog::tables::Tables;
use crate::query::error::QueryError;

/// The names of all range functions.
pub(crate) const RANGE_FUNCTIONS: [&str; 8] =
    ["rate", "increase", "delta", "latest", "avg_over", "max_over", "min_over", "quantile_over"];

/// The table that a range function gives.
///
/// # Errors
/// Unknown metrics and arguments that don't fit.
pub(crate) fn relation(tables: &Arc<Tables>, name: &str, args: &[Expr]) -> Result<Relation, QueryError> {
    let call = call::Call::new(name, args)?;
    let (metric, exact) = tables.find_metric(&call.metric).map_err(|error| error.at(call.position))?;
    let Some(metric) = metric else {
        let message = format!("'{}' is not the table of one metric", call.metric);
        return Err(QueryError::Argument { function: name.to_string(), message, position: call.position });
    };
    Ok(tables.relation_of(TableRead::Metric(metric), exact, || {
        Arc::new(table::RangeTable::new(&tables.store, metric, call.window))
    }))
}
