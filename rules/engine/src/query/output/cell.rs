//! One value of a column.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    ArrowNativeType, DataType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use flyball_model::UnixNanos;
use serde_json::{Map, Number, Value};

/// A type as SQL names it, near enough for a reader: `timestamp`, `double`, `text`, `map`.
pub(crate) fn type_name(data_type: &DataType) -> String {
    let name = match data_type {
        DataType::Null => "null",
        DataType::Boolean => "boolean",
        DataType::Int8 | DataType::Int16 | DataType::Int32 => "integer",
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => "integer unsigned",
        DataType::Int64 => "bigint",
        DataType::UInt64 => "bigint unsigned",
        DataType::Float16 | DataType::Float32 => "real",
        DataType::Float64 => "double",
        DataType::Timestamp(..) => "timestamp",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Time32(_) | DataType::Time64(_) => "time",
        DataType::Duration(_) | DataType::Interval(_) => "interval",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "binary",
        DataType::Map(..) => "map",
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => "list",
        DataType::Struct(_) => "struct",
        DataType::Dictionary(_, values) => return type_name(values),
        other => return other.to_string().to_lowercase(),
    };
    name.to_string()
}

/// Whether values of the type are written flush right.
pub(super) fn is_number(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_number(values),
        other => other.is_numeric(),
    }
}

/// A value as JSON. Floats that JSON can't write are `"NaN"`, `"+Inf"` and `"-Inf"`, as in Prometheus' API.
pub(super) fn value(column: &dyn Array, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    let instant = |nanos: Option<i64>, raw: i64| {
        Value::String(nanos.map_or_else(|| raw.to_string(), |nanos| UnixNanos(nanos).to_string()))
    };
    match column.data_type() {
        // A column without a type, as `SELECT NULL` has it, keeps no nulls.
        DataType::Null => Value::Null,
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        DataType::Int8 => column.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => column.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).into(),
        DataType::UInt8 => column.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => column.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt32 => column.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().value(row).into(),
        DataType::Float16 => float(column.as_primitive::<Float16Type>().value(row).to_f64()),
        // By way of its own shortest text, so that 0.1 stays 0.1.
        DataType::Float32 => {
            let value = column.as_primitive::<Float32Type>().value(row);
            float(value.to_string().parse().unwrap_or(f64::from(value)))
        }
        DataType::Float64 => float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => column.as_string::<i32>().value(row).into(),
        DataType::LargeUtf8 => column.as_string::<i64>().value(row).into(),
        DataType::Utf8View => column.as_string_view().value(row).into(),
        DataType::Timestamp(unit, _) => {
            let (raw, factor) = match unit {
                TimeUnit::Second => (column.as_primitive::<TimestampSecondType>().value(row), 1_000_000_000),
                TimeUnit::Millisecond => (column.as_primitive::<TimestampMillisecondType>().value(row), 1_000_000),
                TimeUnit::Microsecond => (column.as_primitive::<TimestampMicrosecondType>().value(row), 1000),
                TimeUnit::Nanosecond => (column.as_primitive::<TimestampNanosecondType>().value(row), 1),
            };
            instant(raw.checked_mul(factor), raw)
        }
        DataType::Dictionary(..) => match column.as_any_dictionary_opt() {
            // The row is not null, so its key is within the values.
            Some(dictionary) => value(dictionary.values(), key(dictionary.keys(), row)),
            None => shown(column, row),
        },
        DataType::Map(..) => {
            let entries = column.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let entry = |at: usize| (text(keys, at).unwrap_or_default(), value(values, at));
            Value::Object((0..entries.len()).map(entry).collect::<Map<_, _>>())
        }
        DataType::Struct(fields) => {
            let columns = column.as_struct().columns();
            let members = fields.iter().zip(columns);
            Value::Object(members.map(|(field, column)| (field.name().clone(), value(column, row))).collect())
        }
        DataType::List(_) => list(&column.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list(&column.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => list(&column.as_fixed_size_list().value(row)),
        _ => shown(column, row),
    }
}

/// A value as text; `None` is NULL.
pub(super) fn text(column: &dyn Array, row: usize) -> Option<String> {
    match value(column, row) {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

fn float(value: f64) -> Value {
    match Number::from_f64(value) {
        Some(number) => Value::Number(number),
        None if value.is_nan() => "NaN".into(),
        None if value > 0.0 => "+Inf".into(),
        None => "-Inf".into(),
    }
}

/// The key of a row that is not null.
fn key(keys: &dyn Array, row: usize) -> usize {
    arrow::array::downcast_integer_array!(keys => keys.value(row).as_usize(), _ => 0)
}

fn list(items: &dyn Array) -> Value {
    Value::Array((0..items.len()).map(|at| value(items, at)).collect())
}

/// Dates, times, intervals and what else there is, as Arrow shows them.
fn shown(column: &dyn Array, row: usize) -> Value {
    ArrayFormatter::try_new(column, &FormatOptions::default())
        .map_or(Value::Null, |formatter| Value::String(formatter.value(row).to_string()))
}
