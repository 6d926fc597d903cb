//! How points get into groups.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, RecordBatch, TimestampNanosecondArray, UInt64Array};
use arrow::buffer::NullBuffer;
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::common::cast::as_boolean_array;
use datafusion::error::Result;
use flyball_model::batch::is_stale;
use flyball_model::{SeriesRef, UnixNanos};
use flyball_store::{Store, series_of_records};

use super::accumulate::Values;
use super::arrived::Arrived;
use super::classify::Class;
use super::table::{BATCH_GROUPS, NOBODYS, Parts, Stop, Table, UNMET};

/// The first stored column of records that is no series.
const OF_RECORDS: usize = 1;

impl Table {
    /// Adds what has arrived.
    pub(super) fn take(&mut self, store: &Store, arrived: &Arrived) -> Result<()> {
        let places = self.places_of(store, arrived.series())?;
        self.points_seen += arrived.series().len() as u64;
        match (&self.ranges, arrived) {
            (Some(_), _) => self.take_samples(arrived, &places),
            (None, Arrived::Records(records)) if self.parts.classifier.is_per_row() => {
                self.take_records(store, arrived, records, &places)?;
            }
            (None, _) => self.take_rows(arrived, &places)?,
        }
        Ok(())
    }

    /// Adds records to the panes of the groups that they name themselves.
    fn take_records(&mut self, store: &Store, arrived: &Arrived, records: &RecordBatch, places: &[u32]) -> Result<()> {
        let rows = self.rows_of(arrived)?;
        let wanted = |(row, (&partition, &time)): (usize, (&u32, &i64))| {
            let pane = self.parts.window.pane_of(time);
            (rows.keeps(row) && partition != NOBODYS && pane >= self.first).then_some((row as u64, pane, partition))
        };
        let each = places.iter().zip(arrived.times()).enumerate();
        let wanted: Vec<_> = each.filter_map(wanted).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        // Keys cost more than predicates: only of the records that count.
        let of_wanted = UInt64Array::from_iter_values(wanted.iter().map(|&(row, ..)| row));
        let records = take_record_batch(records, &of_wanted)?;
        let columns: Vec<usize> = (OF_RECORDS..records.num_columns()).collect();
        let keys = self.parts.classifier.keys_of_rows(
            store.registry(),
            series_of_records(&records),
            &records.project(&columns)?,
        )?;
        let times = arrived.times();
        for (key, (row, pane, partition)) in keys.iter().zip(wanted) {
            let (row, group) = (row as usize, self.groups.intern(key.as_ref(), partition));
            self.add(group, pane, &rows, row, (times[row], 0.0));
        }
        Ok(())
    }

    /// Adds points or records to the panes of their groups.
    fn take_rows(&mut self, arrived: &Arrived, places: &[u32]) -> Result<()> {
        let rows = self.rows_of(arrived)?;
        let values = arrived.values();
        for (row, (&group, &time)) in places.iter().zip(arrived.times()).enumerate() {
            if group == NOBODYS || !rows.keeps(row) {
                continue;
            }
            let pane = self.parts.window.pane_of(time);
            if pane < self.first {
                continue;
            }
            self.add(group, pane, &rows, row, (time, values.get(row).copied().unwrap_or(0.0)));
        }
        Ok(())
    }

    /// Adds a row, with its time and value, to the pane of a group.
    #[inline]
    fn add(&mut self, group: u32, pane: i64, rows: &Rows, row: usize, (time, value): (i64, f64)) {
        let (numbers, is_new) = self.groups.pane(&self.parts.layout, group, pane);
        self.parts.layout.add(numbers, &rows.values, row, time, value);
        if is_new {
            self.leaving.add(pane, group);
        }
        self.mark(group);
    }

    /// Adds points to the samples of their series.
    fn take_samples(&mut self, arrived: &Arrived, places: &[u32]) {
        let Some(ranges) = &mut self.ranges else { return };
        let samples = arrived.times().iter().zip(arrived.values());
        for (&place, (&time, &value)) in places.iter().zip(samples) {
            let pane = self.parts.window.pane_of(time);
            if place != NOBODYS && pane >= self.first {
                ranges.add(place, pane, time, value);
            }
        }
    }

    /// Puts the figures of a range function into the groups of their series, where these may have changed.
    pub(super) fn take_figures(&mut self, store: &Store, now: UnixNanos) -> Result<(), Stop> {
        let Some(ranges) = &mut self.ranges else { return Ok(()) };
        let read = ranges.read_late(store, self.parts.metric, self.first);
        read.map_err(|error| Stop::Failed(error.to_string()))?;
        for groups in ranges.take_changed().chunks(BATCH_GROUPS) {
            let Some(ranges) = &mut self.ranges else { break };
            let figures = Arrived::Points(ranges.figures(groups, self.first, now));
            self.replace(groups, &figures)?;
        }
        Ok(())
    }

