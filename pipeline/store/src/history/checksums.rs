//! What tells that a history file is still as it was written.
//!
//! Parquet checks nothing of this kind by itself: a bit that a disk flips in a page of values is another value. So between a file's pages and its
//! footer, where other readers of Parquet never look, stand:
//!
//! | bytes | what |
//! |---|---|
//! | 4 for each block | CRC-32 of each 16 KiB from the start of the file to here, the last one maybe shorter |
//! | 4 | the number of blocks |
//! | 4 | CRC-32 of what stands here before it, and of all that comes after the mark |
//! | 8 | the mark, `flyballC` |
//!
//! Numbers are little-endian. The footer follows. What is read is checked block by block, at each reading.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use flyball_log::{Storage, StoredFile};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

use crate::error::StoreError;

/// Bytes of a block: less than a page of 8,192 values has. With longer ones more is read for nothing.
const BLOCK: u64 = 16 * 1024;

const MARK: [u8; 8] = *b"flyballC";

/// Number of blocks, checksum and mark.
const FIXED: u64 = 16;

/// What ends every Parquet file: the bytes of the footer, and `PAR1`.
const END: u64 = 8;

/// Checksums of blocks, made while they are written.
#[derive(Debug, Default)]
pub(super) struct Checksums {
    blocks: Vec<u32>,
    current: crc32fast::Hasher,
    in_current: u64,
}

impl Checksums {
    /// Takes what is written next.
    pub(super) fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min((BLOCK - self.in_current) as usize));
            self.current.update(now);
            self.in_current += now.len() as u64;
            if self.in_current == BLOCK {
                self.blocks.push(std::mem::take(&mut self.current).finalize());
                self.in_current = 0;
            }
            bytes = later;
        }
    }

    /// Puts the checksums before the footer of a file of which all is written; returns how many bytes it has then.
    ///
    /// # Errors
    /// When the disk says no.
    pub(super) fn seal(mut self, file: &mut dyn StoredFile, written: u64) -> io::Result<u64> {
        let end = read(file, written - END, written)?;
        let footer = written - END - footer_bytes(&end);
        let tail = read(file, footer, written)?;

        // The footer went through `add` too.
        self.blocks.truncate((footer / BLOCK) as usize);
        if !footer.is_multiple_of(BLOCK) {
            self.blocks.push(crc32fast::hash(&read(file, footer - footer % BLOCK, footer)?));
        }
        let mut out: Vec<u8> = self.blocks.iter().flat_map(|block| block.to_le_bytes()).collect();
        out.extend((self.blocks.len() as u32).to_le_bytes());
        out.extend(checksum(&[&out, &tail]).to_le_bytes());
        out.extend(MARK);
        out.extend(tail);
        file.write_at(&out, footer)?;
        Ok(footer + out.len() as u64)
    }
}

