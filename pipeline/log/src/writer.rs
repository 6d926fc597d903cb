//! Writing frames: the part of the log that knows files and no threads.

use std::collections::VecDeque;
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::buffer::Buffer;

use crate::error::LogError;
use crate::frame::{self, FRAME_BODY_BYTES_MAX, FRAME_HEADER_BYTES};
use crate::position::Position;
use crate::segment::{Segment, name};
use crate::storage::{Storage, remove_if_there};

/// What an acknowledgement promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Durability {
    /// The data survives a power cut: it is synced to the disk first.
    #[default]
    Fsync,
    /// The data survives the death of the process: it is handed to the operating system first.
    Flush,
    /// The data is in memory, and no log is written.
    Memory,
}

impl Durability {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Durability::Fsync => "fsync",
            Durability::Flush => "flush",
            Durability::Memory => "memory",
        }
    }

    /// What it means, for people.
    pub const fn promise(self) -> &'static str {
        match self {
            Durability::Fsync => "what is acknowledged is synced to the disk, and survives a power cut",
            Durability::Flush => {
                "what is acknowledged was handed to the operating system: it survives the death of flyball, but not a power cut"
            }
            Durability::Memory => "what is acknowledged is in memory, and lost when flyball dies",
        }
    }
}

/// The end of the log, and the files that make it up.
#[derive(Debug)]
pub(crate) struct Writer {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    durability: Durability,
    active: Option<Segment>,
    /// Where the next frame goes; everything before it was written, as durably as promised.
    end: Position,
    /// Everything before it is synced.
    synced: Position,
    /// Where each segment starts, the oldest first, the active one included.
    segments: VecDeque<Position>,
}

impl Writer {
    /// Goes on at `end`, behind the segments that are there.
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        dir: &Path,
        durability: Durability,
        end: Position,
        segments: VecDeque<Position>,
    ) -> Self {
        Self { storage, dir: dir.to_owned(), durability, active: None, end, synced: end, segments }
    }

    /// Writes the records of a group as one frame, as durably as promised.
    ///
    /// # Errors
    /// When the disk says no. The same group may be given again: it is written to a new segment then, since nobody knows what of it the old
    /// one holds, nor what the disk remembers of it. And when the group is longer than a frame may be, which it never is.
    pub(crate) fn write(&mut self, records: &[Buffer]) -> Result<(), LogError> {
        let bytes = records.iter().map(Buffer::len).sum::<usize>();
        if bytes > FRAME_BODY_BYTES_MAX {
            return Err(LogError::TooLarge { bytes, max: FRAME_BODY_BYTES_MAX });
        }
        if self.durability == Durability::Memory {
            self.end = self.end.plus(FRAME_HEADER_BYTES + bytes);
            return Ok(());
        }
        let header = frame::header(records.iter().map(Buffer::as_slice), self.end, self.synced);
        let parts: Vec<&[u8]> = iter::once(header.as_slice()).chain(records.iter().map(Buffer::as_slice)).collect();
        let written = self.try_write(&parts, FRAME_HEADER_BYTES + bytes);
        if written.is_err() {
            self.active = None;
        }
        written
    }

    fn try_write(&mut self, frame: &[&[u8]], frame_bytes: usize) -> Result<(), LogError> {
        let is_full = self.active.as_ref().is_some_and(|segment| !segment.has_room(self.end, frame_bytes));
        if is_full {
            self.sync()?;
            self.active = None;
        }
        let segment = match &mut self.active {
            Some(segment) => segment,
            none => {
                let is_synced = self.durability == Durability::Fsync;
                let segment = Segment::create(&*self.storage, &self.dir, self.end, frame_bytes, is_synced)?;
                // One of the same start is of a try before, which left nothing in it.
                if self.segments.back() != Some(&segment.start) {
                    self.segments.push_back(segment.start);
                }
                none.insert(segment)
            }
        };
        segment.write(frame, self.end)?;
        if self.durability == Durability::Fsync {
            segment.sync()?;
        }
        if !segment.is_there()? {
            let path = segment.path.clone();
            // Those before it are gone with it, as far as anybody knows.
            self.segments.clear();
            return Err(LogError::Removed { path });
        }
        self.end = self.end.plus(frame_bytes);
        if self.durability == Durability::Fsync {
            self.synced = self.end;
        }
        Ok(())
    }

    /// Syncs what was only handed over so far.
    pub(crate) fn sync(&mut self) -> Result<(), LogError> {
        if self.synced < self.end
            && let Some(segment) = &mut self.active
        {
            segment.sync()?;
            self.synced = self.end;
        }
        Ok(())
    }

    /// Where the next frame goes.
    pub(crate) fn end(&self) -> Position {
        self.end
    }

    /// Where the oldest segment starts; the end, if there is none.
    pub(crate) fn start(&self) -> Position {
        self.segments.front().copied().unwrap_or(self.end)
    }

    /// How many segments there are.
    pub(crate) fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Whether the oldest segment holds nothing at or behind this position.
    fn may_remove(&self, before: Position) -> bool {
        match self.segments.get(1) {
            Some(&next) => next <= before,
            None => self.active.is_none() && !self.segments.is_empty() && self.end <= before,
        }
    }

    /// Removes the segments that hold nothing at or behind this position. The active one stays.
    ///
    /// # Errors
    /// When the disk says no; what is left is removed the next time.
    pub(crate) fn remove(&mut self, before: Position) -> Result<(), LogError> {
        while self.may_remove(before) {
            let path = self.dir.join(name(self.segments[0]));
            remove_if_there(&*self.storage, &path).map_err(LogError::io("remove", &path))?;
            // One after the other: if the second were gone and the first still there, it would look as if the second had been lost.
            self.storage.sync_dir(&self.dir).map_err(LogError::io("sync", &self.dir))?;
            self.segments.pop_front();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::PowerCutDisk;

    #[test]
    fn what_could_not_be_read_back_is_not_written() {
        let disk = Arc::new(PowerCutDisk::new(1));
        let mut writer = Writer::new(disk.clone(), Path::new("/data"), Durability::Fsync, Position(0), VecDeque::new());
        // Zeros that nobody looks at take no memory.
        let records = [1, FRAME_BODY_BYTES_MAX].map(|bytes| Buffer::from(vec![0_u8; bytes]));
        let error = writer.write(&records).expect_err("longer than a frame may be");
        assert!(matches!(error, LogError::TooLarge { bytes, max } if bytes == max + 1) && !error.is_retryable());
        assert_eq!(disk.list(Path::new("/data")).expect("a folder"), Vec::<PathBuf>::new());
        writer.write(&records[..1]).expect("a good disk");
    }
}
