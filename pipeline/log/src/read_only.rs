//! A disk that is only read: for programs that look at a data folder and must leave it as it is.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::storage::{Storage, StoredFile};

/// The file system of this machine, of which nothing is changed.
///
/// What tidies up (removing what a crash left, cutting a torn tail, syncing) seems to work, so that a folder reads as it would after a
/// start; what would write data is refused.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadOnlyDisk;

impl Storage for ReadOnlyDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        // One that is missing is as good as an empty one.
        if dir.exists() && !dir.is_dir() { Err(io::ErrorKind::NotADirectory.into()) } else { Ok(()) }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        match fs::read_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            entries => entries?.map(|entry| entry.map(|entry| entry.path())).collect(),
        }
    }

    fn create(&self, _: &Path) -> io::Result<Box<dyn StoredFile>> {
        Err(refused())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StoredFile>> {
        Ok(Box::new(ReadOnlyFile { file: File::open(path)?, cut_at: u64::MAX }))
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(refused())
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "the folder was opened for reading only")
}

#[derive(Debug)]
struct ReadOnlyFile {
    file: File,
    /// Where it was cut, as far as its reader can tell.
    cut_at: u64,
}

impl StoredFile for ReadOnlyFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len().min(self.cut_at))
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.len()?.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = into.len().min(left);
        let mut read = 0;
        while read < wanted {
            match self.file.read_at(&mut into[read..wanted], offset + read as u64) {
                Ok(0) => break,
                Ok(bytes) => read += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn write_at(&mut self, _: &[u8], _: u64) -> io::Result<()> {
        Err(refused())
    }

    fn allocate(&mut self, _: u64) -> io::Result<()> {
        Err(refused())
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        if bytes > self.len()? {
            return Err(refused());
        }
        self.cut_at = bytes;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_changes_on_the_disk_and_what_was_cut_is_not_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        fs::write(&path, b"good torn").expect("written");
        let disk = ReadOnlyDisk;
        let mut file = disk.open(&path).expect("opened");
        file.set_len(4).expect("cut");
        file.sync().expect("synced");
        let mut into = [0; 9];
        assert_eq!((file.len().ok(), file.read_at(&mut into, 0).ok()), (Some(4), Some(4)));
        assert!(file.write_at(b"x", 0).is_err() && file.set_len(9).is_err() && file.allocate(9).is_err());
        disk.remove(&path).expect("as if");
        assert!(disk.create(&path).is_err() && disk.rename(&path, &folder.path().join("other")).is_err());
        assert_eq!(fs::read(&path).expect("still there"), b"good torn");
        assert_eq!(disk.list(&folder.path().join("missing")).expect("as if it were empty"), Vec::<PathBuf>::new());
    }
}
