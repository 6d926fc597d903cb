//! The plan node that reads this crate's tables.
//!
//! Reading is plain blocking code on a thread of its own (files are read, and many series are looked at); batches come
//! over a channel of two, so that a query that stops reading stops the reader.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, assert_eq_or_internal_err, internal_err};
use datafusion::config::ConfigOptions;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
    ReplaceChildrenOptions, SendableRecordBatchStream,
};
use tokio::sync::mpsc::Sender;

use crate::error::StoreError;
use crate::range::TimeRange;

/// Batches that wait between reader and query: one that is read while another is worked on.
const CHANNEL_BATCHES: usize = 2;

/// Something that can be read into batches; it says in a few words what it reads, for EXPLAIN.
pub(crate) trait RowSource: fmt::Debug + fmt::Display + Send + Sync + 'static {
    /// Reads everything into the sink, until the sink says to stop. Blocks.
    fn run(&self, sink: &mut Sink) -> Result<(), StoreError>;

    /// The times of the points and records that it looks at.
    fn times(&self) -> TimeRange;

    /// The same rows in at most so many parts, which are read beside each other; `None` where there are too few rows for it.
    fn divided(self: Arc<Self>, _parts: usize) -> Option<Vec<Arc<dyn RowSource>>> {
        None
    }
}

/// The earliest time of any point or record that a scan of this crate's tables looks at; `None` for other nodes of a plan. A scan of what is
/// no point (`flyball.series`) looks at none, which is `i64::MAX`.
pub fn reads_from(plan: &dyn ExecutionPlan) -> Option<i64> {
    plan.downcast_ref::<ScanExec>().map(|scan| scan.source.times().from)
}

/// Where a [`RowSource`] puts its batches.
pub(crate) struct Sink {
    tx: Sender<Result<RecordBatch>>,
    left: usize,
    batch_rows: usize,
    rows: Count,
}

impl Sink {
    /// The most rows a batch should have.
    pub(crate) fn batch_rows(&self) -> usize {
        self.batch_rows
    }

    /// Hands a batch over. Also a way to ask whether anyone is still listening: an empty batch goes nowhere.
    pub(crate) fn send(&mut self, batch: RecordBatch) -> ControlFlow<()> {
        let rows = batch.num_rows().min(self.left);
        if rows == 0 {
            return if self.tx.is_closed() || self.left == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            };
        }
        self.left -= rows;
        self.rows.add(rows);
        match self.tx.blocking_send(Ok(batch.slice(0, rows))) {
            Ok(()) if self.left > 0 => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }
}

/// Reads a [`RowSource`], in one partition unless it can be divided.
#[derive(Debug)]
pub(crate) struct ScanExec {
    source: Arc<dyn RowSource>,
    /// One a partition, when it was divided.
    parts: Vec<Arc<dyn RowSource>>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl ScanExec {
    /// The plan that reads a source with this schema, and stops after `limit` rows.
    pub(crate) fn plan(source: impl RowSource, schema: SchemaRef, limit: Option<usize>) -> Arc<dyn ExecutionPlan> {
        let source: Arc<dyn RowSource> = Arc::new(source);
        Arc::new(Self::of(Arc::clone(&source), vec![source], schema, limit))
    }

    fn of(source: Arc<dyn RowSource>, parts: Vec<Arc<dyn RowSource>>, schema: SchemaRef, limit: Option<usize>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(parts.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self { source, parts, limit, properties: Arc::new(properties), metrics: ExecutionPlanMetricsSet::new() }
    }
}

impl DisplayAs for ScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScanExec: {}", self.source)?;
        if self.parts.len() > 1 {
            write!(f, ", parts={}", self.parts.len())?;
        }
        match self.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for ScanExec {
    fn name(&self) -> &'static str {
        "ScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        assert_eq_or_internal_err!(children.len(), 0, "ScanExec is a leaf");
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn repartitioned(&self, parts: usize, _: &ConfigOptions) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        // Who wants some rows only should not make two threads look for them.
        if self.limit.is_some() || self.parts.len() > 1 || parts < 2 {
            return Ok(None);
        }
        let divided = Arc::clone(&self.source).divided(parts);
        Ok(divided.map(|parts| Arc::new(Self::of(Arc::clone(&self.source), parts, self.schema(), None)) as _))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut stream = RecordBatchReceiverStream::builder(self.schema(), CHANNEL_BATCHES);
        let mut sink = Sink {
            tx: stream.tx(),
            left: self.limit.unwrap_or(usize::MAX),
            batch_rows: context.session_config().batch_size(),
            rows: MetricBuilder::new(&self.metrics).output_rows(partition),
        };
        let Some(source) = self.parts.get(partition).map(Arc::clone) else {
            return internal_err!("a scan has {} parts, not one {partition}", self.parts.len());
        };
        stream.spawn_blocking(move || Ok(source.run(&mut sink)?));
        Ok(make_cooperative(stream.build()))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn fetch(&self) -> Option<usize> {
        self.limit
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(Self::of(Arc::clone(&self.source), self.parts.clone(), self.schema(), limit)))
    }
}
