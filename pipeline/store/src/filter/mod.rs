//! What of a WHERE clause is settled before any point is read.

pub(crate) mod series;
pub(crate) mod time;

use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};

use crate::predicates::is_of;

/// How each filter is taken by a table whose columns `series_columns` depend on the series alone: those on `time` and
/// those on series columns exactly, others not at all.
pub(crate) fn support(filters: &[&Expr], series_columns: impl Fn(&str) -> bool) -> Vec<TableProviderFilterPushDown> {
    filters
        .iter()
        .map(|filter| {
            if time::range_of(filter).is_some() || is_of(filter, &series_columns) {
                TableProviderFilterPushDown::Exact
            } else {
                TableProviderFilterPushDown::Unsupported
            }
        })
        .collect()
}
