//! Request bodies, all encoded before the first is sent, so that the generator spends little while it measures.
//!
//! They are written byte by byte: trees of structs would take longer than all that is measured. The generated types of
//! the protocols are the oracle in tests.

mod line_protocol;
mod otlp_logs;
mod otlp_metrics;
mod remote_write;
mod remote_write_2;
mod wire;

use std::io::Write;
use std::num::NonZero;
use std::ops::Range;
use std::thread;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::load::{Load, Protocol, Wrapping};
use crate::plan::Plan;
use crate::series::mix;

/// A request's body.
#[derive(Debug, Clone)]
pub struct Body {
    /// As it is sent.
    pub bytes: Bytes,
    /// Points or records in it.
    pub points: usize,
}

/// The bodies that one connection sends in one round, in order.
pub type Share = Vec<Body>;

/// Rounds, in each a share for every connection.
pub type Rounds = Vec<Vec<Share>>;

/// What all points of a round have in common.
#[derive(Debug, Clone, Copy)]
pub struct Tick {
    /// The round, from 0.
    pub round: usize,
    /// The time of its points, in milliseconds since the epoch.
    pub at_millis: i64,
    /// Whether labels come in an order of this round, instead of sorted.
    pub shuffle_labels: bool,
}

impl Tick {
    /// Puts the labels of a series into their order.
    fn arrange<T>(&self, number: usize, labels: &mut [T]) {
        if self.shuffle_labels {
            let mut noise = mix((self.round as u64) << 40 ^ number as u64);
            for last in (1..labels.len()).rev() {
                noise = mix(noise);
                labels.swap(last, noise as usize % (last + 1));
            }
        }
    }

    /// The time of its points, in nanoseconds since the epoch.
    fn nanos(&self) -> u64 {
        u64::try_from(self.at_millis).expect("after 1970") * 1_000_000
    }
}

/// All bodies of a plan.
pub fn encode(plan: &Plan) -> Rounds {
    encode_some(plan, 0..plan.rounds())
}

/// The bodies of some rounds of a plan that has more than fit into memory.
pub fn encode_some(plan: &Plan, rounds: Range<usize>) -> Rounds {
    let rounds: Vec<_> = rounds.collect();
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let encoders: Vec<_> = rounds
            .chunks(rounds.len().div_ceil(threads).max(1))
            .map(|rounds| scope.spawn(|| rounds.iter().map(|&round| encode_round(plan, round)).collect::<Vec<_>>()))
            .collect();
        encoders.into_iter().flat_map(|encoder| encoder.join().expect("an encoder does not panic")).collect()
    })
}

fn encode_round(plan: &Plan, round: usize) -> Vec<Share> {
    let protocol = plan.load.protocol();
    let grouped = matches!(protocol, Protocol::OtlpMetrics | Protocol::OtlpLogs);
    let tick = Tick { round, at_millis: plan.at_millis(round), shuffle_labels: plan.shuffle_labels };
    shares(plan.series, plan.connections)
        .map(|share| {
            let numbers = plan.order.numbers(round, plan.series, share, grouped);
            let batches = numbers.chunks(protocol.batch());
            batches
                .map(|numbers| Body {
                    bytes: wrap(plan.load.wrapping(), plain(protocol, numbers, &tick)),
                    points: numbers.len(),
                })
                .collect()
        })
        .collect()
}

/// A body without points, to ask whether a target takes the load.
pub fn empty(load: Load) -> Body {
    let tick = Tick { round: 0, at_millis: 0, shuffle_labels: false };
    Body { bytes: wrap(load.wrapping(), plain(load.protocol(), &[], &tick)), points: 0 }
}

/// One point or record of each of these series, before any compression.
pub fn plain(protocol: Protocol, numbers: &[usize], tick: &Tick) -> Vec<u8> {
    match protocol {
        Protocol::RemoteWrite1 => remote_write::body(numbers, tick),
        Protocol::RemoteWrite2 => remote_write_2::body(numbers, tick),
        Protocol::OtlpMetrics => otlp_metrics::body(numbers, tick),
        Protocol::OtlpLogs => otlp_logs::body(numbers, tick),
        Protocol::LineProtocol => line_protocol::body(numbers, tick),
    }
}

/// A number as protobuf writes it: seven bits a byte.
pub fn varint(number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    wire::varint(&mut bytes, number);
    bytes
}

/// Puts around a body what its load has around it.
pub fn wrap(wrapping: Wrapping, plain: Vec<u8>) -> Bytes {
    match wrapping {
        Wrapping::Plain => plain.into(),
        Wrapping::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&plain).expect("memory takes all bytes");
            encoder.finish().expect("memory takes all bytes").into()
        }
        Wrapping::Snappy => {
            snap::raw::Encoder::new().compress_vec(&plain).expect("a batch is far below snappy's 4 GiB").into()
        }
        Wrapping::GrpcFrame => {
            let length = u32::try_from(plain.len()).expect("a batch is far below 4 GiB");
            let mut frame = Vec::with_capacity(5 + plain.len());
            frame.push(0);
            frame.extend(length.to_be_bytes());
            frame.extend(plain);
            frame.into()
        }
    }
}

/// Splits `0..series` into one range a connection.
fn shares(series: usize, connections: usize) -> impl Iterator<Item = Range<usize>> {
    (0..connections).map(move |index| series * index / connections..series * (index + 1) / connections)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_load_has_its_points_in_batches_of_its_size() {
        for &load in Load::value_variants() {
            let plan = Plan {
                load,
                series: 10_003,
                connections: 4,
                warm_up: 1,
                measured: 2,
                order: load.order(),
                shuffle_labels: false,
                step_millis: 10_000,
                last_at_millis: 1_700_000_000_000,
            };
            let rounds = encode(&plan);
            assert_eq!((rounds.len(), rounds[0].len()), (3, 4));
            let bodies: Vec<_> = rounds.iter().flatten().flatten().collect();
            assert_eq!(bodies.iter().map(|body| body.points).sum::<usize>(), plan.points(), "{load}");
            assert!(bodies.iter().all(|body| body.points <= load.protocol().batch() && !body.bytes.is_empty()));
        }
    }

    #[test]
    fn shuffled_labels_are_the_same_labels_in_an_order_of_the_round() {
        let arranged = |round| {
            let mut labels = [0, 1, 2, 3, 4, 5, 6];
            Tick { round, at_millis: 0, shuffle_labels: true }.arrange(7, &mut labels);
            labels
        };
        assert_ne!(arranged(1), arranged(2));
        let mut sorted = arranged(1);
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3, 4, 5, 6]);
    }
}
