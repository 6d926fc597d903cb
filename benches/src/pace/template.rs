//! Bodies that are encoded once, and get new times each time they are sent.

use flyball_bench::body::{self, Body, Tick};
use flyball_bench::load::{Load, Protocol};

/// The time that is written first, in milliseconds. No other bytes of a body look like it.
const MARK_MILLIS: i64 = 1_717_171_717_171;

const NANOS_PER_MILLI: u64 = 1_000_000;

/// A body of OTLP metrics, whose times are eight bytes each, or of remote write 1.0, whose times have six digits of seven bits.
#[derive(Debug)]
pub(crate) struct Template {
    /// Before any compression.
    plain: Vec<u8>,
    load: Load,
    times: Vec<usize>,
    points: usize,
}

impl Template {
    /// All series, in bodies of so many points.
    pub(crate) fn all(load: Load, series: usize, batch: usize) -> Vec<Self> {
        let numbers: Vec<_> = (0..series).collect();
        numbers.chunks(batch.max(1)).map(|numbers| Self::new(load, numbers)).collect()
    }

    /// One point of each of these series.
    pub(crate) fn new(load: Load, numbers: &[usize]) -> Self {
        let tick = Tick { round: 0, at_millis: MARK_MILLIS, shuffle_labels: false };
        let plain = body::plain(load.protocol(), numbers, &tick);
        let mark = written(load, MARK_MILLIS as u64 * NANOS_PER_MILLI);
        let times = plain.windows(mark.len()).enumerate().filter(|(_, window)| *window == mark).map(|(at, _)| at);
        Self { times: times.collect(), points: numbers.len(), plain, load }
    }

    /// Points of the body.
    pub(crate) fn points(&self) -> usize {
        self.points
    }

    /// The body with this time, in nanoseconds since the epoch.
    pub(crate) fn at(&self, nanos: u64) -> Body {
        let mut plain = self.plain.clone();
        let time = written(self.load, nanos);
        for &at in &self.times {
            plain[at..at + time.len()].copy_from_slice(&time);
        }
        Body { bytes: body::wrap(self.load.wrapping(), plain), points: self.points }
    }
}

/// A time as the load's protocol writes it.
fn written(load: Load, nanos: u64) -> Vec<u8> {
    match load.protocol() {
        Protocol::RemoteWrite1 => body::varint(nanos / NANOS_PER_MILLI),
        _ => nanos.to_le_bytes().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_gets_the_new_time() {
        for load in [Load::OtlpHttp, Load::OtlpGrpc, Load::RemoteWrite] {
            let numbers: Vec<_> = (0..250).collect();
            let template = Template::new(load, &numbers);
            assert_eq!(template.times.len(), 250);
            let tick = Tick { round: 0, at_millis: 1_800_000_000_000, shuffle_labels: false };
            let expected = body::wrap(load.wrapping(), body::plain(load.protocol(), &numbers, &tick));
            assert_eq!(template.at(1_800_000_000_000_000_000).bytes, expected);
        }
        assert_eq!(Template::all(Load::OtlpHttp, 1_001, 500).iter().map(|one| one.points).sum::<usize>(), 1_001);
    }
}
