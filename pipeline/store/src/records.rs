//! Stored records that are more than a number, in the order of arrival: those of a kind, or of histograms those of a metric.

use std::sync::Arc;

use arrow::array::{ArrayData, ArrayRef, BooleanArray, RecordBatch, make_array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field, FieldRef};
use arrow::error::ArrowError;
use flyball_model::series::RegistryView;
use flyball_model::{MetricRef, RowKind, SeriesRef, UnixNanos};

use crate::error::StoreError;
use crate::history::file::HistoryFile;
use crate::history::rows::{RowQuery, read_rows};
use crate::hot::rows::{RowChunk, series, times};
use crate::range::{SeriesFilter, TimeRange};
use crate::store::Store;

/// Records, which are larger than points, that a read of files gives at a time.
const BATCH_ROWS: usize = 8192;

/// The columns of a histogram that its start time and its buckets need, and which series it is of when.
const OF_HISTOGRAM: [&str; 4] = ["series", "time", "start_time", "histogram"];

/// Which records are read, and what of them.
pub(crate) struct RecordQuery<'q> {
    pub(crate) kind: RowKind,
    /// Of histograms: the metric that they are of.
    pub(crate) metric: Option<MetricRef>,
    /// Of which series.
    pub(crate) wanted: &'q SeriesFilter,
    /// Positions in the kind's schema, sorted, series and time among them. In other columns stands nothing of use.
    pub(crate) columns: &'q [usize],
    pub(crate) times: TimeRange,
}

/// The records of a moment.
pub(crate) struct RecordSnapshot {
    hot: Vec<Arc<RowChunk>>,
    files: Vec<Arc<HistoryFile>>,
    /// The ordinal of the next one of the kind to arrive.
    pub(crate) next: u64,
}

