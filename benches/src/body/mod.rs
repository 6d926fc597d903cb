//! Request bodies, all encoded before the first is sent, so that the generator spends little while it measures.

mod otlp;
mod remote_write;

use bytes::Bytes;

use crate::args::{Args, Load};
use crate::clock;
use crate::series::STEP_MILLIS;

/// The bodies that one connection sends in one round, in order, each with the number of its points.
pub(crate) type Share = Vec<(Bytes, usize)>;

/// Rounds, in each a share for every connection.
pub(crate) type Rounds = Vec<Vec<Share>>;

/// All bodies of a load. Every connection sends the same series in every round, in the same order, as agents do.
pub(crate) fn encode(load: Load, args: &Args) -> Rounds {
    let rounds = args.warm_up + args.rounds;
    // The last round is of now: no point is ahead of any target's clock.
    let first = clock::unix_millis() - rounds as i64 * STEP_MILLIS;
    (0..rounds)
        .map(|round| {
            let at = first + round as i64 * STEP_MILLIS;
            shares(args.series, args.connections)
                .map(|(from, to)| {
                    batches(from, to, load.batch())
                        .map(|(from, to)| {
                            let body = match load {
                                Load::RemoteWrite => remote_write::body(from..to, round, at),
                                Load::OtlpGrpc => otlp::message(from..to, round, at),
                            };
                            (body, to - from)
                        })
                        .collect()
                })
                .collect()
        })
        .collect()
}

/// A body without points.
pub(crate) fn empty(load: Load) -> Bytes {
    match load {
        Load::RemoteWrite => remote_write::body(0..0, 0, 0),
        Load::OtlpGrpc => otlp::message(0..0, 0, 0),
    }
}

/// Splits `0..series` into one range a connection.
fn shares(series: usize, connections: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..connections).map(move |index| (series * index / connections, series * (index + 1) / connections))
}

/// Splits a range into ranges of at most `size`.
fn batches(from: usize, to: usize, size: usize) -> impl Iterator<Item = (usize, usize)> {
    (from..to).step_by(size).map(move |start| (start, to.min(start + size)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_batches_cover_every_series_once() {
        let mut numbers = Vec::new();
        for (from, to) in shares(1_003, 4) {
            for (from, to) in batches(from, to, 100) {
                assert!(to - from <= 100);
                numbers.extend(from..to);
            }
        }
        assert_eq!(numbers, (0..1_003).collect::<Vec<_>>());
    }
}
