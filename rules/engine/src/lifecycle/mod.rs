//! The life of a violation: inactive → pending (`for`) → firing → (`keep_firing_for`) → resolved.
//!
//! A pure function of (state, rule, outcome, time): it reads no clock and touches nothing else, so that live, test and
//! backtest give the same. Time is a [`Reading`](flyball_model::Reading): whatever waits (`for`, `keep_firing_for`,
//! `no_data_after`) waits on its steady part, whatever is shown is the machine's time.
//!
//! After each evaluation [`RuleState::take_changes`] gives what has to be written down so that the next process can go on:
//! a piece for each instance that changed, keyed by its violation's id. [`recover`] reads the pieces back.
//!
//! | seen | pending instance | firing instance | the rule |
//! |---|---|---|---|
//! | its row | fires once `for` has passed | keeps firing, values follow | |
//! | no row | is forgotten without an event | resolves once `keep_firing_for` has passed | |
//! | no row, and no new point since (`no_data`) | stays | stays, or resolves after `no_data_after` | |
//! | an error | stays | stays | `error` once, when it begins |
//! | a table without a point yet | stays | stays | |
//! | rows after an error | as above | as above | the error resolves |

mod id;
mod instance;
mod recover;
mod state;
mod status;
mod transition;
mod written;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

pub use id::violation_id;
pub use instance::Instance;
pub use recover::{Recovered, recover};
pub use state::RuleState;
pub use status::{Health, RuleStatus};
pub use written::{Changes, WrittenPiece};
