//! The disk.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::storage::{Storage, StoredFile};

/// What is written at once or not at all.
const SECTOR_BYTES: usize = 512;

/// A stream of chances that a seed decides (xorshift64*, Vigna 2016).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The chances of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % end.max(1)
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// The disk; clones are the same disk.
#[derive(Debug, Clone)]
pub struct PowerCutDisk(Arc<Mutex<State>>);

struct State {
    chance: Chance,
    inodes: Vec<Inode>,
    /// What programs see.
    names: BTreeMap<PathBuf, usize>,
    /// What is safe.
    safe_names: BTreeMap<PathBuf, usize>,
    unsynced_names: Vec<NameChange>,
    /// Operations until the power goes; `None`: never.
    until_cut: Option<u64>,
    /// An operation fails once in so many; 0: never.
    failure_one_in: u64,
}

#[derive(Debug, Default)]
struct Inode {
    seen: Vec<u8>,
    safe: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

#[derive(Debug, Clone)]
enum NameChange {
    Add(PathBuf, usize),
    Rename(PathBuf, PathBuf, usize),
    Remove(PathBuf),
}

impl NameChange {
    fn is_in(&self, dir: &Path) -> bool {
        let (NameChange::Add(path, _) | NameChange::Rename(path, ..) | NameChange::Remove(path)) = self;
        path.parent() == Some(dir)
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            NameChange::Add(path, inode) => drop(names.insert(path.clone(), *inode)),
            NameChange::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
            NameChange::Remove(path) => drop(names.remove(path)),
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("names", &self.names.keys()).finish_non_exhaustive()
    }
}

impl PowerCutDisk {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            chance: Chance::new(seed),
            inodes: Vec::new(),
            names: BTreeMap::new(),
            safe_names: BTreeMap::new(),
            unsynced_names: Vec::new(),
            until_cut: None,
            failure_one_in: 0,
        })))
    }

    /// Lets the power go after so many operations: all later ones fail.
    pub fn cut_after(&self, operations: u64) {
        self.0.lock().until_cut = Some(operations);
    }

    /// Lets one operation in so many fail; 0 none.
    pub fn fail_one_in(&self, times: u64) {
        self.0.lock().failure_one_in = times;
    }

    /// What the disk holds when the power is back: all that is safe, and some of the rest.
    pub fn power_back(&self) {
        let mut state = self.0.lock();
        let State { chance, inodes, names, safe_names, unsynced_names, until_cut, .. } = &mut *state;
        for change in unsynced_names.drain(..) {
            if chance.one_in(2) {
                change.apply(safe_names);
            }
        }
        *names = safe_names.clone();
        for inode in inodes {
            let mut changes = std::mem::take(&mut inode.unsynced);
            if chance.one_in(2) {
                changes.reverse();
            }
            for change in changes {
                inode.survive(&change, chance);
            }
            inode.seen.clone_from(&inode.safe);
        }
        *until_cut = None;
    }

    /// Flips a bit of a file, for good.
    pub fn flip(&self, path: &Path, offset: usize) {
        let mut state = self.0.lock();
        let Some(&inode) = state.names.get(path) else { return };
        let inode = &mut state.inodes[inode];
        for bytes in [&mut inode.seen, &mut inode.safe] {
            if let Some(byte) = bytes.get_mut(offset) {
                *byte ^= 0x10;
            }
        }
    }
}

impl Inode {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.unsynced.push(change);
    }

    fn sync(&mut self) {
        self.safe.clone_from(&self.seen);
        self.unsynced.clear();
    }

    /// A failed sync: nobody knows what was written, and the system believes that nothing is left to be.
    fn lose_unsynced(&mut self, chance: &mut Chance) {
        for change in std::mem::take(&mut self.unsynced) {
            self.survive(&change, chance);
        }
    }

    fn survive(&mut self, change: &Change, chance: &mut Chance) {
        match change {
            Change::Write(offset, bytes) => {
                for (number, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
                    if chance.one_in(2) {
                        Change::Write(offset + number * SECTOR_BYTES, sector.to_vec()).apply(&mut self.safe);
                    }
                }
            }
            Change::Length(_) if chance.one_in(2) => change.apply(&mut self.safe),
            Change::Length(_) => {}
        }
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Write(offset, written) => {
                let end = offset + written.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*offset..end].copy_from_slice(written);
            }
            Change::Length(length) => bytes.resize(*length, 0),
        }
    }
}

impl State {
    /// One operation: it may be the one at which the power goes, or one that fails.
    fn operate(&mut self) -> io::Result<()> {
        if let Some(left) = &mut self.until_cut {
            if *left == 0 {
                return Err(io::Error::other("the power is gone"));
            }
            *left -= 1;
        }
        if self.failure_one_in > 0 && self.chance.one_in(self.failure_one_in) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.unsynced_names.push(change);
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Storage for PowerCutDisk {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.0.lock();
        Ok(state.names.keys().filter(|path| path.parent() == Some(dir)).cloned().collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn StoredFile>> {
        let mut state = self.0.lock();
        state.operate()?;
        let inode = match state.names.get(path) {
            Some(&inode) => {
                state.inodes[inode].change(Change::Length(0));
                inode
            }
            None => {
                state.inodes.push(Inode::default());
                let inode = state.inodes.len() - 1;
                state.change_name(NameChange::Add(path.to_owned(), inode));
                inode
            }
        };
        Ok(Box::new(OpenFile { disk: self.clone(), inode }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StoredFile>> {
        let inode = self.0.lock().find(path)?;
        Ok(Box::new(OpenFile { disk: self.clone(), inode }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.operate()?;
        let inode = state.find(from)?;
        state.change_name(NameChange::Rename(from.to_owned(), to.to_owned(), inode));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.operate()?;
        state.find(path)?;
        state.change_name(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        let operated = state.operate();
        let State { safe_names, unsynced_names, chance, .. } = &mut *state;
        for change in unsynced_names.extract_if(.., |change| change.is_in(dir)) {
            // After a failed sync the system believes that nothing is left to be written, as with the bytes of a file.
            if operated.is_ok() || chance.one_in(2) {
                change.apply(safe_names);
            }
        }
        operated
    }
}

#[derive(Debug)]
struct OpenFile {
    disk: PowerCutDisk,
    inode: usize,
}

impl StoredFile for OpenFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.0.lock().inodes[self.inode].seen.len() as u64)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.0.lock();
        let rest = state.inodes[self.inode].seen.get(offset as usize..).unwrap_or_default();
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        let operated = state.operate();
        // Of a write that fails any part may have come through.
        let written = if operated.is_ok() { bytes.len() } else { state.chance.below(bytes.len() as u64) as usize };
        state.inodes[self.inode].change(Change::Write(offset as usize, bytes[..written].to_vec()));
        operated
    }

    fn allocate(&mut self, _: u64) -> io::Result<()> {
        // Room that reads as zeros would only make the simulation slow.
        self.disk.0.lock().operate()
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.operate()?;
        state.inodes[self.inode].change(Change::Length(bytes as usize));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        let operated = state.operate();
        let State { inodes, chance, .. } = &mut *state;
        match operated {
            Ok(()) => inodes[self.inode].sync(),
            Err(_) => inodes[self.inode].lose_unsynced(chance),
        }
        operated
    }
}
