//! Stages, bounded queues, clocks and drain: every task of the pipeline has its owner here.

mod accounts;
mod admission;
mod board;
mod dispatch;
mod exposition;
mod history;
mod idle;
mod intake;
mod joining;
mod known;
mod recovery;
mod remember;
mod rules;
mod runtime;
mod stages;
mod tables;
pub mod tap;
mod upkeep;
mod wake;

#[cfg(test)]
mod tests;

pub use accounts::Books;
pub use board::{RuleBoard, RuleEntry};
pub use history::{ViolationHistory, WrittenViolation};
pub use idle::IdleCores;
pub use intake::Pipeline;
pub use recovery::{LogParts, Progress, RecoveryError};
pub use remember::Decisions;
pub use rules::RuleControl;
pub use runtime::{Parts, Runtime, Tasks};
pub use stages::{StageRow, Stages};
pub use tables::TableSources;
