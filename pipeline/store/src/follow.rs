//! Following the points of a metric, or the records of a kind, as they arrive.
//!
//! Points of a metric and records of a kind have ordinals in the order of arrival. Who follows them remembers the ordinal of the next one, and is given what
//! has come since, out of memory and without a copy but for the open head. Nobody waits for a follower: when points have left memory
//! before they were followed, it is told so, and starts again with what is stored.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayData, ArrayRef, BooleanArray, RecordBatch, make_array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field, FieldRef};
use arrow::error::ArrowError;
use flyball_model::{MetricRef, RowKind, UnixNanos};

use crate::error::StoreError;
use crate::history::rows::{RowQuery, read_rows};
use crate::hot::chunk::Points;
use crate::hot::rows::{series, times};
use crate::range::{SeriesFilter, TimeRange};
use crate::snapshot::PointQuery;
use crate::store::Store;

/// Points that a read of files gives at a time.
const BATCH_POINTS: usize = 65_536;

/// Records, which are larger, that a read of files gives at a time.
const BATCH_ROWS: usize = 8192;

/// How far the points of a metric were followed.
#[derive(Debug, Clone)]
pub struct Follower {
    metric: MetricRef,
    /// The ordinal of the first point that was not given yet.
    next: u64,
}

impl Follower {
    /// Gives all points from `from` on that are stored, in the order of arrival, and follows those that come after. Blocks on files.
    ///
    /// # Errors
    /// When a file of the history can't be read.
    pub fn start(
        store: &Store,
        metric: MetricRef,
        from: UnixNanos,
        mut each: impl FnMut(&Points),
    ) -> Result<Self, StoreError> {
        let times = TimeRange { from: from.0, to: i64::MAX };
        let query = PointQuery { metrics: vec![metric], wanted: SeriesFilter::All, times };
        let snapshot = store.snapshot(&query);
        let next = snapshot.next_ordinal();
        let mut give = |points: Points| {
            each(&points);
            Ok(ControlFlow::Continue(()))
        };
        let _ = snapshot.read_files(BATCH_POINTS, &mut give)?;
        let _ = snapshot.read_hot(BATCH_POINTS, &mut give)?;
        Ok(Self { metric, next })
    }

    /// The ordinal of the first point that was not given yet.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// What has arrived since it was asked last, in the order of arrival; `None` when some of that has left memory already.
    pub fn follow(&mut self, store: &Store) -> Option<Vec<Points>> {
        let (points, next) = store.points.since(self.metric, self.next)?;
        self.next = next;
        Some(points)
    }
}

/// How far the records of a kind were followed.
#[derive(Debug, Clone)]
pub struct RowFollower {
    kind: RowKind,
    /// The ordinal of the first record that was not given yet.
    next: u64,
}

impl RowFollower {
    /// Gives all records from `from` on that are stored, in the kind's stored columns, and follows those that come after. Only `wanted` of the
    /// columns, sorted and series and time among them, are read; in others stands nothing of use. Blocks on files.
    ///
    /// # Errors
    /// When a file of the history can't be read.
    pub fn start(
        store: &Store,
        kind: RowKind,
        wanted: &[usize],
        from: UnixNanos,
        mut each: impl FnMut(&RecordBatch),
    ) -> Result<Self, StoreError> {
        let range = TimeRange { from: from.0, to: i64::MAX };
        let ((hot, next), files) = {
            let history = store.history.read();
            (store.rows.snapshot(kind, range), history.rows(kind).to_vec())
        };
        for file in files.iter().filter(|file| file.times.overlaps(range)) {
            let (columns, series) = (wanted, &SeriesFilter::All);
            let query = RowQuery { kind, columns, rows: None, wanted: series, times: range, batch_rows: BATCH_ROWS };
            for batch in read_rows(file, query)? {
                each(&with_blanks(kind, wanted, &batch?)?);
            }
        }
        for chunk in hot {
            if range.covers(chunk.times) {
                each(&chunk.batch);
            } else {
                let keep: BooleanArray = times(&chunk.batch).iter().map(|&time| Some(range.contains(time))).collect();
                each(&filter_record_batch(&chunk.batch, &keep)?);
            }
        }
        Ok(Self { kind, next })
    }

    /// The ordinal of the first record that was not given yet.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// What has arrived since it was asked last, in the order of arrival; `None` when some of that has left memory already.
    pub fn follow(&mut self, store: &Store) -> Option<Vec<RecordBatch>> {
        let (records, next) = store.rows.since(self.kind, self.next)?;
        self.next = next;
        Some(records)
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
    use super::*;
    use crate::hot::rows::{SERIES, TIME};

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
}
