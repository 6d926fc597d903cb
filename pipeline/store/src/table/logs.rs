//! The table `logs`.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Schema, SchemaRef, UInt32Type};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use flyball_model::batch::log_schema;
use flyball_model::series::LOGS;

use super::exec::{RowSource, ScanExec, Sink};
use super::metric::SERIES_AT_ONCE;
use crate::error::StoreError;
use crate::filter::series::{SeriesPredicate, pieces};
use crate::filter::{support, time};
use crate::history::logs::read_logs;
use crate::hot::logs::{LogChunk, times};
use crate::labels::{fields_beside, label_columns, label_names};
use crate::range::{SeriesFilter, SeriesSet, TimeRange};
use crate::store::Store;

/// The stored column with the number of the resource's label set.
const STREAM: usize = 0;

/// Where a column of the table comes from.
#[derive(Debug, Clone)]
enum Column {
    /// A column of `log_schema`, by its position.
    Stored(usize),
    /// A label of the resource.
    Label(Arc<str>),
}

#[derive(Debug)]
pub(super) struct LogsTable {
    store: Arc<Store>,
    schema: SchemaRef,
    columns: Vec<Column>,
}

impl LogsTable {
    pub(super) fn new(store: Arc<Store>) -> Self {
        let stored = log_schema();
        let labels = {
            let view = store.registry.read();
            view.metric(LOGS).map(|logs| label_names(&view, logs)).unwrap_or_default()
        };
        let taken: Vec<&str> = stored.fields().iter().skip(1).map(|field| field.name().as_str()).collect();
        let label_fields = fields_beside(&labels, &taken, "resource_").into_iter().map(Arc::new);
        // All stored columns but the stream, with the labels before the last one, `attributes`.
        let last = stored.fields().len() - 1;
        let mut fields = stored.fields()[1..last].to_vec();
        let mut columns: Vec<_> = (1..last).map(Column::Stored).collect();
        fields.extend(label_fields);
        columns.extend(labels.into_iter().map(Column::Label));
        fields.push(Arc::clone(&stored.fields()[last]));
        columns.push(Column::Stored(last));
        Self { store, schema: Arc::new(Schema::new(fields)), columns }
    }

    fn is_label(&self, column: &str) -> bool {
        self.schema.index_of(column).is_ok_and(|at| matches!(self.columns[at], Column::Label(_)))
    }
}

#[async_trait]
impl TableProvider for LogsTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(support(filters, |column| self.is_label(column)))
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
        let predicate = SeriesPredicate::new(session, &self.schema, filters, |column| self.is_label(column))?;
        let columns: Vec<_> = projection.iter().map(|&at| self.columns[at].clone()).collect();
        let mut stored: Vec<usize> = columns
            .iter()
            .map(|column| match column {
                Column::Stored(at) => *at,
                Column::Label(_) => STREAM,
            })
            .collect();
        if stored.is_empty() {
            // Rows are counted by a column that is there: the cheapest one.
            stored.push(STREAM);
        }
        stored.sort_unstable();
        stored.dedup();
        let predicate_labels = predicate.iter().flat_map(|predicate| &predicate.columns);
        let predicate_labels = predicate_labels.filter_map(|&at| match &self.columns[at] {
            Column::Label(name) => Some(Arc::clone(name)),
            Column::Stored(_) => None,
        });
        let scan = LogScan {
            predicate_labels: predicate_labels.collect(),
            predicate,
            store: Arc::clone(&self.store),
            schema: Arc::clone(&schema),
            columns,
            stored,
            times: time::range_of_all(filters),
        };
        Ok(ScanExec::plan(scan, schema, limit))
    }
}

#[derive(Debug)]
struct LogScan {
    store: Arc<Store>,
    schema: SchemaRef,
    columns: Vec<Column>,
    /// The stored columns that are needed, sorted.
    stored: Vec<usize>,
    times: TimeRange,
    predicate: Option<SeriesPredicate>,
    predicate_labels: Vec<Arc<str>>,
}

