//! Reading the records of memory and history that are wanted.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use flyball_model::{MetricRef, RowKind};

use super::super::exec::{RowSource, Sink};
use super::super::metrics::{labels_column, name_column};
use super::super::wanted::{WantedSeries, metrics_named};
use super::layout::{Column, Scope};
use crate::error::StoreError;
use crate::filter::series::{SeriesPredicate, pieces};
use crate::history::file::HistoryFile;
use crate::history::rows::{RowQuery, read_rows};
use crate::hot::rows::{RowChunk, SERIES, series, times};
use crate::labels::{Rows, label_column};
use crate::range::{SeriesFilter, SeriesSet, TimeRange};
use crate::store::Store;

/// What a WHERE clause says of series.
#[derive(Debug)]
pub(super) enum Wanted {
    /// Nothing.
    All,
    /// Something about the labels of one metric's series.
    Series(WantedSeries),
    /// Something about the names of metrics.
    Named(SeriesPredicate),
}

#[derive(Debug)]
pub(super) struct RowScan {
    store: Arc<Store>,
    kind: RowKind,
    scope: Scope,
    schema: SchemaRef,
    columns: Vec<Column>,
    /// The stored columns that are needed, sorted.
    stored: Vec<usize>,
    times: TimeRange,
    wanted: Wanted,
}

/// What is settled before any record is read.
struct Selection {
    /// The metric whose records they are, where memory and files know which records are whose.
    metric: Option<MetricRef>,
    /// Among the metric's records, if there is one.
    wanted: SeriesFilter,
}

impl RowScan {
    pub(super) fn new(
        store: Arc<Store>,
        kind: RowKind,
        scope: Scope,
        schema: SchemaRef,
        columns: Vec<Column>,
        times: TimeRange,
        wanted: Wanted,
    ) -> Self {
        let stored = columns.iter().map(|column| match column {
            Column::Stored(at) => *at,
            Column::Label(_) | Column::Metric | Column::Labels => SERIES,
        });
        let mut stored: Vec<usize> = stored.collect();
        if stored.is_empty() {
            // Rows are counted by a column that is there: the cheapest one.
            stored.push(SERIES);
        }
        stored.sort_unstable();
        stored.dedup();
        Self { store, kind, scope, schema, columns, stored, times, wanted }
    }

    /// `None` when nothing can be wanted.
    fn select(&self) -> Result<Option<Selection>, StoreError> {
        let of = self.scope.metric(&self.store.registry.read());
        if of.is_none() && !matches!(self.scope, Scope::All) {
            return Ok(None);
        }
        let wanted = match (&self.wanted, of) {
            (Wanted::Series(wanted), Some(metric)) => SeriesFilter::Some(wanted.of(&self.store, metric, self.times)?),
            (Wanted::Named(predicate), _) => {
                let metrics = metrics_named(&self.store, Some(predicate), |_, _| true)?;
                SeriesFilter::Some(self.series_of(&metrics))
            }
            (Wanted::All | Wanted::Series(_), _) => SeriesFilter::All,
        };
        if wanted.is_empty() {
            return Ok(None);
        }
        let metric = if matches!(self.scope, Scope::Metric(_)) { of } else { None };
        Ok(Some(Selection { metric, wanted }))
    }

    fn series_of(&self, metrics: &[MetricRef]) -> SeriesSet {
        let view = self.store.registry.read();
        metrics.iter().flat_map(|&metric| view.series_of(metric)).copied().collect()
    }

