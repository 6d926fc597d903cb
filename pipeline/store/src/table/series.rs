//! The table `flyball.series`: every series ever seen, idle ones too.
//!
//! It is read in pieces, and labels only where they are asked for: who looks for what has too many series must not need the memory that
//! they would take.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, TimestampNanosecondArray};
use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use flyball_model::batch::time_type;
use flyball_model::rows::string_map_type;
use flyball_model::{SeriesRef, UnixNanos};

use super::exec::{RowSource, ScanExec, Sink};
use super::metrics::{labels_column, name_column};
use super::wanted::metrics_named;
use crate::error::StoreError;
use crate::filter::series::{SeriesPredicate, pieces};
use crate::labels::{Rows, label_type};
use crate::predicates::is_of;
use crate::range::TimeRange;
use crate::store::Store;

const METRIC: usize = 0;
const LABELS: usize = 1;
const FIRST_AT: usize = 2;
const LAST_AT: usize = 3;

#[derive(Debug)]
pub(super) struct SeriesTable {
    store: Arc<Store>,
    schema: SchemaRef,
}

impl SeriesTable {
    pub(super) fn new(store: Arc<Store>) -> Self {
        let schema = Schema::new(vec![
            Field::new("metric", label_type(), false),
            Field::new("labels", string_map_type(), false),
            Field::new("first_at", time_type(), false),
            Field::new("last_at", time_type(), true),
            Field::new("start_at", time_type(), true),
        ]);
        Self { store, schema: Arc::new(schema) }
    }
}

fn is_metric(column: &str) -> bool {
    column == "metric"
}

#[async_trait]
impl TableProvider for SeriesTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| match is_of(filter, is_metric) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let projection = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema = Arc::new(self.schema.project(&projection)?);
        let scan = SeriesScan {
            store: Arc::clone(&self.store),
            schema: Arc::clone(&schema),
            projection,
            metrics: SeriesPredicate::new(session, &self.schema, filters, is_metric)?,
        };
        Ok(ScanExec::plan(scan, schema, limit))
    }
}

#[derive(Debug)]
struct SeriesScan {
    store: Arc<Store>,
    schema: SchemaRef,
    projection: Vec<usize>,
    metrics: Option<SeriesPredicate>,
}

impl RowSource for SeriesScan {
    fn run(&self, sink: &mut Sink) -> Result<(), StoreError> {
        let batch_rows = sink.batch_rows();
        let Some(predicate) = &self.metrics else {
            for piece in pieces(self.store.registry.len(), batch_rows) {
                let piece: Vec<_> = (piece.start as u32..piece.end as u32).collect();
                if sink.send(self.to_batch(&piece)?).is_break() {
                    break;
                }
            }
            return Ok(());
        };
        for metric in metrics_named(&self.store, Some(predicate), |_, _| true)? {
            let all = self.store.registry.read().series_of(metric).to_vec();
            for piece in all.chunks(batch_rows) {
                let piece: Vec<_> = piece.iter().map(|series| series.0).collect();
                if sink.send(self.to_batch(&piece)?).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn times(&self) -> TimeRange {
        TimeRange::EMPTY
    }
}

impl SeriesScan {
    fn to_batch(&self, series: &[u32]) -> Result<RecordBatch, StoreError> {
        let rows = Rows::new(series);
        let with_labels = self.projection.contains(&LABELS);
        let view = self.store.registry.labels_of(if with_labels { &rows.distinct } else { &[] })?;
        let times = |time: &dyn Fn(SeriesRef) -> Option<UnixNanos>| -> ArrayRef {
            let times = rows.distinct.iter().map(|&series| time(series).map(|time| time.0));
            Arc::new(times.collect::<TimestampNanosecondArray>().with_timezone("UTC"))
        };
        let column = |&at: &usize| match at {
            METRIC => Ok(name_column(&view, &rows)),
            LABELS => labels_column(&view, &rows),
            FIRST_AT => Ok(times(&|series| Some(view.first_at(series)))),
            LAST_AT => Ok(times(&|series| view.last_at(series))),
            _ => Ok(times(&|series| view.start_at(series))),
        };
        let columns = self.projection.iter().map(column).collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(series.len()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

impl fmt::Display for SeriesScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.metrics {
            Some(metrics) => write!(f, "series, metrics where {metrics}"),
            None => f.write_str("series"),
        }
    }
}
