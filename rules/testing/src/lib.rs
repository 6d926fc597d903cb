//! `flyball rules test`: the tests beside the rules; `flyball rules backtest`: rules over a stored history ([`backtest`]).
//!
//! A test says what comes in and what the rules must make of it. [`read`] reads a file's tests, [`run`] lets one happen in simulated
//! time, [`report`] tells what came of them:
//!
//! ```text
//! YAML ─► read ─► Test ─► run: arrivals, ticks ─► compare ─► Verdict ─► report: text, JSON, JUnit
//! ```
//!
//! Nothing in here evaluates a rule. Points go into a real store, and to the twin; the evaluator, the state machine and the planner are
//! those that run live, driven as the live stage drives them: when data arrives that a rule reads, and on its group's tick.

pub mod backtest;
mod compare;
mod notation;
mod read;
pub mod report;
mod run;
mod series;
mod test;

#[cfg(test)]
mod testing;

pub use compare::{Failure, Line, Mark};
pub use notation::{NotationError, POINTS_MAX, Values};
pub use read::{in_scope, read};
pub use run::{EVALUATIONS_MAX, Open, Timeline, run, take_in_samples};
pub use test::{Outcome, Test, Verdict};