fn read(file: &dyn StoredFile, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let mut into = vec![0; (to - from) as usize];
    let read = file.read_at(&mut into, from)?;
    if read == into.len() { Ok(into) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn footer_bytes(mut end: &[u8]) -> u64 {
    end.get_u32_le().into()
}

fn checksum(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

/// A history file that is read. What is not as it was written is an error that says where.
#[derive(Debug, Clone)]
pub(super) struct Source(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    file: Box<dyn StoredFile>,
    bytes: u64,
    /// The checksums of what is before `checked`: nothing in a file that an older flyball wrote.
    blocks: Vec<u32>,
    checked: u64,
}

impl Source {
    /// Opens a file and checks its footer.
    ///
    /// # Errors
    /// When it can't be read or is damaged.
    pub(super) fn open(storage: &dyn Storage, path: &Path) -> Result<Self, StoreError> {
        let file = storage.open(path).map_err(StoreError::io("open", path))?;
        let bytes = file.len().map_err(StoreError::io("read", path))?;
        let (blocks, checked) = read_checksums(&*file, bytes).map_err(StoreError::parquet(path))?;
        Ok(Self(Arc::new(Opened { file, bytes, blocks, checked })))
    }

    /// Whether the file has checksums.
    pub(super) fn has_checksums(&self) -> bool {
        self.0.checked > 0
    }
}

/// The checksums of a file, and how many bytes they are of; none, of none, if there is no mark.
fn read_checksums(file: &dyn StoredFile, bytes: u64) -> ParquetResult<(Vec<u32>, u64)> {
    let none = (Vec::new(), 0);
    // What is too short is no Parquet file, and the library says so.
    let Some(end) = bytes.checked_sub(END) else { return Ok(none) };
    let footer = end.checked_sub(footer_bytes(&read(file, end, bytes)?));
    let Some(fixed_at) = footer.and_then(|footer| footer.checked_sub(FIXED)) else { return Ok(none) };
    let fixed_and_tail = read(file, fixed_at, bytes)?;
    let (mut fixed, tail) = fixed_and_tail.split_at(FIXED as usize);
    if !fixed.ends_with(&MARK) {
        return Ok(none);
    }
    let (count, expected) = (fixed.get_u32_le(), fixed.get_u32_le());
    let checked =
        fixed_at.checked_sub(4 * u64::from(count)).filter(|checked| checked.div_ceil(BLOCK) == u64::from(count));
    let Some(checked) = checked else { return Err(changed(fixed_at, bytes)) };
    let of_blocks = read(file, checked, fixed_at)?;
    if checksum(&[&of_blocks, &count.to_le_bytes(), tail]) != expected {
        return Err(changed(checked, bytes));
    }
    let (blocks, _) = of_blocks.as_chunks();
    Ok((blocks.iter().map(|block| u32::from_le_bytes(*block)).collect(), checked))
}

fn changed(from: u64, to: u64) -> ParquetError {
    ParquetError::General(format!("bytes {from} to {to} are not what flyball wrote, by their checksum"))
}

impl Opened {
    /// Reads some bytes, and those around them that their checksums are of as well.
    fn read(&self, from: u64, to: u64) -> ParquetResult<Bytes> {
        if to > self.bytes || from > to {
            return Err(ParquetError::EOF(format!("bytes {from} to {to} of {}", self.bytes)));
        }
        let is_checked = to <= self.checked;
        let (begin, end) = match is_checked {
            true => (from - from % BLOCK, to.next_multiple_of(BLOCK).min(self.checked)),
            false => (from, to),
        };
        let read = read(&*self.file, begin, end)?;
        if is_checked {
            for (bytes, block) in read.chunks(BLOCK as usize).zip((begin / BLOCK) as usize..) {
                if crc32fast::hash(bytes) != self.blocks[block] {
                    let from = block as u64 * BLOCK;
                    return Err(changed(from, from + bytes.len() as u64));
                }
            }
        }
        Ok(Bytes::from(read).slice((from - begin) as usize..(to - begin) as usize))
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.0.bytes
    }
}

impl ChunkReader for Source {
    type T = BlockReader;

    fn get_read(&self, start: u64) -> ParquetResult<BlockReader> {
        Ok(BlockReader { source: Arc::clone(&self.0), at: start, read: Bytes::new() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        self.0.read(start, start.saturating_add(length as u64))
    }
}

/// Reads a file from a place on, a block at a time.
#[derive(Debug)]
pub(super) struct BlockReader {
    source: Arc<Opened>,
    /// What comes after `read`.
    at: u64,
    read: Bytes,
}

impl Read for BlockReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.read.is_empty() {
            let source = &self.source;
            let end = if self.at < source.checked { source.checked } else { source.bytes };
            let end = (self.at + 1).next_multiple_of(BLOCK).min(end);
            self.read = source.read(self.at, end.max(self.at)).map_err(io::Error::other)?;
            self.at += self.read.len() as u64;
        }
        let now = into.len().min(self.read.len());
        self.read.copy_to_slice(&mut into[..now]);
        Ok(now)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, RecordBatch};
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use std::fs::File;

    use flyball_log::Disk;

    use super::*;

    /// A file with some values, and how many bytes it had before the checksums.
    fn write(path: &Path, rows: usize) -> u64 {
        let values = Float64Array::from_iter_values((0..rows).map(|row| (row as f64).sqrt()));
        let batch = RecordBatch::try_from_iter([("value", Arc::new(values) as _)]).expect("one column");
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("a schema of one column");
        writer.write(&batch).expect("memory");
        let bytes = writer.into_inner().expect("memory");
        let mut checksums = Checksums::default();
        // In pieces that are no blocks.
        bytes.chunks(1000).for_each(|piece| checksums.add(piece));
        let mut file = Disk.create(path).expect("a writable folder");
        file.write_at(&bytes, 0).expect("a writable folder");
        let sealed = checksums.seal(&mut *file, bytes.len() as u64).expect("a writable folder");
        assert_eq!(sealed, file.len().expect("a readable folder"));
        bytes.len() as u64
    }

    fn values<R: ChunkReader + 'static>(source: R) -> ParquetResult<Vec<f64>> {
        let mut values = Vec::new();
        for batch in ParquetRecordBatchReaderBuilder::try_new(source)?.build()? {
            let batch = batch?;
            values.extend(batch.column(0).as_any().downcast_ref::<Float64Array>().expect("floats").values());
        }
        Ok(values)
    }

    fn read(path: &Path) -> Result<Vec<f64>, String> {
        let source = Source::open(&Disk, path).map_err(|error| error.to_string())?;
        values(source).map_err(|error| error.to_string())
    }

    #[test]
    fn other_readers_of_parquet_see_nothing_of_the_checksums() {
        let dir = tempfile::tempdir().expect("a writable folder");
        for rows in [0, 1, 2_000, 2_048, 100_000] {
            let path = dir.path().join(rows.to_string());
            write(&path, rows);
            let expected: Vec<f64> = (0..rows).map(|row| (row as f64).sqrt()).collect();
            assert_eq!(values(File::open(&path).expect("a file")).expect("a Parquet file"), expected);
            assert_eq!(read(&path).expect("a good file"), expected);
            let source = Source::open(&Disk, &path).expect("a good file");
            assert!(source.has_checksums());
            let mut all = Vec::new();
            source.get_read(0).expect("a good file").read_to_end(&mut all).expect("a good file");
            assert_eq!(all, std::fs::read(&path).expect("a file"));
        }
    }

    #[test]
    fn a_flipped_bit_is_an_error_wherever_it_is() {
        let dir = tempfile::tempdir().expect("a writable folder");
        let path = dir.path().join("f");
        write(&path, 5_000);
        let good = std::fs::read(&path).expect("a file");
        let expected = read(&path).expect("a good file");
        let marked_at = good.windows(MARK.len()).rposition(|window| window == MARK).expect("the mark");
        let places = (0..good.len()).step_by(97).chain(marked_at - 60..good.len());
        for at in places {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << (at % 8);
            std::fs::write(&path, &bytes).expect("a writable folder");
            match read(&path) {
                Err(_) => {}
                // Nobody reads the marks at the start; without the one before the footer it is a file of an older flyball.
                Ok(values) => {
                    assert!(at < 4 || (marked_at..marked_at + MARK.len()).contains(&at), "byte {at}");
                    assert_eq!(values, expected);
                }
            }
        }
        let mut bytes = good;
        bytes[20_000] ^= 1;
        std::fs::write(&path, &bytes).expect("a writable folder");
        let error = read(&path).expect_err("a flipped bit");
        assert!(error.contains("bytes 16384 to 32768 are not what flyball wrote"), "{error}");
    }
}
