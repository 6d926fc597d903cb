//! The life of a violation: inactive → pending (`for`) → firing → (`keep_firing_for`) → resolved.
//!
//! A pure function of (state, rule, outcome, time): it reads no clock and touches nothing else, so that live, test and
//! backtest give the same. The state can be written down and read back.
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
mod state;
mod status;
mod transition;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

pub use id::violation_id;
pub use instance::Instance;
pub use state::RuleState;
pub use status::{Health, RuleStatus};
