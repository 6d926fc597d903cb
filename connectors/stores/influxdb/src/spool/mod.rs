//! Batches on disk: a bounded queue of segment files that a restart finds again.
//!
//! A segment is deleted when all its batches are delivered. How far the first one is delivered stands in the account beside it (`book`); where
//! that is older than the truth, some batches are sent once more, which changes nothing: a line with known measurement, tags and time replaces
//! itself. Segments are never numbered again, so that the place means the same file for ever.
//!
//! What is written outlives the process at once, and a power cut once it is synced: after each run of batches that went to the spool together.

mod segment;

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use flyball_model::UnixNanos;
use tracing::warn;

use crate::batch::Batch;
use crate::error::InfluxError;
use segment::{Cut, Entry, SEGMENT_HEAD_BYTES, Segment, entry_bytes};

/// The spool is this many segments, so that dropping the oldest one costs little of what it holds.
const SEGMENTS: u64 = 16;

/// Segments are no larger, however large the spool may be.
const SEGMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;

const EXTENSION: &str = "spool";

/// A queue on disk.
#[derive(Debug)]
pub(crate) struct Spool {
    dir: PathBuf,
    bytes_max: u64,
    bytes: u64,
    segments: VecDeque<Queued>,
    next_segment: u64,
}

/// A place in the spool: what stands before is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Position {
    /// The number of a segment, which may not be there yet.
    pub(crate) segment: u64,
    /// Batches of it that are delivered.
    pub(crate) batches: u64,
}

/// A segment with the batches that wait in it.
#[derive(Debug)]
struct Queued {
    number: u64,
    segment: Segment,
    /// Batches in the file.
    batches: u64,
    waiting: VecDeque<(u64, Entry)>,
    /// Whether more may be appended: only to what this process made.
    open: bool,
    synced: bool,
}

