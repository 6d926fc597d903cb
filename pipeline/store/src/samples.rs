//! Points of one metric by series, for functions over a range of time.

use std::ops::ControlFlow;

use flyball_model::batch::is_stale;
use flyball_model::{MetricRef, SeriesRef, UnixNanos};
use hashbrown::HashMap;

use crate::error::StoreError;
use crate::range::{SeriesFilter, TimeRange};
use crate::snapshot::PointQuery;
use crate::store::Store;

/// Rows that are read from a history file at a time.
pub(crate) const BATCH_ROWS: usize = 8192;

/// The points of one series, by time; no time stands twice.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesSamples {
    /// The series.
    pub series: SeriesRef,
    /// Nanoseconds since the epoch, rising.
    pub times: Vec<i64>,
    /// As many values; staleness markers are among them (`flyball_model::batch::is_stale`).
    pub values: Vec<f64>,
}

impl Store {
    /// The points of a metric with `from < time <= to`, by series number; of all its series, or of those given. Of points
    /// with one series and time the one that arrived last is kept. Series without a point in the range are left out. Blocks.
    ///
    /// # Errors
    /// When the history can't be read.
    pub fn samples(
        &self,
        metric: MetricRef,
        series: Option<&[SeriesRef]>,
        from: UnixNanos,
        to: UnixNanos,
    ) -> Result<Vec<SeriesSamples>, StoreError> {
        let query = query(metric, series, from, to);
        if query.times.from > query.times.to {
            return Ok(Vec::new());
        }
        let snapshot = self.snapshot(query);
        let mut by_series = BySeries::default();
        let mut each = |points: crate::hot::chunk::Points| {
            by_series.add(&points.series, &points.time, &points.value);
            Ok(ControlFlow::Continue(()))
        };
        // In the order of arrival.
        let _ = snapshot.read_files(BATCH_ROWS, &mut each)?;
        let _ = snapshot.read_hot(usize::MAX, &mut each)?;
        Ok(by_series.finish())
    }

    /// Whether any of these series of a metric has a point with `from < time <= to` that is no staleness marker, though a later one may have
    /// taken its place. Reads no further than to the first. Blocks.
    ///
    /// # Errors
    /// When the history can't be read.
    pub fn has_samples(
        &self,
        metric: MetricRef,
        series: &[SeriesRef],
        from: UnixNanos,
        to: UnixNanos,
    ) -> Result<bool, StoreError> {
        let query = query(metric, Some(series), from, to);
        if query.times.from > query.times.to || series.is_empty() {
            return Ok(false);
        }
        let snapshot = self.snapshot(query);
        let mut each = |points: crate::hot::chunk::Points| {
            let found = points.value.iter().any(|&value| !is_stale(value));
            Ok(if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        };
        // What is in memory is the newest and the nearest.
        Ok(snapshot.read_hot(BATCH_ROWS, &mut each)?.is_break()
            || snapshot.read_files(BATCH_ROWS, &mut each)?.is_break())
    }
}

/// The points of a metric with `from < time <= to`, of all series or of those given.
pub(crate) fn query(metric: MetricRef, series: Option<&[SeriesRef]>, from: UnixNanos, to: UnixNanos) -> PointQuery {
    let wanted = series.map_or(SeriesFilter::All, |series| SeriesFilter::Some(series.iter().copied().collect()));
    PointQuery { metrics: vec![metric], wanted, times: TimeRange { from: from.0.saturating_add(1), to: to.0 } }
}

#[derive(Default)]
struct BySeries {
    slots: HashMap<u32, usize>,
    samples: Vec<SeriesSamples>,
}

impl BySeries {
    fn add(&mut self, series: &[u32], times: &[i64], values: &[f64]) {
        let mut start = 0;
        for run in series.chunk_by(|a, b| a == b) {
            let end = start + run.len();
            let slot = *self.slots.entry(run[0]).or_insert_with(|| {
                self.samples.push(SeriesSamples { series: SeriesRef(run[0]), times: Vec::new(), values: Vec::new() });
                self.samples.len() - 1
            });
            let samples = &mut self.samples[slot];
            samples.times.extend_from_slice(&times[start..end]);
            samples.values.extend_from_slice(&values[start..end]);
            start = end;
        }
    }

    fn finish(mut self) -> Vec<SeriesSamples> {
        self.samples.iter_mut().for_each(sort_and_deduplicate);
        self.samples.sort_unstable_by_key(|samples| samples.series);
        self.samples
    }
}

fn sort_and_deduplicate(samples: &mut SeriesSamples) {
    if samples.times.is_sorted_by(|a, b| a < b) {
        return;
    }
    let mut points: Vec<_> = samples.times.drain(..).zip(samples.values.drain(..)).collect();
    points.sort_by_key(|point| point.0);
    for (time, value) in points {
        if samples.times.last() == Some(&time) {
            samples.values.pop();
        } else {
            samples.times.push(time);
        }
        samples.values.push(value);
    }
}
