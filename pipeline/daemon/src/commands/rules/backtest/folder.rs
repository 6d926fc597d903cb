//! The history of a data folder on which no server runs. Nothing in it changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use flyball_log::{BadRecord, Durability, ReadOnlyDisk, Recovery, Replayed};
use flyball_model::SeriesRef;
use flyball_rules::query::Database;
use flyball_store::{Store, StoreError, StoreOptions};

use crate::wiring;

/// Opens the folder: its history, and what of its log had not left for the history when its server ended.
///
/// # Errors
/// When a server works on it, or it can't be read.
pub(super) async fn open(dir: &Path) -> anyhow::Result<Database> {
    let path: PathBuf = dir.to_owned();
    let opened = tokio::task::spawn_blocking(move || read(&path)).await.context("reading the folder panicked")?;
    let store = match opened {
        Err(error) if matches!(error.downcast_ref(), Some(StoreError::InUse { .. })) => {
            return Err(anyhow!(
                "a server works on the data folder {}; ask that server, with --url in place of --data-dir",
                dir.display()
            ));
        }
        opened => opened?,
    };
    Ok(wiring::checking_database(&store))
}

fn read(dir: &Path) -> anyhow::Result<Arc<Store>> {
    // Nothing can leave memory for a folder that is only read; a log is bounded by what its server could keep in memory.
    let options = StoreOptions { series_cap: u32::MAX as usize, hot_bytes: usize::MAX / 4, ..StoreOptions::default() };
    let store = Store::open_read_only(dir, options)?;
    let recovery = Recovery::open(dir, Arc::new(ReadOnlyDisk))?;
    let mut restore = store.begin_restore();
    let each = |replayed: Replayed<'_>| {
        let Replayed::Body(body, position) = replayed else { return Ok(()) };
        let bad = |error: StoreError| BadRecord::new(error.to_string());
        restore.points(&body.points, &body.runs, position).map_err(bad)?;
        for (rows, ordinal) in &body.rows {
            restore.rows(rows.clone(), *ordinal, position).map_err(bad)?;
        }
        note_starts(&store, body.starts);
        Ok(())
    };
    let recovered = recovery.replay(Durability::Memory, each, |_| {})?;
    for damage in &recovered.damages {
        tracing::warn!(path = %damage.path.display(), offset = damage.offset, bytes = damage.bytes, "the log is damaged here");
    }
    restore.finish()?;
    Ok(store)
}

fn note_starts(store: &Store, mut starts: Vec<(SeriesRef, flyball_model::UnixNanos)>) {
    let view = store.registry().read();
    let known = view.series_count();
    starts.retain(|(series, _)| (series.0 as usize) < known);
    view.note_starts(&mut starts);
}
