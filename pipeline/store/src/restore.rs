//! Replay: log records go back to where they were.
//!
//! A record is taken back by its ordinals. Those that a history file holds are skipped, and so are those that were taken back before,
//! so that nothing is lost and nothing is there twice, whatever stands in the log twice or in another order.
//!
//! Points should also come back in the order in which they had arrived, for the last one of a time wins. Two connections that append
//! to one metric at the same moment may stand in the log the other way round. So what comes too early waits until what is before it
//! was there, or until the log is at its end, or until there is too much waiting. The last case would need one sender's record to be
//! held up while others log megabytes; then the points are all there nevertheless, and only their order is that of the log.

use std::collections::BTreeMap;

use flyball_log::{PointRun, Position};
use flyball_model::series::RegistryView;
use flyball_model::{MetricRef, PointBatch, RowKind, Rows, SeriesRef, UnixNanos};

use crate::appended::RestoredCount;
use crate::error::StoreError;
use crate::history::Held;
use crate::history::file::Kind;
use crate::hot::chunk::POINT_BYTES;
use crate::hot::points::Restored;
use crate::hot::rows::series;
use crate::journal::writer::Torn;
use crate::options::WAITING_SHARE;
use crate::ordinals::OrdinalRange;
use crate::store::Store;

/// What a run that waits costs beside its points.
const WAITING_RUN_BYTES: usize = 160;

/// A replay of the log, see [`Store::begin_restore`]. If it is dropped before its end, what was taken back stays.
#[derive(Debug)]
pub struct Restore<'s> {
    store: &'s Store,
    held: Held,
    waiting: Waiting,
}

/// What came before what arrived before it, by group and ordinal.
#[derive(Debug, Default)]
struct Waiting {
    points: BTreeMap<(MetricRef, u64), WaitingPoints>,
    rows: BTreeMap<(RowKind, u64), (Rows, Position)>,
    bytes: usize,
}

#[derive(Debug)]
struct WaitingPoints {
    points: PointBatch,
    needs: Position,
}

impl WaitingPoints {
    fn bytes(&self) -> usize {
        self.points.len() * POINT_BYTES + WAITING_RUN_BYTES
    }
}

impl Store {
    /// Begins the replay of the log. Until [`Restore::finish`] nothing else may be appended, there is no second replay, and no part
    /// of the log may be removed, whatever [`Store::needed_from`] says.
    pub fn begin_restore(&self) -> Restore<'_> {
        Restore { store: self, held: std::mem::take(&mut *self.held.lock()), waiting: Waiting::default() }
    }
}

impl Restore<'_> {
    /// Takes back those points of a log record that are not in the history. When memory is full some of it is written into the
    /// history first. `needs` is the record's position, or one before it. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] when the record does not fit this folder's series, and [`StoreError::Corrupt`] when they may have stood in the
    /// end of the journal that could not be read: nothing of it was taken then. Another one when memory is full and the disk says no: the
    /// record was taken then, and the replay may go on when there is room.
    pub fn points(
        &mut self,
        points: &PointBatch,
        runs: &[PointRun],
        needs: Position,
    ) -> Result<RestoredCount, StoreError> {
        let mut count = RestoredCount::default();
        {
            let view = self.store.registry().read();
            let metrics = check_points(&view, points, runs, self.store.torn.as_ref())?;
            for (series, time, _) in points.iter() {
                view.touch(series, time.0);
            }
            for (&metric, run) in metrics.iter().zip(runs) {
                count += self.run(metric, points, *run, needs);
            }
        }
        self.keep_in_budget()?;
        Ok(count)
    }

    fn run(&mut self, metric: MetricRef, points: &PointBatch, run: PointRun, needs: Position) -> RestoredCount {
        let whole = OrdinalRange { from: run.ordinal, to: run.ordinal + u64::from(run.end - run.start) };
        let held = self.held.of_mut(Kind::Points, metric);
        if whole.from >= held.end() {
            // Nearly always, and a record of a sender that shuffles has as many runs as points.
            held.add(whole);
            self.part(metric, points, run, whole, needs);
            return counted(whole, &[whole]);
        }
        let missing = held.missing(whole);
        missing.iter().for_each(|&part| held.add(part));
        missing.iter().for_each(|&part| self.part(metric, points, run, part, needs));
        counted(whole, &missing)
    }

    fn part(&mut self, metric: MetricRef, points: &PointBatch, run: PointRun, part: OrdinalRange, needs: Position) {
        let at = |ordinal: u64| run.start as usize + (ordinal - run.ordinal) as usize;
        let places = at(part.from)..at(part.to);
        let columns = (&points.series()[places.clone()], &points.times()[places.clone()], &points.values()[places]);
        if self.store.points.restore_next(metric, columns, part.from, needs) {
            self.waiting.release_points(self.store, metric);
        } else {
            self.waiting.add_points(metric, columns, part.from, needs);
        }
    }

    /// The same for records of a kind; the first one has this ordinal, the others follow.
    ///
    /// # Errors
    /// As [`Restore::points`].
    pub fn rows(&mut self, rows: Rows, ordinal: u64, needs: Position) -> Result<RestoredCount, StoreError> {
        let kind = rows.kind();
        let whole = {
            let view = self.store.registry().read();
            check_series(&view, series(rows.batch()), self.store.torn.as_ref())?;
            OrdinalRange::of(ordinal, rows.len()).ok_or_else(beyond)?
        };
        let held = self.held.of_mut(Kind::Rows(kind), MetricRef(0));
        let missing = held.missing(whole);
        missing.iter().for_each(|&part| held.add(part));
        for &part in &missing {
            let (at, length) = ((part.from - ordinal) as usize, part.len() as usize);
            let part_of = Rows::try_new(kind, rows.batch().slice(at, length));
            let part_of = part_of.expect("a part of the records has the schema of all");
            if part.from <= self.store.rows.next_ordinal(kind) {
                self.store.rows.restore(&self.store.registry().read(), part_of, part.from, needs);
                self.waiting.release_rows(self.store, kind);
            } else {
                self.waiting.add_rows(part_of, part.from, needs);
            }
        }
        self.keep_in_budget()?;
        Ok(counted(whole, &missing))
    }

    fn keep_in_budget(&mut self) -> Result<(), StoreError> {
        if self.waiting.bytes > self.store.options.hot_bytes / WAITING_SHARE {
            self.waiting.release_all(self.store);
        }
        self.store.keep_in_budget()
    }

    /// Ends the replay: the store is as it was.
    ///
    /// # Errors
    /// When memory is full and the disk says no; everything is there nevertheless.
    pub fn finish(mut self) -> Result<(), StoreError> {
        self.waiting.release_all(self.store);
        self.store.keep_in_budget()
    }
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        self.waiting.release_all(self.store);
        *self.store.held.lock() = std::mem::take(&mut self.held);
    }
}