impl Spool {
    /// Opens the folder, made if missing. Batches that wait there, from `head` on, are numbered from 0.
    ///
    /// # Errors
    /// When the folder cannot be used, or holds files that are not of this format.
    pub(crate) fn open(dir: &Path, bytes_max: u64, head: Position) -> Result<Spool, InfluxError> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| InfluxError::Spool { path, source }
        };
        fs::create_dir_all(dir).map_err(failed(dir))?;
        let mut numbers = Vec::new();
        for file in fs::read_dir(dir).map_err(failed(dir))? {
            let path = file.map_err(failed(dir))?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION)
                && let Some(number) = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok())
            {
                numbers.push(number);
            }
        }
        numbers.sort_unstable();
        let mut spool = Spool {
            dir: dir.to_path_buf(),
            bytes_max,
            bytes: 0,
            segments: VecDeque::new(),
            next_segment: numbers.last().map_or(0, |last: &u64| last.saturating_add(1)).max(head.segment),
        };
        let mut next = 0;
        for number in numbers {
            let path = spool.path(number);
            let (segment, entries, cut) = Segment::open(path.clone()).map_err(failed(&path))?;
            if cut.bytes > 0 {
                let Cut { at, bytes } = cut;
                warn!(path = %path.display(), at, bytes, "the end of a spool file was not written whole; cut off");
            }
            let delivered = match number.cmp(&head.segment) {
                Ordering::Less => entries.len(),
                Ordering::Equal => usize::try_from(head.batches).unwrap_or(usize::MAX).min(entries.len()),
                Ordering::Greater => 0,
            };
            let batches = entries.len() as u64;
            let waiting = (next..).zip(entries.into_iter().skip(delivered)).collect::<VecDeque<_>>();
            next += waiting.len() as u64;
            spool.bytes += segment.bytes;
            spool.segments.push_back(Queued { number, segment, batches, waiting, open: false, synced: true });
        }
        spool.remove_delivered();
        Ok(spool)
    }

    /// Whether no batch waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.segments.iter().all(|queued| queued.waiting.is_empty())
    }

    /// Bytes on disk, those of delivered batches in segments that are not yet deleted included.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Records that wait.
    pub(crate) fn records(&self) -> u64 {
        self.segments.iter().flat_map(|queued| &queued.waiting).map(|(_, entry)| entry.records).sum()
    }

    /// How many batches wait.
    pub(crate) fn len(&self) -> u64 {
        self.segments.iter().map(|queued| queued.waiting.len() as u64).sum()
    }

    /// When the oldest waiting batch was made.
    pub(crate) fn oldest_at(&self) -> Option<UnixNanos> {
        self.head().map(|(_, entry)| entry.made_at)
    }

    /// The number of the oldest waiting batch.
    pub(crate) fn head_number(&self) -> Option<u64> {
        self.head().map(|(number, _)| number)
    }

    fn head(&self) -> Option<(u64, Entry)> {
        self.segments.iter().find_map(|queued| queued.waiting.front().copied())
    }

    /// Appends a batch under a number that is above all others. The oldest segments go when the bound is reached; the
    /// records in them are added to `dropped`.
    ///
    /// # Errors
    /// When it cannot be written; then nothing of it is there.
    pub(crate) fn push(&mut self, number: u64, batch: &Batch, dropped: &mut u64) -> io::Result<()> {
        let size = entry_bytes(batch);
        if size + SEGMENT_HEAD_BYTES > self.bytes_max {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a batch is larger than the whole spool may be"));
        }
        while self.bytes + size + SEGMENT_HEAD_BYTES > self.bytes_max
            && let Some(oldest) = self.segments.pop_front()
        {
            *dropped += oldest.waiting.iter().map(|(_, entry)| entry.records).sum::<u64>();
            self.remove(oldest);
        }
        let segment_bytes = (self.bytes_max / SEGMENTS).min(SEGMENT_BYTES_MAX);
        let fits = self.segments.back().is_some_and(|last| last.open && last.segment.bytes + size <= segment_bytes);
        if !fits {
            let number = self.next_segment;
            let segment = self.create(number)?;
            self.next_segment += 1;
            self.bytes += segment.bytes;
            let waiting = VecDeque::new();
            self.segments.push_back(Queued { number, segment, batches: 0, waiting, open: true, synced: false });
        }
        let last = self.segments.back_mut().expect("one was pushed if there was none");
        match last.segment.append(batch) {
            Ok(entry) => {
                last.waiting.push_back((number, entry));
                last.batches += 1;
                last.synced = false;
                self.bytes += size;
                Ok(())
            }
            Err(error) => {
                // Its end may be torn; the next batch begins a new file.
                last.open = false;
                self.remove_delivered();
                Err(error)
            }
        }
    }

    /// Reads the oldest waiting batch with its number. A batch that cannot be read is given up; the error tells how many
    /// records it had.
    pub(crate) fn front(&mut self) -> Option<Result<(u64, Batch), Unreadable>> {
        let queued = self.segments.iter_mut().find(|queued| !queued.waiting.is_empty())?;
        let &(number, entry) = queued.waiting.front()?;
        let read = queued.segment.read(entry);
        if read.is_err() {
            queued.waiting.pop_front();
            self.remove_delivered();
        }
        Some(match read {
            Ok(batch) => Ok((number, batch)),
            Err(source) => Err(Unreadable { records: entry.records, source }),
        })
    }

    /// Forgets the batch of this number if it is still the oldest. Returns whether it was.
    pub(crate) fn pop(&mut self, number: u64) -> bool {
        let head = self.segments.iter_mut().find_map(|queued| {
            let (head, _) = queued.waiting.front()?;
            Some((*head, queued))
        });
        let is_head = match head {
            Some((head, queued)) if head == number => queued.waiting.pop_front().is_some(),
            _ => false,
        };
        self.remove_delivered();
        is_head
    }

    /// Where the oldest batch that waits stands.
    pub(crate) fn position(&self) -> Position {
        match self.segments.iter().find(|queued| !queued.waiting.is_empty()) {
            Some(queued) => Position { segment: queued.number, batches: queued.batches - queued.waiting.len() as u64 },
            None => Position { segment: self.next_segment, batches: 0 },
        }
    }

    /// Makes what was written outlive a power cut.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        let mut made = false;
        for queued in self.segments.iter_mut().filter(|queued| !queued.synced) {
            queued.segment.sync()?;
            queued.synced = true;
            made = true;
        }
        if made { File::open(&self.dir)?.sync_all() } else { Ok(()) }
    }

    /// Makes a segment, and the folder if somebody took it away.
    fn create(&self, number: u64) -> io::Result<Segment> {
        match Segment::create(self.path(number)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(&self.dir)?;
                Segment::create(self.path(number))
            }
            created => created,
        }
    }

    fn remove_delivered(&mut self) {
        while self.segments.front().is_some_and(|queued| queued.waiting.is_empty()) {
            if let Some(delivered) = self.segments.pop_front() {
                self.remove(delivered);
            }
        }
    }

    fn remove(&mut self, queued: Queued) {
        self.bytes -= queued.segment.bytes;
        let path = queued.segment.path().to_path_buf();
        if let Err(error) = queued.segment.remove() {
            warn!(path = %path.display(), %error, "a spool file that is not needed any more could not be deleted");
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:020}.{EXTENSION}"))
    }
}

/// A batch on disk that cannot be read back.
#[derive(Debug, thiserror::Error)]
#[error("{records} records in the spool are lost: {source}")]
pub(crate) struct Unreadable {
    pub(crate) records: u64,
    #[source]
    pub(crate) source: io::Error,
}

#[cfg(test)]
mod tests;
