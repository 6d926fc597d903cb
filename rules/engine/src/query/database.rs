//! The entry: a store with its SQL catalog.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use flyball_model::UnixNanos;
use flyball_store::Store;

use super::QueryResult;
use super::bind::{Binder, plan_reads_clock};
use super::diagnose::during_planning;
use super::error::QueryError;
use super::limits::QueryLimits;
use super::plan;
use super::run::{Run, run};
use super::session::{prepared_state, shared_state};
use super::text::SqlText;
use super::units::with_units;
use crate::catalog::relation::{TableVersion, for_each_relation};
use crate::catalog::tables::Tables;
use crate::catalog::{SystemProvider, SystemTable, TableRead};
use crate::incremental::{Incremental, Obstacle, Place};

/// Threads that one query may use at a time. Rules run beside each other, so a query alone need not take every core.
const PARTITIONS: usize = 2;

/// Everything that can be asked in SQL. A clone is the same database.
#[derive(Clone)]
pub struct Database {
    pub(super) tables: Arc<Tables>,
    pub(super) state: Arc<SessionState>,
    /// For what runs many times.
    prepared: Arc<SessionState>,
    limits: QueryLimits,
    incremental: Arc<Incremental>,
}

/// A query that was planned once and runs many times, each time at its own instant.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(super) plan: Arc<LogicalPlan>,
    units: Vec<Option<String>>,
    reads_clock: bool,
    outline: Arc<Outline>,
}

/// What is known of a query beside how it is run.
#[derive(Debug)]
pub struct Outline {
    schema: SchemaRef,
    reads: Vec<TableRead>,
    versions: Vec<TableVersion>,
    guessed_among: Option<u64>,
}

impl Database {
    /// The catalog of a store; `limits` hold for [`Database::query`].
    pub fn new(store: Arc<Store>, limits: QueryLimits) -> Self {
        Self::with_partitions(store, limits, PARTITIONS)
    }

    /// Like [`Database::new`], but a query may use `partitions` threads at a time instead of 2.
    pub fn with_partitions(store: Arc<Store>, limits: QueryLimits, partitions: usize) -> Self {
        let state = shared_state(partitions);
        Self {
            tables: Arc::new(Tables::new(store)),
            prepared: Arc::new(prepared_state(&state)),
            state: Arc::new(state),
            limits,
            incremental: Arc::default(),
        }
    }

    /// Adds the system table `schema.name` (`twin.node`, `flyball.rules`), or replaces it.
    pub fn register(&self, schema: &str, name: &str, table: Arc<dyn SystemTable>) {
        self.tables.register(schema, name, Arc::new(SystemProvider(table)));
    }

    /// The same with a table that is too large to be made as a whole. Its columns never change.
    pub fn register_large(&self, schema: &str, name: &str, table: Arc<dyn TableProvider>) {
        self.tables.register(schema, name, table);
    }

    /// Runs a query in which `now()` is `now`, with the limits given to [`Database::new`]. EXPLAIN, DESCRIBE and SHOW TABLES
    /// are taken too.
    ///
    /// # Errors
    /// See [`QueryError`].
    ///
    /// # Cancel safety
    /// Dropping the future stops the query.
    pub async fn query(&self, sql: &str, now: UnixNanos) -> Result<QueryResult, QueryError> {
        self.query_limited(sql, now, &self.limits).await
    }

