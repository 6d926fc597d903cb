//! Running a rule's query: planned once, run at each evaluation, and planned anew only when what it reads has changed.

mod evaluator;
mod rows;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use evaluator::RuleEvaluator;
pub(crate) use evaluator::awaited_table;
pub use rows::{ColumnKind, INSTANCES_MAX, Row, column_faults, rows};

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
