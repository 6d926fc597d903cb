//! State that must outlive the process beside points: small pieces by key, each replaced whole.
//!
//! Pieces go through the same log as points, so that there is one protocol of recovery. Whoever keeps state of its own (rules, violations,
//! remediations, the accounts of stores) puts a piece whenever it changes, and gets all pieces back when the process starts.

mod memory;

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use memory::MemoryLog;

/// Which part of flyball a piece belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// Instances of rules: what the state machine knows of each identity.
    Instances,
    /// Rows of `flyball.violations`.
    Violations,
    /// Rows of `flyball.remediations`, with the events that are not delivered yet.
    Remediations,
    /// What limits of action remember.
    Limits,
    /// Accounts of stores and backends.
    Accounts,
    /// Edits of the twin that were made by API.
    Twin,
    /// Silences that people made.
    Silences,
    /// Series that recording rules record at the moment.
    Recordings,
}

impl Section {
    /// All of them, in the order of their numbers.
    pub const ALL: [Section; 8] = [
        Section::Instances,
        Section::Violations,
        Section::Remediations,
        Section::Limits,
        Section::Accounts,
        Section::Twin,
        Section::Silences,
        Section::Recordings,
    ];
}

/// A piece: what stands under a key from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Whose it is.
    pub section: Section,
    /// Unique within the section.
    pub key: String,
    /// What stands there; `None` forgets the key.
    pub value: Option<Vec<u8>>,
}

impl Piece {
    /// A piece that holds `value` as JSON.
    pub fn json(section: Section, key: impl Into<String>, value: &impl Serialize) -> Self {
        // Maps with other keys than texts are what JSON can't write, and no state has them.
        let value = serde_json::to_vec(value).expect("state is made of texts, numbers, lists and maps by text");
        Self { section, key: key.into(), value: Some(value) }
    }

    /// A piece that forgets its key.
    pub fn forget(section: Section, key: impl Into<String>) -> Self {
        Self { section, key: key.into(), value: None }
    }

    /// About how many bytes it takes in the log.
    pub fn bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Vec::len)
    }
}

/// What was not made durable, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the log can't be written: {0}")]
pub struct NotDurable(pub String);

/// Where state is put.
#[async_trait]
pub trait StateLog: Send + Sync + 'static {
    /// Puts these pieces in this order and as one: after a crash either all of them are there or none, and never without those that were
    /// put before. Returns at once. A caller keeps the pieces of one call below a megabyte.
    fn put_all(&self, pieces: Vec<Piece>);

    /// Replaces the piece under this key; `None` forgets it. Returns at once.
    fn put(&self, section: Section, key: &str, value: Option<Vec<u8>>) {
        self.put_all(vec![Piece { section, key: key.to_owned(), value }]);
    }

    /// Waits until every piece that was put before is durable at the configured level. While the disk refuses to be written this waits on:
    /// what was put is kept and written when the disk takes it again.
    ///
    /// # Errors
    /// When the process ends before.
    ///
    /// # Cancel safety
    /// Safe.
    async fn settled(&self) -> Result<(), NotDurable>;
}

/// The pieces of one section by key.
pub type Pieces = BTreeMap<String, Vec<u8>>;

/// All pieces, as they were when the last process ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State(BTreeMap<Section, Pieces>);

impl State {
    /// Replaces a piece.
    pub fn put(&mut self, section: Section, key: &str, value: Option<Vec<u8>>) {
        let pieces = self.0.entry(section).or_default();
        match value {
            Some(value) => drop(pieces.insert(key.to_owned(), value)),
            None => drop(pieces.remove(key)),
        }
    }

    /// A piece.
    pub fn get(&self, section: Section, key: &str) -> Option<&[u8]> {
        self.0.get(&section)?.get(key).map(Vec::as_slice)
    }

    /// Takes out a section.
    pub fn take(&mut self, section: Section) -> Pieces {
        self.0.remove(&section).unwrap_or_default()
    }

    /// Takes out a section whose pieces are JSON. What can't be read stays out, in a sentence each that names the piece.
    pub fn take_json<T: DeserializeOwned>(&mut self, section: Section) -> (Vec<(String, T)>, Vec<String>) {
        let (mut read, mut faults) = (Vec::new(), Vec::new());
        for (key, value) in self.take(section) {
            match serde_json::from_slice(&value) {
                Ok(value) => read.push((key, value)),
                Err(error) => faults.push(format!("the state '{key}' of {section:?} can't be read: {error}")),
            }
        }
        (read, faults)
    }

    /// Every piece.
    pub fn iter(&self) -> impl Iterator<Item = (Section, &str, &[u8])> {
        self.0.iter().flat_map(|(&section, pieces)| {
            pieces.iter().map(move |(key, value)| (section, key.as_str(), value.as_slice()))
        })
    }
}

/// A log that keeps nothing, for tools that only look, and for tests.
#[derive(Debug, Default)]
pub struct ForgetfulLog;

#[async_trait]
impl StateLog for ForgetfulLog {
    fn put_all(&self, _: Vec<Piece>) {}

    async fn settled(&self) -> Result<(), NotDurable> {
        Ok(())
    }
}
