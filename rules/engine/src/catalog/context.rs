//! The view of the catalog that DataFusion's SQL planner asks while it makes a plan.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::{TableReference, internal_datafusion_err};
use datafusion::config::ConfigOptions;
use datafusion::datasource::provider_as_source;
use datafusion::error::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner};
use datafusion::logical_expr::{AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF};
use flyball_yaml::nearest;

use super::relation::Relation;
use super::tables::Tables;
use crate::functions::{self, RANGE_FUNCTIONS, is_never_came};
use crate::query::error::QueryError;

/// Tables and functions for one planning.
pub(crate) struct Context<'a> {
    tables: &'a Arc<Tables>,
    state: &'a SessionState,
    /// The columns of every table that was asked for; a range function has no name.
    seen: RefCell<Vec<(Option<String>, SchemaRef)>>,
    /// Whether `absent` of a metric that never came was asked for, and the labels that it is supposed to have.
    never_came: Cell<bool>,
    supposed: RefCell<Vec<Arc<str>>>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(tables: &'a Arc<Tables>, state: &'a SessionState) -> Self {
        Self { tables, state, seen: RefCell::default(), never_came: Cell::default(), supposed: RefCell::default() }
    }

    /// Lets a column that no table has be a label of what never came, if there is such a table: `absent` takes it for chosen by. Whether another planning
    /// will find it.
    pub(crate) fn suppose(&self, column: &str) -> bool {
        let mut supposed = self.supposed.borrow_mut();
        let is_new = self.never_came.get() && supposed.iter().all(|label| **label != *column);
        if is_new {
            supposed.push(column.into());
        }
        is_new
    }

    /// Whether the table of what never came may have this column.
    pub(crate) fn may_be_supposed(&self, column: &str) -> bool {
        ["time", "value"].contains(&column) || self.supposed.borrow().iter().any(|label| **label == *column)
    }

    /// The names of the columns of a table that this planning has asked for, or of all that it has asked for.
    pub(crate) fn columns_seen(&self, table: Option<&str>) -> BTreeSet<String> {
        let seen = self.seen.borrow();
        let wanted = seen.iter().filter(|(name, _)| table.is_none() || name.as_deref() == table);
        wanted.flat_map(|(_, schema)| schema.fields()).map(|field| field.name().clone()).collect()
    }

    fn source(&self, name: Option<&str>, table: Arc<dyn TableProvider>) -> Arc<dyn TableSource> {
        self.seen.borrow_mut().push((name.map(str::to_string), table.schema()));
        provider_as_source(table)
    }

    /// The names of all functions that may stand in an expression.
    pub(crate) fn function_names(&self) -> impl Iterator<Item = &str> {
        let scalar = self.state.scalar_functions().keys();
        let aggregate = self.state.aggregate_functions().keys();
        let window = self.state.window_functions().keys();
        let higher_order = datafusion::catalog::Session::higher_order_functions(self.state).keys();
        scalar.chain(aggregate).chain(window).chain(higher_order).map(String::as_str)
    }

    /// A table function that is DataFusion's own: `generate_series`, `range`.
    fn builtin_table_function(&self, name: &str, args: &[Expr]) -> Result<Arc<dyn TableProvider>> {
        let Some(function) = self.state.table_functions().get(name) else {
            let known = RANGE_FUNCTIONS.into_iter().chain(self.state.table_functions().keys().map(String::as_str));
            let nearest = nearest(name, known).map(str::to_owned);
            let error = QueryError::UnknownFunction { name: name.to_string(), nearest, position: None };
            return Err(error.into_datafusion());
        };
        function.create_table_provider_with_args(datafusion::catalog::TableFunctionArgs::new(args, self.state))
    }
}

impl ContextProvider for Context<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let relation = self.tables.find(&name).map_err(QueryError::into_datafusion)?;
        Ok(self.source(Some(name.table()), Arc::new(relation)))
    }

    fn get_table_function_source(&self, name: &str, args: Vec<Expr>) -> Result<Arc<dyn TableSource>> {
        let name = name.trim_matches('"').to_lowercase();
        let table: Arc<dyn TableProvider> = if RANGE_FUNCTIONS.contains(&name.as_str()) {
            let now = self.state.scalar_functions().get("now").ok_or_else(|| internal_datafusion_err!("no now()"))?;
            let supposed = self.supposed.borrow();
            functions::relation(self.tables, now, &name, &args, &supposed).map_err(QueryError::into_datafusion)?
        } else {
            self.builtin_table_function(&name, &args)?
        };
        if table.downcast_ref::<Relation>().is_some_and(|relation| is_never_came(relation.table.as_ref())) {
            self.never_came.set(true);
        }
        Ok(self.source(None, table))
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> Result<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.state.scalar_functions().get(name).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        datafusion::catalog::Session::higher_order_functions(self.state).get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        datafusion::catalog::Session::higher_order_functions(self.state).keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}
