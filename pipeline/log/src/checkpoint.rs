//! Checkpoints: all state as of a position, so that the log before it may go.
//!
//! ```text
//! checkpoint-N := magic "flybchk\n" · version u32 · position u64 · needed u64 · CRC-32 of the 28 bytes before u32
//!                 · frame* · end frame
//! ```
//! N is the position; the log before `needed` is not needed any more, whether it is still there or not. Frames are those of the log, numbered from 0; the last one holds the one record-less byte [`END`], so that a file that
//! was cut off is known. A checkpoint gets its name when it is synced, and the one before it goes then.

use std::io::Write;
use std::path::{Path, PathBuf};

use flyball_model::{SeriesRef, UnixNanos};

use crate::error::LogError;
use crate::frame::{self, FRAME_HEADER_BYTES};
use crate::position::Position;
use crate::record::{Told, encode_fingerprint, encode_starts, encode_totals, encode_twin};
use crate::storage::{Sequential, Storage};

const MAGIC: &[u8; 8] = b"flybchk\n";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 32;

/// A frame is closed when its body is this long.
const FRAME_BYTES_TARGET: usize = 1024 * 1024;

/// The body of the last frame: no record begins like this.
const END: [u8; 1] = [0];

/// A checkpoint that is being written.
#[derive(Debug)]
pub struct CheckpointWriter<'a> {
    storage: &'a dyn Storage,
    temporary: PathBuf,
    path: PathBuf,
    file: Sequential,
    frame: Vec<u8>,
    frames_bytes: u64,
}

impl<'a> CheckpointWriter<'a> {
    pub(crate) fn create(
        storage: &'a dyn Storage,
        dir: &Path,
        position: Position,
        needed: Position,
    ) -> Result<Self, LogError> {
        let path = dir.join(name(position));
        // One name for all of them, so that one that failed leaves no more than itself behind.
        let temporary = dir.join("checkpoint.tmp");
        let file = storage.create(&temporary).map_err(LogError::io("create", &temporary))?;
        let mut file = Sequential::new(file);
        let header =
            [MAGIC.as_slice(), &VERSION.to_le_bytes(), &position.0.to_le_bytes(), &needed.0.to_le_bytes()].concat();
        let header = [header.as_slice(), &crc32fast::hash(&header).to_le_bytes()].concat();
        file.write_all(&header).map_err(LogError::io("write", &temporary))?;
        Ok(Self { storage, temporary, path, file, frame: vec![0; FRAME_HEADER_BYTES], frames_bytes: 0 })
    }

    /// Adds totals of delta sums and histograms.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn totals(&mut self, totals: &[u8]) -> Result<(), LogError> {
        self.add(|out| encode_totals(totals, out))
    }

    /// Adds a part of the twin.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn twin(&mut self, twin: &[u8]) -> Result<(), LogError> {
        self.add(|out| encode_twin(twin, out))
    }

    /// Adds when the sums of series began.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn starts(&mut self, starts: &[(SeriesRef, UnixNanos)]) -> Result<(), LogError> {
        self.add(|out| encode_starts(starts, out))
    }

    /// Adds a body that was stored, known by its hash.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn fingerprint(&mut self, hash: u128, told: &Told) -> Result<(), LogError> {
        self.add(|out| encode_fingerprint(hash, told, out))
    }

    /// Adds records, which `fill` appends.
    pub(crate) fn add(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> Result<(), LogError> {
        fill(&mut self.frame);
        if self.frame.len() >= FRAME_BYTES_TARGET { self.close_frame() } else { Ok(()) }
    }

    fn close_frame(&mut self) -> Result<(), LogError> {
        if self.frame.len() > FRAME_HEADER_BYTES {
            let position = Position(self.frames_bytes);
            frame::seal(&mut self.frame, position, position);
            self.file.write_all(&self.frame).map_err(LogError::io("write", &self.temporary))?;
            self.frames_bytes += self.frame.len() as u64;
            self.frame.truncate(FRAME_HEADER_BYTES);
        }
        Ok(())
    }

    /// Gives the checkpoint its name, durably, and removes those before it.
    pub(crate) fn finish(mut self) -> Result<(), LogError> {
        self.close_frame()?;
        self.frame.extend(END);
        self.close_frame()?;
        self.file.sync().map_err(LogError::io("sync", &self.temporary))?;
        self.storage.rename(&self.temporary, &self.path).map_err(LogError::io("rename", &self.temporary))?;
        let dir = self.path.parent().unwrap_or(Path::new(""));
        self.storage.sync_dir(dir).map_err(LogError::io("sync", dir))?;
        for (_, older) in list(self.storage, dir)?.into_iter().take_while(|(_, path)| *path != self.path) {
            self.storage.remove(&older).map_err(LogError::io("remove", &older))?;
        }
        Ok(())
    }
}

