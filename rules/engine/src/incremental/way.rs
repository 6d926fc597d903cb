//! Which way a rule goes, for those who look at it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::kept::Shared;
use super::obstacle::Obstacle;
use super::sliding::Sliding;
use super::table::TableSize;

/// How a rule is evaluated.
#[derive(Debug, Clone, Default)]
pub enum Way {
    /// It was not planned yet.
    #[default]
    Unknown,
    /// By a plan of its own over what is stored.
    Plan(Obstacle),
    /// It is kept up to date as points arrive.
    Incremental {
        /// How far it looks back.
        window: Duration,
        /// In what steps the far edge of the window moves.
        step: Duration,
        /// The tables of the twin that it follows beside, sorted.
        joins: Vec<String>,
        /// Its groups.
        groups: Weak<Shared>,
    },
}

impl Way {
    pub(super) fn incremental(window: Sliding, groups: &Arc<Shared>, joins: Vec<String>) -> Self {
        let nanos = |nanos: i64| Duration::from_nanos(nanos.unsigned_abs());
        Way::Incremental {
            window: nanos(window.length),
            step: nanos(window.step),
            joins,
            groups: Arc::downgrade(groups),
        }
    }

    /// One word: `unknown`, `plan` or `incremental`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Way::Unknown => "unknown",
            Way::Plan(_) => "plan",
            Way::Incremental { .. } => "incremental",
        }
    }

    /// Why it is a plan.
    pub fn reason(&self) -> Option<String> {
        match self {
            Way::Plan(obstacle) => Some(obstacle.to_string()),
            Way::Unknown | Way::Incremental { .. } => None,
        }
    }

    /// What the groups hold that it is kept in, and shares with rules like it.
    pub fn size(&self) -> Option<TableSize> {
        match self {
            Way::Incremental { groups, .. } => groups.upgrade().map(|groups| groups.size()),
            Way::Unknown | Way::Plan(_) => None,
        }
    }
}
