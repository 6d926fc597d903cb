//! The tables that queries see: one a metric, `metrics`, `logs`, `spans`, `exemplars`, `texts`; `power` stands in its own module.

pub(crate) mod exec;
mod metric;
mod metrics;
mod rows;
mod series;
mod wanted;

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use flyball_model::{MetricRef, RowKind, Shape};

pub use self::exec::reads_from;
pub(crate) use self::metric::time_column;
use crate::store::Store;

impl Store {
    /// A metric's table: `time`, `value`, then a column a label; where the points are histograms `time`, `count`, `sum`, …,
    /// `histogram`, then the labels. The columns are those of now; a label that a later series brings is in the next table
    /// that is made. A staleness marker is a row whose value is NULL.
    /// Takes a look at the registry, so the caller must not hold one; so do its siblings.
    pub fn metric_table(self: &Arc<Self>, metric: MetricRef) -> Arc<dyn TableProvider> {
        let shape = self.registry.read().shape(metric);
        match shape {
            Shape::Histograms => Arc::new(rows::RowsTable::histograms(Arc::clone(self), metric)),
            Shape::Numbers | Shape::Streams => Arc::new(metric::MetricTable::new(Arc::clone(self), metric)),
        }
    }

    /// The table `metrics`: `time`, `name`, `value`, `labels` (map) of every point that is a number.
    pub fn metrics_table(self: &Arc<Self>) -> Arc<dyn TableProvider> {
        Arc::new(metrics::MetricsTable::new(Arc::clone(self)))
    }

    /// The table `flyball.series`: every series ever seen with `metric`, `labels` (map), `first_at`, `last_at`, `start_at`.
    pub fn series_table(self: &Arc<Self>) -> Arc<dyn TableProvider> {
        Arc::new(series::SeriesTable::new(Arc::clone(self)))
    }

    /// The table `logs`: a record a row; the labels of the resources are columns, those of now (see [`Store::metric_table`]).
    pub fn logs_table(self: &Arc<Self>) -> Arc<dyn TableProvider> {
        Arc::new(rows::RowsTable::logs(Arc::clone(self)))
    }

    /// The table `spans`: a span a row; `time`, `duration` (seconds), the labels of the resources, then what was stored.
    pub fn spans_table(self: &Arc<Self>) -> Arc<dyn TableProvider> {
        Arc::new(rows::RowsTable::spans(Arc::clone(self)))
    }

    /// The columns of [`Store::logs_table`] or [`Store::spans_table`] that are labels, and the labels' own names; other kinds have none.
    pub fn labels_of_records(&self, kind: RowKind) -> Vec<(String, Arc<str>)> {
        rows::labels_of(&self.registry.read(), kind)
    }

    /// The same of the table of a metric of histograms.
    pub fn labels_of_histograms(&self, metric: MetricRef) -> Vec<(String, Arc<str>)> {
        rows::labels_of_histograms(&self.registry.read(), metric)
    }

    /// The table `exemplars`: `time`, `name` (of the metric), `value`, `trace_id`, `span_id`, `attributes` and `labels` (maps).
    pub fn exemplars_table(self: &Arc<Self>) -> Arc<dyn TableProvider> {
        Arc::new(rows::RowsTable::exemplars(Arc::clone(self)))
    }

    /// The table `texts`: `time`, `name` (`measurement_field`), `value`, then a column a label.
    pub fn texts_table(self: &Arc<Self>) -> Arc<dyn TableProvider> {
        Arc::new(rows::RowsTable::texts(Arc::clone(self)))
    }
}
