//! Running a rule's query: planned once, run at each evaluation, and planned anew only when what it reads has changed.

mod evaluator;
mod groups;
mod reads;
mod rows;
mod samples;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(crate) use evaluator::awaited_table;
pub use evaluator::{Look, RuleEvaluator};
pub use groups::GroupsLook;
pub use reads::Reads;
pub use rows::{ColumnKind, INSTANCES_MAX, Row, column_faults, rows};
pub use samples::{SAMPLES_MAX, Sample, latest_samples};

use crate::query::QueryLimits;

/// A rule is evaluated at most this often, however fast data comes.
pub const EVALUATION_EVERY_MIN: Duration = Duration::from_millis(100);

/// One evaluation may use this; a rule that needs more is an error of that rule.
pub const EVALUATION_LIMITS: QueryLimits =
    QueryLimits { rows: INSTANCES_MAX, time: Duration::from_secs(5), memory_bytes: 128 * 1024 * 1024 };

/// What one evaluation of a rule found.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// What breaks the promise; nothing, when it holds.
    Rows(Vec<Row>),
    /// A table that the rule reads has no point yet, so there is nothing to judge.
    Waiting {
        /// The table's name as the rule writes it.
        table: String,
    },
    /// The query could not be planned or run, or gave what is no violation; why, and the fix.
    Error(String),
}
