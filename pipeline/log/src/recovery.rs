//! Reading a log back.
//!
//! 1. The newest checkpoint gives the ledger and all state as of its position, totals and what the twin is made of, a little newer maybe.
//! 2. Then each segment, the oldest first. Points and rows carry ordinals, totals versions: whoever takes them knows what it has already.
//!    Entries of the ledger and pieces of state are taken from the checkpoint's position on.
//! 3. The torn tail, which nobody was told of, is cut. Writing goes on in a new segment.
//!
//! What is damaged before the tail is told with file and offset, and all good frames around it are taken.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flyball_model::ledger::Ledger;
use flyball_model::state::State;
use flyball_model::{SeriesRef, UnixNanos};

use crate::checkpoint::{self, Checkpoint};
use crate::error::LogError;
use crate::position::Position;
use crate::record::{BadRecord, Body, Record, Told, each_record};
use crate::scan::{self, Gap};
use crate::segment::{self, offset_of};
use crate::storage::Storage;
use crate::writer::{Durability, Writer};

/// The folder of the log in the data folder.
const FOLDER: &str = "log";

/// What is found in a log and must be given back to whom it belongs.
#[derive(Debug)]
pub enum Replayed<'a> {
    /// A body that was stored, and where its record stands.
    Body(Box<Body<'a>>, Position),
    /// Totals of delta sums and histograms.
    Totals(&'a [u8]),
    /// A part of the twin.
    Twin(&'a [u8]),
    /// When the sums of series began.
    Starts(Vec<(SeriesRef, UnixNanos)>),
    /// A body that was stored.
    Fingerprint(u128, Told),
}

/// A stretch of the log that was durable once and can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where it begins, in bytes from the start of the file.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// A log that was opened and waits to be read back.
#[derive(Debug)]
pub struct Recovery {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    segments: Vec<(Position, PathBuf, u64)>,
    checkpoint: Option<Checkpoint>,
}

/// What was read back, beside what was handed over.
#[derive(Debug)]
pub struct Recovered {
    /// The ledger.
    pub ledger: Ledger,
    /// Pieces of state.
    pub state: State,
    /// Bodies that were read.
    pub bodies: u64,
    /// What can't be read.
    pub damages: Vec<Damage>,
    pub(crate) writer: Writer,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) dir: PathBuf,
    pub(crate) durability: Durability,
}

impl Recovery {
    /// Finds the log of a data folder, made if it is missing.
    ///
    /// # Errors
    /// When the folder can't be read or made, or when something in it is of a newer version or, for a checkpoint, damaged.
    pub fn open(data_dir: &Path, storage: Arc<dyn Storage>) -> Result<Self, LogError> {
        let dir = data_dir.join(FOLDER);
        storage.create_dir(&dir).map_err(LogError::io("create", &dir))?;
        storage.sync_dir(data_dir).map_err(LogError::io("sync", data_dir))?;
        // What a process that was killed had written and not synced yet is built upon from here on.
        storage.sync_dir(&dir).map_err(LogError::io("sync", &dir))?;
        let mut segments = Vec::new();
        for path in storage.list(&dir).map_err(LogError::io("read", &dir))? {
            if path.extension().is_some_and(|extension| extension == "tmp") {
                storage.remove(&path).map_err(LogError::io("remove", &path))?;
            } else if let Some(start) = segment::parse_name(&path) {
                let file = storage.open(&path).map_err(LogError::io("open", &path))?;
                let mut header = [0; segment::SEGMENT_HEADER_BYTES];
                file.read_at(&mut header, 0).map_err(LogError::io("read", &path))?;
                // A newer version is an error now; anything else is damage, told when the segment is read.
                segment::check_header(&path, &header, start)?;
                segments.push((start, path.clone(), file.len().map_err(LogError::io("read", &path))?));
            }
        }
        segments.sort();
        if let Some((_, path, _)) = segments.last() {
            let mut file = storage.open(path).map_err(LogError::io("open", path))?;
            file.sync().map_err(LogError::io("sync", path))?;
        }
        let checkpoint = checkpoint::load(&*storage, &dir)?;
        let needed = checkpoint.as_ref().map_or(Position::default(), |checkpoint| checkpoint.needed);
        // A removal that was not synced may have come undone: what nobody needs is no part of the log, whatever is left of it.
        while segments.get(1).is_some_and(|(next, ..)| *next <= needed) {
            let (_, path, _) = segments.remove(0);
            storage.remove(&path).map_err(LogError::io("remove", &path))?;
        }
        Ok(Self { storage, dir, segments, checkpoint })
    }

    /// Bytes of files that will be read.
    pub fn bytes(&self) -> u64 {
        let checkpoint = self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.records.len() as u64);
        checkpoint + self.segments.iter().map(|(_, _, bytes)| bytes).sum::<u64>()
    }

    /// Reads everything and hands it to `each`; `progress` hears how many bytes are done.
    ///
    /// # Errors
    /// When a file can't be read or cut, or `each` fails.
    pub fn replay(
        self,
        durability: Durability,
        mut each: impl FnMut(Replayed<'_>) -> Result<(), BadRecord>,
        mut progress: impl FnMut(u64),
    ) -> Result<Recovered, LogError> {
        let Self { storage, dir, segments, checkpoint } = self;
        let mut taken = Taken::default();
        let mut damages = Vec::new();
        let mut done = 0;
        let mut end = Position::default();
        let mut needed = Position::default();
        if let Some(Checkpoint { position, needed: from, records }) = checkpoint {
            needed = from;
            let result = each_record(&records, |record| taken.take(record, position, true, &mut each));
            if let Err(BadRecord(detail)) = result {
                let path = dir.join(checkpoint::name(position));
                return Err(LogError::Damaged { path, offset: 0, detail });
            }
            done += records.len() as u64;
            (taken.from, end) = (position, needed);
            progress(done);
        }
        for (at, (start, path, bytes)) in segments.iter().enumerate() {
            let next = segments.get(at + 1).map(|(next, ..)| *next);
            // The first one may begin before what is needed, and each later one begins where the one before it ends.
            if *start > end {
                damages.push(Damage { path: path.clone(), offset: 0, bytes: start.0 - end.0 });
            }
            let file = checkpoint::read(&*storage, path)?;
            let mut found = scan::frames(&file, *start, next, |position, body| {
                // What stands before is in the history and in the checkpoint.
                if position < needed {
                    return Ok(());
                }
                let result = each_record(body, |record| taken.take(record, position, false, &mut each));
                result.map_err(|BadRecord(detail)| LogError::Damaged {
                    path: path.clone(),
                    offset: offset_of(*start, position),
                    detail,
                })
            })?;
            // Without a good frame behind it, it was being made when the power went: its header is synced before the first frame is written.
            if !segment::check_header(path, &file, *start)? && found.end > *start {
                found.gaps.insert(0, Gap { offset: 0, bytes: segment::SEGMENT_HEADER_BYTES as u64, was_synced: true });
            }
            let is_needed = |gap: &Gap| offset_of(*start, needed.max(*start)) < gap.offset + gap.bytes;
            for gap in found.gaps.iter().filter(|gap| is_needed(gap)) {
                if gap.was_synced {
                    damages.push(Damage { path: path.clone(), offset: gap.offset, bytes: gap.bytes });
                } else {
                    tracing::warn!(path = %path.display(), offset = gap.offset, bytes = gap.bytes, "unsynced frames of the log were lost");
                }
            }
            if next.is_none() {
                let end = offset_of(*start, found.end);
                if found.written > end {
                    tracing::info!(path = %path.display(), offset = end, "torn tail of the log cut; nothing in it was acknowledged");
                }
                if file.len() as u64 > end {
                    cut(&*storage, path, end)?;
                }
            }
            end = end.max(found.end);
            done += bytes;
            progress(done);
        }
        if end < taken.from {
            // The end of the log is gone as a whole. Its positions are not given again.
            damages.push(Damage { path: dir.clone(), offset: 0, bytes: taken.from.0 - end.0 });
            end = taken.from;
        }
        let starts: VecDeque<Position> = segments.iter().map(|(start, ..)| *start).collect();
        let writer = Writer::new(Arc::clone(&storage), &dir, durability, end, starts);
        let Taken { ledger, state, bodies, .. } = taken;
        Ok(Recovered { ledger, state, bodies, damages, writer, storage, dir, durability })
    }
}

/// Cuts a torn tail, and gives back the room that was set aside.
fn cut(storage: &dyn Storage, path: &Path, end: u64) -> Result<(), LogError> {
    let mut file = storage.open(path).map_err(LogError::io("open", path))?;
    file.set_len(end).map_err(LogError::io("cut", path))?;
    file.sync().map_err(LogError::io("sync", path))
}

/// What is kept here of what is read.
#[derive(Default)]
struct Taken {
    ledger: Ledger,
    state: State,
    bodies: u64,
    /// Entries and pieces are taken from here on.
    from: Position,
}

impl Taken {
    fn take(
        &mut self,
        record: Record<'_>,
        position: Position,
        of_checkpoint: bool,
        each: &mut impl FnMut(Replayed<'_>) -> Result<(), BadRecord>,
    ) -> Result<(), BadRecord> {
        let is_news = of_checkpoint || position >= self.from;
        match &record {
            Record::Body(body) if is_news => self.ledger.post(&body.entry),
            Record::Entry(entry) if is_news => self.ledger.post(entry),
            Record::Piece(section, key, value) if is_news => self.state.put(*section, key, value.map(<[u8]>::to_vec)),
            _ => {}
        }
        match record {
            Record::Entry(_) | Record::Piece(..) => Ok(()),
            Record::Body(body) => {
                self.bodies += 1;
                each(Replayed::Body(body, position))
            }
            Record::Totals(totals) => each(Replayed::Totals(totals)),
            Record::Twin(twin) => each(Replayed::Twin(twin)),
            Record::Starts(starts) => each(Replayed::Starts(starts)),
            Record::Fingerprint(hash, told) => each(Replayed::Fingerprint(hash, told)),
        }
    }
}
