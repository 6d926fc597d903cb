//! How points get into groups.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, TimestampNanosecondArray, UInt32Array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use datafusion::error::Result;
use flyball_model::batch::is_stale;
use flyball_model::{SeriesRef, UnixNanos};
use flyball_store::labels::label_columns;
use flyball_store::{Store, series_of_records};

use super::arrived::Arrived;
use super::batch::truths;
use super::by_series::OfSeries;
use super::cells::{ByCell, Cell};
use super::grouping::NOBODYS;
use super::incoming::Part;
use super::table::{BATCH_GROUPS, Parts, Stop, Table};
use super::values::Values;

/// The stored column of records that says their series.
const SERIES: usize = 0;

/// The first one behind it: their time.
const OF_RECORDS: usize = 1;

impl Table {
    /// Adds what has arrived, but for the first `skip` points or records.
    pub(super) fn take(&mut self, store: &Store, part: &Part, skip: usize) -> Result<()> {
        let places = part.places(&self.grouping, store.registry())?;
        self.know_groups();
        self.points_seen += (part.len() - skip) as u64;
        match (&mut self.ranges, &part.arrived) {
            (Some(ranges), _) => {
                let positions = part.positions(store.registry());
                ranges.take((part, skip), &places, positions, &self.slots, self.first)?;
            }
            (None, Arrived::Records(records)) if self.grouping.classifier().is_per_row() => {
                self.take_records(store, (part, skip), records, &places)?;
            }
            (None, _) => self.take_rows(store, part, skip, &places)?,
        }
        self.slots.fold(&self.parts.layout)
    }

    /// Makes room for the groups that were met since it was made last.
    pub(super) fn know_groups(&mut self) {
        let met = self.grouping.met();
        for group in self.slots.len()..met.groups.len() {
            let partition = met.groups.partition(group as u32);
            let is_asked = self.is_asked(partition);
            self.slots.push(is_asked);
        }
    }

    /// Adds records to the panes of the groups that they name themselves.
    fn take_records(
        &mut self,
        store: &Store,
        (part, skip): (&Part, usize),
        records: &RecordBatch,
        partitions: &[u32],
    ) -> Result<()> {
        let conditions = self.conditions_of(part)?;
        let rows = self.rows_of(&part.arrived, conditions, part.of_series(store.registry()))?;
        let mut kept = Vec::new();
        rows.for_each_kept(skip..part.len(), |row| kept.push(row as u32));
        let by_cell = self.by_cell(store, part, (records, partitions), &kept)?;
        self.know_groups();
        let (times, layout) = (part.arrived.times(), &self.parts.layout);
        for (Cell { group, pane }, records) in by_cell.iter().filter(|(cell, _)| cell.pane >= self.first) {
            self.slots.add(group, layout, pane, |of| layout.add_records(of, &rows.values, records, times));
        }
        Ok(())
    }

    /// Some records by the panes of the groups that they name themselves.
    fn by_cell(
        &self,
        store: &Store,
        part: &Part,
        (records, partitions): (&RecordBatch, &[u32]),
        kept: &[u32],
    ) -> Result<ByCell> {
        let (grouping, window) = (&self.grouping, self.parts.window);
        let mut cells = part.cells(grouping, window);
        let (times, mut panes) = (part.arrived.times(), window.panes());
        let wanted =
            |&row: &u32| self.is_asked(partitions[row as usize]) && panes.of(times[row as usize]) >= self.first;
        let unknown: Vec<u32> = cells.unknown(kept).filter(wanted).collect();
        if !unknown.is_empty() {
            let records = self.taken(records, &unknown)?;
            let columns: Vec<usize> = (OF_RECORDS..records.num_columns()).collect();
            let groups = grouping.groups_of_rows(
                store.registry(),
                series_of_records(&records),
                unknown.iter().map(|&row| partitions[row as usize]),
                &records.project(&columns)?,
            )?;
            for (row, group) in unknown.into_iter().zip(groups) {
                cells.know(row, Cell { group, pane: panes.of(times[row as usize]) });
            }
        }
        Ok(cells.sort(kept))
    }

    /// These records. In columns that nobody reads stand others' values, so that long texts are not copied in vain.
    fn taken(&self, records: &RecordBatch, wanted: &[u32]) -> Result<RecordBatch> {
        let places = UInt32Array::from_iter_values(wanted.iter().copied());
        let read = &self.parts.read;
        let columns = records.columns().iter().enumerate().map(|(at, column)| {
            if read.contains(&at) { take(column, &places, None) } else { Ok(column.slice(0, wanted.len())) }
        });
        Ok(RecordBatch::try_new(records.schema(), columns.collect::<Result<_, _>>()?)?)
    }

    /// Adds points or records to the panes of their groups.
    fn take_rows(&mut self, store: &Store, part: &Part, skip: usize, places: &[u32]) -> Result<()> {
        let conditions = self.conditions_of(part)?;
        let rows = self.rows_of(&part.arrived, conditions, part.of_series(store.registry()))?;
        let (times, values, layout) = (part.arrived.times(), part.arrived.values(), &self.parts.layout);
        let mut panes = self.parts.window.panes();
        let add = |row: usize| {
            let (group, time) = (places[row], times[row]);
            if group == NOBODYS {
                return;
            }
            let pane = panes.of(time);
            if pane >= self.first {
                let value = values.get(row).copied().unwrap_or(0.0);
                self.slots.add(group, layout, pane, |of| layout.add(of, &rows.values, row, time, value));
            }
        };
        rows.for_each_kept(skip..times.len(), add);
        Ok(())
    }

