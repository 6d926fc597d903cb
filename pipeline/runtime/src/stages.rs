//! How long each stretch of a point's way takes, as histograms.

use std::time::Duration;

use flyball_model::stage::Stage;
use hdrhistogram::Histogram;
use parking_lot::Mutex;

/// Durations above this are recorded as this: an hour, in microseconds.
const MICROS_MAX: u64 = 3_600_000_000;

/// Histograms of all stages; a value is recorded with two significant digits, from 1 µs to an hour.
#[derive(Debug)]
pub struct Stages {
    histograms: [Mutex<Histogram<u64>>; Stage::ALL.len()],
}

/// A row of `flyball.stages`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageRow {
    /// The stretch.
    pub stage: Stage,
    /// How often it was passed.
    pub count: u64,
    /// Sum of all durations, microseconds.
    pub sum_us: u64,
    /// Quantiles 0.5, 0.9, 0.99 and 0.999, microseconds.
    pub quantiles_us: [u64; 4],
    /// The longest, microseconds.
    pub max_us: u64,
}

/// The quantiles of [`StageRow::quantiles_us`].
pub(crate) const QUANTILES: [f64; 4] = [0.5, 0.9, 0.99, 0.999];

impl Default for Stages {
    fn default() -> Self {
        let histogram = || {
            Mutex::new(
                Histogram::new_with_bounds(1, MICROS_MAX, 2).expect("the bounds are constants that hdrhistogram takes"),
            )
        };
        Self { histograms: std::array::from_fn(|_| histogram()) }
    }
}

impl Stages {
    /// Notes that a stretch took this long.
    pub fn record(&self, stage: Stage, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(MICROS_MAX).clamp(1, MICROS_MAX);
        self.histograms[stage as usize].lock().saturating_record(micros);
    }

    /// All stages, in the order of a point's way.
    pub fn rows(&self) -> [StageRow; Stage::ALL.len()] {
        Stage::ALL.map(|stage| {
            let histogram = self.histograms[stage as usize].lock();
            StageRow {
                stage,
                count: histogram.len(),
                sum_us: (histogram.mean() * histogram.len() as f64) as u64,
                quantiles_us: QUANTILES.map(|quantile| histogram.value_at_quantile(quantile)),
                max_us: histogram.max(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_come_back_as_quantiles() {
        let stages = Stages::default();
        for millis in 1..=100 {
            stages.record(Stage::ReceiveToAck, Duration::from_millis(millis));
        }
        let [ack, decision, _] = stages.rows();
        assert_eq!((ack.count, decision.count), (100, 0));
        assert!((49_000..=51_000).contains(&ack.quantiles_us[0]), "{ack:?}");
    }
}
