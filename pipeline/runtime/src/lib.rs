//! Stages, bounded queues, clocks and drain: every task of the pipeline has its owner here.

mod board;
mod dispatch;
mod exposition;
mod history;
mod intake;
mod rules;
mod runtime;
mod stages;
mod tables;
mod wake;

#[cfg(test)]
mod tests;

pub use board::{RuleBoard, RuleEntry};
pub use history::ViolationHistory;
pub use intake::Pipeline;
pub use rules::RuleControl;
pub use runtime::{Parts, Runtime, Tasks};
pub use stages::{StageRow, Stages};
pub use tables::TableSources;