    /// Like [`Database::query`], with other limits.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn query_limited(
        &self,
        sql: &str,
        now: UnixNanos,
        limits: &QueryLimits,
    ) -> Result<QueryResult, QueryError> {
        let run_at = Run::new(&self.state, now, limits);
        let text = SqlText::new(sql)?;
        let planned = plan::plan(text, &self.tables, &self.state)?;
        let bound = self.bind(planned.plan, now)?;
        let optimized = self.state.optimize(&bound).map_err(|error| during_planning(error, None))?;
        run(run_at, &optimized, &planned.units).await
    }

    /// Plans one SELECT for many runs.
    ///
    /// # Errors
    /// What planning finds: unknown names, types that don't fit; also EXPLAIN, DESCRIBE and SHOW.
    pub async fn prepare(&self, sql: &str) -> Result<Prepared, QueryError> {
        let planned = plan::plan(SqlText::new(sql)?, &self.tables, &self.state)?;
        if !planned.is_query {
            return Err(QueryError::NotASelect { found: "EXPLAIN, DESCRIBE or SHOW".into() });
        }
        let mut tables = Vec::new();
        let mut guessed_among = None;
        let in_planning = |error| during_planning(error, None);
        for_each_relation(&planned.plan, |relation| {
            tables.push((relation.read.clone(), relation.version.clone()));
            guessed_among = relation.guessed_among.into_iter().chain(guessed_among).min();
        })
        .map_err(in_planning)?;
        tables.sort_by(|a, b| a.0.cmp(&b.0));
        tables.dedup_by(|a, b| a.0 == b.0);
        let (reads, versions) = tables.into_iter().unzip();
        let plan = self.prepared.optimize(&planned.plan).map_err(in_planning)?;
        let schema = with_units(plan.schema().inner(), &planned.units);
        Ok(Prepared {
            units: planned.units,
            reads_clock: plan_reads_clock(&plan).map_err(in_planning)?,
            plan: Arc::new(plan),
            outline: Arc::new(Outline { schema, reads, versions, guessed_among }),
        })
    }

    /// Runs a prepared query with `now()` being `now`.
    ///
    /// # Errors
    /// Limits, and what only the data shows: divisions by zero, casts that don't fit.
    ///
    /// # Cancel safety
    /// Dropping the future stops the query.
    pub async fn run(
        &self,
        prepared: &Prepared,
        now: UnixNanos,
        limits: &QueryLimits,
    ) -> Result<QueryResult, QueryError> {
        let run_at = Run::new(&self.state, now, limits);
        if prepared.reads_clock {
            let bound = self.bind(prepared.plan.as_ref().clone(), now)?;
            run(run_at, &bound, &prepared.units).await
        } else {
            run(run_at, &prepared.plan, &prepared.units).await
        }
    }

    /// The store whose points the tables show.
    pub fn store(&self) -> &Arc<Store> {
        &self.tables.store
    }

    /// The groups that rules are kept in.
    pub fn incremental(&self) -> &Arc<Incremental> {
        &self.incremental
    }

    /// Keeps the result of a prepared query incrementally.
    ///
    /// # Errors
    /// What stands in the way.
    pub(crate) fn keep(&self, prepared: &Prepared) -> Result<Place, Obstacle> {
        self.incremental.keep(&prepared.plan, prepared.output_schema(), &self.state, self.store())
    }

    pub(super) fn bind(&self, plan: LogicalPlan, now: UnixNanos) -> Result<LogicalPlan, QueryError> {
        Binder::new(now, self.state.config_options())
            .and_then(|binder| binder.bind(plan))
            .map_err(|error| during_planning(error, None))
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("tables", &self.tables).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Prepared {
    /// The optimized plan, as EXPLAIN shows it.
    pub(crate) fn text(&self) -> String {
        self.plan.display_indent().to_string()
    }

    /// What is known of it beside how it is run.
    pub fn outline(&self) -> &Arc<Outline> {
        &self.outline
    }

    /// As [`Outline::tables`].
    pub fn tables(&self) -> &[TableRead] {
        self.outline.tables()
    }

    /// As [`Outline::output_schema`].
    pub fn output_schema(&self) -> &SchemaRef {
        self.outline.output_schema()
    }

    /// As [`Outline::is_current`].
    pub fn is_current(&self, database: &Database) -> bool {
        self.outline.is_current(database)
    }
}

impl Outline {
    /// The tables it reads, sorted, each once; those inside range functions and subqueries too.
    pub fn tables(&self) -> &[TableRead] {
        &self.reads
    }

    /// The columns of the result.
    pub fn output_schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Whether planning the same text would still give the same plan. It would not when a label appeared that no series of a table
    /// had before, when a metric's description changed, or when a metric came that a name may now mean. An outdated plan still
    /// runs, without what is new.
    pub fn is_current(&self, database: &Database) -> bool {
        let tables = &database.tables;
        self.guessed_among.is_none_or(|among| tables.names_version() == among)
            && self.reads.iter().zip(&self.versions).all(|(read, version)| tables.version(read) == *version)
    }
}
