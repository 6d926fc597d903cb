//! SQL in, Arrow batches out.
//!
//! | file | holds |
//! |---|---|
//! | `database` | [`Database`]: the entry; prepares and runs |
//! | `text` | tokens and the parser; only queries pass |
//! | `words` | words of SQL that are names where they stand |
//! | `bounds` | refuses texts that would take too long, or too much stack, to plan |
//! | `plan` | from text to a plan; mends names that differ in case only |
//! | `inspect` | a query's plans, for those who look at queries without running them |
//! | `diagnose` | DataFusion's errors as [`QueryError`]s with a place and a hint |
//! | `bind` | puts the instant of evaluation in place of `now()` |
//! | `shown` | expressions as SQL |
//! | `session` | what DataFusion needs to plan and run |
//! | `yielding` | makes joins stoppable |
//! | `units` | follows units through functions that keep them |
//! | `run` | runs a plan within its limits |
//! | `look_back` | how far back a query looks |
//! | `predicate` | a condition on rows that are in no table yet |
//! | [`output`] | results as JSON, CSV, Arrow IPC, text table |

pub(crate) mod bind;
mod bounds;
mod database;
pub(crate) mod diagnose;
pub(crate) mod error;
mod growth;
pub(crate) mod inspect;
mod keys;
mod limits;
mod look_back;
pub mod output;
mod plan;
mod predicate;
mod regexes;
mod run;
pub(crate) mod session;
pub(crate) mod shown;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub(crate) mod text;
pub(crate) mod units;
mod words;
mod yielding;

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, SchemaRef};

pub use database::{Database, Outline, Prepared};
pub use error::{Position, QueryError};
pub use limits::QueryLimits;
pub use predicate::Predicate;

/// The key of a column's unit in its field's metadata.
pub const UNIT_KEY: &str = "unit";

/// What a query gave.
#[derive(Debug, Clone)]
pub struct QueryResult {
    /// The columns; a unit stands in a field's metadata under [`UNIT_KEY`].
    pub schema: SchemaRef,
    /// The rows, in order.
    pub batches: Vec<RecordBatch>,
    /// From the call to the last row.
    pub elapsed: Duration,
}

impl QueryResult {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// The unit of a column's values, if it is known.
pub fn unit_of(field: &Field) -> Option<&str> {
    field.metadata().get(UNIT_KEY).map(String::as_str).filter(|unit| !unit.is_empty())
}
