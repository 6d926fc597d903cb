//! Bodies that are encoded once, and get new times each time they are sent.

use bytes::Bytes;
use flyball_bench::body::{self, Body, Tick};
use flyball_bench::load::Load;

/// The time that is written first, in milliseconds. No other eight bytes of a body look like it.
const MARK_MILLIS: i64 = 1_717_171_717_171;

/// A body of OTLP metrics, whose times are eight bytes each.
#[derive(Debug)]
pub(super) struct Template {
    bytes: Vec<u8>,
    times: Vec<usize>,
    points: usize,
}

impl Template {
    /// All series, in bodies of so many points.
    pub(super) fn all(load: Load, series: usize, batch: usize) -> Vec<Self> {
        let numbers: Vec<_> = (0..series).collect();
        numbers.chunks(batch.max(1)).map(|numbers| Self::new(load, numbers)).collect()
    }

    /// One point of each of these series.
    pub(super) fn new(load: Load, numbers: &[usize]) -> Self {
        let tick = Tick { round: 0, at_millis: MARK_MILLIS, shuffle_labels: false };
        let bytes = body::wrap(load.wrapping(), body::plain(load.protocol(), numbers, &tick)).to_vec();
        let mark = (MARK_MILLIS as u64 * 1_000_000).to_le_bytes();
        let times = bytes.windows(mark.len()).enumerate().filter(|(_, window)| *window == mark).map(|(at, _)| at);
        Self { times: times.collect(), points: numbers.len(), bytes }
    }

    /// The body with this time, in nanoseconds since the epoch.
    pub(super) fn at(&self, nanos: u64) -> Body {
        let mut bytes = self.bytes.clone();
        for &at in &self.times {
            bytes[at..at + 8].copy_from_slice(&nanos.to_le_bytes());
        }
        Body { bytes: Bytes::from(bytes), points: self.points }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_gets_the_new_time() {
        for load in [Load::OtlpHttp, Load::OtlpGrpc] {
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
