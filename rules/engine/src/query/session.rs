//! What DataFusion needs to plan and run a query: one state for all queries, and a light session for each run.
//!
//! Making a `SessionState` registers some hundred functions and costs milliseconds, copying one costs tens of microseconds; a
//! [`RunSession`] borrows the state and adds only what differs between runs: the instant that `now()` is, and the memory
//! pool.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::temporal_conversions::timestamp_ns_to_datetime;
use async_trait::async_trait;
use datafusion::catalog::{CatalogProviderList, Session};
use datafusion::common::DFSchema;
use datafusion::config::TableOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::registry::ExtensionTypeRegistryRef;
use datafusion::logical_expr::{AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, ScalarUDF, WindowUDF};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use flyball_model::UnixNanos;

use super::yielding::YieldAfterJoins;
use crate::functions::{approx_distinct, histogram, labels, quantiles};

/// Rows of a batch between operators.
const BATCH_ROWS: usize = 8192;

/// DataFusion's name of a rule of its optimizer.
const DISTINCT_IN_TWO: &str = "single_distinct_aggregation_to_group_by";

/// Functions whose result has no bound by their input: one call could ask for more memory than the machine has, before any
/// memory pool is asked; with their other names. As table functions `generate_series` and `range` stay, because they give batches.
pub(super) const UNBOUNDED: [&str; 9] = [
    "range",
    "generate_series",
    "array_repeat",
    "list_repeat",
    "array_resize",
    "list_resize",
    "repeat",
    "lpad",
    "rpad",
];

/// The state that all queries share: functions, optimizer rules, configuration.
pub(crate) fn shared_state(partitions: usize) -> SessionState {
    let mut config = SessionConfig::new()
        .with_batch_size(BATCH_ROWS)
        .with_target_partitions(partitions.max(1))
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false);
    let options = config.options_mut();
    options.execution.time_zone = Some("UTC".into());
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.collect_spans = true;
    // Labels are dictionaries of Utf8; a view type in a comparison would only be cast.
    options.sql_parser.map_string_types_to_utf8view = false;
    // Nothing here reads listings or files through DataFusion.
    options.execution.collect_statistics = false;
    // The scans of the store say how far they can be divided; dividing again costs a task and a channel per query.
    options.optimizer.enable_round_robin_repartition = false;
    options.explain.format = datafusion::common::format::ExplainFormat::Indent;
    let runtime = RuntimeEnvBuilder::new()
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
        .build()
        .expect("a runtime without files and caches can always be made");
    let mut builder = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(Arc::new(runtime))
        .with_default_features()
        .with_physical_optimizer_rule(Arc::new(YieldAfterJoins));
    if let Some(functions) = builder.scalar_functions() {
        functions.retain(|function| !UNBOUNDED.contains(&function.name()));
        functions.extend(histogram::scalar_functions());
        functions.extend(labels::scalar_functions());
    }
    if let Some(functions) = builder.aggregate_functions() {
        functions.extend(histogram::aggregate_functions());
        functions.push(approx_distinct());
        functions.extend(quantiles());
    }
    builder.build()
}

/// The same for queries that are planned once for many runs: `count(DISTINCT …)` stays an aggregate in their plans, and is not made into two, so that a
/// rule with it can be kept incrementally.
pub(crate) fn prepared_state(shared: &SessionState) -> SessionState {
    let rules = shared.optimizers().iter().filter(|rule| rule.name() != DISTINCT_IN_TWO).map(Arc::clone).collect();
    SessionStateBuilder::new_from_existing(shared.clone()).with_optimizer_rules(rules).build()
}

/// The session of one run.
pub(crate) struct RunSession {
    shared: Arc<SessionState>,
    props: ExecutionProps,
    runtime: Arc<RuntimeEnv>,
}

