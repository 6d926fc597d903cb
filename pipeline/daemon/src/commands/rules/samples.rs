//! What the tests beside rules send in, as a database that queries are planned against.

use std::sync::Arc;

use anyhow::Context;
use flyball_rules::query::Database;
use flyball_rules_testing::{Test, take_in_samples};
use flyball_store::{Store, StoreOptions};
use flyball_twin::{Mapping, Twin};

use crate::wiring;

/// The database, and the folder that it lives in.
pub(super) struct Samples {
    pub(super) database: Database,
    _folder: tempfile::TempDir,
}

impl Samples {
    pub(super) async fn of(tests: impl Iterator<Item = &Test> + Send) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("no folder for an empty store could be made")?;
        let dir = folder.path().to_owned();
        let opening = tokio::task::spawn_blocking(move || Store::open(&dir, StoreOptions::default()));
        let store = opening.await.context("opening the store panicked")??;
        let twin = Arc::new(Twin::new(Mapping::builtin()));
        // A test whose input can't be is told of where it runs; here it knows nothing.
        if let Err(error) = take_in_samples(tests, &store, &twin) {
            tracing::warn!(%error, "not everything that the tests send in could be looked at");
        }
        Ok(Self { database: wiring::testing_database(&store, &twin), _folder: folder })
    }
}
