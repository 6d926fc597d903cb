//! A file that is written past the page cache: for the log, where every write is synced and nothing is read before the next start.
//!
//! Through the page cache a write and its sync cost the kernel three times the CPU: pages to find, to copy to, to write back and to wait
//! for. Past it whole blocks go to the disk, from memory that is aligned as they are; the bytes in front of a write, back to the start of
//! their block, are written again with it, as the page cache does too.
//!
//! What was set aside is filled with zeros some way ahead, in one write with what comes before them. The first write to a block that was
//! only set aside changes how the file is described, which is a part of the sync then, and where there is a journal a commit of it; each
//! later one is a plain write.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::{Errno, ReadWriteFlags, pwritev2};

use crate::disk::DiskFile;
use crate::storage::StoredFile;

/// Writes begin and end at multiples of this, as far as disks ask for it.
const BLOCK_BYTES: usize = 4096;

/// So much is written at once at the most, and so far ahead stand zeros. A disk writes it in a few milliseconds, and few groups of points
/// are longer.
const STRETCH_BYTES: usize = 1024 * 1024;

/// No write ends there.
const NOWHERE: u64 = u64::MAX;

const _: () = assert!(STRETCH_BYTES.is_multiple_of(BLOCK_BYTES));

/// A file whose writes are durable when they return.
#[derive(Debug)]
pub(crate) struct DirectFile {
    plain: DiskFile,
    direct: File,
    blocks: Blocks,
    /// Where the last write ended. What stands before it in its block is at the front of `blocks`.
    end: u64,
    /// Every block before it was written once.
    filled: u64,
    /// Where the room that was set aside ends.
    room: u64,
}

