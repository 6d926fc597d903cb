//! Which series a connection sends in a round, and in which order.

use std::ops::Range;

use clap::ValueEnum;

use crate::series::{CORES, PER_HOST, mix};

/// How the series of a round follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// The same series in the same order in every round, as most agents do.
    Steady,
    /// The same series in another order in every round.
    Shuffled,
    /// Series that never came before, in every round.
    New,
    /// As many series of the first metric alone, in the same order in every round.
    OneMetric,
}

impl Order {
    /// The numbers that the connection with this share of `series` sends in a round.
    ///
    /// `grouped` protocols write the labels of a host once for all its points: their senders shuffle hosts, the metrics
    /// of a host and the points of a metric, since nobody opens a group for each point.
    pub fn numbers(self, round: usize, series: usize, share: Range<usize>, grouped: bool) -> Vec<usize> {
        match self {
            Order::Steady => share.collect(),
            Order::OneMetric => share.map(|number| number / CORES * PER_HOST + number % CORES).collect(),
            Order::New => share.map(|number| round * series + number).collect(),
            Order::Shuffled => {
                let mut numbers: Vec<_> = share.collect();
                let place = |what: usize| mix(mix(round as u64) ^ what as u64);
                if grouped {
                    numbers
                        .sort_by_cached_key(|number| (place(number / PER_HOST), place(number / CORES), place(*number)));
                } else {
                    numbers.sort_by_cached_key(|number| place(*number));
                }
                numbers
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::series::METRICS;

    #[test]
    fn a_shuffled_round_has_the_same_series_in_another_order() {
        for grouped in [false, true] {
            let [first, second] = [1, 2].map(|round| Order::Shuffled.numbers(round, 1_000, 250..750, grouped));
            assert_ne!(first, second);
            for mut numbers in [first, second] {
                numbers.sort_unstable();
                assert!(numbers.into_iter().eq(250..750));
            }
        }
    }

    #[test]
    fn grouped_series_stay_with_their_host_and_metric() {
        let numbers = Order::Shuffled.numbers(3, 1_000, 0..1_000, true);
        assert_eq!(numbers.chunk_by(|a, b| a / PER_HOST == b / PER_HOST).count(), 1_000 / PER_HOST);
        assert_eq!(numbers.chunk_by(|a, b| a / CORES == b / CORES).count(), 1_000 / CORES);
    }

    #[test]
    fn one_metric_has_ten_series_of_each_host() {
        let numbers = Order::OneMetric.numbers(1, 1_000, 5..25, false);
        assert!(numbers.iter().all(|number| (number / CORES).is_multiple_of(METRICS)));
        assert_eq!(numbers.iter().map(|number| number / PER_HOST).collect::<HashSet<_>>().len(), 3);
        assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), 20);
    }

    #[test]
    fn new_series_never_come_twice() {
        let mut seen = HashSet::new();
        for round in 0..3 {
            for share in [0..5, 5..10] {
                assert!(Order::New.numbers(round, 10, share, false).into_iter().all(|number| seen.insert(number)));
            }
        }
        assert_eq!(seen.len(), 30);
    }
}
