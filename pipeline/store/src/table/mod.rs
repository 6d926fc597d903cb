//! The tables that queries see: one a metric, `metrics`, `logs`; `power` stands in its own module.

pub(crate) mod exec;
mod logs;
mod metric;
mod metrics;

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use flyball_model::MetricRef;

pub(crate) use self::metric::time_column;
use crate::store::Store;

impl Store {
    /// A metric's table: `time`, `value`, then a column a label. The columns are those of now; a label that a later series
    /// brings is in the next table that is made. A staleness marker is a row whose value is NULL.
    /// Takes a look at the registry, so the caller must not hold one; so do its siblings.
    pub fn metric_table(self: &Arc<Self>, metric: MetricRef) -> Arc<dyn TableProvider> {
        Arc::new(metric::MetricTable::new(Arc::clone(self), metric))
    }

    /// The table `metrics`: `time`, `name`, `value`, `labels` (map) of every point of every metric.
    pub fn metrics_table(self: &Arc<Self>) -> Arc<dyn TableProvider> {
        Arc::new(metrics::MetricsTable::new(Arc::clone(self)))
    }

    /// The table `logs`: a record a row; the labels of the resources are columns, those of now (see [`Store::metric_table`]).
    pub fn logs_table(self: &Arc<Self>) -> Arc<dyn TableProvider> {
        Arc::new(logs::LogsTable::new(Arc::clone(self)))
    }
}
