//! Reading `power`.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use flyball_model::time::duration_nanos;
use flyball_model::{MetricRef, SeriesRef, UnixNanos};
use hashbrown::HashMap;

use super::Column;
use super::derive::{Reading, reading, readings};
use super::entries::{Entry, EntryColumns, entries};
use crate::error::StoreError;
use crate::filter::series::SeriesPredicate;
use crate::hot::chunk::Points;
use crate::range::{SeriesFilter, TimeRange};
use crate::samples::SeriesSamples;
use crate::snapshot::PointQuery;
use crate::store::Store;
use crate::table::exec::{RowSource, Sink};
use crate::table::time_column;

/// How far before a range the point is looked for that watts at its start are derived from. Scrapes further apart than
/// this give no watts.
const LOOK_BACK: Duration = Duration::from_secs(600);

/// Readings that must be put together from several points are read this much time at once, to bound the memory.
const WINDOW: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub(super) struct PowerScan {
    pub(super) store: Arc<Store>,
    pub(super) schema: SchemaRef,
    pub(super) columns: Vec<Column>,
    pub(super) times: TimeRange,
    pub(super) predicate: Option<SeriesPredicate>,
    /// The labels that the predicate looks at, in its order.
    pub(super) predicate_labels: Vec<usize>,
}

impl RowSource for PowerScan {
    fn run(&self, sink: &mut Sink) -> Result<(), StoreError> {
        let mut entries = entries(&self.store, UnixNanos(self.times.from).minus(LOOK_BACK).0)?;
        let columns = EntryColumns::new(&entries);
        if let Some(predicate) = &self.predicate {
            let all = 0..entries.len() as u32;
            let labels = self.predicate_labels.iter().map(|&label| columns.column(label, all.clone())).collect();
            let answer = predicate.evaluate(labels)?;
            // Entries keep their places, which the columns' keys go by; one without parts gives no rows.
            for (entry, _) in entries.iter_mut().zip(answer.values()).filter(|(_, yes)| !*yes) {
                entry.parts.clear();
            }
        }
        let rows = Rows { scan: self, columns, entries };
        if rows.direct(sink)?.is_continue() {
            let _ = rows.composed(sink)?;
        }
        Ok(())
    }

    fn times(&self) -> TimeRange {
        TimeRange { from: self.times.from.saturating_sub(duration_nanos(LOOK_BACK)), ..self.times }
    }
}

/// One run of a scan.
struct Rows<'a> {
    scan: &'a PowerScan,
    columns: EntryColumns,
    entries: Vec<Entry>,
}

impl Rows<'_> {
    /// The rows that are points by themselves.
    fn direct(&self, sink: &mut Sink) -> Result<ControlFlow<()>, StoreError> {
        let mut entry_of: HashMap<u32, u32> = HashMap::new();
        let mut metrics = Vec::new();
        for (at, entry) in self.entries.iter().enumerate().filter(|(_, entry)| entry.is_direct()) {
            for &(metric, series) in &entry.parts {
                entry_of.insert(series.0, at as u32);
                metrics.push(metric);
            }
        }
        metrics.sort_unstable();
        metrics.dedup();
        let wanted = SeriesFilter::Some(entry_of.keys().map(|&series| SeriesRef(series)).collect());
        let query = PointQuery { metrics, wanted, times: self.scan.times };
        let snapshot = self.scan.store.snapshot(query);
        let batch_rows = sink.batch_rows();
        let mut each = |points: Points| {
            let points = points.series.iter().zip(points.time.iter()).zip(points.value.iter());
            let rows = points.filter_map(|((series, &time), &value)| {
                let entry = entry_of[series];
                Some((entry, reading(time, value, &self.entries[entry as usize])?))
            });
            Ok(sink.send(self.to_batch(&rows.collect::<Vec<_>>())?))
        };
        match snapshot.read_hot(batch_rows, &mut each)? {
            ControlFlow::Continue(()) => snapshot.read_files(batch_rows, &mut each),
            stop => Ok(stop),
        }
    }

    /// The rows that are put together from several points, an hour at a time.
    fn composed(&self, sink: &mut Sink) -> Result<ControlFlow<()>, StoreError> {
        let mut series_of: HashMap<MetricRef, Vec<SeriesRef>> = HashMap::new();
        for &(metric, series) in self.composed_entries().flat_map(|(_, entry)| &entry.parts) {
            series_of.entry(metric).or_default().push(series);
        }
        let metrics: Vec<_> = series_of.keys().copied().collect();
        let spans = self.scan.store.spans(&metrics);
        let mut cursor = self.scan.times.from;
        while let Some(window) = next_window(&spans, cursor, self.scan.times.to) {
            let mut samples: HashMap<SeriesRef, SeriesSamples> = HashMap::new();
            let from = UnixNanos(window.from).minus(LOOK_BACK);
            for (&metric, series) in &series_of {
                let found = self.scan.store.samples(metric, Some(series), from, UnixNanos(window.to))?;
                samples.extend(found.into_iter().map(|samples| (samples.series, samples)));
            }
            let mut rows = Vec::new();
            for (at, entry) in self.composed_entries() {
                let parts: Vec<_> = entry.parts.iter().filter_map(|(_, series)| samples.get(series)).collect();
                let readings = readings(entry, &parts);
                rows.extend(readings.into_iter().filter(|row| window.contains(row.time)).map(|row| (at, row)));
            }
            drop(samples);
            for rows in rows.chunks(sink.batch_rows()) {
                if sink.send(self.to_batch(rows)?).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            let Some(next) = window.to.checked_add(1) else { break };
            cursor = next;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn composed_entries(&self) -> impl Iterator<Item = (u32, &Entry)> {
        self.entries.iter().enumerate().filter(|(_, entry)| !entry.is_direct()).map(|(at, entry)| (at as u32, entry))
    }

    fn to_batch(&self, rows: &[(u32, Reading)]) -> Result<RecordBatch, StoreError> {
        let columns = self.scan.columns.iter().map(|&column| -> ArrayRef {
            match column {
                Column::Time => time_column(rows.iter().map(|(_, row)| row.time).collect()),
                Column::Watts => Arc::new(rows.iter().map(|(_, row)| row.watts).collect::<Float64Array>()),
                Column::Joules => Arc::new(rows.iter().map(|(_, row)| row.joules).collect::<Float64Array>()),
                Column::Label(label) => self.columns.column(label, rows.iter().map(|(entry, _)| *entry)),
            }
        });
        let columns = columns.collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.scan.schema), columns, &options)?)
    }
}

/// The next window with points in it at or after `cursor`.
fn next_window(spans: &[TimeRange], cursor: i64, to: i64) -> Option<TimeRange> {
    let from = spans.iter().filter(|span| span.to >= cursor).map(|span| span.from.max(cursor)).min()?;
    (from <= to).then(|| TimeRange { from, to: to.min(from.saturating_add(duration_nanos(WINDOW))) })
}

impl fmt::Display for PowerScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "power, time={}", self.times)?;
        match &self.predicate {
            Some(predicate) => write!(f, ", consumers where {predicate}"),
            None => Ok(()),
        }
    }
}