    /// Puts the figures of a range function into the groups of their series, where these may have changed.
    pub(super) fn take_figures(&mut self, store: &Store, now: UnixNanos) -> Result<(), Stop> {
        let Some(ranges) = &mut self.ranges else { return Ok(()) };
        ranges.read_late(store, self.parts.metric, self.first)?;
        for groups in ranges.take_changed().chunks(BATCH_GROUPS) {
            let Some(ranges) = &mut self.ranges else { break };
            let (figures, series) = ranges.figures(groups, self.first, now)?;
            self.replace(store, groups, &figures, &series)?;
        }
        Ok(())
    }

    /// Puts figures of these series, which have the number of their group in place of one of a series, one group after the other, in the place of what
    /// the groups hold.
    fn replace(&mut self, store: &Store, groups: &[u32], figures: &Arrived, series: &[u32]) -> Result<()> {
        let registry = store.registry();
        let mut positions = Vec::new();
        if self.parts.layout.needs_positions() {
            let view = registry.read();
            positions.extend(series.iter().map(|&series| view.position(SeriesRef(series))));
        }
        let rows = self.rows_of(figures, Vec::new(), OfSeries { registry, series, positions: &positions })?;
        let mut numbers = vec![0.0; self.parts.layout.words()];
        let values = figures.values();
        let mut figures = figures.series().iter().zip(figures.times()).enumerate().peekable();
        for &group in groups {
            let mut is_there = false;
            numbers.fill(0.0);
            self.slots.begin(group);
            while let Some((row, (_, &time))) = figures.next_if(|(_, (of, _))| **of == group) {
                if rows.keeps(row) {
                    let value = values.get(row).copied().unwrap_or(0.0);
                    self.parts.layout.add(self.slots.begun(group, &mut numbers), &rows.values, row, time, value);
                    is_there = true;
                }
            }
            self.slots.replace(group, is_there.then_some(numbers.as_slice()));
        }
        // Figures are no more than series, and are replaced before they are put together with others.
        self.slots.leave_rows();
        Ok(())
    }

    /// What is asked of the texts of what has arrived.
    fn conditions_of(&self, part: &Part) -> Result<Vec<ArrayRef>> {
        match &part.arrived {
            Arrived::Records(records) if !self.parts.conditions.is_empty() => self
                .parts
                .conditions
                .evaluate(&records.columns()[OF_RECORDS..], |column, read| part.texts(column, read)),
            _ => Ok(Vec::new()),
        }
    }

    /// What predicates and aggregates make of points, figures or records of these series, of whose texts some conditions are true.
    fn rows_of(&self, arrived: &Arrived, conditions: Vec<ArrayRef>, series: OfSeries<'_>) -> Result<Rows> {
        let Parts { layout, points: predicates, point_schema, labels, .. } = &self.parts;
        if predicates.is_empty() && !layout.needs_batch() {
            return Ok(Rows { keep: None, values: layout.plain() });
        }
        let mut more = label_columns(series.registry, labels, series.series)?;
        more.extend(conditions);
        let batch = batch_of(point_schema, arrived, more)?;
        let mut keep: Option<BooleanBuffer> = None;
        for predicate in predicates {
            let holds = truths(&predicate.evaluate(&batch)?.into_array(batch.num_rows())?)?;
            keep = Some(match keep {
                Some(keep) => &keep & &holds,
                None => holds,
            });
        }
        if keep.as_ref().is_some_and(|keep| !keep.has_true()) {
            return Ok(Rows { keep, values: Vec::new() });
        }
        Ok(Rows { keep, values: layout.evaluate(&batch, series)? })
    }
}

/// The columns that records are stored in, sorted: their series and times, and what is read of those that are no labels.
pub(super) fn stored_columns(read: Vec<usize>) -> Vec<usize> {
    let others = read.into_iter().map(|column| OF_RECORDS + column).filter(|&column| column > OF_RECORDS);
    [SERIES, OF_RECORDS].into_iter().chain(others).collect()
}

/// Points, as predicates and aggregates see them.
struct Rows {
    /// For which the predicates are true; `None` when there are none.
    keep: Option<BooleanBuffer>,
    /// Nothing where they are true for none.
    values: Vec<Values>,
}

impl Rows {
    #[inline]
    fn keeps(&self, row: usize) -> bool {
        self.keep.as_ref().is_none_or(|keep| keep.value(row))
    }

    /// Gives those of some rows for which the predicates are true.
    #[inline]
    fn for_each_kept(&self, rows: Range<usize>, each: impl FnMut(usize)) {
        match &self.keep {
            Some(keep) => keep.slice(rows.start, rows.len()).set_indices().map(|row| rows.start + row).for_each(each),
            None => rows.for_each(each),
        }
    }
}

/// The columns that are no labels, and behind them those labels that aggregates ask for, and conditions.
fn batch_of(schema: &SchemaRef, arrived: &Arrived, more: Vec<ArrayRef>) -> Result<RecordBatch> {
    let mut columns: Vec<ArrayRef> = match arrived {
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
    columns.extend(more);
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