pub(crate) fn name(position: Position) -> String {
    format!("checkpoint-{:020}", position.0)
}

fn position_of(path: &Path) -> Option<Position> {
    let number = path.file_name()?.to_str()?.strip_prefix("checkpoint-")?;
    number.parse().ok().map(Position)
}

/// The checkpoints of a folder, the newest last.
fn list(storage: &dyn Storage, dir: &Path) -> Result<Vec<(Position, PathBuf)>, LogError> {
    let files = storage.list(dir).map_err(LogError::io("read", dir))?;
    let mut found: Vec<_> = files.into_iter().filter_map(|path| Some((position_of(&path)?, path))).collect();
    found.sort();
    Ok(found)
}

/// A checkpoint as it is read back.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    pub(crate) position: Position,
    /// From where on the log is needed.
    pub(crate) needed: Position,
    /// The bodies of its frames, one after the other.
    pub(crate) records: Vec<u8>,
}

/// The newest checkpoint of a folder.
///
/// # Errors
/// When it can't be read, is of a newer version, or is damaged: it was synced before it got its name, so that is the disk's doing.
pub(crate) fn load(storage: &dyn Storage, dir: &Path) -> Result<Option<Checkpoint>, LogError> {
    let Some((position, path)) = list(storage, dir)?.pop() else { return Ok(None) };
    let file = read(storage, &path)?;
    let damaged = |offset: usize, detail: &str| LogError::Damaged {
        path: path.clone(),
        offset: offset as u64,
        detail: format!(
            "{detail}; move the file away to start without it: the ledger, violations and remediations begin anew then, points are kept"
        ),
    };
    let header = file.get(..HEADER_BYTES).filter(|header| &header[..8] == MAGIC);
    let header = header.ok_or_else(|| damaged(0, "this is not a checkpoint"))?;
    let version = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
    if version > VERSION {
        return Err(LogError::NewerFormat { path, found: version, known: VERSION });
    }
    let long = |at: usize| header[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let needed = Position(long(20));
    let is_whole = crc32fast::hash(&header[..28]).to_le_bytes() == header[28..];
    if !is_whole || long(12) != position.0 || needed > position {
        return Err(damaged(0, "a bad checksum in its header"));
    }
    let (mut records, mut at) = (Vec::new(), 0);
    while let Some((frame, body)) = frame::at(&file[HEADER_BYTES + at..], Position(at as u64)) {
        if body == END {
            return Ok(Some(Checkpoint { position, needed, records }));
        }
        records.extend_from_slice(body);
        at += frame.frame_bytes();
    }
    Err(damaged(HEADER_BYTES + at, "a bad checksum"))
}

/// A whole file.
pub(crate) fn read(storage: &dyn Storage, path: &Path) -> Result<Vec<u8>, LogError> {
    let file = storage.open(path).map_err(LogError::io("open", path))?;
    let length = file.len().map_err(LogError::io("read", path))?;
    let mut bytes = vec![0; usize::try_from(length).expect("an address space holds a file of the log")];
    let read = file.read_at(&mut bytes, 0).map_err(LogError::io("read", path))?;
    bytes.truncate(read);
    Ok(bytes)
}
