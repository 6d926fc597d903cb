//! The conditions of one table.

use std::rc::Rc;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::not;
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::PhysicalExpr;
use flyball_model::MetricRef;

use super::condition::Condition;
use super::{Found, Texts, Wanted};

/// What is found in expressions.
#[derive(Debug)]
pub(in super::super) struct Asked {
    /// The columns of records that are no labels.
    schema: SchemaRef,
    /// Each once.
    conditions: Vec<(Expr, Condition)>,
}

/// The conditions of a table, ready to be evaluated.
#[derive(Debug)]
pub(in super::super) struct Conditions {
    metric: MetricRef,
    schema: SchemaRef,
    all: Vec<Own>,
    texts: Arc<Texts>,
}

/// One of them.
#[derive(Debug)]
struct Own {
    column: usize,
    is_negated: bool,
    wanted: Arc<Wanted>,
    /// The same, evaluated by itself.
    alone: Arc<dyn PhysicalExpr>,
}

impl Asked {
    /// Nothing yet.
    pub(in super::super) fn new(schema: SchemaRef) -> Self {
        Self { schema, conditions: Vec::new() }
    }

    /// An expression over the columns of records in terms of conditions.
    pub(in super::super) fn take(&mut self, expr: &Expr) -> Result<Expr> {
        let taken = expr.clone().transform_down(|expr| {
            let Some(condition) = Condition::of(&expr, &self.schema) else { return Ok(Transformed::no(expr)) };
            let known = self.conditions.iter().position(|(known, _)| *known == expr);
            let place = known.unwrap_or_else(|| {
                self.conditions.push((expr, condition));
                self.conditions.len() - 1
            });
            let column = Expr::Column(Column::from_name(name(place)));
            Ok(Transformed::new(column, true, TreeNodeRecursion::Jump))
        });
        Ok(taken?.data)
    }

    /// The columns that conditions are.
    pub(in super::super) fn fields(&self) -> impl Iterator<Item = Field> {
        (0..self.conditions.len()).map(|place| Field::new(name(place), DataType::Boolean, true))
    }

    /// The conditions on records of a metric, together with those of other tables.
    pub(in super::super) fn conditions(
        self,
        metric: MetricRef,
        texts: &Arc<Texts>,
        state: &SessionState,
    ) -> Result<Conditions> {
        let named = DFSchema::try_from(Arc::clone(&self.schema))?;
        let own = |(expr, condition): (Expr, Condition)| -> Result<Own> {
            let Condition { column, test, is_negated } = condition;
            let wanted = texts.want((metric, column), test);
            Ok(Own { column, is_negated, wanted, alone: state.create_physical_expr(expr, &named)? })
        };
        let all = self.conditions.into_iter().map(own).collect::<Result<_>>()?;
        Ok(Conditions { metric, schema: self.schema, all, texts: Arc::clone(texts) })
    }
}

impl Conditions {
    /// Whether there are none.
    pub(in super::super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The columns of all conditions for records, given in the columns of the schema. `found` gives what was found in a column for all tables, where
    /// that is known, or reads it if it should be.
    ///
    /// # Errors
    /// What DataFusion finds where a condition is evaluated by itself.
    pub(in super::super) fn evaluate(
        &self,
        columns: &[ArrayRef],
        mut found: impl FnMut(usize, &dyn Fn() -> Option<Found>) -> Asking,
    ) -> Result<Vec<ArrayRef>> {
        let (mut batch, mut known): (Option<RecordBatch>, Vec<(usize, Asking)>) = (None, Vec::new());
        let mut evaluated: Vec<ArrayRef> = Vec::with_capacity(self.all.len());
        for Own { column, is_negated, wanted, alone } in &self.all {
            let asking = match known.iter().find(|(known, _)| known == column) {
                Some((_, asking)) => asking.clone(),
                None => {
                    let read = || self.texts.read((self.metric, *column), columns[*column].as_string());
                    let asking = found(*column, &read);
                    known.push((*column, asking.clone()));
                    asking
                }
            };
            if let Asking::Known(found) = &asking
                && let Some(passed) = found.of(wanted)
            {
                evaluated.push(Arc::new(if *is_negated { not(&passed)? } else { passed }));
                continue;
            }
            let batch = match &mut batch {
                Some(batch) => batch,
                None => batch.insert(RecordBatch::try_new(Arc::clone(&self.schema), columns.to_vec())?),
            };
            let own = alone.evaluate(batch)?.into_array(batch.num_rows())?;
            evaluated.push(Arc::new(as_boolean_array(&own)?.clone()));
            let is_missing = match &asking {
                Asking::First => false,
                Asking::NotCompiled => true,
                Asking::Known(found) => !found.knows(wanted),
            };
            if is_missing {
                self.texts.read_alone((self.metric, *column), batch.num_rows());
            }
        }
        Ok(evaluated)
    }
}

/// What is known to a table that asks for a column.
#[derive(Debug, Clone)]
pub(in super::super) enum Asking {
    /// No table has asked before.
    First,
    /// No condition on it is compiled.
    NotCompiled,
    Known(Rc<Found>),
}

/// What a condition is called in expressions.
fn name(place: usize) -> String {
    format!("condition#{place}")
}
