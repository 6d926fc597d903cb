//! A table in a plan.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::DefaultTableSource;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use flyball_model::{MetricRef, UnixNanos};

use crate::query::bind::{Binder, reads_clock};

/// A table that a query reads, so that a rule can be run when data of it arrives.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TableRead {
    /// The points of one metric, numbers or histograms, also through a range function.
    Metric(MetricRef),
    /// `metrics`: the points of all metrics.
    Metrics,
    /// `logs`.
    Logs,
    /// `spans`, also through a range function.
    Spans,
    /// `exemplars`: those of all metrics.
    Exemplars,
    /// `texts`.
    Texts,
    /// `power`: the points of `Store::power_metrics`.
    Power,
    /// `twin.node`, `flyball.rules`, …
    System {
        /// `twin`, `flyball` or `information_schema`.
        schema: String,
        /// The table's name in it.
        name: String,
    },
}

/// What made a table look as it did when it was planned; see [`super::tables::Tables::version`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TableVersion {
    /// How many labels the metric's series have between them, and how often its description changed.
    Labels { labels: usize, described: u64 },
    /// The columns of a system table.
    Columns(SchemaRef),
    /// It never changes.
    Fixed,
    /// It is gone.
    Gone,
}

/// A table as it was when a query named it.
#[derive(Debug)]
pub(crate) struct Relation {
    pub(crate) read: TableRead,
    pub(crate) version: TableVersion,
    /// The version of all names, when the name did not match exactly: a new metric might match better.
    pub(crate) guessed_among: Option<u64>,
    pub(crate) table: Arc<dyn TableProvider>,
}

#[async_trait]
impl TableProvider for Relation {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        self.table.table_type()
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.table.scan(session, projection, filters, limit).await
    }

    /// Asks the table with some instant in place of `now()`: a prepared plan is optimized before the instant is known, and what a
    /// table can do with a time does not depend on which time it is.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let mut bound = Vec::new();
        for filter in filters {
            if reads_clock(filter)? {
                let binder = Binder::new(UnixNanos(0), &Arc::default())?;
                bound.push(binder.bind_expr((*filter).clone())?);
            } else {
                bound.push((*filter).clone());
            }
        }
        self.table.supports_filters_pushdown(&bound.iter().collect::<Vec<_>>())
    }
}

/// Calls `with` for every table of a plan, in subqueries too.
pub(crate) fn for_each_relation(plan: &LogicalPlan, mut with: impl FnMut(&Relation)) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(source) = scan.source.downcast_ref::<DefaultTableSource>()
            && let Some(relation) = source.table_provider.downcast_ref::<Relation>()
        {
            with(relation);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}
