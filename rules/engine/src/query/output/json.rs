//! JSON: `{"columns":[{"name","type","unit"?}],"rows":[[…]],"elapsed_ms"}`.

use serde_json::{Map, Value, json};

use super::cell::{type_name, value};
use crate::query::{QueryResult, unit_of};

/// A result as one JSON value. For large results [`json_text`] needs far less memory.
pub fn json(result: &QueryResult) -> Value {
    let rows: Vec<_> = result
        .batches
        .iter()
        .flat_map(|batch| {
            (0..batch.num_rows())
                .map(move |row| batch.columns().iter().map(|column| value(column, row)).collect::<Value>())
        })
        .collect();
    json!({"columns": columns(result), "rows": rows, "elapsed_ms": elapsed_ms(result)})
}

/// The text of [`json()`], written row by row.
pub fn json_text(result: &QueryResult) -> String {
    let mut text = format!("{{\"columns\":{},\"rows\":[", columns(result));
    let mut first = true;
    for batch in &result.batches {
        for row in 0..batch.num_rows() {
            text.push_str(if first { "[" } else { ",[" });
            first = false;
            for (at, column) in batch.columns().iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                text.push_str(&value(column, row).to_string());
            }
            text.push(']');
        }
    }
    text.push_str(&format!("],\"elapsed_ms\":{}}}", Value::from(elapsed_ms(result))));
    text
}

/// Each row as an object by column name, one after the other.
pub fn objects(result: &QueryResult) -> impl Iterator<Item = Value> {
    result.batches.iter().flat_map(|batch| {
        (0..batch.num_rows()).map(move |row| {
            let cells = batch.schema_ref().fields().iter().zip(batch.columns());
            Value::Object(cells.map(|(field, column)| (field.name().clone(), value(column, row))).collect())
        })
    })
}

fn columns(result: &QueryResult) -> Value {
    result
        .schema
        .fields()
        .iter()
        .map(|field| {
            let mut column = Map::new();
            column.insert("name".into(), field.name().as_str().into());
            column.insert("type".into(), type_name(field.data_type()).into());
            if let Some(unit) = unit_of(field) {
                column.insert("unit".into(), unit.into());
            }
            Value::Object(column)
        })
        .collect()
}

/// Milliseconds with three decimals.
fn elapsed_ms(result: &QueryResult) -> f64 {
    (result.elapsed.as_secs_f64() * 1e6).round() / 1e3
}
