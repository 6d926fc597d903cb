//! The aggregate `merge(histogram)`.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{ScalarValue, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};
use flyball_model::Histogram;
use flyball_model::rows::{HistogramArray, HistogramArrayBuilder, histogram_type};

use super::arguments::{bad, check_count, check_histogram, histograms};

const NAME: &str = "merge";
const USAGE: &str = "merge(histogram)";

/// The function in SQL.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Merge {
    signature: Signature,
}

impl Default for Merge {
    fn default() -> Self {
        Self { signature: Signature::variadic_any(Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for Merge {
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
        check_count(NAME, USAGE, 1, fields)?;
        check_histogram(NAME, USAGE, &fields[0])?;
        Ok(Arc::new(Field::new(NAME, histogram_type(), true)))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format_state_name(args.name, "histogram"), histogram_type(), true))])
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Merged::default()))
    }
}

/// What was merged so far.
#[derive(Debug, Default)]
struct Merged(Option<Histogram>);

impl Merged {
    fn add(&mut self, histogram: Histogram) {
        match &mut self.0 {
            Some(merged) => merged.merge(&histogram),
            None => self.0 = Some(histogram),
        }
    }
}

impl Accumulator for Merged {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let column = histograms(&values[0])?;
        let column = HistogramArray::try_new(&column).map_err(bad)?;
        for row in 0..column.len() {
            if let Some(histogram) = column.get(row).map_err(bad)? {
                self.add(histogram);
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(scalar(self.0.as_ref()))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.0.as_ref().map_or(0, Histogram::heap_bytes)
    }
}

/// A histogram as a value of SQL.
pub(super) fn scalar(histogram: Option<&Histogram>) -> ScalarValue {
    let mut builder = HistogramArrayBuilder::default();
    match histogram {
        Some(histogram) => builder.append(histogram),
        None => builder.append_null(),
    }
    ScalarValue::Struct(Arc::new(builder.finish()))
}
