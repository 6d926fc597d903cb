//! The tables of records: `logs`, `spans`, `exemplars`, `texts`, and one a histogram metric.
//!
//! | file | holds |
//! |---|---|
//! | `layout` | which columns each table has, and where they come from |
//! | `scan` | reading the records of memory and history that are wanted |

mod layout;
mod scan;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use flyball_model::series::RegistryView;
use flyball_model::{MetricRef, RowKind};

use self::layout::{Column, Layout, Scope};
use self::scan::{RowScan, Wanted};
use super::exec::ScanExec;
use super::wanted::WantedSeries;
use crate::filter::series::SeriesPredicate;
use crate::filter::{support, time};
use crate::store::Store;

/// The columns of the table of a kind that are labels, and the labels' own names.
pub(super) fn labels_of(view: &RegistryView<'_>, kind: RowKind) -> Vec<(String, Arc<str>)> {
    match kind {
        RowKind::Logs => Layout::logs(view).labels(),
        RowKind::Spans => Layout::spans(view).labels(),
        _ => Vec::new(),
    }
}

/// The same of the table of a metric of histograms.
pub(super) fn labels_of_histograms(view: &RegistryView<'_>, metric: MetricRef) -> Vec<(String, Arc<str>)> {
    Layout::histograms(view, metric).labels()
}

#[derive(Debug)]
pub(super) struct RowsTable {
    store: Arc<Store>,
    kind: RowKind,
    layout: Layout,
}

impl RowsTable {
    fn new(store: Arc<Store>, kind: RowKind, layout: impl FnOnce(&RegistryView<'_>) -> Layout) -> Self {
        let layout = layout(&store.registry.read());
        Self { store, kind, layout }
    }

    pub(super) fn logs(store: Arc<Store>) -> Self {
        Self::new(store, RowKind::Logs, Layout::logs)
    }

    pub(super) fn spans(store: Arc<Store>) -> Self {
        Self::new(store, RowKind::Spans, Layout::spans)
    }

    pub(super) fn exemplars(store: Arc<Store>) -> Self {
        Self::new(store, RowKind::Exemplars, |_| Layout::exemplars())
    }

    pub(super) fn texts(store: Arc<Store>) -> Self {
        Self::new(store, RowKind::Texts, Layout::texts)
    }

    pub(super) fn histograms(store: Arc<Store>, metric: MetricRef) -> Self {
        Self::new(store, RowKind::Histograms, |view| Layout::histograms(view, metric))
    }

    fn is_pushed_down(&self, column: &str) -> bool {
        self.layout.schema.index_of(column).is_ok_and(|at| self.layout.columns[at].is_pushed_down())
    }

    fn wanted(&self, predicate: SeriesPredicate) -> Wanted {
        let labels = predicate.columns.iter().filter_map(|&at| match &self.layout.columns[at] {
            Column::Label(name) => Some(Arc::clone(name)),
            _ => None,
        });
        match self.layout.scope {
            Scope::All => Wanted::Named(predicate),
            Scope::Streams(_) | Scope::Metric(_) => {
                let labels = labels.collect();
                Wanted::Series(WantedSeries::new(predicate, labels))
            }
        }
    }
}

#[async_trait]
impl TableProvider for RowsTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.layout.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(support(filters, |column| self.is_pushed_down(column)))
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all = &self.layout.schema;
        let projection = projection.cloned().unwrap_or_else(|| (0..all.fields().len()).collect());
        let schema = Arc::new(all.project(&projection)?);
        let predicate = SeriesPredicate::new(session, all, filters, |column| self.is_pushed_down(column))?;
        let scan = RowScan::new(
            Arc::clone(&self.store),
            self.kind,
            self.layout.scope,
            Arc::clone(&schema),
            projection.iter().map(|&at| self.layout.columns[at].clone()).collect(),
            time::range_of_all(filters),
            predicate.map_or(Wanted::All, |predicate| self.wanted(predicate)),
        );
        Ok(ScanExec::plan(scan, schema, limit))
    }
}