    fn read_memory(
        &self,
        chunks: &[Arc<RowChunk>],
        selection: &Selection,
        sink: &mut Sink,
    ) -> Result<ControlFlow<()>, StoreError> {
        // A chunk holds records of many metrics.
        let of_metric = match (selection.metric, &selection.wanted) {
            (Some(metric), SeriesFilter::All) => Some(SeriesFilter::Some(self.series_of(&[metric]))),
            _ => None,
        };
        let wanted = of_metric.as_ref().unwrap_or(&selection.wanted);
        for chunk in chunks {
            if selection.metric.is_none_or(|metric| chunk.may_have(metric))
                && self.read_chunk(chunk, wanted, sink)?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn read_chunk(
        &self,
        chunk: &RowChunk,
        wanted: &SeriesFilter,
        sink: &mut Sink,
    ) -> Result<ControlFlow<()>, StoreError> {
        self.store.reads.hot_rows.fetch_add(chunk.rows() as u64, Ordering::Relaxed);
        let mut rows = chunk.batch.project(&self.stored)?;
        if *wanted != SeriesFilter::All || !self.times.covers(chunk.times) {
            let keep: BooleanArray = series(&chunk.batch)
                .iter()
                .zip(times(&chunk.batch))
                .map(|(&series, &time)| Some(self.times.contains(time) && wanted.contains(series)))
                .collect();
            rows = filter_record_batch(&rows, &keep)?;
        }
        for piece in pieces(rows.num_rows(), sink.batch_rows()) {
            if sink.send(self.to_batch(&rows.slice(piece.start, piece.len()))?).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        // Also where nothing is wanted: a chance to stop.
        Ok(sink.send(RecordBatch::new_empty(Arc::clone(&self.schema))))
    }

    fn read_file(
        &self,
        file: &HistoryFile,
        selection: &Selection,
        sink: &mut Sink,
    ) -> Result<ControlFlow<()>, StoreError> {
        let reads = &self.store.reads;
        let rows = selection.metric.map(|metric| file.rows_of(&[metric], self.times));
        if !file.times.overlaps(self.times) || rows.as_ref().is_some_and(Vec::is_empty) {
            reads.files_pruned.fetch_add(1, Ordering::Relaxed);
            return Ok(ControlFlow::Continue(()));
        }
        reads.files_opened.fetch_add(1, Ordering::Relaxed);
        let query = RowQuery {
            kind: self.kind,
            columns: &self.stored,
            rows,
            wanted: &selection.wanted,
            times: self.times,
            batch_rows: sink.batch_rows(),
        };
        for batch in read_rows(file, query)? {
            let batch = batch?;
            reads.history_rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
            if sink.send(self.to_batch(&batch)?).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The table's columns from the stored ones that were read.
    fn to_batch(&self, stored: &RecordBatch) -> Result<RecordBatch, StoreError> {
        let mut of_series = self.columns_of_series(stored)?.into_iter();
        let columns = self.columns.iter().map(|column| match column {
            Column::Stored(at) => {
                let position = self.stored.binary_search(at).expect("every stored column in the projection was read");
                Arc::clone(stored.column(position))
            }
            _ => of_series.next().expect("a column was made for each that depends on the series"),
        });
        let columns = columns.collect();
        let options = RecordBatchOptions::new().with_row_count(Some(stored.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }

    /// The columns that depend on the series alone, in their order.
    fn columns_of_series(&self, stored: &RecordBatch) -> Result<Vec<ArrayRef>, StoreError> {
        let mut made = Vec::new();
        let wanted: Vec<_> = self.columns.iter().filter(|column| !matches!(column, Column::Stored(_))).collect();
        if wanted.is_empty() {
            return Ok(made);
        }
        let labels_matter = wanted.iter().any(|column| !matches!(column, Column::Metric));
        let numbers = series(stored);
        let rows = Rows::new(numbers);
        let view = self.store.registry.labels_of(if labels_matter { &rows.distinct } else { &[] })?;
        for column in wanted {
            made.push(match column {
                Column::Label(name) => label_column(&view, name, &rows),
                Column::Labels => labels_column(&view, &rows)?,
                Column::Metric | Column::Stored(_) => name_column(&view, &rows),
            });
        }
        Ok(made)
    }
}

impl RowSource for RowScan {
    fn run(&self, sink: &mut Sink) -> Result<(), StoreError> {
        let Some(selection) = self.select()? else { return Ok(()) };
        let ((hot, _), files) = {
            let history = self.store.history.read();
            (self.store.rows.snapshot(self.kind, self.times), history.rows(self.kind).to_vec())
        };
        if self.read_memory(&hot, &selection, sink)?.is_break() {
            return Ok(());
        }
        drop(hot);
        for file in files {
            if self.read_file(&file, &selection, sink)?.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn times(&self) -> TimeRange {
        self.times
    }
}

impl fmt::Display for RowScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scope {
            Scope::Metric(metric) => write!(f, "metric={}", self.store.registry.read().metric_name(metric))?,
            Scope::Streams(_) | Scope::All => f.write_str(self.kind.as_str())?,
        }
        write!(f, ", time={}", self.times)?;
        match &self.wanted {
            Wanted::All => Ok(()),
            Wanted::Series(wanted) => write!(f, ", series where {wanted}"),
            Wanted::Named(predicate) => write!(f, ", metrics where {predicate}"),
        }
    }
}
