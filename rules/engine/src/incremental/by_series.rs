//! What is made of the labels of a series, once for each: when its first point arrives.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::SchemaRef;
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use flyball_model::SeriesRegistry;
use flyball_store::labels::label_columns;
use parking_lot::Mutex;

use super::batch::{batch_of, truths};

/// The series of some points, figures or records.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfSeries<'p> {
    pub(super) registry: &'p SeriesRegistry,
    pub(super) series: &'p [u32],
    /// Their positions in the metric; nothing where nobody asks for them.
    pub(super) positions: &'p [u32],
}

/// A value of each series that was met.
#[derive(Debug)]
pub(super) struct BySeries<T> {
    /// The labels behind the columns of `schema`.
    names: Vec<Arc<str>>,
    schema: SchemaRef,
    /// In the place of the value of a series that was not met.
    unmet: T,
    /// By position in the metric.
    known: Mutex<Vec<T>>,
}

/// Which series a predicate on labels is true for.
#[derive(Debug)]
pub(super) struct SeriesFilter {
    predicate: Arc<dyn PhysicalExpr>,
    by: BySeries<Option<bool>>,
}

impl<T: Copy + PartialEq> BySeries<T> {
    /// No series yet. Values are made from the columns of `schema`, which are these labels.
    pub(super) fn new(names: Vec<Arc<str>>, schema: SchemaRef, unmet: T) -> Self {
        Self { names, schema, unmet, known: Mutex::default() }
    }

    /// The value of the series of each row; `make` makes those of series that were not met from their labels. Looks at the labels of these, which
    /// may read files.
    pub(super) fn of(&self, rows: OfSeries<'_>, make: impl FnOnce(&RecordBatch) -> Result<Vec<T>>) -> Result<Vec<T>> {
        let OfSeries { registry, series, positions } = rows;
        let mut known = self.known.lock();
        let end = positions.iter().max().map_or(0, |&last| last as usize + 1);
        if known.len() < end {
            known.resize(end, self.unmet);
        }
        let each = series.iter().zip(positions).map(|(&series, &position)| (series, position));
        let mut unmet: Vec<_> = each.filter(|&(_, position)| known[position as usize] == self.unmet).collect();
        if !unmet.is_empty() {
            unmet.sort_unstable();
            unmet.dedup();
            let series: Vec<u32> = unmet.iter().map(|&(series, _)| series).collect();
            let columns = label_columns(registry, &self.names, &series)?;
            let made = make(&batch_of(&self.schema, columns, series.len())?)?;
            unmet.iter().zip(made).for_each(|(&(_, position), value)| known[position as usize] = value);
        }
        Ok(positions.iter().map(|&position| known[position as usize]).collect())
    }

    /// Memory.
    pub(super) fn bytes(&self) -> usize {
        self.known.lock().capacity() * size_of::<T>()
    }
}

impl SeriesFilter {
    /// Of a predicate over the columns of `schema`, which are these labels.
    pub(super) fn new(names: Vec<Arc<str>>, schema: SchemaRef, predicate: Arc<dyn PhysicalExpr>) -> Self {
        Self { predicate, by: BySeries::new(names, schema, None) }
    }

    /// For which rows it is true.
    pub(super) fn of(&self, rows: OfSeries<'_>) -> Result<BooleanBuffer> {
        let passes = self.by.of(rows, |labels| {
            let passes = truths(&self.predicate.evaluate(labels)?.into_array(labels.num_rows())?)?;
            Ok(passes.iter().map(Some).collect())
        })?;
        Ok(passes.into_iter().map(|passes| passes == Some(true)).collect())
    }

    /// Memory.
    pub(super) fn bytes(&self) -> usize {
        self.by.bytes()
    }
}