impl Store {
    /// Points of native histograms with `from < time <= to`, of some series of a metric, in the order of arrival: the columns `series`, `time`,
    /// `start_time` and `histogram` ([`flyball_model::rows::histogram_rows`]). Blocks on files.
    ///
    /// # Errors
    /// When the history can't be read.
    pub fn histograms(
        &self,
        metric: MetricRef,
        series: &[SeriesRef],
        from: UnixNanos,
        to: UnixNanos,
    ) -> Result<Vec<RecordBatch>, StoreError> {
        let kind = RowKind::Histograms;
        let schema = kind.schema();
        let columns = OF_HISTOGRAM.map(|name| schema.index_of(name)).into_iter().collect::<Result<Vec<_>, _>>()?;
        let wanted = SeriesFilter::Some(series.iter().copied().collect());
        let times = TimeRange { from: from.0.saturating_add(1), to: to.0 };
        let query = RecordQuery { kind, metric: Some(metric), wanted: &wanted, columns: &columns, times };
        let mut found = Vec::new();
        self.read_records(self.snapshot_of_records(&query), &query, |records| {
            found.push(records.project(&columns)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// The records of a moment, among which are those that are wanted.
    pub(crate) fn snapshot_of_records(&self, query: &RecordQuery<'_>) -> RecordSnapshot {
        let history = self.history.read();
        let (hot, next) = self.rows.snapshot(query.kind, query.times);
        RecordSnapshot { hot, files: history.rows(query.kind).to_vec(), next }
    }

    /// Gives the records that are wanted. Blocks on files.
    pub(crate) fn read_records(
        &self,
        snapshot: RecordSnapshot,
        query: &RecordQuery<'_>,
        mut each: impl FnMut(&RecordBatch) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let &RecordQuery { kind, metric, wanted, columns, times: range } = query;
        let RecordSnapshot { hot, files, .. } = snapshot;
        // A file knows which of its rows are a metric's.
        for file in files.iter().filter(|file| file.times.overlaps(range)) {
            let rows = metric.map(|metric| file.rows_of(&[metric], range));
            if rows.as_ref().is_some_and(Vec::is_empty) {
                continue;
            }
            let query = RowQuery { kind, columns, rows, wanted, times: range, batch_rows: BATCH_ROWS };
            for batch in read_rows(file, query)? {
                each(&with_blanks(kind, columns, &batch?)?)?;
            }
        }
        for chunk in hot.iter().filter(|chunk| metric.is_none_or(|metric| chunk.may_have(metric))) {
            let of_metric = match metric {
                Some(metric) => of_metric(&self.registry.read(), metric, &chunk.batch)?,
                None => chunk.batch.clone(),
            };
            if range.covers(chunk.times) && *wanted == SeriesFilter::All {
                each(&of_metric)?;
                continue;
            }
            let rows = series(&of_metric).iter().zip(times(&of_metric));
            let keep: BooleanArray =
                rows.map(|(&series, &time)| Some(range.contains(time) && wanted.contains(series))).collect();
            each(&filter_record_batch(&of_metric, &keep)?)?;
        }
        Ok(())
    }
}

/// Those records that are of a metric's series; one look at the registry a run of a series.
pub(crate) fn of_metric(
    view: &RegistryView<'_>,
    metric: MetricRef,
    records: &RecordBatch,
) -> Result<RecordBatch, ArrowError> {
    let (mut keep, mut kept) = (Vec::with_capacity(records.num_rows()), 0);
    for run in series(records).chunk_by(|a, b| a == b) {
        let is_kept = view.metric_of(SeriesRef(run[0])) == metric;
        keep.resize(keep.len() + run.len(), is_kept);
        kept += if is_kept { run.len() } else { 0 };
    }
    match kept {
        0 => Ok(records.slice(0, 0)),
        all if all == records.num_rows() => Ok(records.clone()),
        _ => filter_record_batch(records, &BooleanArray::from(keep)),
    }
}

/// Records with all columns of their kind, of which some were read.
fn with_blanks(kind: RowKind, read: &[usize], records: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = kind.schema();
    let column = |(at, field): (usize, &FieldRef)| match read.binary_search(&at) {
        Ok(place) => Ok(Arc::clone(records.column(place))),
        Err(_) => blank(field, records.num_rows()),
    };
    let columns = schema.fields().iter().enumerate().map(column).collect::<Result<_, _>>()?;
    RecordBatch::try_new(schema, columns)
}

/// A column of the right type and length: of nulls, or of zeros, empty texts and empty lists where there must be none.
fn blank(field: &Field, rows: usize) -> Result<ArrayRef, ArrowError> {
    let nulls = ArrayData::new_null(field.data_type(), rows);
    let blank = if field.is_nullable() { nulls } else { nulls.into_builder().nulls(None).build()? };
    Ok(make_array(blank))
}

/// The series of stored records.
pub fn series_of_records(records: &RecordBatch) -> &[u32] {
    series(records)
}

/// The times of stored records, nanoseconds since the epoch.
pub fn times_of_records(records: &RecordBatch) -> &[i64] {
    times(records)
}

#[cfg(test)]
mod tests {
    use flyball_model::Shape;
    use flyball_model::rows::histogram_rows;

    use super::*;
    use crate::hot::rows::{SERIES, TIME};
    use crate::options::StoreOptions;
    use crate::testing::{histograms, metric, shaped_series};

    #[test]
    fn every_kind_has_blanks_for_what_is_not_read() {
        for kind in RowKind::ALL {
            let (schema, rows) = (kind.schema(), 3);
            let all: Vec<_> = schema.fields().iter().map(|field| blank(field, rows).expect("a blank column")).collect();
            let records = RecordBatch::try_new(schema, all).expect("of its schema");
            let read = records.project(&[SERIES, TIME]).expect("its first two columns");
            assert_eq!(with_blanks(kind, &[SERIES, TIME], &read).expect("the others are blank"), records);
        }
    }

    #[test]
    fn histograms_of_some_series_are_read_in_the_order_of_arrival() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path(), StoreOptions::default()).expect("a store");
        let labels = |host| [("host", host)];
        for (at, value) in [(10, 1.0), (20, 2.0)] {
            histograms(&store, "latency", &labels("a"), &[(at, value)]);
            histograms(&store, "latency", &labels("b"), &[(at, 7.0)]);
            histograms(&store, "size", &labels("a"), &[(at, 8.0)]);
        }
        store.flush().expect("the folder is good");
        histograms(&store, "size", &labels("a"), &[(30, 8.0)]);
        // What comes later stands later, whatever its time.
        histograms(&store, "latency", &labels("a"), &[(30, 3.0), (20, 4.0), (5, 5.0)]);
        let a = shaped_series(&store, "latency", Shape::Histograms, &labels("a"));
        let (from, to) = (UnixNanos::from_secs(5), UnixNanos::from_secs(30));
        let found = store.histograms(metric(&store, "latency"), &[a], from, to).expect("good files");
        let rows = found.iter().flat_map(|batch| histogram_rows(batch).expect("stored histograms"));
        let sums: Vec<_> = rows.map(|row| row.histogram.and_then(|histogram| histogram.totals().sum)).collect();
        assert_eq!(sums, [1.0, 2.0, 3.0, 4.0].map(Some));
    }
}
