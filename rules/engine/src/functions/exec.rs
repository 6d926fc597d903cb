//! Reads the samples of a range function and makes its rows.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, RecordBatchOptions, TimestampNanosecondArray};
use arrow::datatypes::SchemaRef;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryReservation};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions, SendableRecordBatchStream,
};
use flyball_model::batch::is_stale;
use flyball_model::{MetricRef, SeriesRef, UnixNanos};
use flyball_store::labels::label_columns;
use flyball_store::{SeriesSamples, Store};
use futures::stream;

use super::numbers::usual::baseline;
use super::table::TIME;
use super::window::{Function, Window};
use super::{absent, seasonal};

/// Series of the first read, before it is known how many samples a series has.
const FIRST_SERIES: usize = 1024;
/// Series of one read at most; also the most rows of a batch.
const SERIES_MAX: usize = 65_536;
/// Bytes of a sample in memory: time and value.
pub(super) const SAMPLE_BYTES: usize = 16;
/// The part of the query's memory that the samples of one read should take.
const MEMORY_SHARE: usize = 4;
/// Series whose labels are looked at together.
const FILTER_SERIES: usize = 8192;

/// A predicate over labels, decided once per series.
#[derive(Debug, Clone)]
pub(super) struct LabelFilter {
    /// For EXPLAIN.
    pub(super) text: String,
    pub(super) predicate: Arc<dyn PhysicalExpr>,
    /// The columns that the predicate is about.
    pub(super) schema: SchemaRef,
    /// The labels behind them.
    pub(super) names: Vec<Arc<str>>,
}

/// The plan that gives one row per series.
#[derive(Debug)]
pub(super) struct RangeExec {
    task: Arc<Task>,
    properties: Arc<PlanProperties>,
}

/// What the blocking part needs.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) store: Arc<Store>,
    pub(super) metric: MetricRef,
    pub(super) function: Function,
    pub(super) window: Window,
    pub(super) filter: Option<LabelFilter>,
    /// The columns of the table that are wanted, in order.
    pub(super) columns: Vec<usize>,
    /// The labels among them, by their own names.
    pub(super) names: Vec<Arc<str>>,
    /// Of `absent`: columns that the predicate sets to one text.
    pub(super) fixed: Vec<(String, String)>,
    /// The wanted columns.
    pub(super) schema: SchemaRef,
}

/// How far the stream is.
struct Progress {
    task: Arc<Task>,
    /// The series to read; `None` before the labels were looked at.
    series: Option<Vec<SeriesRef>>,
    done: usize,
    next: usize,
    samples_max: usize,
    reservation: MemoryReservation,
}

impl RangeExec {
    pub(super) fn new(task: Task) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&task.schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { task: Arc::new(task), properties: Arc::new(properties) }
    }
}

/// The earliest time of any sample that a range function looks at; `None` for other nodes of a plan. The start of a window does not belong
/// to it.
pub(crate) fn range_reads_from(plan: &dyn ExecutionPlan) -> Option<i64> {
    plan.downcast_ref::<RangeExec>().map(|range| range.task.window.from)
}

impl Task {
    /// The series of the metric that may have samples in the window and pass the label predicate.
    pub(super) fn select(&self) -> Result<Vec<SeriesRef>> {
        // The start of the window does not belong to it.
        let all = self.store.series_since(self.metric, self.window.from.saturating_add(1));
        let Some(filter) = &self.filter else { return Ok(all) };
        let mut selected = Vec::new();
        for series in all.chunks(FILTER_SERIES) {
            let numbers: Vec<_> = series.iter().map(|series| series.0).collect();
            let labels = label_columns(self.store.registry(), &filter.names, &numbers)?;
            let options = RecordBatchOptions::new().with_row_count(Some(series.len()));
            let batch = RecordBatch::try_new_with_options(Arc::clone(&filter.schema), labels, &options)?;
            let passes = filter.predicate.evaluate(&batch)?.into_array(series.len())?;
            let passes = as_boolean_array(&passes)?;
            selected
                .extend(series.iter().zip(passes).filter(|(_, pass)| *pass == Some(true)).map(|(series, _)| *series));
        }
        Ok(selected)
    }

    /// The samples of some series in `(from, to]`, one after the other, without staleness markers; those of series that ended are left out
    /// where the function is about how things are now.
    pub(super) fn samples(&self, series: &[SeriesRef], window: Window) -> Result<impl Iterator<Item = SeriesSamples>> {
        let found = self.store.samples(self.metric, Some(series), UnixNanos(window.from), UnixNanos(window.to))?;
        let of_now = self.function.is_of_now();
        Ok(found.into_iter().filter_map(move |mut samples| {
            let SeriesSamples { times, values, .. } = &mut samples;
            if of_now && values.last().copied().is_some_and(is_stale) {
                return None;
            }
            if values.iter().copied().any(is_stale) {
                let mut keep = values.iter().map(|&value| !is_stale(value));
                times.retain(|_| keep.next().unwrap_or(true));
                values.retain(|&value| !is_stale(value));
            }
            (!values.is_empty()).then_some(samples)
        }))
    }

