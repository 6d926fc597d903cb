//! One load, with its numbers.

use crate::load::Load;
use crate::order::Order;

/// What is sent to every target of one load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The protocol, its wrapping and its batch size.
    pub load: Load,
    /// Series of a round.
    pub series: usize,
    /// Connections; each sends its own share of the series.
    pub connections: usize,
    /// Rounds before the measured ones.
    pub warm_up: usize,
    /// Measured rounds.
    pub measured: usize,
    /// How the series follow each other.
    pub order: Order,
    /// Whether the labels inside each series come in another order in every round.
    pub shuffle_labels: bool,
    /// Milliseconds from a round's points to those of the next.
    pub step_millis: i64,
    /// The time of the last round's points, in milliseconds since the epoch.
    pub last_at_millis: i64,
}

impl Plan {
    /// All rounds.
    pub fn rounds(&self) -> usize {
        self.warm_up + self.measured
    }

    /// All points, those of the warm-up included.
    pub fn points(&self) -> usize {
        self.rounds() * self.series
    }

    /// Different series over all rounds.
    pub fn distinct_series(&self) -> usize {
        if self.order == Order::New { self.points() } else { self.series }
    }

    /// The time of a round's points.
    pub fn at_millis(&self, round: usize) -> i64 {
        self.last_at_millis - (self.rounds() - 1 - round) as i64 * self.step_millis
    }
}
