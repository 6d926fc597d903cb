//! The data folder: its lock, and names that outlive a crash.
//!
//! ```text
//! LOCK                        held by the one process that works here
//! series.journal              which number is which series
//! history/points-N.parquet    points that left memory; N grows
//! history/KIND-N.parquet      records that left memory: logs, spans, histograms, exemplars, texts
//! *.tmp                       half-written; removed when the folder is opened
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;

use crate::error::StoreError;

/// Takes the folder's lock; it is held as long as the file is open.
///
/// # Errors
/// When another process holds it, or the file can't be made.
pub(crate) fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join("LOCK");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(StoreError::io("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { dir: dir.to_owned() }),
        Err(TryLockError::Error(error)) => Err(StoreError::io("lock", &path)(error)),
    }
}

/// Makes a folder and those above it, and has their names synced.
pub(crate) fn create(dir: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(dir).map_err(StoreError::io("create", dir))?;
    match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync(Path::new(".")),
        Some(parent) => sync(parent),
        None => Ok(()),
    }
}

/// Gives a synced file its name, and has the name synced.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(StoreError::io("rename", from))?;
    match to.parent() {
        Some(dir) => sync(dir),
        None => Ok(()),
    }
}

fn sync(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(StoreError::io("sync", dir))
}

/// Removes what a crash left half-written.
pub(crate) fn remove_temporary(dir: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(dir).map_err(StoreError::io("read", dir))? {
        let path = entry.map_err(StoreError::io("read", dir))?.path();
        if path.extension().is_some_and(|extension| extension == "tmp") {
            fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
        }
    }
    Ok(())
}
