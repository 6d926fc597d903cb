//! Following the points of a metric, or the records of a kind, as they arrive.
//!
//! Points of a metric and records of a kind have ordinals in the order of arrival. Who follows them remembers the ordinal of the next one, and is given what
//! has come since, out of memory and without a copy but for the open head. Nobody waits for a follower: when points have left memory
//! before they were followed, it is told so, and starts again with what is stored. While it reads what is stored it takes hold of what arrives, so
//! that a long read is not in vain where memory holds seconds.

use std::ops::ControlFlow;

use arrow::array::RecordBatch;
use flyball_model::{MetricRef, RowKind, UnixNanos};

use crate::error::StoreError;
use crate::hot::chunk::{POINT_BYTES, Points};
use crate::range::{SeriesFilter, TimeRange};
use crate::records::{RecordQuery, of_metric};
use crate::snapshot::PointQuery;
use crate::store::Store;

/// Points that a read of files gives at a time.
const BATCH_POINTS: usize = 65_536;

/// What arrives while somebody reads what is stored is held until it has so many bytes. The last look may bring as much as memory has.
const MEANWHILE_BYTES: usize = if cfg!(test) { 1 << 14 } else { 64 << 20 };

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
        let snapshot = store.snapshot(query);
        let mut follower = Self { metric, next: snapshot.next_ordinal() };
        let mut meanwhile = Meanwhile::default();
        let mut give = |points: Points| {
            each(&points);
            meanwhile.look(|| follower.follow(store), |points| points.len() * POINT_BYTES);
            Ok(ControlFlow::Continue(()))
        };
        let _ = snapshot.read_files(BATCH_POINTS, &mut give)?;
        let _ = snapshot.read_hot(BATCH_POINTS, &mut give)?;
        meanwhile.parts.iter().for_each(each);
        Ok(follower)
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

/// How far the records of a kind were followed, or the histograms of a metric.
#[derive(Debug, Clone)]
pub struct RowFollower {
    kind: RowKind,
    /// Of histograms: the metric that they are of.
    metric: Option<MetricRef>,
    /// The ordinal of the first record that was not given yet.
    next: u64,
}

impl RowFollower {
    /// Gives all records from `from` on that are stored, in the kind's stored columns, and follows those that come after; of histograms those of a
    /// metric. Only `wanted` of the columns, sorted and series and time among them, are read; in others stands nothing of use. Blocks on files.
    ///
    /// # Errors
    /// When a file of the history can't be read.
    pub fn start(
        store: &Store,
        kind: RowKind,
        metric: Option<MetricRef>,
        wanted: &[usize],
        from: UnixNanos,
        mut each: impl FnMut(&RecordBatch),
    ) -> Result<Self, StoreError> {
        let times = TimeRange { from: from.0, to: i64::MAX };
        let query = RecordQuery { kind, metric, wanted: &SeriesFilter::All, columns: wanted, times };
        let snapshot = store.snapshot_of_records(&query);
        let mut follower = Self { kind, metric, next: snapshot.next };
        let mut meanwhile = Meanwhile::default();
        store.read_records(snapshot, &query, |records| {
            each(records);
            meanwhile.look(|| follower.follow(store), RecordBatch::get_array_memory_size);
            Ok(())
        })?;
        meanwhile.parts.iter().for_each(each);
        Ok(follower)
    }

    /// Whether it is given all records whose ordinals it passes, and not those of one metric.
    pub fn is_of_all(&self) -> bool {
        self.metric.is_none()
    }

    /// The ordinal of the first record that was not given yet.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// What has arrived since it was asked last, in the order of arrival; `None` when some of that has left memory already.
    pub fn follow(&mut self, store: &Store) -> Option<Vec<RecordBatch>> {
        let (mut records, next) = store.rows.since(self.kind, self.next)?;
        self.next = next;
        if let Some(metric) = self.metric {
            let view = store.registry.read();
            for part in &mut records {
                *part = of_metric(&view, metric, part).expect("there is a yes or no for each row");
            }
            records.retain(|part| part.num_rows() > 0);
        }
        Some(records)
    }
}

/// What arrives while what is stored is read.
struct Meanwhile<T> {
    parts: Vec<T>,
    bytes: usize,
}

impl<T> Default for Meanwhile<T> {
    fn default() -> Self {
        Self { parts: Vec::new(), bytes: 0 }
    }
}

impl<T> Meanwhile<T> {
    /// Looks for it, as after each batch that was read. What it has no room for, or what has left memory already, its follower misses afterwards.
    fn look(&mut self, follow: impl FnOnce() -> Option<Vec<T>>, bytes: impl Fn(&T) -> usize) {
        if self.bytes < MEANWHILE_BYTES {
            let arrived = follow().unwrap_or_default();
            self.bytes += arrived.iter().map(bytes).sum::<usize>();
            self.parts.extend(arrived);
        }
    }
}
