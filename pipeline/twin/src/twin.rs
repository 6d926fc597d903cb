//! The twin itself: the tables behind one lock.

use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use flyball_model::ports::Record;
use flyball_model::series::ColdError;
use flyball_model::{PointBatch, SeriesRegistry, UnixNanos};
use parking_lot::{RwLock, RwLockReadGuard};

use crate::kind::EntityKind;
use crate::mapping::Mapping;
use crate::state::State;
use crate::{document, snapshot, table};

/// The estate as its telemetry tells it. Shared; the lock is taken once a batch or a read, never a point.
///
/// It only grows: an entity that went silent stays, and its `updated_at` tells. What is beyond
/// [`crate::ENTITIES_MAX`] and [`crate::ATTRIBUTES_MAX`] is refused and counted.
#[derive(Debug)]
pub struct Twin {
    mapping: Mapping,
    state: RwLock<State>,
    revision: AtomicU64,
}

impl Twin {
    /// An empty twin.
    pub fn new(mapping: Mapping) -> Twin {
        Twin { mapping, state: RwLock::default(), revision: AtomicU64::new(0) }
    }

    /// Takes in a batch whose series are all in the registry.
    ///
    /// Labels are looked at when a series first appears. Points that came before change nothing when they come again. Takes a look at the
    /// registry, and blocks where the labels of a series that first appears are not in memory; that is seldom.
    ///
    /// # Errors
    /// When those can't be read. The points of all other series were taken in then.
    pub fn observe(&self, registry: &SeriesRegistry, points: &PointBatch) -> Result<(), ColdError> {
        let mut missed = Vec::new();
        {
            let view = registry.labels_in_memory();
            self.change(|state, mapping| state.observe(mapping, &view, points, &mut missed));
        }
        if !missed.is_empty() {
            let view = registry.labels_of(&missed)?;
            // Once more as a whole: the order in which points come does not matter, nor how often.
            self.change(|state, mapping| state.observe(mapping, &view, points, &mut Vec::new()));
        }
        Ok(())
    }

    /// Changes the tables, and says so if `change` did.
    pub(crate) fn change(&self, change: impl FnOnce(&mut State, &Mapping) -> bool) {
        let mut state = self.state.write();
        if change(&mut state, &self.mapping) {
            // Under the lock, so that a reader never sees the new state with the old number.
            self.revision.fetch_add(1, Ordering::Release);
        }
    }

    /// A look at the tables.
    pub(crate) fn look(&self) -> RwLockReadGuard<'_, State> {
        self.state.read()
    }

    /// The native document of the whole twin:
    ///
    /// ```json
    /// {"time": "2026-01-01T00:00:10Z",
    ///  "nodes": [{"id": "edge-1", "labels": {"machine": "x86_64"}, "parents": {"cluster": "a"},
    ///             "attributes": {"power_watts": {"value": 41.25, "unit": "W", "time": "2026-01-01T00:00:09.5Z"}},
    ///             "first_seen_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:09.5Z"}],
    ///  "pods": [], "deployments": [], "clusters": [], "processes": [], "devices": [], "controllers": [], "links": []}
    /// ```
    ///
    /// Lists are sorted by id, maps by name; `value` is a number, a word, or null for NaN and infinities; `unit` is UCUM.
    pub fn document(&self, now: UnixNanos) -> serde_json::Value {
        document::document(&self.state.read(), &self.mapping, now)
    }

    /// One entity as it stands in the document; `None` when there is none of that id.
    pub fn entity(&self, kind: EntityKind, id: &str) -> Option<serde_json::Value> {
        document::entity(&self.state.read(), &self.mapping, kind, id)
    }

    /// The schema of the table `twin.<kind>`: `id`, parents, main attributes, `labels` (map text → text), `attributes`
    /// (map text → f64), `states` (map text → text), `attribute_times` (map text → timestamp), `first_seen_at`, `updated_at`.
    pub fn schema(kind: EntityKind) -> SchemaRef {
        table::schema(kind)
    }

    /// The rows of the table `twin.<kind>`, sorted by id.
    pub fn batch(&self, kind: EntityKind) -> RecordBatch {
        table::batch(&self.state.read(), &self.mapping, kind)
    }

    /// Some columns of it, by their places in the schema; what none of them needs is not put together.
    ///
    /// # Panics
    /// When there is no column at a place.
    pub fn columns(&self, kind: EntityKind, places: &[usize]) -> RecordBatch {
        table::columns(&self.state.read(), &self.mapping, kind, places)
    }

    /// A snapshot for stores: one record an entity that was heard of within five minutes before `now`.
    ///
    /// Measurement `twin_<kind>`, tags `id` (and `namespace` or `node` where they are part of it), fields the attributes, the
    /// other parents and `age_seconds`, time `now`.
    pub fn records(&self, now: UnixNanos) -> Vec<Record> {
        snapshot::records(&self.state.read(), &self.mapping, now)
    }

    /// Grows with each batch that speaks of an entity. Two reads at one revision give the same twin.
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// How many entities of a kind there are.
    pub fn len(&self, kind: EntityKind) -> usize {
        self.state.read().by_id[kind as usize].len()
    }

    /// How often a series spoke of an entity that did not fit any more ([`crate::ENTITIES_MAX`]).
    pub fn entities_refused(&self) -> u64 {
        self.state.read().entities_refused
    }

    /// How often an attribute was refused: too many of one entity ([`crate::ATTRIBUTES_MAX`]), or a name made from
    /// labels that is none, or that stands for a word and a number at once.
    pub fn attributes_refused(&self) -> u64 {
        self.state.read().attributes_refused
    }
}

#[cfg(test)]
mod tests;
