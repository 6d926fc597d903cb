//! A range function's table in a plan.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::TreeNode;
use datafusion::error::Result;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use flyball_model::MetricRef;
use flyball_model::batch::time_type;
use flyball_store::Store;
use flyball_store::labels::{label_fields, label_names};

use super::call::RangeWindow;
use super::exec::{LabelFilter, RangeExec, Task};
use super::window::{Function, Window};
use crate::query::UNIT_KEY;
use crate::query::session::now_of;

/// The columns before the labels.
pub(super) const TIME: usize = 0;
/// See [`TIME`].
pub(super) const VALUE: usize = 1;
/// See [`TIME`].
pub(super) const LABELS: usize = 2;

/// One row per series: `time`, `value`, labels.
#[derive(Debug)]
pub(super) struct RangeTable {
    store: Arc<Store>,
    metric: MetricRef,
    range: RangeWindow,
    schema: SchemaRef,
    /// The labels behind the columns from [`LABELS`] on; a label called `value` is the column `exported_value`.
    labels: Vec<Arc<str>>,
}

impl RangeTable {
    pub(super) fn new(store: &Arc<Store>, metric: MetricRef, range: RangeWindow) -> Self {
        let registry = store.registry().read();
        let mut fields = vec![Field::new("time", time_type(), false), Field::new("value", DataType::Float64, false)];
        fields[VALUE].set_metadata(unit_metadata(range.function, &registry.info(metric).unit));
        fields.extend(label_fields(&registry, metric));
        let labels = label_names(&registry, metric);
        drop(registry);
        Self { store: Arc::clone(store), metric, range, schema: Arc::new(Schema::new(fields)), labels }
    }

    fn label_filter(&self, session: &dyn Session, expr: Expr) -> Result<LabelFilter> {
        let columns = expr.column_refs();
        let labels: Vec<_> = (LABELS..self.schema.fields().len())
            .filter(|&label| columns.iter().any(|column| column.name == *self.schema.field(label).name()))
            .collect();
        let schema = self.schema.project(&labels)?;
        let text = expr.to_string();
        let predicate = session.create_physical_expr(expr, &DFSchema::try_from(schema.clone())?)?;
        let names = labels.iter().map(|&label| Arc::clone(&self.labels[label - LABELS])).collect();
        Ok(LabelFilter { text, predicate, schema: Arc::new(schema), names })
    }

    /// Whether an expression depends on nothing but labels, so that it can be decided once per series.
    fn is_of_labels(&self, expr: &Expr) -> bool {
        let columns = expr.column_refs();
        !columns.is_empty()
            && columns.iter().all(|column| self.schema.index_of(&column.name).is_ok_and(|index| index >= LABELS))
            && !expr.is_volatile()
            && !expr
                .exists(|expr| {
                    Ok(matches!(
                        expr,
                        Expr::ScalarSubquery(_)
                            | Expr::InSubquery(_)
                            | Expr::Exists(_)
                            | Expr::SetComparison(_)
                            | Expr::OuterReferenceColumn(..)
                            | Expr::Placeholder(_)
                    ))
                })
                .unwrap_or(true)
    }
}

/// The unit of a function's value: a rate is per second, the others are in the metric's unit.
fn unit_metadata(function: Function, unit: &str) -> HashMap<String, String> {
    let unit = match (unit, function) {
        ("", _) => return HashMap::new(),
        (unit, Function::Rate) => format!("{unit}/s"),
        (unit, _) => unit.to_string(),
    };
    HashMap::from([(UNIT_KEY.to_string(), unit)])
}

#[async_trait]
impl TableProvider for RangeTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| {
                if self.is_of_labels(filter) {
                    TableProviderFilterPushDown::Exact
                } else {
                    TableProviderFilterPushDown::Unsupported
                }
            })
            .collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let to = now_of(session)?.0;
        let window = Window { from: to.saturating_sub(self.range.length), to };
        let filter = match conjunction(filters.iter().cloned()) {
            Some(expr) => Some(self.label_filter(session, expr)?),
            None => None,
        };
        let columns = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let names = columns.iter().filter_map(|column| column.checked_sub(LABELS));
        let task = Task {
            store: Arc::clone(&self.store),
            metric: self.metric,
            function: self.range.function,
            window,
            filter,
            names: names.map(|label| Arc::clone(&self.labels[label])).collect(),
            schema: Arc::new(self.schema.project(&columns)?),
            columns,
        };
        Ok(Arc::new(RangeExec::new(task)))
    }
}
