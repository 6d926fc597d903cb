//! A group: what is written together.

use std::borrow::Cow;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{BTreeMap, HashMap};

use arrow::buffer::Buffer;
use flyball_model::ledger::{Entry, Signal};
use flyball_model::limits::SOURCES_MAX;
use flyball_model::state::{NotDurable, Section};
use tokio::sync::oneshot;

use crate::error::LogError;
use crate::frame::{FRAME_HEADER_BYTES, FRAME_RECORDS_BYTES_FULL, FRAME_RECORDS_BYTES_MAX};
use crate::position::Position;
use crate::record::NewRecord;

/// What waits to be written.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub(crate) group: Group,
    /// Entries submitted since the start.
    pub(crate) submitted: u64,
    pub(crate) remove_before: Option<Position>,
    pub(crate) stopping: bool,
    /// Nobody writes any more.
    pub(crate) stopped: bool,
}

/// What is written together.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// Records in parts, as they were made: each is copied once, to where the disk takes it.
    pub(crate) records: Vec<Buffer>,
    /// Bytes of the records.
    pub(crate) records_bytes: usize,
    pub(crate) entries: Vec<Entry>,
    /// Entries that nobody waits for, one a source and signal: a disk that refuses for hours must not make them grow.
    pub(crate) notes: HashMap<Source, Entry>,
    /// Only the newest of each: a disk that refuses for hours must not make this grow.
    pub(crate) pieces: BTreeMap<(Section, String), Option<Vec<u8>>>,
    pub(crate) waiting: Vec<Waiting>,
}

/// Receiver, peer and signal.
type Source = (Cow<'static, str>, String, Signal);

#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) told: oneshot::Sender<Result<(), NotDurable>>,
    /// Whether it waits through trouble.
    pub(crate) patient: bool,
}

impl Group {
    /// Takes a record that it [has room](Self::has_room) for.
    pub(crate) fn push(&mut self, record: NewRecord) {
        self.records_bytes += record.len();
        self.records.extend(record.into_parts());
    }

    /// Bytes of the frame that it becomes.
    pub(crate) fn frame_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.records_bytes
    }

    /// Whether it has room for this record: a group is one frame, so that it is there after a crash as a whole or not at all.
    ///
    /// # Errors
    /// When it has not, or no group has.
    pub(crate) fn has_room(&self, record_bytes: usize) -> Result<(), LogError> {
        if record_bytes > FRAME_RECORDS_BYTES_MAX {
            return Err(LogError::TooLarge { bytes: record_bytes, max: FRAME_RECORDS_BYTES_MAX });
        }
        if self.records_bytes > FRAME_RECORDS_BYTES_MAX - record_bytes { Err(LogError::Full) } else { Ok(()) }
    }

    /// Whether so much waits that nothing more should be taken in.
    pub(crate) fn is_full(&self) -> bool {
        self.records_bytes >= FRAME_RECORDS_BYTES_FULL
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.notes.is_empty() && self.pieces.is_empty() && self.waiting.is_empty()
    }

    /// Takes an entry that nobody waits for; says whether it is one more.
    pub(crate) fn note(&mut self, mut entry: Entry) -> bool {
        let mut source = (entry.receiver.clone(), entry.peer.clone(), entry.signal);
        if self.notes.len() >= SOURCES_MAX && !self.notes.contains_key(&source) {
            entry.peer = "other".to_owned();
            source.1.clone_from(&entry.peer);
        }
        match self.notes.entry(source) {
            Occupied(known) => {
                known.into_mut().absorb(&entry);
                false
            }
            Vacant(place) => {
                place.insert(entry);
                true
            }
        }
    }

    /// Tells everybody, or in trouble everybody who does not want to wait through it.
    pub(crate) fn tell(&mut self, result: &Result<(), NotDurable>) {
        for waiting in self.waiting.extract_if(.., |waiting| result.is_ok() || !waiting.patient) {
            // Whoever asked may have gone away.
            let _ = waiting.told.send(result.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_never_longer_than_a_frame() {
        const MAX: usize = FRAME_RECORDS_BYTES_MAX;
        // Whether it is refused, and whether that may change.
        let (fits, not_now, never) = (None, Some(true), Some(false));
        for (waiting, record, expected, is_full) in [
            (0, MAX, fits, false),
            (0, MAX + 1, never, false),
            (1, MAX, not_now, false),
            (MAX - 7, 7, fits, true),
            (MAX - 7, 8, not_now, true),
            (FRAME_RECORDS_BYTES_FULL - 1, 1, fits, false),
            (FRAME_RECORDS_BYTES_FULL, 1, fits, true),
            (MAX, MAX + 1, never, true),
        ] {
            // Zeros that nobody looks at take no memory.
            let mut group = Group::default();
            group.push(vec![0; waiting].into());
            let refused = group.has_room(record).err().map(|error| error.is_retryable());
            assert_eq!((refused, group.is_full()), (expected, is_full), "{waiting} and {record}");
        }
    }
}
