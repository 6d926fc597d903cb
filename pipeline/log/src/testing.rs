//! A disk that fails when it is told to, for tests.
//!
//! Each call of [`Storage`] and [`StoredFile`] that can fail is an operation with a number, counted from 0. A test runs once to learn
//! how many there are, and then once for each of them with [`FaultyStorage::fail`], to show that nothing is lost wherever it strikes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::storage::{Storage, StoredFile};

/// What is asked of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// [`Storage::create_dir`]
    CreateDir,
    /// [`Storage::list`]
    List,
    /// [`Storage::create`]
    Create,
    /// [`Storage::open`]
    Open,
    /// [`Storage::rename`]
    Rename,
    /// [`Storage::remove`]
    Remove,
    /// [`Storage::sync_dir`]
    SyncDir,
    /// [`StoredFile::len`]
    Len,
    /// [`StoredFile::read_at`]
    Read,
    /// [`StoredFile::write_at`]
    Write,
    /// [`StoredFile::allocate`]
    Allocate,
    /// [`StoredFile::set_len`]
    SetLen,
    /// [`StoredFile::sync`]
    Sync,
}

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is done, as on a full disk; of a write half of the bytes are.
    Undone,
    /// It is done, and an error is told nevertheless, as when an answer over a network is lost.
    Done,
}

/// A disk over another one that fails at chosen operations.
#[derive(Debug, Clone)]
pub struct FaultyStorage {
    inner: Arc<dyn Storage>,
    plan: Arc<Mutex<Plan>>,
    syncs: bool,
}

#[derive(Debug, Default)]
struct Plan {
    done: Vec<(Operation, PathBuf)>,
    once: Option<(u64, Fault)>,
    always: Vec<Operation>,
    struck: u64,
    paused: bool,
}

impl FaultyStorage {
    /// A disk over `inner` that does not fail yet.
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        Self { inner, plan: Arc::default(), syncs: true }
    }

    /// The same, but a sync does nothing: for tests that kill a process and cut no power, which take a tenth of the time then.
    #[must_use]
    pub fn without_syncs(self) -> Self {
        Self { syncs: false, ..self }
    }

    /// Lets the operation with this number fail, once.
    pub fn fail(&self, number: u64, fault: Fault) {
        self.plan.lock().once = Some((number, fault));
    }

    /// Lets these operations fail, undone, until told otherwise; none with an empty slice.
    pub fn fail_always(&self, operations: &[Operation]) {
        self.plan.lock().always = operations.to_vec();
    }

    /// The operations so far, with what they were about.
    pub fn operations(&self) -> Vec<(Operation, PathBuf)> {
        self.plan.lock().done.clone()
    }

    /// Whether operations are counted, and may fail, from now on.
    pub fn pause(&self, paused: bool) {
        self.plan.lock().paused = paused;
    }

    /// How many operations have failed.
    pub fn struck(&self) -> u64 {
        self.plan.lock().struck
    }
}

impl Plan {
    /// Notes an operation, and says how it fails.
    fn strike(&mut self, operation: Operation, path: &Path) -> Option<Fault> {
        if self.paused {
            return None;
        }
        let number = self.done.len() as u64;
        self.done.push((operation, path.to_owned()));
        let fault = match self.once {
            Some((at, fault)) if at == number => Some(fault),
            _ => self.always.contains(&operation).then_some(Fault::Undone),
        };
        self.struck += u64::from(fault.is_some());
        fault
    }
}

fn error() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "a fault was asked for")
}

/// Does the work of an operation, or not, as the plan says.
fn run<T>(
    plan: &Mutex<Plan>,
    operation: Operation,
    path: &Path,
    work: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    let fault = plan.lock().strike(operation, path);
    match fault {
        None => work(),
        Some(Fault::Undone) => Err(error()),
        Some(Fault::Done) => work().and_then(|_| Err(error())),
    }
}

impl FaultyStorage {
    fn file(&self, path: &Path, inner: Box<dyn StoredFile>) -> Box<dyn StoredFile> {
        Box::new(FaultyFile { inner, path: path.to_owned(), plan: Arc::clone(&self.plan), syncs: self.syncs })
    }
}

impl Storage for FaultyStorage {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        run(&self.plan, Operation::CreateDir, dir, || self.inner.create_dir(dir))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        run(&self.plan, Operation::List, dir, || self.inner.list(dir))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn StoredFile>> {
        run(&self.plan, Operation::Create, path, || Ok(self.file(path, self.inner.create(path)?)))
    }

    fn create_synced(&self, path: &Path) -> io::Result<Box<dyn StoredFile>> {
        if !self.syncs {
            return self.create(path);
        }
        run(&self.plan, Operation::Create, path, || Ok(self.file(path, self.inner.create_synced(path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StoredFile>> {
        run(&self.plan, Operation::Open, path, || Ok(self.file(path, self.inner.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        run(&self.plan, Operation::Rename, from, || self.inner.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        run(&self.plan, Operation::Remove, path, || self.inner.remove(path))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let sync = || if self.syncs { self.inner.sync_dir(dir) } else { Ok(()) };
        run(&self.plan, Operation::SyncDir, dir, sync)
    }
}

#[derive(Debug)]
struct FaultyFile {
    inner: Box<dyn StoredFile>,
    path: PathBuf,
    plan: Arc<Mutex<Plan>>,
    syncs: bool,
}

impl StoredFile for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        run(&self.plan, Operation::Len, &self.path, || self.inner.len())
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        run(&self.plan, Operation::Read, &self.path, || self.inner.read_at(into, offset))
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let fault = self.plan.lock().strike(Operation::Write, &self.path);
        let written = if fault == Some(Fault::Undone) { &bytes[..bytes.len() / 2] } else { bytes };
        self.inner.write_at(written, offset)?;
        fault.map_or(Ok(()), |_| Err(error()))
    }

    fn allocate(&mut self, bytes: u64) -> io::Result<()> {
        run(&self.plan, Operation::Allocate, &self.path, || self.inner.allocate(bytes))
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        run(&self.plan, Operation::SetLen, &self.path, || self.inner.set_len(bytes))
    }

    fn sync(&mut self) -> io::Result<()> {
        let sync = || if self.syncs { self.inner.sync() } else { Ok(()) };
        run(&self.plan, Operation::Sync, &self.path, sync)
    }

    fn has_name(&self) -> io::Result<bool> {
        self.inner.has_name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Disk;

    #[test]
    fn the_chosen_operation_fails_once_and_the_next_one_goes_well() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for (fault, length) in [(Fault::Undone, 2), (Fault::Done, 4)] {
            let disk = FaultyStorage::new(Arc::new(Disk));
            let path = dir.path().join("file");
            disk.fail(1, fault);
            let mut file = disk.create(&path).expect("operation 0");
            file.write_at(b"abcd", 0).expect_err("operation 1");
            assert_eq!((file.len().expect("operation 2"), disk.struck()), (length, 1));
            disk.fail_always(&[Operation::Sync]);
            file.sync().expect_err("syncs fail now");
            file.sync().expect_err("and still");
            assert_eq!(disk.operations().last(), Some(&(Operation::Sync, path)));
        }
    }
}
