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
//! | its row | fires once `for` has passed | keeps firing, values follow; told anew when its severity changes | |
//! | no row | is forgotten without an event | resolves once `keep_firing_for` has passed, or once it was calm if it is flapping (`flaps`) | |
//! | no row, and no new point since (`no_data`) | stays | stays, or resolves (`resolve`) or is without data (`fire`) after `no_data_after` | |
//! | its row again, or a point, after it was without data | a new one begins | fires again; without its row it resolves | |
//! | a silent group without an instance (`no_data: fire`) | is without data | | |
//! | another rule's instance that holds it back (`unless`) | stays, without a word | stays; only its end is told | |
//! | an error | stays | stays | `error` once, when it has lasted for `error_for` |
//! | a table without a point yet | stays | stays | |
//! | rows after an error | as above | as above | the error resolves |
//!
//! | file | holds |
//! |---|---|
//! | `evaluation`, `inhibit` | what goes in |
//! | `state` | a rule: whose turn it is |
//! | `instance` | an instance: what its row, its absence and silence do to it, and what is worth telling |
//! | `flapping`, `silence`, `failing` | what is known beside instances: changes, newest points, the error |
//! | `transition`, `id` | what comes out |
//! | `written`, `recover` | what outlives the process |
//! | `status` | the rule's row in `flyball.rules` |

mod evaluation;
mod failing;
mod flapping;
mod id;
mod inhibit;
mod instance;
mod recover;
mod silence;
mod state;
mod status;
mod transition;
mod written;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod settings_tests;
#[cfg(test)]
mod tests;

pub use evaluation::{Evaluation, GroupsSeen};
pub use id::violation_id;
pub use inhibit::Inhibitors;
pub use instance::{Instance, Told};
pub use recover::{Recovered, recover};
pub use silence::GROUPS_LOOK_BACK;
pub use state::RuleState;
pub use status::{Health, RuleStatus};
pub use written::{Changes, WrittenPiece};
