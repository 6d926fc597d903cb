//! A store, a twin and a clock for tests.

use std::sync::Arc;

use flyball_model::{PointBatch, SeriesRef, Shape, UnixNanos};
use flyball_store::{Store, StoreOptions};

use super::views::testing::Nodes;
use super::{Found, Place};
use crate::evaluate::Row;
use crate::query::{Database, QueryLimits};

/// Points of the metric `m`, and `twin.node`.
pub(super) struct Bench {
    pub(super) database: Database,
    pub(super) nodes: Arc<Nodes>,
    pub(super) now: UnixNanos,
    _folder: tempfile::TempDir,
}

impl Bench {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), StoreOptions::default()).expect("a store");
        let database = Database::with_partitions(store, QueryLimits::default(), 1);
        let nodes = Arc::<Nodes>::default();
        database.register("twin", "node", Arc::<Nodes>::clone(&nodes));
        Self { database, nodes, now: UnixNanos::from_secs(1_767_225_600), _folder: folder }
    }

    pub(super) fn series(&self, host: &str, zone: &str) -> SeriesRef {
        let labels = [("host", host), ("zone", zone)];
        self.database.store().registry().resolve("m", Shape::Numbers, &labels, self.now).expect("room for a series")
    }

    pub(super) fn send(&self, points: impl IntoIterator<Item = (SeriesRef, f64)>) {
        let mut batch = PointBatch::default();
        points.into_iter().for_each(|(series, value)| batch.push(series, self.now, value));
        self.database.store().append_unlogged(batch);
    }

    pub(super) async fn keep(&self, sql: &str) -> Place {
        let prepared = self.database.prepare(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        self.database.keep(&prepared).unwrap_or_else(|obstacle| panic!("{sql}: {obstacle}"))
    }

    /// What a rule finds now.
    pub(super) async fn found(&self, place: &Place) -> Vec<Row> {
        match place.find(self.database.store(), self.now).await {
            Found::Rows(rows) => rows,
            Found::Error(error) => panic!("{error}"),
            Found::Obstacle(obstacle) => panic!("{obstacle}"),
        }
    }

    /// How many rows that are.
    pub(super) async fn rows(&self, place: &Place) -> usize {
        self.found(place).await.len()
    }

    /// The column `v` of them.
    pub(super) async fn values(&self, place: &Place) -> Vec<f64> {
        self.found(place).await.iter().map(|row| row.values["v"]).collect()
    }
}
