//! A segment: one file of the log.
//!
//! ```text
//! segment-N.log := magic "flyblog\n" · version u32 · start position u64 · CRC-32 of the 20 bytes before u32 · frame* · zeros
//! ```
//! N is the start position, with leading zeros, so that names sort like positions. The room of a segment is set aside when it is made. What
//! stands at or behind the start of the next segment is void: a segment whose sync failed is left where it was last known to be good, and
//! the log goes on in a new one.

use std::path::{Path, PathBuf};

use crate::error::LogError;
use crate::position::Position;
use crate::storage::{Storage, StoredFile, make_dir, remove_if_there};

/// Room of a segment; a new one is begun when the next frame does not fit. Small enough that little must be kept for the sake of one old
/// point, and that a small disk is not filled by it; large enough that making one is rare.
pub(crate) const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;

pub(crate) const SEGMENT_HEADER_BYTES: usize = 24;

const MAGIC: &[u8; 8] = b"flyblog\n";
const VERSION: u32 = 1;

/// A segment that is written to.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) start: Position,
    file: Box<dyn StoredFile>,
    allocated: u64,
}

impl Segment {
    /// Makes a segment with room for at least `frame_bytes`, which is synced after every frame or not. Its name is durable when this returns.
    pub(crate) fn create(
        storage: &dyn Storage,
        dir: &Path,
        start: Position,
        frame_bytes: usize,
        is_synced: bool,
    ) -> Result<Self, LogError> {
        let path = dir.join(name(start));
        // Somebody may have removed it under us.
        make_dir(storage, dir).map_err(LogError::io("create", dir))?;
        // One of that name is of a try that failed, maybe when its name was to be made durable: a new file has its name written anew.
        remove_if_there(storage, &path).map_err(LogError::io("remove", &path))?;
        let created = if is_synced { storage.create_synced(&path) } else { storage.create(&path) };
        let mut file = created.map_err(LogError::io("create", &path))?;
        let allocated = SEGMENT_BYTES.max((SEGMENT_HEADER_BYTES + frame_bytes) as u64);
        file.allocate(allocated).map_err(LogError::io("set room aside in", &path))?;
        file.write_at(&header(start), 0).map_err(LogError::io("write", &path))?;
        file.sync().map_err(LogError::io("sync", &path))?;
        storage.sync_dir(dir).map_err(LogError::io("sync", dir))?;
        Ok(Self { path, start, file, allocated })
    }

    /// Whether a frame at this position fits.
    pub(crate) fn has_room(&self, position: Position, frame_bytes: usize) -> bool {
        self.offset(position) + frame_bytes as u64 <= self.allocated
    }

    /// Writes a frame, which comes in parts.
    pub(crate) fn write(&mut self, frame: &[&[u8]], position: Position) -> Result<(), LogError> {
        let offset = self.offset(position);
        self.file.write_parts_at(frame, offset).map_err(LogError::io("write", &self.path))
    }

    pub(crate) fn sync(&mut self) -> Result<(), LogError> {
        self.file.sync().map_err(LogError::io("sync", &self.path))
    }

    /// Whether the file still has a name.
    pub(crate) fn is_there(&self) -> Result<bool, LogError> {
        self.file.has_name().map_err(LogError::io("look at", &self.path))
    }

    fn offset(&self, position: Position) -> u64 {
        offset_of(self.start, position)
    }
}

/// Where in the file of a segment a position is.
pub(crate) fn offset_of(start: Position, position: Position) -> u64 {
    position.0 - start.0 + SEGMENT_HEADER_BYTES as u64
}

pub(crate) fn name(start: Position) -> String {
    format!("segment-{:020}.log", start.0)
}

/// The start position that a file's name says; `None` for other files.
pub(crate) fn parse_name(path: &Path) -> Option<Position> {
    let number = path.file_name()?.to_str()?.strip_prefix("segment-")?.strip_suffix(".log")?;
    number.parse().ok().map(Position)
}

fn header(start: Position) -> [u8; SEGMENT_HEADER_BYTES] {
    let mut header = [0; SEGMENT_HEADER_BYTES];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..20].copy_from_slice(&start.0.to_le_bytes());
    let checksum = crc32fast::hash(&header[..20]);
    header[20..].copy_from_slice(&checksum.to_le_bytes());
    header
}

/// Whether a file begins as a segment of this start does.
///
/// # Errors
/// When it is of a newer version.
pub(crate) fn check_header(path: &Path, found: &[u8], start: Position) -> Result<bool, LogError> {
    let Some(found) = found.get(..SEGMENT_HEADER_BYTES) else { return Ok(false) };
    if &found[..8] == MAGIC {
        let version = u32::from_le_bytes([found[8], found[9], found[10], found[11]]);
        if version > VERSION {
            return Err(LogError::NewerFormat { path: path.to_owned(), found: version, known: VERSION });
        }
    }
    Ok(found == header(start))
}
