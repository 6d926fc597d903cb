//! What arrives for a table of groups: points of a metric, or records.

use arrow::array::RecordBatch;
use flyball_model::{MetricRef, RowKind, UnixNanos};
use flyball_store::{Follower, Points, RowFollower, Store, StoreError, series_of_records, times_of_records};

/// Points or records that arrived together.
#[derive(Debug)]
pub(super) enum Arrived {
    Points(Points),
    /// In the columns that their kind is stored in: series, time, and more. Figures that are histograms have no more than these.
    Records(RecordBatch),
}

/// How far a table has followed.
#[derive(Debug, Clone)]
pub(super) enum Following {
    Points(Follower),
    Records(RowFollower),
}

impl Arrived {
    /// The series of each.
    pub(super) fn series(&self) -> &[u32] {
        match self {
            Arrived::Points(points) => &points.series,
            Arrived::Records(records) => series_of_records(records),
        }
    }

    /// The time of each, nanoseconds since the epoch.
    pub(super) fn times(&self) -> &[i64] {
        match self {
            Arrived::Points(points) => &points.time,
            Arrived::Records(records) => times_of_records(records),
        }
    }

    /// The number of each; records have none.
    pub(super) fn values(&self) -> &[f64] {
        match self {
            Arrived::Points(points) => &points.value,
            Arrived::Records(_) => &[],
        }
    }
}

impl Following {
    /// Gives all that is stored from `from` on, in the order of arrival, and follows what comes after. Of records those columns are right that
    /// are asked for, and histograms are those of the metric. Blocks on files.
    ///
    /// # Errors
    /// When a file of the history can't be read.
    pub(super) fn start(
        store: &Store,
        metric: MetricRef,
        records: Option<(RowKind, &[usize])>,
        from: UnixNanos,
        mut each: impl FnMut(Arrived),
    ) -> Result<Self, StoreError> {
        match records {
            None => Follower::start(store, metric, from, |points| each(Arrived::Points(points.clone())))
                .map(Following::Points),
            Some((kind, columns)) => {
                let of_one = (kind == RowKind::Histograms).then_some(metric);
                let each = |records: &RecordBatch| each(Arrived::Records(records.clone()));
                RowFollower::start(store, kind, of_one, columns, from, each).map(Following::Records)
            }
        }
    }

    /// The ordinal of the first point or record that was not given yet.
    pub(super) fn next(&self) -> u64 {
        match self {
            Following::Points(follower) => follower.next(),
            Following::Records(follower) => follower.next(),
        }
    }

    /// Whether each ordinal that it passes is that of a point or record that it is given.
    pub(super) fn is_of_all(&self) -> bool {
        match self {
            Following::Points(_) => true,
            Following::Records(follower) => follower.is_of_all(),
        }
    }

    /// What has arrived since it was asked last, in the order of arrival; `None` when some of that has left memory already.
    pub(super) fn follow(&mut self, store: &Store) -> Option<Vec<Arrived>> {
        match self {
            Following::Points(follower) => {
                follower.follow(store).map(|parts| parts.into_iter().map(Arrived::Points).collect())
            }
            Following::Records(follower) => {
                follower.follow(store).map(|parts| parts.into_iter().map(Arrived::Records).collect())
            }
        }
    }
}
