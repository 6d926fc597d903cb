//! CSV (RFC 4180): a header, then the rows; NULL is an empty field.

use super::cell::text;
use crate::query::QueryResult;

/// A result as CSV with `\r\n` line ends.
pub fn csv(result: &QueryResult) -> String {
    let mut out = String::new();
    line(&mut out, result.schema.fields().iter().map(|field| Some(field.name().clone())));
    for batch in &result.batches {
        for row in 0..batch.num_rows() {
            line(&mut out, batch.columns().iter().map(|column| text(column, row)));
        }
    }
    out
}

fn line(out: &mut String, fields: impl Iterator<Item = Option<String>>) {
    for (at, field) in fields.enumerate() {
        if at > 0 {
            out.push(',');
        }
        match field {
            // An empty text is quoted, so that it differs from NULL.
            Some(field) if field.is_empty() || field.contains([',', '"', '\r', '\n']) => {
                out.push('"');
                out.push_str(&field.replace('"', "\"\""));
                out.push('"');
            }
            Some(field) => out.push_str(&field),
            None => {}
        }
    }
    out.push_str("\r\n");
}
