//! `finite(x)`: x, or NULL where it is NaN or infinite.
//!
//! A rule shows its numbers in events and summaries and takes none but finite ones; a division by zero in one row must not make an
//! error of all rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

/// The function in SQL.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Finite {
    signature: Signature,
}

impl Default for Finite {
    fn default() -> Self {
        Self { signature: Signature::uniform(1, vec![DataType::Float64], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Finite {
    fn name(&self) -> &str {
        "finite"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let column = args.args[0].to_array(args.number_rows)?;
        let column = cast(&column, &DataType::Float64)?;
        let finite: Float64Array =
            column.as_primitive::<Float64Type>().iter().map(|value| value.filter(|value| value.is_finite())).collect();
        Ok(ColumnarValue::Array(Arc::new(finite) as ArrayRef))
    }
}
