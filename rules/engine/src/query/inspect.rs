//! A query's plans, for those who look at queries without running them.

use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::LogicalPlan;

use super::Database;
use super::diagnose::during_planning;
use super::error::{Position, QueryError};
use super::plan;
use super::text::SqlText;
use super::units::with_units;

/// A query that was planned to be looked at.
pub(crate) struct Inspected {
    /// As it was written: names are resolved, nothing is moved.
    pub(crate) written: LogicalPlan,
    /// As it would run, with predicates where they are decided; `now()` stands in it.
    pub(crate) optimized: LogicalPlan,
    /// The columns of its result, with their units.
    pub(crate) schema: SchemaRef,
    text: SqlText,
}

impl Inspected {
    /// The place of the first word that is `name`.
    pub(crate) fn find(&self, name: &str) -> Option<Position> {
        self.text.find(name)
    }
}

impl Database {
    /// Plans one SELECT to be looked at.
    ///
    /// # Errors
    /// As [`Database::prepare`].
    pub(crate) fn inspect(&self, sql: &str) -> Result<Inspected, QueryError> {
        let text = SqlText::new(sql)?;
        let planned = plan::plan(SqlText::new(sql)?, &self.tables, &self.state)?;
        if !planned.is_query {
            return Err(QueryError::NotASelect { found: "EXPLAIN, DESCRIBE or SHOW".into() });
        }
        let optimized = self.state.optimize(&planned.plan).map_err(|error| during_planning(error, None))?;
        let schema = with_units(optimized.schema().inner(), &planned.units);
        Ok(Inspected { written: planned.plan, optimized, schema, text })
    }
}
