//! `quantile(histogram, q)` and `fraction(histogram, lo, hi)`.

use std::sync::Arc;

use arrow::array::{Array, Float64Array};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::internal_err;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use flyball_model::rows::HistogramArray;

use super::arguments::{bad, check_count, check_histogram, check_number, check_quantile, floats, histograms};

/// What is asked of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Function {
    Quantile,
    Fraction,
}

impl Function {
    pub(super) const ALL: [Function; 2] = [Function::Quantile, Function::Fraction];

    const fn name(self) -> &'static str {
        match self {
            Function::Quantile => "quantile",
            Function::Fraction => "fraction",
        }
    }

    const fn usage(self) -> &'static str {
        match self {
            Function::Quantile => "quantile(histogram, 0.95)",
            Function::Fraction => "fraction(histogram, 0, 0.5)",
        }
    }

    /// What the arguments after the histogram are called.
    const fn numbers(self) -> &'static [&'static str] {
        match self {
            Function::Quantile => &["the quantile"],
            Function::Fraction => &["the lower limit", "the upper limit"],
        }
    }
}

/// The function in SQL.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct OfHistogram {
    function: Function,
    signature: Signature,
}

impl OfHistogram {
    pub(super) fn new(function: Function) -> Self {
        // Any types: what does not fit is told in words of ours.
        Self { function, signature: Signature::variadic_any(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for OfHistogram {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        internal_err!("return_field_from_args is asked instead")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let (name, usage) = (self.function.name(), self.function.usage());
        check_count(name, usage, 1 + self.function.numbers().len(), args.arg_fields)?;
        check_histogram(name, usage, &args.arg_fields[0])?;
        for (what, field) in self.function.numbers().iter().zip(&args.arg_fields[1..]) {
            check_number(name, usage, what, field)?;
        }
        if self.function == Function::Quantile {
            check_quantile(name, usage, args.scalar_arguments[1])?;
        }
        Ok(Arc::new(Field::new(name, DataType::Float64, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let histograms = histograms(&columns[0])?;
        let histograms = HistogramArray::try_new(&histograms).map_err(bad)?;
        let numbers = columns[1..].iter().map(floats).collect::<Result<Vec<_>>>()?;
        let value = |row: usize| {
            if numbers.iter().any(|column| column.is_null(row)) {
                return Ok(None);
            }
            let Some(histogram) = histograms.get(row).map_err(bad)? else { return Ok(None) };
            Ok(match self.function {
                Function::Quantile => histogram.quantile(numbers[0].value(row)),
                Function::Fraction => histogram.fraction(numbers[0].value(row), numbers[1].value(row)),
            })
        };
        let values = (0..histograms.len()).map(value).collect::<Result<Float64Array>>()?;
        Ok(ColumnarValue::Array(Arc::new(values)))
    }
}
