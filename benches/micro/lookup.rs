//! From a body to columns of points: decoding it and finding the number of every series, all of them known.

mod bodies;

use std::sync::Arc;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use flyball_bench::load::Protocol;
use flyball_bench::order::Order;
use flyball_model::intake::{Format, Precision};
use flyball_model::ledger::Signal;
use flyball_model::{Limits, SeriesRegistry, UnixNanos};
use flyball_normalize::Normalizer;

use crate::bodies::{Case, NOW_MILLIS};

/// Orders that a sender takes turns with.
const ROUNDS: usize = 3;

const CASES: [Case; 10] = [
    Case::steady(Protocol::RemoteWrite1),
    shuffled(Protocol::RemoteWrite1, false),
    shuffled(Protocol::RemoteWrite1, true),
    Case::steady(Protocol::RemoteWrite2),
    shuffled(Protocol::RemoteWrite2, false),
    Case::steady(Protocol::OtlpMetrics),
    shuffled(Protocol::OtlpMetrics, false),
    Case::steady(Protocol::OtlpLogs),
    Case::steady(Protocol::LineProtocol),
    shuffled(Protocol::LineProtocol, false),
];

const fn shuffled(protocol: Protocol, shuffle_labels: bool) -> Case {
    Case { protocol, order: Order::Shuffled, shuffle_labels }
}

fn main() {
    divan::main();
}

/// One connection, batch after batch, in the order that the case says.
#[divan::bench(args = CASES)]
fn known_series(bencher: Bencher<'_, '_>, case: Case) {
    let bodies = case.bodies(ROUNDS);
    let limits = Limits::default();
    let normalizer = Normalizer::new(Arc::new(SeriesRegistry::new(limits.series)), limits);
    let normalize = |body: &[u8]| {
        let now = UnixNanos(NOW_MILLIS * 1_000_000);
        normalizer.normalize(format(case.protocol), body, None, now).expect("a good body")
    };
    for body in &bodies {
        let normalized = normalize(body);
        assert!(normalized.rejections.is_empty(), "{:?}", normalized.rejections);
        assert_eq!(normalized.count(), case.protocol.batch() as u64);
    }
    let mut turns = bodies.iter().cycle();
    bencher
        .counter(ItemsCount::new(case.protocol.batch()))
        .bench_local(|| normalize(black_box(turns.next().expect("a cycle has no end"))));
}

fn format(protocol: Protocol) -> Format {
    match protocol {
        Protocol::RemoteWrite1 => Format::RemoteWrite1,
        Protocol::RemoteWrite2 => Format::RemoteWrite2,
        Protocol::OtlpMetrics => Format::Otlp(Signal::Metrics),
        Protocol::OtlpLogs => Format::Otlp(Signal::Logs),
        Protocol::LineProtocol => Format::LineProtocol { precision: Precision::Nanoseconds, whole: false },
    }
}
