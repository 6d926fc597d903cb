//! What comes in, in the order of time: into the store, past the twin, and told to the rules.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use flyball_model::rows::LogRecord;
use flyball_model::series::LOGS;
use flyball_model::{LogBuilder, MetricRef, PointBatch, SeriesRef, Shape, UnixNanos};
use flyball_store::Store;
use flyball_twin::Twin;
use hashbrown::HashMap;

use crate::test::{Input, Log, START, Signal, Test};

/// The inputs of a test, each with its next step.
pub(super) struct Arrivals<'t> {
    tracks: Vec<Track<'t>>,
    /// The time of each track's next step.
    next: BinaryHeap<Reverse<(Duration, usize)>>,
}

struct Track<'t> {
    input: &'t Input,
    steps: Box<dyn Iterator<Item = (Duration, f64)> + Send + 't>,
    /// The value of the next step.
    value: f64,
    /// Known once something has come.
    series: Option<SeriesRef>,
}

/// What arrives at one time.
#[derive(Default)]
struct Batch {
    points: PointBatch,
    /// Points that the twin alone sees.
    twin: PointBatch,
    logs: LogBuilder,
}

impl<'t> Arrivals<'t> {
    pub(super) fn of(test: &'t Test) -> Self {
        let mut arrivals = Self { tracks: Vec::with_capacity(test.inputs.len()), next: BinaryHeap::new() };
        for input in &test.inputs {
            arrivals.tracks.push(Track { input, steps: Box::new(input.steps()), value: 0.0, series: None });
            arrivals.step(arrivals.tracks.len() - 1);
        }
        arrivals
    }

    /// Takes a track to its next step.
    fn step(&mut self, index: usize) {
        let track = &mut self.tracks[index];
        if let Some((at, value)) = track.steps.next() {
            track.value = value;
            self.next.push(Reverse((at, index)));
        }
    }

    /// At how many times something arrives until then.
    pub(super) fn times_until(&self, end: Duration) -> usize {
        let mut times: Vec<_> = self
            .tracks
            .iter()
            .flat_map(|track| track.input.steps().map(|step| step.0))
            .filter(|&at| at <= end)
            .collect();
        times.sort_unstable();
        times.dedup();
        times.len()
    }

    /// When something arrives next.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.next.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes in what has arrived at `now`, and says which metrics have new points, as the live intake does.
    ///
    /// # Errors
    /// Why a series can't be.
    pub(super) fn arrive(
        &mut self,
        now: Duration,
        start: UnixNanos,
        store: &Arc<Store>,
        twin: &Twin,
    ) -> Result<HashMap<MetricRef, Duration>, String> {
        let mut batch = Batch::default();
        while let Some(&Reverse((at, index))) = self.next.peek()
            && at <= now
        {
            self.next.pop();
            self.tracks[index].arrive(&mut batch, start.plus(at), store)?;
            self.step(index);
        }
        batch.take_in(now, store, twin)
    }
}

impl Track<'_> {
    fn arrive(&mut self, batch: &mut Batch, time: UnixNanos, store: &Store) -> Result<(), String> {
        let series = match self.series {
            Some(series) => series,
            None => *self.series.insert(resolve(&self.input.signal, time, store)?),
        };
        match &self.input.signal {
            // Times 1 as it is: a staleness marker is a NaN of certain bits.
            Signal::Point { scale: 1.0, .. } => batch.points.push(series, time, self.value),
            Signal::Point { scale, .. } => batch.points.push(series, time, self.value * scale),
            Signal::Twin { .. } => batch.twin.push(series, time, self.value),
            Signal::Logs(log) => {
                for _ in 0..self.value as usize {
                    log.push(&mut batch.logs, series, time);
                }
            }
        }
        Ok(())
    }
}

/// Values of an input that show what it is.
const SHOWN_MAX: usize = 20;
/// Between two tests, so that the samples of one series do not mix.
const APART: Duration = Duration::from_secs(24 * 3600);

/// Takes the first values of each input in, the tests one after the other: what a store then knows of metrics, labels and distances of
/// samples is what rules can be checked against.
///
/// # Errors
/// Why a series can't be, or a point.
pub fn take_in_samples<'t>(
    tests: impl IntoIterator<Item = &'t Test>,
    store: &Arc<Store>,
    twin: &Twin,
) -> Result<(), String> {
    let mut start = START;
    for test in tests {
        let mut batch = Batch::default();
        let mut end = Duration::ZERO;
        for input in &test.inputs {
            let mut track = Track { input, steps: Box::new(std::iter::empty()), value: 0.0, series: None };
            for (at, value) in input.steps().take(SHOWN_MAX) {
                track.value = value;
                track.arrive(&mut batch, start.plus(at), store)?;
                end = end.max(at);
            }
        }
        batch.take_in(Duration::ZERO, store, twin)?;
        start = start.plus(end + APART);
    }
    Ok(())
}

fn resolve(signal: &Signal, time: UnixNanos, store: &Store) -> Result<SeriesRef, String> {
    let (metric, shape, labels) = match signal {
        Signal::Point { metric, labels, .. } | Signal::Twin { metric, labels } => {
            (metric.as_str(), Shape::Numbers, labels)
        }
        Signal::Logs(log) => (LOGS, Shape::Streams, &log.resource),
    };
    let pairs: Vec<_> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    store.registry().resolve(metric, shape, &pairs, time).map_err(|error| format!("{metric}: {error}"))
}

impl Log {
    fn push(&self, logs: &mut LogBuilder, stream: SeriesRef, time: UnixNanos) {
        let record = LogRecord {
            severity_number: self.severity_number,
            severity: &self.severity,
            body: self.body.as_deref(),
            event_name: &self.event_name,
            ..LogRecord::new(stream, time)
        };
        logs.push(record, self.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    }
}

impl Batch {
    fn take_in(self, now: Duration, store: &Arc<Store>, twin: &Twin) -> Result<HashMap<MetricRef, Duration>, String> {
        let Self { points, twin: seen, logs } = self;
        let mut touched = Vec::new();
        for points in [&points, &seen] {
            if !points.is_empty() {
                twin.observe(store.registry(), points).map_err(|error| error.to_string())?;
            }
        }
        if !seen.is_empty() {
            let view = store.registry().read();
            touched.extend(seen.iter().map(|(series, _, _)| view.metric_of(series)));
        }
        if !points.is_empty() {
            touched.extend(store.append_unlogged(points));
        }
        if !logs.is_empty() {
            touched.extend(store.append_rows_unlogged(logs.finish()));
        }
        Ok(touched.into_iter().map(|metric| (metric, now)).collect())
    }
}
