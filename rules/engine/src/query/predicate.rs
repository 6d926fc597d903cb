//! A condition on rows that are not in any table yet, as `WHERE` has it.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, plan_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::physical_expr::PhysicalExpr;
use flyball_model::UnixNanos;

use super::bind::{Binder, reads_clock};
use super::database::Database;
use super::diagnose::during_planning;
use super::error::QueryError;
use super::text::SqlText;

/// A condition. It is planned again when the columns change, and for each batch if it asks what time it is.
pub struct Predicate {
    text: String,
    state: Arc<SessionState>,
    planned: Option<(SchemaRef, Arc<dyn PhysicalExpr>)>,
}

impl Database {
    /// A condition on rows of some columns.
    ///
    /// # Errors
    /// When it is none, is too long, or speaks of a column that is not there.
    pub fn predicate(&self, sql: &str, columns: &SchemaRef) -> Result<Predicate, QueryError> {
        // For its bounds; that it is one expression and nothing more is seen below.
        SqlText::new(&format!("SELECT 1 WHERE {sql}"))?;
        let mut predicate = Predicate { text: sql.to_owned(), state: Arc::clone(&self.state), planned: None };
        predicate.keep(&RecordBatch::new_empty(Arc::clone(columns)), UnixNanos(0))?;
        Ok(predicate)
    }
}

impl Predicate {
    /// The rows for which it is true when `now()` is `now`.
    ///
    /// # Errors
    /// When it does not fit the columns, and what only the data shows.
    pub fn keep(&mut self, batch: &RecordBatch, now: UnixNanos) -> Result<RecordBatch, QueryError> {
        self.try_keep(batch, now).map_err(|error| match error.find_root() {
            DataFusionError::SQL(error, _) => {
                let message = format!("the condition is no SQL expression: {error}; write one like value > 3");
                QueryError::Syntax { message, position: None }
            }
            _ => during_planning(error, None),
        })
    }

    fn try_keep(&mut self, batch: &RecordBatch, now: UnixNanos) -> Result<RecordBatch> {
        let schema = batch.schema();
        let expr = match self.planned.take().filter(|planned| planned.0 == schema) {
            Some((_, expr)) => expr,
            None => {
                let columns = DFSchema::try_from(Arc::clone(&schema))?;
                let expr = self.state.create_logical_expr(&self.text, &columns)?;
                check_of_one_row(&expr)?;
                let given = expr.get_type(&columns)?;
                if given != DataType::Boolean {
                    return plan_err!(
                        "the condition gives {given}, and must be true or false; write one like value > 3"
                    );
                }
                let asks_the_time = reads_clock(&expr)?;
                let expr = Binder::new(now, self.state.config_options())?.bind_expr(expr)?;
                let expr = self.state.create_physical_expr(expr, &columns)?;
                if asks_the_time {
                    return filtered(batch, expr.as_ref());
                }
                expr
            }
        };
        let kept = filtered(batch, expr.as_ref());
        self.planned = Some((schema, expr));
        kept
    }
}

/// Refuses what is no condition on one row.
fn check_of_one_row(expr: &Expr) -> Result<()> {
    let mut what = None;
    expr.apply(|part| {
        what = match part {
            Expr::AggregateFunction(_) => Some("an aggregate"),
            Expr::WindowFunction(_) => Some("a window function"),
            Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_) => {
                Some("a subquery")
            }
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        Ok(TreeNodeRecursion::Stop)
    })?;
    match what {
        Some(what) => plan_err!(
            "the condition has {what}, and is asked of each row for itself; write one like value > 3, or a query"
        ),
        None => Ok(()),
    }
}

fn filtered(batch: &RecordBatch, expr: &dyn PhysicalExpr) -> Result<RecordBatch> {
    let keep = expr.evaluate(batch)?.into_array(batch.num_rows())?;
    Ok(filter_record_batch(batch, as_boolean_array(&keep)?)?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, DictionaryArray, Float64Array, TimestampNanosecondArray};
    use arrow::datatypes::Int32Type;

    use super::*;
    use crate::query::QueryLimits;

    #[test]
    fn rows_are_kept_as_where_would_keep_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = flyball_store::Store::open(folder.path(), Default::default()).expect("an empty store");
        let database = Database::new(store, QueryLimits::default());
        let hosts: DictionaryArray<Int32Type> = [Some("a"), Some("b"), None].into_iter().collect();
        let times = [1_000_000_000, 2_000_000_000, 3_000_000_000].to_vec();
        let batch = RecordBatch::try_from_iter([
            ("time", Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC")) as ArrayRef),
            ("value", Arc::new(Float64Array::from(vec![Some(1.0), Some(5.0), None]))),
            ("host", Arc::new(hosts)),
        ])
        .expect("columns of one length");
        for (sql, expected) in [
            ("value > 3", 1),
            ("host = 'a' OR value IS NULL", 2),
            ("host LIKE '%b'", 1),
            ("time > now() - INTERVAL '2 seconds'", 2),
            ("true", 3),
        ] {
            let mut predicate =
                database.predicate(sql, &batch.schema()).unwrap_or_else(|error| panic!("{sql}: {error}"));
            for _ in 0..2 {
                let kept = predicate.keep(&batch, UnixNanos::from_secs(3)).expect("it fits");
                assert_eq!(kept.num_rows(), expected, "{sql}");
            }
        }
        let nested = "(".repeat(5000);
        for (bad, says) in [
            ("hots = 'a'", "hots"),
            ("value >", "no SQL expression"),
            ("true; DROP TABLE x", "no SQL expression"),
            ("value + 1", "the condition gives Float64, and must be true or false"),
            ("value > (SELECT 1)", "the condition has a subquery"),
            ("count(*) > 1", "the condition has an aggregate"),
            ("row_number() OVER () > 1", "the condition has a window function"),
            (nested.as_str(), "deep"),
        ] {
            let error = database.predicate(bad, &batch.schema()).err().expect(bad).to_string();
            assert!(error.contains(says), "{bad}: {error}");
        }
        let mut compares = database.predicate("host = 5", &batch.schema()).expect("only the data shows it");
        let error = compares.keep(&batch, UnixNanos(0)).expect_err("a is no number").to_string();
        assert!(error.contains("the text 'a' can't be read as Int64: compare texts with a text"), "{error}");
    }
}
