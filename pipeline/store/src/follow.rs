//! Following the points of a metric as they arrive.
//!
//! Points of a metric have ordinals in the order of arrival. Who follows them remembers the ordinal of the next one, and is given what
//! has come since, out of memory and without a copy but for the open head. Nobody waits for a follower: when points have left memory
//! before they were followed, it is told so, and starts again with what is stored.

use flyball_model::{MetricRef, UnixNanos};

use crate::error::StoreError;
use crate::hot::chunk::Points;
use crate::range::{SeriesFilter, TimeRange};
use crate::snapshot::PointQuery;
use crate::store::Store;

/// Points that a read of files gives at a time.
const BATCH_POINTS: usize = 65_536;

/// How far the points of a metric were followed.
#[derive(Debug)]
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
            Ok(std::ops::ControlFlow::Continue(()))
        };
        let _ = snapshot.read_files(BATCH_POINTS, &mut give)?;
        let _ = snapshot.read_hot(BATCH_POINTS, &mut give)?;
        Ok(Self { metric, next })
    }

    /// What has arrived since it was asked last, in the order of arrival; `None` when some of that has left memory already.
    pub fn follow(&mut self, store: &Store) -> Option<Vec<Points>> {
        let (points, next) = store.points.since(self.metric, self.next)?;
        self.next = next;
        Some(points)
    }
}
