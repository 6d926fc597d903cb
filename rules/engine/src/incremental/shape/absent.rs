//! `absent(metric, interval)`: kept as the number of samples that there are, with a row where that is none.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::{Expr, TableScan, lit};
use flyball_store::Store;

use super::super::accumulate::Function;
use super::super::inline::{inline, plain};
use super::super::obstacle::Obstacle;
use super::super::sliding::Sliding;
use super::walk::{Above, samples_of};
use super::{Kept, Shape, TIME, VALUE};
use crate::functions::fixed_labels;

/// The column of their number.
const SAMPLES: &str = "samples";

impl Shape {
    /// The shape of a rule over what `absent` gives for a window of so many nanoseconds.
    pub(super) fn of_absent(above: Above<'_>, scan: &TableScan, length: i64, store: &Store) -> Result<Self, Obstacle> {
        let predicates = scan.filters.iter().cloned().map(plain).collect::<Result<Vec<_>, _>>()?;
        let row = row(scan, &fixed_labels(&predicates))?;
        let of_row = |expr: Expr| -> Result<Expr, Obstacle> {
            if expr.column_refs().iter().any(|column| column.name == TIME) {
                return Err(Obstacle::new("it asks for the time of the row of absent"));
            }
            Ok(inline(expr, &scan.projected_schema, &row)?)
        };
        let is_none = Expr::Column(Column::from_name(SAMPLES)).lt(lit(1_i64));
        let mut having = vec![is_none];
        for expr in above.having {
            having.push(of_row(expr)?);
        }
        let samples = Field::new(SAMPLES, DataType::Int64, false);
        let groups = DFSchema::from_unqualified_fields(vec![samples].into(), Default::default())?;
        let counted = Kept {
            function: Function::Count,
            argument: Some(Expr::Column(Column::from_name(VALUE))),
            filter: None,
            data_type: DataType::Int64,
        };
        let mut shape = Self {
            source: samples_of(scan, store)?,
            per_series: false,
            window: Sliding::new(length, false)?,
            labels: Vec::new(),
            partition: Vec::new(),
            points: Vec::new(),
            keys: Vec::new(),
            per_row: false,
            aggregates: vec![counted],
            view: None,
            groups: Arc::new(groups),
            having,
            projection: above.meaning.into_iter().map(of_row).collect::<Result<_, _>>()?,
        };
        shape.sort_predicates(predicates, Some(length))?;
        Ok(shape)
    }
}

/// What stands in the columns of its row; its time is another each time, and stands for nothing here.
fn row(scan: &TableScan, fixed: &[(String, String)]) -> Result<Vec<Expr>, Obstacle> {
    let column = |field: &arrow::datatypes::FieldRef| -> Result<Expr, Obstacle> {
        let value = match fixed.iter().find(|(column, _)| column == field.name()) {
            Some((_, text)) => ScalarValue::from(text.as_str()).cast_to(field.data_type())?,
            None if field.name() == VALUE => ScalarValue::from(1.0),
            None => ScalarValue::try_from(field.data_type())?,
        };
        Ok(lit(value))
    };
    scan.projected_schema.fields().iter().map(column).collect()
}
