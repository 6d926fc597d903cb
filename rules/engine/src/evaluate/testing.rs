//! A store with a few points, for tests.

use flyball_model::{PointBatch, UnixNanos};
use flyball_store::{Store, StoreOptions};

use crate::query::{Database, QueryLimits};

/// The instant of the evaluation.
pub(crate) const NOW: UnixNanos = UnixNanos::from_secs(1_767_225_600);

/// A database in a folder of its own, empty at first.
pub(crate) struct Estate {
    pub(crate) database: Database,
    _folder: tempfile::TempDir,
}

impl Estate {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), StoreOptions::default()).expect("a store");
        Self { database: Database::new(store, QueryLimits::default()), _folder: folder }
    }

    /// Adds a point; `labels` are sorted.
    pub(crate) fn point(&self, metric: &str, labels: &[(&str, &str)], at: UnixNanos, value: f64) {
        let store = self.database.store();
        let series =
            store.registry().resolve(metric, flyball_model::Shape::Numbers, labels, at).expect("room for a series");
        let mut points = PointBatch::default();
        points.push(series, at, value);
        store.append_unlogged(points);
    }
}
