//! Stages, bounded queues, clocks and drain: every task of the pipeline has its owner here.

mod accounts;
mod admission;
mod background;
mod board;
mod dispatch;
mod exposition;
mod feed;
mod history;
mod idle;
mod intake;
mod joining;
mod known;
mod recording;
mod recovery;
mod remember;
mod reminders;
mod rules;
mod runtime;
mod silencing;
mod stages;
mod tables;
pub mod tap;
mod upkeep;
mod urgent;
mod wake;

#[cfg(test)]
mod tests;

pub use accounts::Books;
pub use board::{RuleBoard, RuleEntry};
pub use feed::{Change, CutOff, Feed, LISTENERS_MAX, Listener};
pub use history::{Violation, ViolationHistory, WrittenViolation};
pub use idle::IdleCores;
pub use intake::Pipeline;
pub use recording::Recorded;
pub use recovery::{LogParts, Progress, RecoveryError};
pub use remember::Decisions;
pub use rules::RuleControl;
pub use runtime::{Parts, Runtime, Tasks};
pub use silencing::{AckError, Alert};
pub use stages::{StageRow, Stages};
pub use tables::TableSources;
