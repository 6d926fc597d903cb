//! Functions over the column `histogram` of native histograms, and over classic `_bucket` series.
//!
//! | function | gives |
//! |---|---|
//! | `quantile(histogram, q)` | the value below which the part `q` of the observations lies |
//! | `fraction(histogram, lo, hi)` | the part of the observations in (lo, hi] |
//! | `merge(histogram)` | aggregate: the histogram of all observations |
//! | `histogram_quantile(q, le, value)` | aggregate: the quantile of the classic buckets of a group |
//! | `rate`, `increase`, `latest` after FROM | one row a series, with a histogram |
//!
//! NULL and an empty histogram give NULL.
//!
//! | file | holds |
//! |---|---|
//! | `arguments` | which types are taken, and what is said of others |
//! | `scalar` | `quantile` and `fraction` |
//! | `merge` | `merge` |
//! | `classic` | `histogram_quantile` |
//! | `over` | the range functions as plans |
//! | `change` | the aggregate inside these plans |

mod arguments;
mod change;
mod classic;
mod merge;
mod over;
mod scalar;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use datafusion::logical_expr::{AggregateUDF, Expr, ScalarUDF};

pub(crate) use change::{observed_between, range_of};
pub(super) use over::over;

/// The functions that may stand in an expression.
pub(crate) fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    scalar::Function::ALL
        .into_iter()
        .map(|function| Arc::new(ScalarUDF::new_from_impl(scalar::OfHistogram::new(function))))
        .collect()
}

/// The aggregates.
pub(crate) fn aggregate_functions() -> Vec<Arc<AggregateUDF>> {
    vec![
        Arc::new(AggregateUDF::new_from_impl(merge::Merge::default())),
        Arc::new(AggregateUDF::new_from_impl(classic::HistogramQuantile::default())),
    ]
}

/// `merge` of this.
pub(crate) fn merged(histogram: Expr) -> Expr {
    AggregateUDF::new_from_impl(merge::Merge::default()).call(vec![histogram])
}
