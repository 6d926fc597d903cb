//! Where points or records of memory stand in the order of arrival, and in the log.

use flyball_log::Position;

use crate::appended::UNLOGGED;
use crate::ordinals::{OrdinalRange, Ordinals};

/// The ordinals of what is in a head or a chunk, and from where on it needs the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) ordinals: Ordinals,
    /// The log records of all that is in it stand here or later.
    pub(crate) needs: Position,
}

impl Default for Arrival {
    fn default() -> Self {
        Self { ordinals: Ordinals::default(), needs: UNLOGGED }
    }
}

impl Arrival {
    pub(crate) fn add(&mut self, range: OrdinalRange, needs: Position) {
        self.ordinals.add(range);
        self.needs = self.needs.min(needs);
    }

    /// What has arrived in either.
    pub(crate) fn add_all(&mut self, other: &Arrival) {
        self.ordinals.add_all(&other.ordinals);
        self.needs = self.needs.min(other.needs);
    }
}
