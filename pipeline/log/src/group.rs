//! A group: what is written together.

use std::borrow::Cow;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{BTreeMap, HashMap};

use flyball_model::ledger::{Entry, Signal};
use flyball_model::limits::SOURCES_MAX;
use flyball_model::state::{NotDurable, Section};
use tokio::sync::oneshot;

use crate::frame::FRAME_HEADER_BYTES;
use crate::position::Position;

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
    /// Records, behind room for the frame's header.
    pub(crate) bytes: Vec<u8>,
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
    /// Where records go.
    pub(crate) fn records(&mut self) -> &mut Vec<u8> {
        with_room(&mut self.bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.notes.is_empty() && self.pieces.is_empty() && self.waiting.is_empty()
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

/// A group's bytes, with room for the frame's header in front.
pub(crate) fn with_room(bytes: &mut Vec<u8>) -> &mut Vec<u8> {
    if bytes.is_empty() {
        bytes.resize(FRAME_HEADER_BYTES, 0);
    }
    bytes
}
