//! A range function's table in a plan.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DFSchema;
use datafusion::error::Result;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use flyball_model::MetricRef;
use flyball_model::batch::time_type;
use flyball_store::Store;
use flyball_store::labels::{LABEL_PREFIX, fields_beside, label_names};
use flyball_store::predicates::is_of;

use super::absent::fixed_labels;
use super::call::RangeWindow;
use super::exec::{LabelFilter, RangeExec, Task};
use super::window::{Function, Window};
use crate::query::UNIT_KEY;
use crate::query::session::now_of;

/// The first column. Behind it are the figures, then the labels.
pub(super) const TIME: usize = 0;

/// One row per series: `time`, the figures (`value`, of some functions more), labels. For `absent` one row or none.
#[derive(Debug)]
pub(super) struct RangeTable {
    store: Arc<Store>,
    metric: MetricRef,
    range: RangeWindow,
    schema: SchemaRef,
    /// The labels behind the last columns; a label called `value` is the column `exported_value`.
    labels: Vec<Arc<str>>,
}

impl RangeTable {
    pub(super) fn new(store: &Arc<Store>, metric: MetricRef, range: RangeWindow) -> Self {
        let registry = store.registry().read();
        let labels = label_names(&registry, metric);
        let schema = schema(range.function, &registry.info(metric).unit, &labels);
        drop(registry);
        Self { store: Arc::clone(store), metric, range, schema, labels }
    }

    /// What is computed, and how far back it looks.
    pub(super) fn range(&self) -> RangeWindow {
        self.range
    }

    /// The columns that are labels, and the labels' own names.
    pub(super) fn label_columns(&self) -> Vec<(String, Arc<str>)> {
        let fields = self.schema.fields()[self.labels_at()..].iter();
        fields.map(|field| field.name().clone()).zip(self.labels.iter().map(Arc::clone)).collect()
    }

    /// The first column that is a label.
    fn labels_at(&self) -> usize {
        self.schema.fields().len() - self.labels.len()
    }

    fn label_filter(&self, session: &dyn Session, expr: Expr) -> Result<LabelFilter> {
        let columns = expr.column_refs();
        let labels: Vec<_> = (self.labels_at()..self.schema.fields().len())
            .filter(|&label| columns.iter().any(|column| column.name == *self.schema.field(label).name()))
            .collect();
        let schema = self.schema.project(&labels)?;
        let text = expr.to_string();
        let predicate = session.create_physical_expr(expr, &DFSchema::try_from(schema.clone())?)?;
        let names = labels.iter().map(|&label| Arc::clone(&self.labels[label - self.labels_at()])).collect();
        Ok(LabelFilter { text, predicate, schema: Arc::new(schema), names })
    }

    fn is_label(&self, column: &str) -> bool {
        self.schema.index_of(column).is_ok_and(|index| index >= self.labels_at())
    }
}

/// How each filter is taken: exactly if it depends on nothing but labels, so that it can be decided once per series, others not at all.
pub(super) fn support(filters: &[&Expr], is_label: impl Fn(&str) -> bool) -> Vec<TableProviderFilterPushDown> {
    let each = filters.iter().map(|filter| match is_of(filter, &is_label) {
        true => TableProviderFilterPushDown::Exact,
        false => TableProviderFilterPushDown::Unsupported,
    });
    each.collect()
}

/// The columns of a function's rows.
pub(super) fn schema(function: Function, unit: &str, labels: &[Arc<str>]) -> SchemaRef {
    let names: Vec<&str> = std::iter::once("time").chain(function.figures().iter().copied()).collect();
    let mut fields = vec![Field::new("time", time_type(), false)];
    for name in function.figures() {
        let field = Field::new(*name, DataType::Float64, false);
        let unit = function.unit(unit).map(|unit| (UNIT_KEY.to_string(), unit));
        fields.push(field.with_metadata(unit.into_iter().collect()));
    }
    fields.extend(fields_beside(labels, &names, LABEL_PREFIX));
    Arc::new(Schema::new(fields))
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
        Ok(support(filters, |column| self.is_label(column)))
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
        let fixed = if self.range.function == Function::Absent { fixed_labels(filters) } else { Vec::new() };
        let filter = match conjunction(filters.iter().cloned()) {
            Some(expr) => Some(self.label_filter(session, expr)?),
            None => None,
        };
        let columns = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let names = columns.iter().filter_map(|column| column.checked_sub(self.labels_at()));
        let names: Vec<_> = names.map(|label| Arc::clone(&self.labels[label])).collect();
        let task = Task {
            store: Arc::clone(&self.store),
            metric: self.metric,
            function: self.range.function,
            window,
            filter,
            names,
            fixed,
            schema: Arc::new(self.schema.project(&columns)?),
            columns,
        };
        Ok(Arc::new(RangeExec::new(task)))
    }
}