    /// The rows of some series, and how many samples were read for them.
    fn rows(&self, series: &[SeriesRef], reservation: &MemoryReservation) -> Result<(RecordBatch, usize)> {
        let mut earlier = match self.function {
            Function::Seasonal(season) => seasonal::earlier(self, season, series, reservation)?,
            _ => HashMap::new(),
        };
        let mut count = 0;
        let mut rows = Rows::new(self.function);
        for SeriesSamples { series, times, values } in self.samples(series, self.window)? {
            count += times.len();
            reservation.try_grow(times.len() * SAMPLE_BYTES)?;
            let sampled = times.last().copied().unwrap_or(self.window.to);
            let time = if self.function.is_of_last_sample() { sampled } else { self.window.to };
            if matches!(self.function, Function::Seasonal(_)) {
                let earlier = earlier.remove(&series).unwrap_or_default();
                count += earlier.len();
                let Some(found) = values.last().and_then(|&value| baseline(value, &earlier)) else { continue };
                rows.push(series, time, &[found.value, found.mean, found.stddev, found.deviation]);
            } else if let Some(value) = self.function.evaluate(&times, &values, self.window) {
                rows.push(series, time, &[value]);
            }
        }
        Ok((self.batch(rows)?, count))
    }

    fn batch(&self, rows: Rows) -> Result<RecordBatch> {
        let Rows { series, times, figures } = rows;
        let count = series.len();
        let time: ArrayRef = Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC"));
        let figures: Vec<ArrayRef> =
            figures.into_iter().map(|values| Arc::new(Float64Array::from(values)) as ArrayRef).collect();
        let mut labels = label_columns(self.store.registry(), &self.names, &series)?.into_iter();
        let columns = self.columns.iter().filter_map(|&column| match column {
            TIME => Some(Arc::clone(&time)),
            column => figures.get(column - 1).cloned().or_else(|| labels.next()),
        });
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns.collect(), &options)?)
    }
}

/// Rows of the result before they are columns.
struct Rows {
    series: Vec<u32>,
    times: Vec<i64>,
    /// A column each.
    figures: Vec<Vec<f64>>,
}

impl Rows {
    fn new(function: Function) -> Self {
        Self { series: Vec::new(), times: Vec::new(), figures: vec![Vec::new(); function.figures().len()] }
    }

    fn push(&mut self, series: SeriesRef, time: i64, figures: &[f64]) {
        debug_assert_eq!(figures.len(), self.figures.len(), "a value for each column");
        self.series.push(series.0);
        self.times.push(time);
        self.figures.iter_mut().zip(figures).for_each(|(column, &value)| column.push(value));
    }
}

impl Progress {
    fn new(task: Arc<Task>, context: &TaskContext) -> Self {
        let pool = context.memory_pool();
        let reservation = MemoryConsumer::new("samples of a range function").register(pool);
        let samples_max = match pool.memory_limit() {
            MemoryLimit::Finite(bytes) => bytes / MEMORY_SHARE / SAMPLE_BYTES,
            MemoryLimit::Infinite | MemoryLimit::Unknown => usize::MAX,
        };
        Self { task, series: None, done: 0, next: FIRST_SERIES, samples_max, reservation }
    }

    /// The next batch; `None` after the last. Blocks on files.
    fn step(mut self) -> Result<Option<(RecordBatch, Self)>> {
        if self.task.function == Function::Absent {
            return self.step_of_absent();
        }
        if self.series.is_none() {
            self.series = Some(self.task.select()?);
        }
        let series = self.series.as_deref().unwrap_or_default();
        if self.done == series.len() {
            return Ok(None);
        }
        let end = series.len().min(self.done + self.next);
        let read = &series[self.done..end];
        let (batch, samples) = self.task.rows(read, &self.reservation)?;
        self.reservation.free();
        // As many series at once as memory allows, judging by those just read: each read goes through the metric's chunks.
        let per_series = samples.div_ceil(read.len()).max(1);
        self.next = (self.samples_max / per_series).clamp(1, SERIES_MAX);
        self.done = end;
        Ok(Some((batch, self)))
    }

    /// The same for `absent`: one batch, with its row where no series has a sample.
    fn step_of_absent(mut self) -> Result<Option<(RecordBatch, Self)>> {
        if self.series.is_some() {
            return Ok(None);
        }
        let Task { store, metric, window, schema, fixed, .. } = self.task.as_ref();
        let series = self.task.select()?;
        let batch = match store.has_samples(*metric, &series, UnixNanos(window.from), UnixNanos(window.to))? {
            true => RecordBatch::new_empty(Arc::clone(schema)),
            false => absent::row(schema, window.to, fixed)?,
        };
        self.series = Some(series);
        Ok(Some((batch, self)))
    }
}

impl DisplayAs for RangeExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Task { function, window, filter, .. } = self.task.as_ref();
        write!(f, "RangeExec: {function:?} over ({}, {}]", UnixNanos(window.from), UnixNanos(window.to))?;
        match filter {
            Some(filter) => write!(f, ", labels: {}", filter.text),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for RangeExec {
    fn name(&self) -> &str {
        "RangeExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        match &self.task.filter {
            Some(filter) => f(&filter.predicate),
            None => Ok(TreeNodeRecursion::Continue),
        }
    }

    fn execute(&self, _partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let progress = Progress::new(Arc::clone(&self.task), &context);
        let batches = stream::try_unfold(progress, |progress| async move {
            // Reading may touch files, and a long window takes a while: not on the runtime's own threads.
            tokio::task::spawn_blocking(|| progress.step())
                .await
                .map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.task.schema), batches)))
    }
}
