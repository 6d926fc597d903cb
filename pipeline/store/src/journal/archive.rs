//! Reading single series back, for those whose labels are not in memory.
//!
//! Series stand in the order of their numbers. The place of every eighth is kept, two bytes a series; from there on records are
//! read until the one that is wanted. Records have no checksum of their own: whether one is the right one says the id of the series.

use std::path::PathBuf;

use flyball_log::StoredFile;
use flyball_model::SeriesRef;
use flyball_model::series::{Archive, ColdError, EachLabels};
use parking_lot::{Mutex, RwLock};

use super::record::{Record, Records};
use super::{FRAME_HEADER_BYTES, frame_header};

/// One series in so many has its place kept.
const PLACE_EVERY: u32 = 8;

/// Bytes that are read at a time where one series is wanted: what eight have, nearly always.
const READ_BYTES: usize = 4 * 1024;

/// Bytes that are read at a time where many are.
const READ_ON_BYTES: usize = 64 * 1024;

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Its first byte in the file.
    offset: u64,
    /// The end of its frame.
    end: u64,
}

/// The places of every eighth series.
#[derive(Debug, Default)]
pub(super) struct Places {
    places: Vec<Place>,
    series: u32,
}

impl Places {
    /// Notes the record of the next series: where it is in the body of a frame that stands, header and all, at `frame`.
    pub(super) fn note(&mut self, frame: u64, body_bytes: usize, at: usize) {
        if self.series.is_multiple_of(PLACE_EVERY) {
            let body = frame + FRAME_HEADER_BYTES as u64;
            self.places.push(Place { offset: body + at as u64, end: body + body_bytes as u64 });
        }
        self.series += 1;
    }
}

/// The journal as an archive.
#[derive(Debug)]
pub(super) struct JournalArchive {
    path: PathBuf,
    /// Opened for this alone, so that nobody who reads waits for a sync.
    file: Mutex<Box<dyn StoredFile>>,
    places: RwLock<Places>,
}

impl JournalArchive {
    pub(super) fn new(path: PathBuf, file: Box<dyn StoredFile>, places: Places) -> Self {
        Self { path, file: Mutex::new(file), places: RwLock::new(places) }
    }

    /// Notes the series of a frame that is synced: where each is in its body.
    pub(super) fn synced(&self, frame: u64, body_bytes: usize, series: &[usize]) {
        let mut places = self.places.write();
        series.iter().for_each(|&at| places.note(frame, body_bytes, at));
    }

    /// Reads from this file from now on, which holds the same.
    pub(super) fn read_from(&self, file: Box<dyn StoredFile>) {
        *self.file.lock() = file;
    }

    fn start(&self, series: SeriesRef) -> Option<Cursor<'_>> {
        let places = self.places.read();
        let place = *places.places.get((series.0 / PLACE_EVERY) as usize).filter(|_| series.0 < places.series)?;
        let next = series.0 / PLACE_EVERY * PLACE_EVERY;
        Some(Cursor { archive: self, next, place, window: Vec::new(), from: place.offset, read_bytes: READ_BYTES })
    }
}

impl Archive for JournalArchive {
    fn end(&self) -> u32 {
        self.places.read().series
    }

    fn read(&self, series: &[SeriesRef], each: &mut EachLabels<'_>) -> Result<(), ColdError> {
        let mut cursor: Option<Cursor<'_>> = None;
        for &wanted in series {
            // Reading on is cheaper than a new start, if the series is not far.
            let ahead = cursor.take_if(|cursor| (cursor.next..cursor.next + 2 * PLACE_EVERY).contains(&wanted.0));
            let mut at = match ahead {
                Some(cursor) => Cursor { read_bytes: READ_ON_BYTES, ..cursor },
                None => self.start(wanted).ok_or_else(|| self.damaged(0, "it has no such series"))?,
            };
            while at.next < wanted.0 {
                at.series(&mut |_, _| ())?;
            }
            at.series(each)?;
            cursor = Some(at);
        }
        Ok(())
    }
}

impl JournalArchive {
    fn damaged(&self, offset: u64, detail: &str) -> ColdError {
        ColdError(format!("{} at byte {offset}: {detail}; check the disk", self.path.display()))
    }
}

/// Reads series after series.
struct Cursor<'a> {
    archive: &'a JournalArchive,
    /// The series that comes next.
    next: u32,
    /// Where the next record is.
    place: Place,
    /// A piece of the file, and where it begins.
    window: Vec<u8>,
    from: u64,
    read_bytes: usize,
}

impl Cursor<'_> {
    /// Reads the next series.
    fn series(&mut self, each: &mut EachLabels<'_>) -> Result<(), ColdError> {
        let mut wanted_bytes = 1;
        loop {
            if self.place.offset == self.place.end {
                self.next_frame()?;
            }
            let Place { offset, end } = self.place;
            let left = usize::try_from(end - offset).expect("a frame is far below 4 GiB");
            self.fill(wanted_bytes.min(left))?;
            let bytes = self.window_at(offset);
            let bytes = &bytes[..bytes.len().min(left)];
            let mut records = Records::new(bytes);
            match records.next() {
                Ok(Some(record)) => {
                    let is_series = if let Record::Series { labels, .. } = record {
                        each(SeriesRef(self.next), &labels);
                        true
                    } else {
                        false
                    };
                    self.place.offset += (bytes.len() - records.left()) as u64;
                    if is_series {
                        self.next += 1;
                        return Ok(());
                    }
                    wanted_bytes = 1;
                }
                // It may only be cut off where the window ends.
                Ok(None) | Err(_) if bytes.len() < left => wanted_bytes = 2 * bytes.len().max(READ_BYTES),
                Ok(None) => return Err(self.archive.damaged(offset, "there is no record")),
                Err(detail) => return Err(self.archive.damaged(offset, &detail)),
            }
        }
    }

    fn next_frame(&mut self) -> Result<(), ColdError> {
        let at = self.place.offset;
        self.fill(FRAME_HEADER_BYTES)?;
        let header = self.window_at(at).first_chunk();
        let (length, _) = header.and_then(frame_header).ok_or_else(|| self.archive.damaged(at, "there is no frame"))?;
        let offset = at + FRAME_HEADER_BYTES as u64;
        self.place = Place { offset, end: offset + length as u64 };
        Ok(())
    }

    /// What of the file is at hand from a place on.
    fn window_at(&self, offset: u64) -> &[u8] {
        let at = offset.checked_sub(self.from).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.window.get(at..)).unwrap_or_default()
    }

    /// Has at least so many bytes at hand from the next record on, unless the file ends before.
    fn fill(&mut self, bytes: usize) -> Result<(), ColdError> {
        let offset = self.place.offset;
        if self.window_at(offset).len() >= bytes {
            return Ok(());
        }
        self.window.resize(bytes.max(self.read_bytes), 0);
        self.from = offset;
        let mut read = 0;
        let file = self.archive.file.lock();
        while read < self.window.len() {
            let more = file.read_at(&mut self.window[read..], offset + read as u64);
            match more.map_err(|error| self.archive.damaged(offset, &error.to_string()))? {
                0 => break,
                more => read += more,
            }
        }
        drop(file);
        self.window.truncate(read);
        Ok(())
    }
}
