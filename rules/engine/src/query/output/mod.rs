//! A result as JSON, CSV, Arrow IPC or a text table.
//!
//! The same value reads the same in all text forms: timestamps as RFC 3339 in UTC, numbers in the shortest form that reads back the
//! same, labels as plain text, maps as JSON objects.

mod arrow_ipc;
mod cell;
mod csv;
mod json;
mod table;
#[cfg(test)]
mod tests;

pub use arrow_ipc::{ARROW_STREAM, arrow_ipc};
pub(crate) use cell::type_name;
pub use csv::csv;
pub use json::{json, json_text, objects};
pub use table::table;
