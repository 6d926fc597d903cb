//! Quantiles by t-digest, whose values are sorted as integers before DataFusion's accumulator sorts them: it compares numbers with a point one by one,
//! which took a third of a plan's time. What is in order already costs it a look.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, FieldRef, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::functions_aggregate::approx_median::approx_median_udaf;
use datafusion::functions_aggregate::approx_percentile_cont::approx_percentile_cont_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Signature};

/// `approx_percentile_cont` and `approx_median`, in the place of DataFusion's.
pub(crate) fn quantiles() -> [Arc<AggregateUDF>; 2] {
    [approx_percentile_cont_udaf(), approx_median_udaf()]
        .map(|inner| Arc::new(AggregateUDF::new_from_impl(Presorted { inner })))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Presorted {
    inner: Arc<AggregateUDF>,
}

impl AggregateUDFImpl for Presorted {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Sorting(self.inner.accumulator(args)?)))
    }

    fn supports_within_group_clause(&self) -> bool {
        self.inner.supports_within_group_clause()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

#[derive(Debug)]
struct Sorting(Box<dyn Accumulator>);

/// The order of [`f64::total_cmp`].
fn ordered(value: f64) -> i64 {
    let bits = value.to_bits().cast_signed();
    bits ^ magnitude_where_negative(bits)
}

fn value(ordered: i64) -> f64 {
    f64::from_bits((ordered ^ magnitude_where_negative(ordered)).cast_unsigned())
}

/// All bits but the sign's for what is negative: the larger they are, the smaller it is.
fn magnitude_where_negative(bits: i64) -> i64 {
    (bits >> 63) & i64::MAX
}

impl Accumulator for Sorting {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(numbers) = values[0].as_primitive_opt::<Float64Type>() else { return self.0.update_batch(values) };
        let mut ranks: Vec<_> = match numbers.null_count() {
            0 => numbers.values().iter().copied().map(ordered).collect(),
            _ => numbers.iter().flatten().map(ordered).collect(),
        };
        ranks.sort_unstable();
        let sorted: Vec<_> = ranks.into_iter().map(value).collect();
        self.0.update_batch(&[Arc::new(Float64Array::from(sorted))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.0.evaluate()
    }

    fn size(&self) -> usize {
        self.0.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.0.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.0.merge_batch(states)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn integers_have_the_order_of_their_values(a in any::<u64>(), b in any::<u64>()) {
            let (a, b) = (f64::from_bits(a), f64::from_bits(b));
            prop_assert_eq!(ordered(a).cmp(&ordered(b)), a.total_cmp(&b));
            prop_assert_eq!(value(ordered(a)).to_bits(), a.to_bits());
        }
    }
}
