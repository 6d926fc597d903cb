//! The aggregate `histogram_quantile(q, le, value)` over classic `_bucket` series.
//!
//! A group's values are added up by bucket first, so that it may span instances. Then as Prometheus does
//! (`bucketQuantile` in its `promql/quantile.go`): a bucket that holds less than one inside of it is raised to that one, since
//! scrapes of the same histogram may lie apart; without the bucket `+Inf` there is no quantile.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::cast::as_string_array;
use datafusion::common::{ScalarValue, exec_datafusion_err, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};
use flyball_model::Histogram;
use flyball_model::histogram::Totals;

use super::arguments::{check_count, check_number, floats, wrong};

const NAME: &str = "histogram_quantile";
const USAGE: &str = "histogram_quantile(0.95, le, value)";

/// The function in SQL.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct HistogramQuantile {
    signature: Signature,
}

impl Default for HistogramQuantile {
    fn default() -> Self {
        Self { signature: Signature::variadic_any(Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for HistogramQuantile {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        internal_err!("return_field is asked instead")
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        check_count(NAME, USAGE, 3, fields)?;
        check_number(NAME, USAGE, "the quantile, which comes first,", &fields[0])?;
        let le = fields[1].data_type();
        if le.is_nested() {
            return Err(wrong(
                NAME,
                format!(
                    "the bucket's bound is of type {le} and not the label le: {USAGE}; for native histograms take quantile(histogram, 0.95)"
                ),
            ));
        }
        check_number(NAME, USAGE, "the bucket's value", &fields[2])?;
        Ok(Arc::new(Field::new(NAME, DataType::Float64, true)))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let list = |name| {
            Arc::new(Field::new_list(
                format_state_name(args.name, name),
                Field::new_list_field(DataType::Float64, true),
                true,
            ))
        };
        Ok(vec![
            Arc::new(Field::new(format_state_name(args.name, "q"), DataType::Float64, true)),
            list("le"),
            list("value"),
        ])
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Buckets::default()))
    }
}

/// Values by bucket.
#[derive(Debug, Default)]
struct Buckets {
    q: Option<f64>,
    /// By the bits of the upper bound.
    values: HashMap<u64, f64>,
}

impl Buckets {
    fn add(&mut self, le: f64, value: f64) {
        // What is NaN is no bound, and nothing lies below minus infinity.
        if le > f64::NEG_INFINITY {
            // Both zeros are one bound.
            *self.values.entry((le + 0.0).to_bits()).or_insert(0.0) += value;
        }
    }

    fn quantile(&self) -> Result<Option<f64>> {
        let Some(q) = self.q else { return Ok(None) };
        if !(0.0..=1.0).contains(&q) {
            return Err(exec_datafusion_err!("{NAME}: the quantile is {q}; it must be from 0 to 1: {USAGE}"));
        }
        let mut buckets: Vec<_> = self.values.iter().map(|(&le, &value)| (f64::from_bits(le), value)).collect();
        buckets.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        if buckets.len() < 2 || buckets.last().is_none_or(|last| last.0 != f64::INFINITY) {
            return Ok(None);
        }
        let mut below = 0.0;
        let counts: Vec<f64> = buckets
            .iter()
            .map(|&(_, value)| {
                let within = if value > below && value.is_finite() { value - below } else { 0.0 };
                below += within;
                within
            })
            .collect();
        let bounds = buckets[..buckets.len() - 1].iter().map(|bucket| bucket.0).collect();
        let totals = Totals { count: counts.iter().sum(), ..Totals::default() };
        let histogram = Histogram::explicit(totals, bounds, counts);
        Ok(histogram.map_err(|error| exec_datafusion_err!("{NAME}: {error}"))?.quantile(q))
    }
}

/// Upper bounds; what is no number is NaN and counts for nothing, as in Prometheus.
fn bounds(column: &ArrayRef) -> Result<Float64Array> {
    if column.data_type().is_numeric() {
        return floats(column);
    }
    let texts = cast(column, &DataType::Utf8)?;
    let texts: &StringArray = as_string_array(&texts)?;
    Ok(texts.iter().map(|text| text.map(|text| text.trim().parse().unwrap_or(f64::NAN))).collect())
}

impl Accumulator for Buckets {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (q, le, value) = (floats(&values[0])?, bounds(&values[1])?, floats(&values[2])?);
        for row in 0..q.len() {
            if q.is_valid(row) && le.is_valid(row) && value.is_valid(row) {
                self.q = Some(q.value(row));
                self.add(le.value(row), value.value(row));
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let q = floats(&states[0])?;
        let (le, values) = (states[1].as_list::<i32>(), states[2].as_list::<i32>());
        for row in 0..q.len() {
            if q.is_null(row) {
                continue;
            }
            self.q = Some(q.value(row));
            let (le, values) = (floats(&le.value(row))?, floats(&values.value(row))?);
            le.values().iter().zip(values.values()).for_each(|(&le, &value)| self.add(le, value));
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let list = |numbers: &mut dyn Iterator<Item = f64>| {
            let numbers: Vec<_> = numbers.map(ScalarValue::from).collect();
            ScalarValue::List(ScalarValue::new_list_nullable(&numbers, &DataType::Float64))
        };
        Ok(vec![
            ScalarValue::Float64(self.q),
            list(&mut self.values.keys().map(|&le| f64::from_bits(le))),
            list(&mut self.values.values().copied()),
        ])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(self.quantile()?))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.capacity() * size_of::<(u64, f64)>()
    }
}
