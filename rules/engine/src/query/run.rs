//! Runs a plan within its limits.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use datafusion::catalog::Session;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use flyball_model::UnixNanos;
use futures::StreamExt;
use tokio::time::Instant;

use super::QueryResult;
use super::diagnose::while_running;
use super::error::QueryError;
use super::keys::grouped_by_views;
use super::limits::QueryLimits;
use super::session::RunSession;
use super::units::{relabel, with_units};

/// What differs between two runs of a plan.
pub(super) struct Run<'a> {
    state: &'a Arc<SessionState>,
    now: UnixNanos,
    limits: &'a QueryLimits,
    start: Instant,
}

impl<'a> Run<'a> {
    /// A run whose time starts here.
    pub(super) fn new(state: &'a Arc<SessionState>, now: UnixNanos, limits: &'a QueryLimits) -> Self {
        Self { state, now, limits, start: Instant::now() }
    }
}

/// Why collecting stopped.
enum Stop {
    Rows,
    Failed(DataFusionError),
}

impl From<DataFusionError> for Stop {
    fn from(error: DataFusionError) -> Self {
        Self::Failed(error)
    }
}

/// Runs an optimized plan without clocks in it; `units` are those of its columns.
pub(super) async fn run(run: Run<'_>, plan: &LogicalPlan, units: &[Option<String>]) -> Result<QueryResult, QueryError> {
    let limits = run.limits;
    let collected = tokio::time::timeout_at(run.start + limits.time, collect(&run, plan, units)).await;
    match collected {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(Stop::Rows)) => Err(QueryError::RowLimit { limit: limits.rows }),
        Ok(Err(Stop::Failed(error))) => Err(while_running(error, limits)),
        Err(_) => Err(QueryError::TimeLimit { limit: limits.time }),
    }
}

async fn collect(run: &Run<'_>, plan: &LogicalPlan, units: &[Option<String>]) -> Result<QueryResult, Stop> {
    let session = RunSession::new(Arc::clone(run.state), run.now, run.limits.memory_bytes)?;
    let physical = session.create_physical_plan(&grouped_by_views(plan.clone())?).await?;
    let schema = with_units(&physical.schema(), units);
    let context = session.task_context();
    let mut held = Held::new(MemoryConsumer::new("result").register(context.memory_pool()));
    let mut stream = execute_stream(physical, context)?;
    let mut batches = Vec::new();
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        rows += batch.num_rows();
        if rows > run.limits.rows {
            return Err(Stop::Rows);
        }
        if batch.num_rows() > 0 {
            held.add(&batch)?;
            batches.push(relabel(&batch, &schema)?);
        }
        // A stream that is always ready would never let the timer in.
        tokio::task::consume_budget().await;
    }
    Ok(QueryResult { schema, batches, elapsed: run.start.elapsed() })
}

/// The memory that the result holds. A dictionary is shared by all batches of a table and counts once.
struct Held {
    reservation: MemoryReservation,
    dictionaries: HashSet<usize>,
}

impl Held {
    fn new(reservation: MemoryReservation) -> Self {
        Self { reservation, dictionaries: HashSet::new() }
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut bytes = 0;
        for column in batch.columns() {
            bytes += match (column.data_type(), column.as_any_dictionary_opt()) {
                (DataType::Dictionary(..), Some(dictionary)) => {
                    let values = dictionary.values();
                    let known = !self.dictionaries.insert(Arc::as_ptr(values).cast::<()>() as usize);
                    dictionary.keys().get_array_memory_size() + if known { 0 } else { values.get_array_memory_size() }
                }
                _ => column.get_array_memory_size(),
            };
        }
        self.reservation.try_grow(bytes)
    }
}
