//! The history on its way into the replay: read a slab at a time, arriving as simulated time goes on.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{RecordBatch, UInt32Array};
use flyball_model::{MetricRef, PointBatch, Rows, UnixNanos};
use flyball_store::Store;
use flyball_twin::Twin;
use hashbrown::HashMap;

use super::BacktestError;
use super::catalog::{answer, quoted};
use super::label_sets::LabelSets;
use super::slab::{Records, Slab};
use super::source::{Source, SourceError};
use super::wanted::Wanted;

/// Points and records that a slab should have. Some 30 MB while it is read, and 10 afterwards.
const SLAB_ROWS: usize = 400_000;

/// The shortest and the longest slab.
const SLAB_MIN: Duration = Duration::from_secs(1);
/// See [`SLAB_MIN`].
const SLAB_MAX: Duration = Duration::from_secs(24 * 3600);

/// How often a series has a point: a guess, for the first slab.
const POINT_EVERY: Duration = Duration::from_secs(15);

/// Metrics that have new points, in the shape in which the rules are told of it.
type Woken = HashMap<MetricRef, Duration>;

/// What arrives.
pub(super) struct Arrivals<'s, S> {
    source: &'s S,
    tables: Vec<Wanted>,
    sets: LabelSets,
    slab: Slab,
    /// How far the slab's points and its records have arrived.
    points_done: usize,
    records_done: Vec<usize>,
    /// All up to here was read.
    read_until: i64,
    /// Nothing is read after this.
    end: i64,
    /// The length of the next slab.
    length: Duration,
    pub(super) arrived: u64,
}

impl<'s, S: Source> Arrivals<'s, S> {
    /// The points of these tables after `start`, until `end`.
    pub(super) fn new(source: &'s S, tables: Vec<Wanted>, start: UnixNanos, end: UnixNanos) -> Self {
        let series = tables.iter().map(|table| table.series.len()).sum::<usize>().max(1);
        let length = POINT_EVERY.mul_f64(SLAB_ROWS as f64 / 2.0 / series as f64);
        Self {
            source,
            tables,
            sets: LabelSets::default(),
            slab: Slab::default(),
            points_done: 0,
            records_done: Vec::new(),
            // What stands at `start` is read too.
            read_until: start.0.saturating_sub(1),
            end: end.0,
            length: length.clamp(SLAB_MIN, SLAB_MAX),
            arrived: 0,
        }
    }

    /// The tables, by their places.
    pub(super) fn tables(&self) -> &[Wanted] {
        &self.tables
    }

    /// Makes the series known that were there before: a server knows its names and labels from then on too.
    pub(super) fn remember(&mut self, before: UnixNanos, store: &Store) -> Result<(), BacktestError> {
        for place in 0..self.tables.len() {
            let series = std::mem::take(&mut self.tables[place].series);
            for series in series.iter().filter(|series| series.first_at <= before.0) {
                let number = self.sets.number(place as u32, series.labels.clone());
                self.sets.series(number, series.first_at, &self.tables, store.registry())?;
            }
            self.tables[place].series = series;
        }
        Ok(())
    }

    /// Lets everything arrive until `until`, and says which metrics have new points.
    pub(super) async fn arrive(
        &mut self,
        until: UnixNanos,
        store: &Arc<Store>,
        twin: Option<&Twin>,
    ) -> Result<Woken, BacktestError> {
        let mut woken = Woken::new();
        loop {
            self.take_in(until, store, twin, &mut woken)?;
            if self.read_until >= until.0 || self.read_until >= self.end {
                return Ok(woken);
            }
            self.read_on().await?;
        }
    }

