//! One file of the spool.
//!
//! ```text
//! FBSPOOL1                                      8 bytes
//! entry: length of the payload                  u32, little-endian
//!        CRC-32 of the payload                  u32
//!        payload: records                       u32
//!                 made_at, ns since the epoch   i64
//!                 the compressed body
//! ```

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use flyball_model::UnixNanos;

use crate::batch::Batch;

const MAGIC: &[u8; 8] = b"FBSPOOL1";
/// Bytes before the first entry.
pub(super) const SEGMENT_HEAD_BYTES: u64 = MAGIC.len() as u64;
/// Bytes before an entry's payload.
const HEAD: usize = 8;
/// Bytes of the payload before the body.
const META: usize = 12;

/// No payload is longer: a body is smaller than its lines, and what says otherwise is damaged.
const PAYLOAD_BYTES_MAX: u32 = 32 * 1024 * 1024;

/// Where an entry stands in its file, and what the account needs to know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    offset: u64,
    payload_bytes: u32,
    pub(super) records: u64,
    pub(super) made_at: UnixNanos,
}

/// Bytes that a batch takes in a segment.
pub(super) fn entry_bytes(batch: &Batch) -> u64 {
    (HEAD + META + batch.body.len()) as u64
}

/// An open segment.
#[derive(Debug)]
pub(super) struct Segment {
    path: PathBuf,
    file: File,
    pub(super) bytes: u64,
}

impl Segment {
    /// Makes the file.
    pub(super) fn create(path: PathBuf) -> io::Result<Segment> {
        let mut file = File::options().read(true).write(true).create_new(true).open(&path)?;
        if let Err(error) = file.write_all(MAGIC) {
            // An empty file would only be a riddle; that it stays is no worse.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(Segment { path, file, bytes: MAGIC.len() as u64 })
    }

    /// Opens a file that an earlier process left, and cuts off what was not written whole.
    pub(super) fn open(path: PathBuf) -> io::Result<(Segment, Vec<Entry>, Cut)> {
        let file = File::options().read(true).write(true).open(&path)?;
        let (entries, good_bytes) = scan(&file)?;
        let length = file.metadata()?.len();
        if good_bytes < length {
            file.set_len(good_bytes)?;
        }
        Ok((Segment { path, file, bytes: good_bytes }, entries, Cut { at: good_bytes, bytes: length - good_bytes }))
    }

    /// Appends a batch. After an error the file is as it was before, or a reader finds its end torn and cuts it.
    pub(super) fn append(&mut self, batch: &Batch) -> io::Result<Entry> {
        let too_much =
            |_| io::Error::new(io::ErrorKind::InvalidInput, "a batch is larger than the spool's format allows");
        let records = u32::try_from(batch.records).map_err(too_much)?;
        let payload_bytes = u32::try_from(META + batch.body.len()).map_err(too_much)?;
        let mut entry = Vec::with_capacity(HEAD + META + batch.body.len());
        entry.extend_from_slice(&payload_bytes.to_le_bytes());
        entry.extend_from_slice(&[0; 4]);
        entry.extend_from_slice(&records.to_le_bytes());
        entry.extend_from_slice(&batch.made_at.0.to_le_bytes());
        entry.extend_from_slice(&batch.body);
        let crc = crc32fast::hash(&entry[HEAD..]);
        entry[4..HEAD].copy_from_slice(&crc.to_le_bytes());
        let written = self.file.seek(SeekFrom::Start(self.bytes)).and_then(|_| self.file.write_all(&entry));
        if let Err(error) = written {
            let _ = self.file.set_len(self.bytes);
            return Err(error);
        }
        let offset = self.bytes;
        self.bytes += entry.len() as u64;
        Ok(Entry { offset, payload_bytes, records: batch.records, made_at: batch.made_at })
    }

    /// Reads a batch back.
    pub(super) fn read(&mut self, entry: Entry) -> io::Result<Batch> {
        self.file.seek(SeekFrom::Start(entry.offset))?;
        match read_entry(&mut &self.file, self.bytes - entry.offset)? {
            Some((_, batch)) => Ok(batch),
            None => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{} is damaged at byte {}", self.path.display(), entry.offset),
            )),
        }
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Deletes the file.
    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// What was cut off a segment's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) at: u64,
    pub(super) bytes: u64,
}

/// All good entries from the beginning, and where they end.
fn scan(file: &File) -> io::Result<(Vec<Entry>, u64)> {
    let length = file.metadata()?.len();
    let mut reader = BufReader::new(file);
    let mut magic = [0; MAGIC.len()];
    if length < MAGIC.len() as u64 {
        return Ok((Vec::new(), 0));
    }
    reader.read_exact(&mut magic)?;
    if &magic != MAGIC {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is not a spool file of this version; move it away if it is not needed",
        ));
    }
    let mut entries = Vec::new();
    let mut offset = MAGIC.len() as u64;
    while let Some((payload_bytes, batch)) = read_entry(&mut reader, length - offset)? {
        entries.push(Entry { offset, payload_bytes, records: batch.records, made_at: batch.made_at });
        offset += HEAD as u64 + u64::from(payload_bytes);
    }
    Ok((entries, offset))
}

/// The next entry; `None` at the end, and where what follows is not a whole entry.
fn read_entry(reader: &mut impl Read, left: u64) -> io::Result<Option<(u32, Batch)>> {
    let mut head = [0; HEAD];
    if left < HEAD as u64 {
        return Ok(None);
    }
    reader.read_exact(&mut head)?;
    let [l0, l1, l2, l3, c0, c1, c2, c3] = head;
    let payload_bytes = u32::from_le_bytes([l0, l1, l2, l3]);
    if payload_bytes < META as u32 || payload_bytes > PAYLOAD_BYTES_MAX || u64::from(payload_bytes) > left - HEAD as u64
    {
        return Ok(None);
    }
    let mut payload = vec![0; payload_bytes as usize];
    reader.read_exact(&mut payload)?;
    if crc32fast::hash(&payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Ok(None);
    }
    let payload = Bytes::from(payload);
    let number = |from: usize| payload[from..].iter().copied();
    let records = number(0).take(4).rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(byte));
    let made_at = number(4).take(8).rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(byte));
    let batch = Batch { records, made_at: UnixNanos(made_at as i64), body: payload.slice(META..) };
    Ok(Some((payload_bytes, batch)))
}
