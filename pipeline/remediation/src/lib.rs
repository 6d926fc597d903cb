//! From a violation to a bounded, explained request.
//!
//! A [`Planner`] turns each [`Transition`](flyball_model::event::Transition) of a rule into events for backends and
//! holds back what the [`ActionLimits`] forbid; a [`RemediationLog`] keeps each event and its fate as a row of
//! `flyball.remediations`. Both outlive the process by way of the [`StateLog`](flyball_model::state::StateLog). Nothing here reads a clock or opens a socket: delivering is the runtime's, by way of the
//! backends.

mod account;
mod backend;
mod guard;
mod id;
mod limits;
mod log;
mod planner;
mod row;
pub mod silence;
mod suppression;
mod table;
mod written;

pub use account::BackendAccount;
pub use backend::BackendInfo;
pub use guard::WrittenLimit;
pub use limits::ActionLimits;
pub use log::{ROWS_MAX, RemediationCount, RemediationLog};
pub use planner::{Planned, Planner};
pub use row::{RemediationRow, RemediationState};
pub use suppression::Suppression;
pub use written::{WrittenAccount, WrittenRow};