    /// Puts figures, which have the number of their group in place of one of a series, one group after the other, in the place of what the groups
    /// hold.
    fn replace(&mut self, groups: &[u32], figures: &Arrived) -> Result<()> {
        let rows = self.rows_of(figures)?;
        let mut numbers = vec![0.0; self.parts.layout.words()];
        let points = figures.times().iter().zip(figures.values());
        let mut figures = figures.series().iter().zip(points).enumerate().peekable();
        for &group in groups {
            let mut is_there = false;
            numbers.fill(0.0);
            while let Some((row, (_, (&time, &value)))) = figures.next_if(|(_, (of, _))| **of == group) {
                if rows.keeps(row) {
                    self.parts.layout.add(&mut numbers, &rows.values, row, time, value);
                    is_there = true;
                }
            }
            if self.groups.replace(&self.parts.layout, group, is_there.then_some(numbers.as_slice())) {
                self.mark(group);
            }
        }
        Ok(())
    }

    /// What predicates and aggregates make of points or records.
    fn rows_of(&self, arrived: &Arrived) -> Result<Rows> {
        let Parts { layout, points: predicates, point_schema, .. } = &self.parts;
        if predicates.is_empty() && !layout.needs_batch() {
            return Ok(Rows { keep: None, values: layout.plain() });
        }
        let batch = batch_of(point_schema, arrived)?;
        let mut keep: Option<BooleanArray> = None;
        for predicate in predicates {
            let holds = predicate.evaluate(&batch)?.into_array(batch.num_rows())?;
            let holds = as_boolean_array(&holds)?;
            keep = Some(match keep {
                Some(keep) => arrow::compute::and_kleene(&keep, holds)?,
                None => holds.clone(),
            });
        }
        Ok(Rows { keep, values: layout.evaluate(&batch)? })
    }

    /// What [`Table::series`] says of each of these series, after those were met that had not been.
    fn places_of(&mut self, store: &Store, series: &[u32]) -> Result<Vec<u32>> {
        let view = store.registry().read();
        let mut places: Vec<u32> = series.iter().map(|&series| view.position(SeriesRef(series))).collect();
        drop(view);
        let end = places.iter().max().map_or(0, |&last| last as usize + 1);
        if self.series.len() < end {
            self.series.resize(end, UNMET);
        }
        let is_unmet = |&(_, position): &(&u32, &u32)| self.series[*position as usize] == UNMET;
        let mut unmet: Vec<(u32, u32)> = series.iter().zip(&places).filter(is_unmet).map(|(&s, &p)| (s, p)).collect();
        if !unmet.is_empty() {
            unmet.sort_unstable();
            unmet.dedup();
            self.meet(store, unmet)?;
        }
        places.iter_mut().for_each(|place| *place = self.series[*place as usize]);
        Ok(places)
    }

    /// Finds the group of series that were not met before, each with its position.
    fn meet(&mut self, store: &Store, unmet: Vec<(u32, u32)>) -> Result<()> {
        let (series, positions): (Vec<_>, Vec<_>) = unmet.into_iter().unzip();
        let classes = self.parts.classifier.classify(store.registry(), &series)?;
        for ((series, position), class) in series.into_iter().zip(positions).zip(classes) {
            let group = class.and_then(|Class { partition, key }| {
                let partition = *self.partitions.get(&partition)?;
                Some(if self.parts.classifier.is_per_row() { partition } else { self.groups.intern(&key, partition) })
            });
            self.followed += usize::from(group.is_some());
            let place = match (&mut self.ranges, group) {
                (Some(ranges), Some(group)) => Some(ranges.meet(series, group)),
                (_, group) => group,
            };
            self.series[position as usize] = place.unwrap_or(NOBODYS);
        }
        Ok(())
    }
}

/// Points, as predicates and aggregates see them.
struct Rows {
    /// For which the predicates are true; `None` when there are none.
    keep: Option<BooleanArray>,
    values: Vec<Values>,
}

impl Rows {
    #[inline]
    fn keeps(&self, row: usize) -> bool {
        self.keep.as_ref().is_none_or(|keep| keep.is_valid(row) && keep.value(row))
    }
}

/// The columns that are no labels.
fn batch_of(schema: &SchemaRef, arrived: &Arrived) -> Result<RecordBatch> {
    let columns: Vec<ArrayRef> = match arrived {
        Arrived::Records(records) => records.columns()[OF_RECORDS..].to_vec(),
        Arrived::Points(points) => {
            let stale = points.value.iter().any(|&value| is_stale(value));
            let valid = stale.then(|| points.value.iter().map(|&value| !is_stale(value)).collect::<NullBuffer>());
            vec![
                Arc::new(TimestampNanosecondArray::new(points.time.clone(), None).with_timezone("UTC")),
                Arc::new(Float64Array::new(points.value.clone(), valid)),
            ]
        }
    };
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
