//! The table of one metric.

use std::collections::HashMap;
use std::fmt;
use std::iter::repeat_with;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, RecordBatchOptions, TimestampNanosecondArray};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use flyball_model::MetricRef;
use flyball_model::batch::{is_stale, time_type};
use parking_lot::Mutex;

use super::exec::{RowSource, ScanExec, Sink};
use super::wanted::WantedSeries;
use crate::error::StoreError;
use crate::filter::series::SeriesPredicate;
use crate::filter::{support, time};
use crate::hot::chunk::Points;
use crate::labels::{label_columns, label_fields, label_names};
use crate::range::{SeriesFilter, TimeRange};
use crate::snapshot::{PointQuery, Snapshot};
use crate::store::Store;

/// Columns before the labels: `time`, `value`.
const FIXED: usize = 2;

/// Rows of the history that are worth a part of their own: some 10 ms of reading, against a thread and a task.
const PART_ROWS_MIN: usize = if cfg!(test) { 512 } else { 1 << 18 };

#[derive(Debug)]
pub(super) struct MetricTable {
    store: Arc<Store>,
    metric: MetricRef,
    schema: SchemaRef,
    /// The labels behind the columns after the fixed ones.
    labels: Arc<[Arc<str>]>,
}

impl MetricTable {
    pub(super) fn new(store: Arc<Store>, metric: MetricRef) -> Self {
        let view = store.registry.read();
        let info = view.info(metric);
        let metadata =
            HashMap::from([("unit".to_owned(), info.unit.clone()), ("kind".to_owned(), info.kind.as_str().to_owned())]);
        let value = Field::new("value", DataType::Float64, true).with_metadata(metadata.clone());
        let mut fields = vec![Field::new(time::TIME, time_type(), false), value];
        fields.extend(label_fields(&view, metric));
        let labels = label_names(&view, metric).into();
        drop(view);
        Self { store, metric, schema: Arc::new(Schema::new_with_metadata(fields, metadata)), labels }
    }

    fn is_label(&self, column: &str) -> bool {
        self.schema.index_of(column).is_ok_and(|at| at >= FIXED)
    }
}

#[async_trait]
impl TableProvider for MetricTable {
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
        let wanted = predicate.map(|predicate| {
            let labels = predicate.columns.iter().map(|column| Arc::clone(&self.labels[column - FIXED])).collect();
            WantedSeries::new(predicate, labels)
        });
        let scan = MetricScan {
            store: Arc::clone(&self.store),
            metric: self.metric,
            labels: Arc::clone(&self.labels),
            schema: Arc::clone(&schema),
            projection,
            times: time::range_of_all(filters),
            wanted,
        };
        Ok(ScanExec::plan(scan, schema, limit))
    }
}

#[derive(Debug)]
struct MetricScan {
    store: Arc<Store>,
    metric: MetricRef,
    labels: Arc<[Arc<str>]>,
    schema: SchemaRef,
    projection: Vec<usize>,
    times: TimeRange,
    wanted: Option<WantedSeries>,
}

impl RowSource for MetricScan {
    fn run(&self, sink: &mut Sink) -> Result<(), StoreError> {
        self.read(&self.look()?, sink)
    }

    fn times(&self) -> TimeRange {
        self.times
    }

    fn divided(self: Arc<Self>, parts: usize) -> Option<Vec<Arc<dyn RowSource>>> {
        let parts = parts.min(self.store.history_rows(self.metric, self.times) / PART_ROWS_MIN);
        let shares = Arc::new(Mutex::new(repeat_with(|| None).take(parts).collect()));
        let part = |number| Part { scan: Arc::clone(&self), shares: Arc::clone(&shares), number };
        (parts > 1).then(|| (0..parts).map(|number| Arc::new(part(number)) as _).collect())
    }
}

/// One of the parts of a scan. All read the points of one moment, that of the part which begins first.
#[derive(Debug)]
struct Part {
    scan: Arc<MetricScan>,
    /// What each part is yet to read.
    shares: Arc<Mutex<Vec<Option<Snapshot>>>>,
    number: usize,
}

impl RowSource for Part {
    fn run(&self, sink: &mut Sink) -> Result<(), StoreError> {
        let mut shares = self.shares.lock();
        let share = match shares[self.number].take() {
            Some(share) => share,
            // The first, or the first of another run.
            None => {
                let whole = self.scan.look()?;
                let parts = shares.len();
                shares.iter_mut().enumerate().for_each(|(number, share)| *share = Some(whole.part(number, parts)));
                shares[self.number].take().expect("each part was given its share")
            }
        };
        drop(shares);
        self.scan.read(&share, sink)
    }

    fn times(&self) -> TimeRange {
        self.scan.times
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, part {}", self.scan, self.number + 1)
    }
}

impl MetricScan {
    /// The points as they are now.
    fn look(&self) -> Result<Snapshot, StoreError> {
        let wanted = match &self.wanted {
            Some(wanted) => SeriesFilter::Some(wanted.of(&self.store, self.metric, self.times)?),
            None => SeriesFilter::All,
        };
        Ok(self.store.snapshot(PointQuery { metrics: vec![self.metric], wanted, times: self.times }))
    }

    fn read(&self, snapshot: &Snapshot, sink: &mut Sink) -> Result<(), StoreError> {
        let batch_rows = sink.batch_rows();
        let mut each = |points: Points| Ok(sink.send(self.to_batch(&points)?));
        if snapshot.read_hot(batch_rows, &mut each)?.is_continue() {
            let _ = snapshot.read_files(batch_rows, &mut each)?;
        }
        Ok(())
    }

    fn to_batch(&self, points: &Points) -> Result<RecordBatch, StoreError> {
        let names: Vec<_> = self.projection.iter().filter_map(|at| at.checked_sub(FIXED)).collect();
        let names: Vec<_> = names.into_iter().map(|label| Arc::clone(&self.labels[label])).collect();
        let mut labels = label_columns(&self.store.registry, &names, &points.series)?.into_iter();
        let columns = self.projection.iter().map(|at| match at {
            0 => time_column(points.time.clone()),
            1 => value_column(&points.value),
            _ => labels.next().expect("a column was made for each label in the projection"),
        });
        let columns = columns.collect();
        let options = RecordBatchOptions::new().with_row_count(Some(points.len()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

impl fmt::Display for MetricScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "metric={}, time={}", self.store.registry.read().metric_name(self.metric), self.times)?;
        match &self.wanted {
            Some(wanted) => write!(f, ", series where {wanted}"),
            None => Ok(()),
        }
    }
}

pub(crate) fn time_column(times: ScalarBuffer<i64>) -> ArrayRef {
    Arc::new(TimestampNanosecondArray::new(times, None).with_timezone("UTC"))
}

/// The values, without a copy; staleness markers are null, so that no aggregate trips over their NaN.
pub(super) fn value_column(values: &ScalarBuffer<f64>) -> ArrayRef {
    let stale = values.iter().any(|&value| is_stale(value));
    let valid = stale.then(|| values.iter().map(|&value| !is_stale(value)).collect::<NullBuffer>());
    Arc::new(Float64Array::new(values.clone(), valid))
}
