//! Which types are taken, and what is said of others.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, StructArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::common::cast::{as_float64_array, as_struct_array};
use datafusion::error::{DataFusionError, Result};
use flyball_model::rows::{BadHistogramArray, histogram_type};

use crate::query::error::QueryError;

/// An error of planning that names the function.
pub(super) fn wrong(function: &str, message: String) -> DataFusionError {
    QueryError::Argument { function: function.to_string(), message, position: None }.into_datafusion()
}

/// Checks how many arguments there are.
pub(super) fn check_count(function: &str, usage: &str, expected: usize, types: &[FieldRef]) -> Result<()> {
    match types.len() {
        given if given == expected => Ok(()),
        given => Err(wrong(function, format!("it takes {expected} arguments and not {given}: {usage}"))),
    }
}

/// Checks that an argument is a histogram.
pub(super) fn check_histogram(function: &str, usage: &str, field: &FieldRef) -> Result<()> {
    let found = field.data_type();
    if *found == histogram_type() || *found == DataType::Null {
        return Ok(());
    }
    let found = if found.is_numeric() { "a number".to_string() } else { format!("of type {found}") };
    Err(wrong(
        function,
        format!(
            "the first argument is {found} and not a histogram, such as the column histogram of a native histogram's table: {usage}; \
             for classic buckets take histogram_quantile(0.95, le, value), for numbers approx_percentile_cont(value, 0.95)"
        ),
    ))
}

/// Checks that an argument is a number.
pub(super) fn check_number(function: &str, usage: &str, what: &str, field: &FieldRef) -> Result<()> {
    let found = field.data_type();
    if found.is_numeric() || *found == DataType::Null {
        return Ok(());
    }
    Err(wrong(function, format!("{what} is of type {found} and not a number: {usage}")))
}

/// Checks a quantile that is written as a number.
pub(super) fn check_quantile(function: &str, usage: &str, q: Option<&ScalarValue>) -> Result<()> {
    let q = q.and_then(|q| q.cast_to(&DataType::Float64).ok());
    match q {
        Some(ScalarValue::Float64(Some(q))) if !(0.0..=1.0).contains(&q) => {
            Err(wrong(function, format!("the quantile is {q}; it must be from 0 to 1: {usage}")))
        }
        _ => Ok(()),
    }
}

/// A column of numbers as floats.
pub(super) fn floats(column: &ArrayRef) -> Result<Float64Array> {
    Ok(as_float64_array(&cast(column, &DataType::Float64)?)?.clone())
}

/// A column of histograms; one of NULLs has no type of its own.
pub(super) fn histograms(column: &ArrayRef) -> Result<Arc<StructArray>> {
    let column = if *column.data_type() == DataType::Null {
        arrow::array::new_null_array(&histogram_type(), column.len())
    } else {
        Arc::clone(column)
    };
    Ok(Arc::new(as_struct_array(&column)?.clone()))
}

/// A row that is no histogram: an error of execution.
pub(super) fn bad(error: BadHistogramArray) -> DataFusionError {
    DataFusionError::Execution(error.to_string())
}
