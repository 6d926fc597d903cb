//! Files behind one trait, so that tests can put a disk under the log that fails, fills up or loses what was not synced.
//!
//! It says what a disk promises and nothing more: bytes are safe after [`StoredFile::sync`], names (of new, renamed and removed files) after
//! [`Storage::sync_dir`] of their folder.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A place for files.
pub trait Storage: Send + Sync + fmt::Debug + 'static {
    /// Makes a folder and those above it, of which the names are durable when this returns; its own is after [`Storage::sync_dir`] of the one
    /// above it, see `make_dir`.
    ///
    /// # Errors
    /// What the disk says.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// The files of a folder, in any order.
    ///
    /// # Errors
    /// What the disk says.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;

    /// Makes an empty file for reading and writing; one of that name is emptied.
    ///
    /// # Errors
    /// What the disk says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn StoredFile>>;

    /// The same for a file that is written from its start to its end and synced after every write. A disk may make writes durable before they
    /// return, with zeros behind them, and nothing of the sync, where that costs less.
    ///
    /// # Errors
    /// What the disk says.
    fn create_synced(&self, path: &Path) -> io::Result<Box<dyn StoredFile>> {
        self.create(path)
    }

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// What the disk says.
    fn open(&self, path: &Path) -> io::Result<Box<dyn StoredFile>>;

    /// Gives a file another name; one of that name is replaced.
    ///
    /// # Errors
    /// What the disk says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the disk says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// What the disk says.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// An open file.
pub trait StoredFile: Send + Sync + fmt::Debug {
    /// Bytes of the file.
    ///
    /// # Errors
    /// What the disk says.
    fn len(&self) -> io::Result<u64>;

    /// Reads from a place on; fewer bytes than asked for only at the end of the file.
    ///
    /// # Errors
    /// What the disk says.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of the bytes.
    ///
    /// # Errors
    /// What the disk says; any part of the bytes may have been written then.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Writes all of the parts, one behind the other, as if they were one piece.
    ///
    /// # Errors
    /// As [`StoredFile::write_at`].
    fn write_parts_at(&mut self, parts: &[&[u8]], offset: u64) -> io::Result<()> {
        self.write_at(&parts.concat(), offset)
    }

    /// Sets aside room for so many bytes from the start of the file, which read as zeros where nothing was written.
    ///
    /// # Errors
    /// When there is no room.
    fn allocate(&mut self, bytes: u64) -> io::Result<()>;

    /// Cuts the file, or makes it longer.
    ///
    /// # Errors
    /// What the disk says.
    fn set_len(&mut self, bytes: u64) -> io::Result<()>;

    /// Makes the bytes, and the length, durable.
    ///
    /// # Errors
    /// What the disk says. Whatever was written since the last success may be lost then, and a later success says nothing of it.
    fn sync(&mut self) -> io::Result<()>;

    /// Whether the file still has a name, and was not removed by somebody else.
    ///
    /// # Errors
    /// What the disk says.
    fn has_name(&self) -> io::Result<bool> {
        Ok(true)
    }

    /// Whether there is nothing in it.
    ///
    /// # Errors
    /// What the disk says.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// Makes a folder, whose name is durable when this returns: also where it was there already, since who made it may have died before that.
///
/// # Errors
/// What the disk says.
pub(crate) fn make_dir(storage: &dyn Storage, dir: &Path) -> io::Result<()> {
    storage.create_dir(dir)?;
    dir.parent().map_or(Ok(()), |above| storage.sync_dir(above))
}

/// Removes a file, if it is there.
///
/// # Errors
/// What the disk says.
pub(crate) fn remove_if_there(storage: &dyn Storage, path: &Path) -> io::Result<()> {
    match storage.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A file that is written from its start to its end.
#[derive(Debug)]
pub struct Sequential {
    file: Box<dyn StoredFile>,
    written: u64,
}

impl Sequential {
    /// Begins at the start of the file.
    pub fn new(file: Box<dyn StoredFile>) -> Self {
        Self { file, written: 0 }
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// What the disk says.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }
}

impl io::Write for Sequential {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(bytes, self.written)?;
        self.written += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
