//! Bodies for the micro-benchmarks: the same as the load generator's, before any compression.

use std::fmt;

use flyball_bench::body::{self, Tick};
use flyball_bench::load::Protocol;
use flyball_bench::order::Order;
use flyball_bench::series::STEP_MILLIS;

/// Series that are known, less what does not fill a batch: the caches of any machine are smaller.
const SERIES: usize = 100_000;

/// 2023-11-14; the crates under the benchmarks take the time as an argument.
pub(crate) const NOW_MILLIS: i64 = 1_700_000_000_000;

/// A protocol, and how its series come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) protocol: Protocol,
    pub(crate) order: Order,
    pub(crate) shuffle_labels: bool,
}

impl Case {
    /// The sender's order.
    pub(crate) const fn steady(protocol: Protocol) -> Self {
        Self { protocol, order: Order::Steady, shuffle_labels: false }
    }

    /// The bodies of so many rounds, one after the other; each is a whole batch.
    pub(crate) fn bodies(&self, rounds: usize) -> Vec<Vec<u8>> {
        let batch = self.protocol.batch();
        let series = SERIES / batch * batch;
        let grouped = matches!(self.protocol, Protocol::OtlpMetrics | Protocol::OtlpLogs);
        let mut bodies = Vec::new();
        for round in 0..rounds {
            let at_millis = NOW_MILLIS - (rounds - round) as i64 * STEP_MILLIS;
            let tick = Tick { round, at_millis, shuffle_labels: self.shuffle_labels };
            let numbers = self.order.numbers(round, series, 0..series, grouped);
            bodies.extend(numbers.chunks(batch).map(|numbers| body::plain(self.protocol, numbers, &tick)));
        }
        bodies
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}{}", self.protocol, self.order, if self.shuffle_labels { " labels too" } else { "" })
    }
}
