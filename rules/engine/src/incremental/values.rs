//! What aggregates are over: of each point or record a number, or the arguments that DataFusion asks for, or what tells a value from others.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::row::Rows;
use datafusion::common::cast::as_float64_array;
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use flyball_model::batch::{STALE_NAN_BITS, is_stale};

use super::batch::truths;
use super::by_series::{OfSeries, SeriesFilter};
use super::distinct::{Key, Keys, SeriesKeys, is_value};
use super::sketch::Sketcher;

/// What stands for no value among numbers: Prometheus' staleness marker, which no computation gives.
pub(super) const NULL: f64 = f64::from_bits(STALE_NAN_BITS);

/// The values that an aggregate is over.
#[derive(Debug, Clone)]
pub(super) struct Argument {
    /// What tells it from others.
    pub(super) text: String,
    pub(super) kind: ArgumentKind,
    /// Only rows for which this is true.
    pub(super) filter: Option<Arc<dyn PhysicalExpr>>,
    /// Only rows of series that this is true for.
    pub(super) of_series: Option<Arc<SeriesFilter>>,
    /// Whether rows without a value count too.
    pub(super) respects_nulls: bool,
}

#[derive(Debug, Clone)]
pub(super) enum ArgumentKind {
    /// Every row counts: `count(*)`.
    Rows,
    /// The column `value`.
    Value,
    /// An expression over the columns of points or records.
    Expression(Arc<dyn PhysicalExpr>),
    /// All arguments of an aggregate of DataFusion's. Those that differ in what they make of the same states, as quantiles do, share these.
    Sketched(Arc<Sketcher>),
    /// Values that are told from each other.
    Told(Arc<Keys>),
    /// The same of values that are those of labels.
    OfSeries(Arc<SeriesKeys>),
}

/// The values of an argument for the rows of a batch.
#[derive(Debug)]
pub(super) struct Values {
    kind: ValuesKind,
    /// Which rows count; `None` where all do.
    keep: Option<BooleanBuffer>,
    respects_nulls: bool,
}

#[derive(Debug)]
enum ValuesKind {
    Rows,
    Value,
    Computed(Float64Array),
    Arguments(Rows),
    Keys(Vec<Key>),
}

impl Values {
    /// The value of a row, of which the column `value` is given; `None` when it does not count. Where rows without a value count, theirs is [`NULL`].
    #[inline]
    pub(super) fn at(&self, row: usize, value: f64) -> Option<f64> {
        if let Some(keep) = &self.keep
            && !keep.value(row)
        {
            return None;
        }
        let value = match &self.kind {
            ValuesKind::Rows | ValuesKind::Arguments(_) => Some(1.0),
            ValuesKind::Value => (!is_stale(value)).then_some(value),
            ValuesKind::Keys(keys) => is_value(keys[row]).then_some(1.0),
            ValuesKind::Computed(values) => values.is_valid(row).then(|| values.value(row)),
        };
        value.or(self.respects_nulls.then_some(NULL))
    }

    /// Whether every row counts, and nothing is asked of it.
    pub(super) fn are_rows(&self) -> bool {
        self.keep.is_none() && matches!(self.kind, ValuesKind::Rows)
    }

    /// Gives the arguments of a row for a sketch.
    #[inline]
    pub(super) fn arguments(&self, row: usize, add: impl FnOnce(&[u8])) {
        if let ValuesKind::Arguments(rows) = &self.kind {
            add(rows.row(row).data());
        }
    }

    /// What tells the value of a row from others.
    #[inline]
    pub(super) fn key(&self, row: usize) -> Option<Key> {
        match &self.kind {
            ValuesKind::Keys(keys) => Some(keys[row]),
            _ => None,
        }
    }
}

impl Argument {
    pub(super) fn sketcher(&self) -> Option<&Arc<Sketcher>> {
        match &self.kind {
            ArgumentKind::Sketched(sketcher) => Some(sketcher),
            _ => None,
        }
    }

    /// Whether only the column `value` of points is asked for, or nothing of them.
    pub(super) fn is_plain(&self) -> bool {
        self.filter.is_none()
            && self.of_series.is_none()
            && matches!(self.kind, ArgumentKind::Rows | ArgumentKind::Value)
    }

    /// Whether it asks for anything that is known of series.
    pub(super) fn is_of_series(&self) -> bool {
        self.of_series.is_some() || matches!(self.kind, ArgumentKind::OfSeries(_))
    }

    /// Memory of what is known of series.
    pub(super) fn bytes(&self) -> usize {
        let keys = if let ArgumentKind::OfSeries(keys) = &self.kind { keys.bytes() } else { 0 };
        keys + self.of_series.as_ref().map_or(0, |filter| filter.bytes())
    }

    /// The values of points of which only the column `value` is asked.
    pub(super) fn plain(&self) -> Values {
        let kind = match &self.kind {
            ArgumentKind::Rows => ValuesKind::Rows,
            _ => ValuesKind::Value,
        };
        Values { kind, keep: None, respects_nulls: self.respects_nulls }
    }

    /// The values for points, figures or records of these series.
    pub(super) fn evaluate(&self, batch: &RecordBatch, series: OfSeries<'_>) -> Result<Values> {
        let rows = batch.num_rows();
        let filter = |filter: &Arc<dyn PhysicalExpr>| truths(&filter.evaluate(batch)?.into_array(rows)?);
        let keep = match (self.filter.as_ref().map(filter).transpose()?, &self.of_series) {
            (Some(keep), Some(filter)) => Some(&keep & &filter.of(series)?),
            (None, Some(filter)) => Some(filter.of(series)?),
            (keep, None) => keep,
        };
        let kind = match &self.kind {
            ArgumentKind::Rows => ValuesKind::Rows,
            ArgumentKind::Value => ValuesKind::Value,
            ArgumentKind::Expression(expression) => {
                ValuesKind::Computed(numbers(&expression.evaluate(batch)?.into_array(rows)?)?)
            }
            ArgumentKind::Sketched(sketcher) => ValuesKind::Arguments(sketcher.rows(batch)?),
            ArgumentKind::Told(keys) => ValuesKind::Keys(keys.of(batch)?),
            ArgumentKind::OfSeries(keys) => ValuesKind::Keys(keys.of(series)?),
        };
        Ok(Values { kind, keep, respects_nulls: self.respects_nulls })
    }
}

/// Values as numbers. Of what is no number, a text, it can be counted alone how many are not null.
fn numbers(values: &ArrayRef) -> Result<Float64Array> {
    if values.data_type().is_numeric() {
        return Ok(as_float64_array(&cast(values, &DataType::Float64)?)?.clone());
    }
    Ok(Float64Array::new(vec![0.0; values.len()].into(), values.logical_nulls()))
}
