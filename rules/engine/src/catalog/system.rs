//! Small tables that are made when a query asks.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use flyball_model::UnixNanos;

use crate::query::session::now_of;

/// A table of the twin or of flyball itself: some thousand rows at most, made anew for each query that reads it.
#[async_trait]
pub trait SystemTable: Send + Sync + fmt::Debug {
    /// The columns; the same each time.
    fn schema(&self) -> SchemaRef;

    /// Waits, within bounds, until what a reader must find is there. Called before [`SystemTable::rows`], which must not wait.
    async fn ready(&self) {}

    /// All rows as they are at `now`.
    ///
    /// # Errors
    /// When the rows don't fit the schema; the query fails with it.
    fn rows(&self, now: UnixNanos) -> Result<RecordBatch, ArrowError>;

    /// Some columns of all rows, by their places in the schema. A table that can make them without the others does so.
    ///
    /// # Errors
    /// As [`SystemTable::rows`].
    fn columns(&self, now: UnixNanos, places: &[usize]) -> Result<RecordBatch, ArrowError> {
        self.rows(now)?.project(places)
    }

    /// The column that is another text in each row; `None` when there is none.
    fn key(&self) -> Option<&str> {
        None
    }

    /// Has grown before other rows can be found, which depend on no time then; `None` when nobody counts. Rules that join a table with a key
    /// and a revision can be kept incrementally.
    fn revision(&self) -> Option<u64> {
        None
    }
}

/// A [`SystemTable`] as DataFusion wants it.
#[derive(Debug)]
pub(crate) struct SystemProvider(pub(crate) Arc<dyn SystemTable>);

#[async_trait]
impl TableProvider for SystemProvider {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.0.ready().await;
        let rows = self.0.rows(now_of(session)?).map_err(|error| DataFusionError::ArrowError(Box::new(error), None))?;
        let plan = MemorySourceConfig::try_new_exec(&[vec![rows]], self.0.schema(), projection.cloned())?;
        Ok(plan)
    }
}
