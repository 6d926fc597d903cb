//! `absent(metric, interval)`: one row when no series has a sample.
//!
//! Which series are meant is said by predicates on labels: they choose the series that are looked at instead of choosing among rows, since a
//! row of what is not there has no labels. A label that a predicate sets to one text stands in the row, as in `absent_over_time` of
//! Prometheus; the others are NULL.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampNanosecondArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::ScalarValue;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::Result;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::table::{schema, support};
use super::window::Function;
use crate::query::session::now_of;

/// The columns that predicates set to one text: `job = 'api'`, alone or beside others with AND.
pub(crate) fn fixed_labels(filters: &[Expr]) -> Vec<(String, String)> {
    filters.iter().flat_map(split_conjunction).filter_map(fixed_label).collect()
}

fn fixed_label(filter: &Expr) -> Option<(String, String)> {
    let Expr::BinaryExpr(comparison) = filter else { return None };
    if comparison.op != Operator::Eq {
        return None;
    }
    let (column, text) = match (uncast(&comparison.left), uncast(&comparison.right)) {
        (Expr::Column(column), Expr::Literal(text, _)) | (Expr::Literal(text, _), Expr::Column(column)) => {
            (column, text)
        }
        _ => return None,
    };
    let text = match text {
        ScalarValue::Dictionary(_, text) => text.as_ref(),
        text => text,
    };
    Some((column.name.clone(), text.try_as_str()??.to_owned()))
}

fn uncast(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(cast) => &cast.expr,
        other => other,
    }
}

/// The row that says that nothing is there.
pub(super) fn row(schema: &SchemaRef, now: i64, fixed: &[(String, String)]) -> Result<RecordBatch, ArrowError> {
    let columns = schema.fields().iter().map(|field| -> Result<ArrayRef, ArrowError> {
        Ok(match field.data_type() {
            DataType::Timestamp(..) => Arc::new(TimestampNanosecondArray::from(vec![now]).with_timezone("UTC")),
            DataType::Float64 => Arc::new(Float64Array::from(vec![1.0])),
            label => match fixed.iter().find(|(column, _)| column == field.name()) {
                Some((_, text)) => cast(&StringArray::from(vec![text.as_str()]), label)?,
                None => new_null_array(label, 1),
            },
        })
    });
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(1));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns.collect::<Result<_, _>>()?, &options)
}

/// The table of a metric that never came: the row is always there.
#[derive(Debug)]
pub(super) struct NeverCame {
    schema: SchemaRef,
}

impl NeverCame {
    /// With these labels, which nobody knows yet but the query.
    pub(super) fn new(labels: &[Arc<str>]) -> Self {
        Self { schema: schema(Function::Absent, "", labels) }
    }
}

#[async_trait]
impl TableProvider for NeverCame {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let is_label = |column: &str| self.schema.index_of(column).is_ok_and(|index| index >= FIGURES);
        Ok(support(filters, is_label))
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let row = row(&self.schema, now_of(session)?.0, &fixed_labels(filters))?;
        Ok(MemorySourceConfig::try_new_exec(&[vec![row]], self.schema(), projection.cloned())?)
    }
}

/// `time` and `value` stand before the labels.
const FIGURES: usize = 2;
