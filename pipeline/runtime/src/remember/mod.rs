//! What the rules decided outlives the process.
//!
//! An evaluation changes instances of a rule; their transitions become rows of `flyball.violations`, events with rows of
//! `flyball.remediations`, and memory of the limits of action. [`Decisions`] puts all that follows from one transition into the log of
//! state as one, so that a crash never parts an instance that fires from the event that tells of it. Only when the log has settled do
//! events go out; what became of them is put afterwards, so that an event may go out twice with the same id, and never not at all.
//!
//! [`restore`] is the way back: a rule goes on with its instances, events that were not settled go out again in their order, and what a
//! crash left half done is finished.

mod decisions;
#[cfg(test)]
mod ground;
mod restore;
#[cfg(test)]
mod silenced_tests;
#[cfg(test)]
mod tests;

pub use decisions::Decisions;
pub(crate) use restore::{CLOCK_KEY, Restored, RuleMemory, restore};
