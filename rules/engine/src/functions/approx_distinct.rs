//! `approx_distinct` of any values: DataFusion's knows neither labels, which are dictionaries, nor numbers with a point. They are counted as what they
//! hold, and as texts.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{ScalarValue, plan_err};
use datafusion::error::Result;
use datafusion::functions_aggregate::approx_distinct::approx_distinct_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};

/// In the place of DataFusion's.
pub(crate) fn approx_distinct() -> Arc<AggregateUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(AggregateUDF::new_from_impl(ApproxDistinct { inner: approx_distinct_udaf(), signature }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ApproxDistinct {
    inner: Arc<AggregateUDF>,
    signature: Signature,
}

impl AggregateUDFImpl for ApproxDistinct {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [given] = types else {
            return plan_err!("approx_distinct takes one argument: approx_distinct(host)");
        };
        Ok(vec![match given {
            DataType::Dictionary(_, values) => values.as_ref().clone(),
            DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Utf8,
            other => other.clone(),
        }])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn is_nullable(&self) -> bool {
        self.inner.is_nullable()
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.inner.default_value(data_type)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.inner.accumulator(args)
    }
}
