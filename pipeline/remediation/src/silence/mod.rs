//! Silences: what is known and must not be told for a while.
//!
//! | file | holds |
//! |---|---|
//! | `matcher` | a condition on one label, in Alertmanager's notation |
//! | `silence` | a silence, and what somebody wants one to be |
//! | `registry` | all of them: bounded, kept over restarts, asked for each violation |
//! | `window` | maintenance windows: silences that come again by a schedule |
//! | `error` | what is wrong with a wish |
//!
//! The words and the rules are Alertmanager's (API v2), so that its clients can be used. A silenced violation lives on; who asks
//! [`Silences::silenced_by`] decides what is held back.

mod error;
mod matcher;
mod registry;
#[expect(clippy::module_inception, reason = "the thing itself among the things around it")]
mod silence;
mod window;

#[cfg(test)]
mod tests;

pub use error::{MatcherError, SilenceError, WindowError};
pub use matcher::{MATCHERS_MAX, Matcher, label_of};
pub use registry::{SILENCES_MAX, Silences};
pub use silence::{Draft, Silence, SilenceState};
pub use window::{WINDOWS_MAX, Window, WindowOptions};