impl RunSession {
    /// A session in which `now()` is `now`, with `memory_bytes` to spend and nowhere to spill to.
    pub(crate) fn new(shared: Arc<SessionState>, now: UnixNanos, memory_bytes: usize) -> Result<Self> {
        let runtime = RuntimeEnv {
            memory_pool: Arc::new(GreedyMemoryPool::new(memory_bytes)),
            ..shared.runtime_env().as_ref().clone()
        };
        let mut props = props_at(now)?;
        props.config_options = Some(Arc::clone(shared.config_options()));
        Ok(Self { shared, props, runtime: Arc::new(runtime) })
    }

    /// The context of execution. Functions are resolved when the plan is made, so it carries none.
    pub(crate) fn task_context(&self) -> Arc<TaskContext> {
        Arc::new(TaskContext::new(
            None,
            String::new(),
            self.shared.config().clone(),
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            Arc::clone(&self.runtime),
        ))
    }
}

/// Execution properties in which `now()` is `now`.
///
/// # Errors
/// Never for an `i64` of nanoseconds; the conversion is fallible for other units.
pub(crate) fn props_at(now: UnixNanos) -> Result<ExecutionProps> {
    let start = timestamp_ns_to_datetime(now.0)
        .ok_or_else(|| DataFusionError::Internal(format!("{now} is not a time")))?
        .and_utc();
    Ok(ExecutionProps::new().with_query_execution_start_time(start))
}

/// The instant that `now()` is in this session.
///
/// # Errors
/// When the session is not one of a query.
pub(crate) fn now_of(session: &dyn Session) -> Result<UnixNanos> {
    session
        .execution_props()
        .query_execution_start_time
        .and_then(|start| start.timestamp_nanos_opt())
        .map(UnixNanos)
        .ok_or_else(|| DataFusionError::Internal("the session has no instant for now()".into()))
}

#[async_trait]
impl Session for RunSession {
    fn session_id(&self) -> &str {
        self.shared.session_id()
    }

    fn config(&self) -> &SessionConfig {
        self.shared.config()
    }

    fn catalog_list(&self) -> Arc<dyn CatalogProviderList> {
        Arc::clone(self.shared.catalog_list())
    }

    fn query_planner(&self) -> Arc<dyn QueryPlanner + Send + Sync> {
        Arc::clone(self.shared.query_planner())
    }

    fn optimize(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        self.shared.optimize(plan)
    }

    fn physical_optimizers(&self) -> &[Arc<dyn PhysicalOptimizerRule + Send + Sync>] {
        self.shared.physical_optimizers()
    }

    async fn create_physical_plan(&self, plan: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
        self.query_planner().create_physical_plan(plan, self).await
    }

    fn create_physical_expr(&self, expr: Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>> {
        self.shared.create_physical_expr(expr, schema)
    }

    fn scalar_functions(&self) -> &HashMap<String, Arc<ScalarUDF>> {
        self.shared.scalar_functions()
    }

    fn higher_order_functions(&self) -> &HashMap<String, Arc<HigherOrderUDF>> {
        self.shared.higher_order_functions()
    }

    fn aggregate_functions(&self) -> &HashMap<String, Arc<AggregateUDF>> {
        self.shared.aggregate_functions()
    }

    fn window_functions(&self) -> &HashMap<String, Arc<WindowUDF>> {
        self.shared.window_functions()
    }

    fn extension_type_registry(&self) -> &ExtensionTypeRegistryRef {
        Session::extension_type_registry(self.shared.as_ref())
    }

    fn runtime_env(&self) -> &Arc<RuntimeEnv> {
        &self.runtime
    }

    fn execution_props(&self) -> &ExecutionProps {
        &self.props
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn table_options(&self) -> &TableOptions {
        self.shared.table_options()
    }

    fn table_options_mut(&mut self) -> &mut TableOptions {
        // The options are shared by all queries; nobody may change them. DataFusion calls this for COPY only.
        Arc::make_mut(&mut self.shared).table_options_mut()
    }

    fn task_ctx(&self) -> Arc<TaskContext> {
        self.task_context()
    }
}