    /// Appends what the slab has until then.
    fn take_in(
        &mut self,
        until: UnixNanos,
        store: &Arc<Store>,
        twin: Option<&Twin>,
        woken: &mut Woken,
    ) -> Result<(), BacktestError> {
        let arrived_before = self.arrived;
        let rest = &self.slab.points[self.points_done..];
        let points = &rest[..rest.partition_point(|point| point.0 <= until.0)];
        let mut touched = Vec::new();
        if !points.is_empty() {
            let mut batch = PointBatch::with_capacity(points.len());
            for &(time, set, value) in points {
                let series = self.sets.series(set, time, &self.tables, store.registry())?;
                batch.push(series, UnixNanos(time), value);
            }
            if let Some(twin) = twin {
                twin.observe(store.registry(), &batch).map_err(|error| answer(&error.to_string()))?;
            }
            self.points_done += points.len();
            self.arrived += points.len() as u64;
            touched.extend(store.append_unlogged(batch));
        }
        for (records, done) in self.slab.records.iter().zip(&mut self.records_done) {
            let end = records.times.partition_point(|&time| time <= until.0);
            if end > *done {
                let rows = rows(records, *done..end, &mut self.sets, &self.tables, store)?;
                self.arrived += rows.len() as u64;
                touched.extend(store.append_rows_unlogged(rows));
                *done = end;
            }
        }
        if self.arrived > arrived_before {
            woken.extend(touched.into_iter().map(|metric| (metric, Duration::ZERO)));
        }
        Ok(())
    }

    /// Reads the next slab: shorter than the last where that was too much, longer where it was little.
    async fn read_on(&mut self) -> Result<(), BacktestError> {
        loop {
            let until = UnixNanos(self.read_until).plus(self.length).0.min(self.end);
            match self.read(until).await {
                Err(BacktestError::Source(SourceError::TooMuch(_))) if self.length > SLAB_MIN => {
                    self.length = (self.length / 4).max(SLAB_MIN);
                }
                Err(error) => return Err(error),
                Ok(slab) => {
                    let factor = SLAB_ROWS as f64 / slab.len().max(1) as f64;
                    self.length = self.length.mul_f64(factor.clamp(0.25, 4.0)).clamp(SLAB_MIN, SLAB_MAX);
                    self.read_until = until;
                    (self.points_done, self.records_done) = (0, vec![0; slab.records.len()]);
                    self.slab = slab;
                    return Ok(());
                }
            }
        }
    }

    async fn read(&mut self, until: i64) -> Result<Slab, BacktestError> {
        let mut slab = Slab::default();
        for place in 0..self.tables.len() {
            let table = &self.tables[place];
            let instant = |at: i64| format!("arrow_cast({at}, 'Timestamp(Nanosecond, Some(\"UTC\"))')");
            let sql = format!(
                "SELECT * FROM {} WHERE time > {} AND time <= {}",
                quoted(&table.name),
                instant(self.read_until),
                instant(until)
            );
            let rows = self.source.query(&sql).await?;
            slab.add(place as u32, table, &rows, &mut self.sets)?;
            if slab.len() > 4 * SLAB_ROWS && self.length > SLAB_MIN {
                let why = format!("more than {} points in {:?}", 4 * SLAB_ROWS, self.length);
                return Err(SourceError::TooMuch(why).into());
            }
        }
        slab.sort();
        Ok(slab)
    }
}

/// Some records as the store takes them, with their series.
fn rows(
    records: &Records,
    range: std::ops::Range<usize>,
    sets: &mut LabelSets,
    tables: &[Wanted],
    store: &Store,
) -> Result<Rows, BacktestError> {
    let mut series = Vec::with_capacity(range.len());
    for row in range.clone() {
        series.push(sets.series(records.sets[row], records.times[row], tables, store.registry())?.0);
    }
    let stored = records.batch.slice(range.start, range.len());
    let series: arrow::array::ArrayRef = Arc::new(UInt32Array::from(series));
    let columns = std::iter::once(series).chain(stored.columns().iter().cloned()).collect();
    let batch = RecordBatch::try_new(records.kind.schema(), columns).map_err(|error| answer(&error.to_string()))?;
    Rows::try_new(records.kind, batch).map_err(|_| answer("records of another kind"))
}
