//! A load at a pace: the one that a target keeps in a closed loop, or a given one in an open loop.
//!
//! | module | does |
//! |---|---|
//! | `template` | bodies that get new times when they are sent, so that none comes twice |
//! | `offer` | open loop: a body when its time has come, whatever became of those before |
//! | `aside` | a thread of its own for whom the load must not hold up |
//! | `tally` | what was answered, and how fast |

pub(crate) mod aside;
mod offer;
mod tally;
mod template;

use std::time::Duration;

pub(crate) use self::offer::{Offer, closed, nanos, open};
pub(crate) use self::tally::Tally;
pub(crate) use self::template::Template;

/// How long the pace is measured that a target can keep.
pub(crate) const CALIBRATION: Duration = Duration::from_secs(10);

/// The usual load: half of the pace that a target can keep.
pub(crate) const USUAL: f64 = 0.5;

/// Connections of it.
pub(crate) const USUAL_SENDERS: usize = 8;