impl DirectFile {
    /// Opens a file that was just made.
    ///
    /// # Errors
    /// When its file system can't, or what the disk says.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let plain = DiskFile(options.open(path)?);
        let direct = options.custom_flags(OFlags::DIRECT.bits().cast_signed()).open(path)?;
        let mut file = Self { plain, direct, blocks: Blocks::new(), end: 0, filled: 0, room: 0 };
        // Some file systems say only now that they want longer blocks, or none of this.
        file.put(BLOCK_BYTES, 0, ReadWriteFlags::empty())?;
        Ok(file)
    }

    /// Goes on at another place than where the last write ended.
    fn turn_to(&mut self, offset: u64) -> io::Result<()> {
        let mut block = [0; BLOCK_BYTES];
        self.plain.read_at(&mut block, offset - offset % BLOCK_BYTES as u64)?;
        self.blocks.copy(0, &block);
        self.end = offset;
        Ok(())
    }

    /// Writes the parts, and zeros behind them to the end of their block or further.
    fn write_blocks(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let mut used = (self.end % BLOCK_BYTES as u64) as usize;
        let mut start = self.end - used as u64;
        // The disk is asked for a sync once: with the one write, or after all of them.
        let is_one = used + parts.iter().map(|part| part.len()).sum::<usize>() <= STRETCH_BYTES;
        let flags = if is_one { ReadWriteFlags::DSYNC } else { ReadWriteFlags::empty() };
        for part in parts {
            let mut rest = *part;
            while !rest.is_empty() {
                if used == STRETCH_BYTES {
                    self.put(used, start, flags)?;
                    start += used as u64;
                    used = 0;
                }
                let (now, later) = rest.split_at(rest.len().min(STRETCH_BYTES - used));
                self.blocks.copy(used, now);
                used += now.len();
                rest = later;
            }
        }
        // Of what is longer the change of the file is a small part.
        let ahead = if is_one { self.ahead(start) } else { 0 };
        self.put_last(used, start, ahead, flags)?;
        if is_one { Ok(()) } else { self.plain.sync() }
    }

    /// Writes what is left, so many bytes, and keeps what the next write begins with. Where the file was never written before, so many bytes
    /// are at least.
    fn put_last(&mut self, used: usize, start: u64, ahead: usize, flags: ReadWriteFlags) -> io::Result<()> {
        let mut length = used.next_multiple_of(BLOCK_BYTES);
        if start + length as u64 > self.filled {
            length = length.max(ahead);
        }
        self.blocks.clear(used, length);
        self.put(length, start, flags)?;
        let last = used - used % BLOCK_BYTES;
        if last < used {
            self.blocks.move_to_front(last);
        }
        self.end = start + used as u64;
        self.filled = self.filled.max(start + length as u64);
        Ok(())
    }

    /// How many bytes from `start` on may be filled at once: whole blocks, and none that was not set aside.
    fn ahead(&self, start: u64) -> usize {
        let room = self.room.saturating_sub(start).min(STRETCH_BYTES as u64) as usize;
        room - room % BLOCK_BYTES
    }

    /// Writes blocks from the front.
    fn put(&mut self, length: usize, start: u64, flags: ReadWriteFlags) -> io::Result<()> {
        let mut rest = self.blocks.get(0, length);
        let mut offset = start;
        while !rest.is_empty() {
            match pwritev2(&self.direct, &[IoSlice::new(rest)], offset, flags) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    rest = &rest[written..];
                    offset += written as u64;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl StoredFile for DirectFile {
    fn len(&self) -> io::Result<u64> {
        self.plain.len()
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.plain.read_at(into, offset)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_parts_at(&[bytes], offset)
    }

    fn write_parts_at(&mut self, parts: &[&[u8]], offset: u64) -> io::Result<()> {
        if offset != self.end {
            self.turn_to(offset)?;
        }
        let written = self.write_blocks(parts);
        if written.is_err() {
            // The front of the blocks may be another one's by now.
            self.end = NOWHERE;
        }
        written
    }

    fn allocate(&mut self, bytes: u64) -> io::Result<()> {
        self.plain.allocate(bytes)?;
        self.room = bytes;
        self.plain.sync()
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        self.plain.set_len(bytes)?;
        self.filled = self.filled.min(bytes);
        self.room = bytes;
        self.plain.sync()
    }

    fn sync(&mut self) -> io::Result<()> {
        // Nothing is written that is not durable already.
        Ok(())
    }

    fn has_name(&self) -> io::Result<bool> {
        self.plain.has_name()
    }
}

/// Room for a stretch, aligned as the disk wants it.
struct Blocks {
    room: Vec<u8>,
    /// Where in the room it is.
    start: usize,
    /// Nothing but zeros stands from here on: most of what is filled ahead need not be cleared each time.
    used: usize,
}

impl Blocks {
    fn new() -> Self {
        let room = vec![0; STRETCH_BYTES + BLOCK_BYTES];
        let start = room.as_ptr().align_offset(BLOCK_BYTES);
        Self { room, start, used: 0 }
    }

    fn get(&self, from: usize, to: usize) -> &[u8] {
        &self.room[self.start + from..self.start + to]
    }

    fn copy(&mut self, at: usize, bytes: &[u8]) {
        let (from, to) = (self.start + at, self.start + at + bytes.len());
        self.room[from..to].copy_from_slice(bytes);
        self.used = self.used.max(at + bytes.len());
    }

    fn clear(&mut self, from: usize, to: usize) {
        let end = to.min(self.used).max(from);
        self.room[self.start + from..self.start + end].fill(0);
        if end == self.used {
            self.used = from;
        }
    }

    /// Copies a block to the front.
    fn move_to_front(&mut self, block: usize) {
        let from = self.start + block;
        self.room.copy_within(from..from + BLOCK_BYTES, self.start);
        self.used = self.used.max(BLOCK_BYTES);
    }
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocks").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Writes frames of these lengths one behind the other, and looks what the file holds after each.
    fn check(lengths: &[usize], room: u64) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        File::create(&path).expect("made");
        // A folder for temporary files may lie on a file system that can't; then there is nothing to look at.
        let Ok(mut file) = DirectFile::open(&path) else { return };
        file.allocate(room).expect("room");
        let mut expected = Vec::new();
        for (number, length) in lengths.iter().enumerate() {
            let bytes: Vec<u8> = (0..*length).map(|at| (at / 7 + number) as u8 | 1).collect();
            let (one, other) = bytes.split_at(length / 3);
            file.write_parts_at(&[one, &[], other], expected.len() as u64).expect("written");
            expected.extend(bytes);
            let found = fs::read(&path).expect("read");
            assert!(found[..expected.len()] == expected, "{lengths:?} after {number}");
            assert!(found[expected.len()..].iter().all(|byte| *byte == 0), "{lengths:?} behind {number}");
            assert!(found.len() as u64 >= room);
        }
    }

    #[test]
    fn what_is_written_stands_there_and_zeros_behind_it() {
        const MIB: usize = STRETCH_BYTES;
        check(&[24, 1, 4071, 1, 4095, 4096, 4097, 8192, 100], 64 * 1024);
        check(&[24, MIB - 25, 1, 1, MIB, MIB + 1, 3 * MIB + 77, 5], 16 * 1024 * 1024);
        // Room that ends within a block, and a write beyond it.
        check(&[24, 5000, 2000, 10_000], 9000);
        check(&[10], 1);
    }

    #[test]
    fn a_write_elsewhere_leaves_what_stands_around_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        File::create(&path).expect("made");
        let Ok(mut file) = DirectFile::open(&path) else { return };
        file.write_at(&[1; 10_000], 0).expect("written");
        // As after a failed write: the same place again, shorter and longer.
        file.write_at(&[2; 100], 9_000).expect("written");
        file.write_at(&[3; 5000], 9_050).expect("written");
        file.set_len(14_050).expect("cut");
        let expected = [[1; 9_000].as_slice(), &[2; 50], &[3; 5000]].concat();
        assert!(fs::read(&path).expect("read") == expected);
    }
}
