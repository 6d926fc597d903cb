//! What a series is to a rule: looked at once, when its first point arrives.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::cast;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::PhysicalExpr;
use flyball_model::SeriesRegistry;
use flyball_store::labels::{label_columns, label_type};

use super::batch::batch_of;
use super::keys::{Keys, bytes_of};
use super::obstacle::Obstacle;
use super::shape::Shape;

/// Some bytes that are equal where all columns are.
pub(super) type RowBytes = Box<[u8]>;

/// Series whose labels are looked at together.
const SERIES_MAX: usize = 8192;

/// What a series that passes the predicates belongs to.
#[derive(Debug)]
pub(super) struct Class<'c> {
    /// The labels that rules ask a certain value of.
    pub(super) partition: &'c [u8],
    /// What is grouped by, or which series it is; nothing where keys are those of rows.
    pub(super) key: &'c [u8],
}

/// Predicates and group keys, as they are evaluated on labels.
#[derive(Debug)]
pub(super) struct Classifier {
    /// The labels behind the columns of `schema`.
    names: Vec<Arc<str>>,
    schema: SchemaRef,
    /// What keys are evaluated on: these columns, and of rows those that are no labels too.
    key_schema: SchemaRef,
    predicates: Vec<Arc<dyn PhysicalExpr>>,
    /// With the number of the series where each is a group of its own.
    keys: Keys,
    /// Whether keys differ from row to row.
    per_row: bool,
    /// Columns of `schema`.
    partition: Vec<usize>,
    partitions: RowConverter,
}

impl Classifier {
    pub(super) fn new(shape: &Shape, state: &SessionState) -> Result<Self, Obstacle> {
        let labels = &shape.source.labels;
        let exprs = shape.labels.iter().chain(&shape.keys);
        let columns = exprs.flat_map(Expr::column_refs).map(|column| column.name.clone());
        let mut wanted: Vec<String> = columns.filter(|name| shape.source.points.index_of(name).is_err()).collect();
        wanted.extend(shape.partition.iter().map(|(label, _)| label.clone()));
        wanted.sort_unstable();
        wanted.dedup();
        let (mut names, mut fields) = (Vec::new(), Vec::new());
        for column in &wanted {
            let label = labels.iter().find(|(known, _)| known == column);
            let (_, label) = label.ok_or_else(|| Obstacle::new(format!("no series has the label '{column}' yet")))?;
            names.push(Arc::clone(label));
            fields.push(Field::new(column, label_type(), true));
        }
        let schema = Arc::new(Schema::new(fields));
        let named = DFSchema::try_from(Arc::clone(&schema))?;
        let predicates = shape.labels.iter().map(|expr| state.create_physical_expr(expr.clone(), &named));
        let predicates = predicates.collect::<Result<_>>()?;
        let of_rows = shape.source.points.fields().iter().filter(|_| shape.per_row);
        let key_fields: Vec<_> = schema.fields().iter().chain(of_rows).map(Arc::clone).collect();
        let key_schema = Arc::new(Schema::new(key_fields));
        let named = DFSchema::try_from(Arc::clone(&key_schema))?;
        let keys = shape.keys.iter().map(|expr| state.create_physical_expr(expr.clone(), &named));
        let keys = Keys::new(keys.collect::<Result<_>>()?, &key_schema, shape.per_series)?;
        let partition: Vec<_> = shape
            .partition
            .iter()
            .map(|(label, _)| schema.index_of(label))
            .collect::<std::result::Result<_, _>>()
            .map_err(DataFusionError::from)?;
        let of_partition: Vec<_> =
            partition.iter().map(|&column| SortField::new(schema.field(column).data_type().clone())).collect();
        Ok(Self {
            names,
            predicates,
            keys,
            per_row: shape.per_row,
            key_schema,
            partition,
            partitions: RowConverter::new(of_partition).map_err(DataFusionError::from)?,
            schema,
        })
    }

    /// The bytes of the labels that a rule asks certain values of.
    pub(super) fn partition_of(&self, values: &[(String, ScalarValue)]) -> Result<RowBytes> {
        let column = |(&column, (_, value)): (&usize, &(String, ScalarValue))| {
            Ok(cast(&value.to_array()?, self.schema.field(column).data_type())?)
        };
        let columns: Vec<ArrayRef> = self.partition.iter().zip(values).map(column).collect::<Result<_>>()?;
        Ok(bytes_of(rows_of(&self.partitions, &columns)?.as_ref(), 0).into())
    }

    /// Says what each series is, in their order; `None` for one that no rule looks at.
    pub(super) fn classify(
        &self,
        registry: &SeriesRegistry,
        series: &[u32],
        mut each: impl FnMut(Option<Class<'_>>),
    ) -> Result<()> {
        for series in series.chunks(SERIES_MAX) {
            let labels = label_columns(registry, &self.names, series)?;
            let batch = batch_of(&self.schema, labels, series.len())?;
            let mut passes = vec![true; series.len()];
            for predicate in &self.predicates {
                let holds = predicate.evaluate(&batch)?.into_array(series.len())?;
                let holds = as_boolean_array(&holds)?;
                passes.iter_mut().zip(holds).for_each(|(passes, holds)| *passes &= holds == Some(true));
            }
            let partition: Vec<_> = self.partition.iter().map(|&column| Arc::clone(batch.column(column))).collect();
            let partitions = rows_of(&self.partitions, &partition)?;
            let number = || -> ArrayRef { Arc::new(UInt32Array::from(series.to_vec())) };
            let keys = if self.per_row { None } else { self.keys.of(&batch, number)? };
            for (row, passes) in passes.into_iter().enumerate() {
                let class =
                    || Class { partition: bytes_of(partitions.as_ref(), row), key: bytes_of(keys.as_ref(), row) };
                each(passes.then(class));
            }
        }
        Ok(())
    }

    /// Whether keys differ from row to row: they are those of [`Classifier::keys_of_rows`].
    pub(super) fn is_per_row(&self) -> bool {
        self.per_row
    }

    /// The keys of records of these series, in the columns that are no labels; `None` where there is nothing to group by.
    pub(super) fn keys_of_rows(
        &self,
        registry: &SeriesRegistry,
        series: &[u32],
        records: &RecordBatch,
    ) -> Result<Option<Rows>> {
        let mut columns = label_columns(registry, &self.names, series)?;
        columns.extend_from_slice(records.columns());
        let batch = batch_of(&self.key_schema, columns, series.len())?;
        self.keys.of(&batch, || Arc::new(UInt32Array::from(series.to_vec())))
    }

    /// What is grouped by.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whether there is nothing to group by: then there is a group although no point has come.
    pub(super) fn is_global(&self) -> bool {
        self.keys.is_empty()
    }
}

/// `None` when there are no columns.
fn rows_of(converter: &RowConverter, columns: &[ArrayRef]) -> Result<Option<Rows>> {
    Ok(if columns.is_empty() { None } else { Some(converter.convert_columns(columns)?) })
}