impl RowSource for LogScan {
    fn run(&self, sink: &mut Sink) -> Result<(), StoreError> {
        let wanted = match &self.predicate {
            Some(predicate) => SeriesFilter::Some(self.wanted_streams(predicate)?),
            None => SeriesFilter::All,
        };
        if matches!(&wanted, SeriesFilter::Some(streams) if streams.is_empty()) {
            return Ok(());
        }
        let (hot, files) = {
            let history = self.store.history.read();
            (self.store.logs.snapshot(self.times), history.logs.clone())
        };
        for chunk in hot {
            if self.read_chunk(&chunk, &wanted, sink)?.is_break() {
                return Ok(());
            }
        }
        let reads = &self.store.reads;
        for file in files {
            if !file.times.overlaps(self.times) {
                reads.files_pruned.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            reads.files_opened.fetch_add(1, Ordering::Relaxed);
            for batch in read_logs(&file, &self.stored, &wanted, self.times, sink.batch_rows())? {
                let batch = batch.map_err(|error| StoreError::parquet(&file.path)(error.into()))?;
                reads.history_rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                if sink.send(self.to_batch(&batch)?).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

impl LogScan {
    fn wanted_streams(&self, predicate: &SeriesPredicate) -> Result<SeriesSet, StoreError> {
        let streams: Vec<u32> = {
            let view = self.store.registry.read();
            let logs = view.metric(LOGS);
            logs.map(|logs| view.series_of(logs).iter().map(|stream| stream.0).collect()).unwrap_or_default()
        };
        let mut wanted = SeriesSet::default();
        for piece in pieces(streams.len(), SERIES_AT_ONCE) {
            let streams = &streams[piece];
            let columns = label_columns(&self.store.registry.read(), &self.predicate_labels, streams);
            let answer = predicate.evaluate(columns)?;
            streams.iter().zip(answer.values()).filter(|(_, yes)| *yes).for_each(|(&s, _)| wanted.insert(s));
        }
        Ok(wanted)
    }

    fn read_chunk(
        &self,
        chunk: &LogChunk,
        wanted: &SeriesFilter,
        sink: &mut Sink,
    ) -> Result<ControlFlow<()>, StoreError> {
        self.store.reads.hot_rows.fetch_add(chunk.batch.num_rows() as u64, Ordering::Relaxed);
        let mut rows = chunk.batch.project(&self.stored)?;
        if *wanted != SeriesFilter::All || !self.times.covers(chunk.times) {
            let streams = chunk.batch.column(STREAM).as_primitive::<UInt32Type>().values();
            let keep: BooleanArray = streams
                .iter()
                .zip(times(&chunk.batch))
                .map(|(&stream, &time)| Some(self.times.contains(time) && wanted.contains(stream)))
                .collect();
            rows = filter_record_batch(&rows, &keep)?;
        }
        for piece in pieces(rows.num_rows(), sink.batch_rows()) {
            if sink.send(self.to_batch(&rows.slice(piece.start, piece.len()))?).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The table's columns from the stored ones that were read.
    fn to_batch(&self, stored: &RecordBatch) -> Result<RecordBatch, StoreError> {
        let names = self.columns.iter().filter_map(|column| match column {
            Column::Label(name) => Some(Arc::clone(name)),
            Column::Stored(_) => None,
        });
        let names: Vec<_> = names.collect();
        let mut labels = match names.as_slice() {
            [] => Vec::new(),
            names => {
                let streams = stored.column(0).as_primitive::<UInt32Type>().values();
                label_columns(&self.store.registry.read(), names, streams)
            }
        }
        .into_iter();
        let columns = self.columns.iter().map(|column| match column {
            Column::Stored(at) => {
                let position = self.stored.binary_search(at).expect("every stored column in the projection was read");
                Arc::clone(stored.column(position))
            }
            Column::Label(_) => labels.next().expect("a column was made for each label in the projection"),
        });
        let columns = columns.collect();
        let options = RecordBatchOptions::new().with_row_count(Some(stored.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

impl fmt::Display for LogScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "logs, time={}", self.times)?;
        match &self.predicate {
            Some(predicate) => write!(f, ", streams where {predicate}"),
            None => Ok(()),
        }
    }
}