impl Waiting {
    fn add_points(&mut self, metric: MetricRef, (series, times, values): Restored<'_>, ordinal: u64, needs: Position) {
        let mut points = PointBatch::with_capacity(series.len());
        for ((&series, &time), &value) in series.iter().zip(times).zip(values) {
            points.push(SeriesRef(series), UnixNanos(time), value);
        }
        let waiting = WaitingPoints { points, needs };
        self.bytes += waiting.bytes();
        self.points.insert((metric, ordinal), waiting);
    }

    fn add_rows(&mut self, rows: Rows, ordinal: u64, needs: Position) {
        self.bytes += rows.batch().get_array_memory_size();
        self.rows.insert((rows.kind(), ordinal), (rows, needs));
    }

    /// Stores what has waited for the ordinals of a metric up to the next one.
    fn release_points(&mut self, store: &Store, metric: MetricRef) {
        if self.points.is_empty() {
            return;
        }
        while let Some((&key, _)) = self.points.range((metric, 0)..=(metric, u64::MAX)).next()
            && key.1 <= store.points.next_ordinal(metric)
        {
            self.release_first_points(store, key);
        }
    }

    fn release_rows(&mut self, store: &Store, kind: RowKind) {
        while let Some((&key, _)) = self.rows.range((kind, 0)..=(kind, u64::MAX)).next()
            && key.1 <= store.rows.next_ordinal(kind)
        {
            self.release_first_rows(store, key);
        }
    }

    /// Stores all that waits, in the order of ordinals: what it has waited for does not come.
    fn release_all(&mut self, store: &Store) {
        while let Some((&key, _)) = self.points.first_key_value() {
            self.release_first_points(store, key);
        }
        while let Some((&key, _)) = self.rows.first_key_value() {
            self.release_first_rows(store, key);
        }
    }

    fn release_first_points(&mut self, store: &Store, key: (MetricRef, u64)) {
        if let Some(waiting) = self.points.remove(&key) {
            self.bytes -= waiting.bytes();
            let points = &waiting.points;
            let columns = (points.series(), points.times(), points.values());
            store.points.restore(key.0, columns, key.1, waiting.needs);
        }
    }

    fn release_first_rows(&mut self, store: &Store, key: (RowKind, u64)) {
        if let Some((rows, needs)) = self.rows.remove(&key) {
            self.bytes -= rows.batch().get_array_memory_size();
            store.rows.restore(&store.registry().read(), rows, key.1, needs);
        }
    }
}

fn counted(whole: OrdinalRange, missing: &[OrdinalRange]) -> RestoredCount {
    let restored = missing.iter().map(|part| part.len()).sum();
    RestoredCount { restored, known: whole.len() - restored }
}

/// The metric of each run, if the record is one that this folder's store can have made.
fn check_points(
    view: &RegistryView<'_>,
    points: &PointBatch,
    runs: &[PointRun],
    torn: Option<&Torn>,
) -> Result<Vec<MetricRef>, StoreError> {
    check_series(view, points.series(), torn)?;
    let mut end = 0;
    let mut metrics = Vec::with_capacity(runs.len());
    for run in runs {
        let of_run = (run.start == end && run.start < run.end)
            .then(|| points.series().get(run.start as usize..run.end as usize))
            .flatten();
        let Some(of_run) = of_run else {
            return Err(foreign(format!("a run of points {}..{} after the point {end}", run.start, run.end)));
        };
        let metric = view.metric_of(SeriesRef(of_run[0]));
        if of_run.iter().any(|&series| view.metric_of(SeriesRef(series)) != metric) {
            return Err(foreign(format!("points {}..{} are of several metrics", run.start, run.end)));
        }
        OrdinalRange::of(run.ordinal, of_run.len()).ok_or_else(beyond)?;
        metrics.push(metric);
        end = run.end;
    }
    if end as usize != points.len() {
        return Err(foreign(format!("{} points, and ordinals for {end}", points.len())));
    }
    Ok(metrics)
}

fn check_series(view: &RegistryView<'_>, series: &[u32], torn: Option<&Torn>) -> Result<(), StoreError> {
    let known = view.series_count();
    match (series.iter().max(), torn) {
        (Some(&last), Some(torn)) if last as usize >= known => {
            Err(torn.needed(&format!("the log speaks of series number {last}"), known))
        }
        (Some(&last), None) if last as usize >= known => {
            Err(foreign(format!("it speaks of series number {last}, and series.journal has {known}")))
        }
        _ => Ok(()),
    }
}

fn foreign(detail: String) -> StoreError {
    StoreError::Foreign { detail }
}

fn beyond() -> StoreError {
    foreign("ordinals beyond the last number".into())
}
