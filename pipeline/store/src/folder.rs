//! The data folder: its lock, and names that outlive a crash.
//!
//! ```text
//! LOCK                        held by the one process that works here
//! series.journal              which number is which series
//! history/points-N.parquet    points that left memory; N grows
//! history/KIND-N.parquet      records that left memory: logs, spans, histograms, exemplars, texts
//! *.tmp, *.part               half-written; removed when the folder is opened
//! ```

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flyball_log::{Sequential, Storage};

use crate::error::StoreError;

/// The name of the lock in the data folder.
const LOCK: &str = "LOCK";

/// A folder, and how files get into it.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    pub(crate) storage: Arc<dyn Storage>,
}

impl Folder {
    /// Makes a folder and those above it, and has its name synced.
    ///
    /// # Errors
    /// When the disk says no.
    pub(crate) fn make(path: PathBuf, storage: Arc<dyn Storage>) -> Result<Self, StoreError> {
        let folder = Self { path, storage };
        folder.make_again()?;
        Ok(folder)
    }

    /// The same for one that was made before: somebody may have removed it under us.
    ///
    /// # Errors
    /// When the disk says no.
    pub(crate) fn make_again(&self) -> Result<(), StoreError> {
        self.storage.create_dir(&self.path).map_err(StoreError::io("create", &self.path))?;
        self.path
            .parent()
            .map_or(Ok(()), |parent| self.storage.sync_dir(parent).map_err(StoreError::io("sync", parent)))
    }

    /// Its files, in any order.
    ///
    /// # Errors
    /// When the disk says no.
    pub(crate) fn list(&self) -> Result<Vec<PathBuf>, StoreError> {
        self.storage.list(&self.path).map_err(StoreError::io("read", &self.path))
    }

    /// Gives a synced file its name, and has the name synced.
    ///
    /// # Errors
    /// When the disk says no; either name may be there then.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        self.storage.rename(from, to).map_err(StoreError::io("rename", from))?;
        self.sync()
    }

    /// Makes a file with these bytes, which has its name and is synced when this returns.
    ///
    /// # Errors
    /// When the disk says no; either name may be there then.
    pub(crate) fn write(&self, temporary: &Path, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let file = self.storage.create(temporary).map_err(StoreError::io("create", temporary))?;
        let mut file = Sequential::new(file);
        file.write_all(bytes).map_err(StoreError::io("write", temporary))?;
        file.sync().map_err(StoreError::io("sync", temporary))?;
        self.rename(temporary, path)
    }

    /// Makes the names of files durable, and the absence of those that were removed.
    ///
    /// # Errors
    /// When the disk says no.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.storage.sync_dir(&self.path).map_err(StoreError::io("sync", &self.path))
    }

    /// Removes files; those that are gone already are no error.
    ///
    /// # Errors
    /// When the disk says no.
    pub(crate) fn remove(&self, unwanted: impl Fn(&Path) -> bool) -> Result<(), StoreError> {
        for path in self.list()?.iter().filter(|path| unwanted(path)) {
            match self.storage.remove(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(StoreError::io("remove", path)(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes what a crash left half-written.
    ///
    /// # Errors
    /// When the disk says no.
    pub(crate) fn remove_temporary(&self) -> Result<(), StoreError> {
        self.remove(|path| is_temporary(path) || path.extension().is_some_and(|extension| extension == "part"))
    }
}

/// Whether a file is half-written by maintenance. Files may be joined at the same time.
pub(crate) fn is_temporary(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "tmp")
}

/// A data folder's lock; it is held as long as this lives. Always of the operating system, whatever the storage is: only that lets go when the
/// process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    dir: PathBuf,
    /// The folder itself is locked too: whoever removes the file lets no second process in.
    folder: File,
    /// `None` where a folder without it is only read.
    file: Option<File>,
}

impl Lock {
    /// Takes it.
    ///
    /// # Errors
    /// When another process holds it, or the file can't be made.
    pub(crate) fn take(dir: &Path) -> Result<Self, StoreError> {
        let folder = open_folder(dir)?;
        check_folder(dir, folder.try_lock())?;
        Ok(Self { dir: dir.to_owned(), folder, file: Some(lock_file(dir)?) })
    }

    /// Takes a share of it, beside others who only read. Without the file nobody has ever worked here, or the folder is a copy.
    ///
    /// # Errors
    /// When a process works on the folder, or the file can't be read.
    pub(crate) fn share(dir: &Path) -> Result<Self, StoreError> {
        let folder = open_folder(dir)?;
        check_folder(dir, folder.try_lock_shared())?;
        let path = dir.join(LOCK);
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            opened => Some(opened.map_err(StoreError::io("open", &path))?),
        };
        if let Some(file) = &file {
            check(dir, &path, file.try_lock_shared())?;
        }
        Ok(Self { dir: dir.to_owned(), folder, file })
    }

    /// Takes it anew where somebody removed the file, or the whole folder, and the folder was made again.
    ///
    /// # Errors
    /// As [`Lock::take`].
    pub(crate) fn take_again(&mut self) -> Result<(), StoreError> {
        let (held, found) = (look_at(&self.folder, &self.dir)?, look_at(&open_folder(&self.dir)?, &self.dir)?);
        if (held.dev(), held.ino()) != (found.dev(), found.ino()) {
            *self = Self::take(&self.dir)?;
            return Ok(());
        }
        let has_file = match &self.file {
            Some(file) => look_at(file, &self.dir.join(LOCK))?.nlink() > 0,
            None => false,
        };
        if !has_file {
            self.file = Some(lock_file(&self.dir)?);
        }
        Ok(())
    }
}

fn open_folder(dir: &Path) -> Result<File, StoreError> {
    // The empty path is the folder that we are in.
    File::open(dir.join(".")).map_err(StoreError::io("open", dir))
}

fn lock_file(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(StoreError::io("create", &path))?;
    check(dir, &path, file.try_lock())?;
    Ok(file)
}

fn look_at(file: &File, path: &Path) -> Result<Metadata, StoreError> {
    file.metadata().map_err(StoreError::io("look at", path))
}

fn check(dir: &Path, path: &Path, tried: Result<(), TryLockError>) -> Result<(), StoreError> {
    match tried {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { dir: dir.to_owned() }),
        Err(TryLockError::Error(error)) => Err(StoreError::io("lock", path)(error)),
    }
}

/// Not every file system locks folders; on one that does not the file is all there is.
fn check_folder(dir: &Path, tried: Result<(), TryLockError>) -> Result<(), StoreError> {
    match tried {
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { dir: dir.to_owned() }),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}
