//! Rules as SQL: definition, check, catalog, functions, evaluation, lifecycle, recording.

pub mod catalog;
pub mod check;
pub mod definition;
pub mod evaluate;
pub mod functions;
pub mod incremental;
pub mod lifecycle;
pub mod query;
pub mod recording;

pub use catalog::{SystemTable, TableRead};
pub use query::{Database, Prepared, QueryError, QueryLimits, QueryResult};
