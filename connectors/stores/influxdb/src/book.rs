//! The account on disk, beside the spool: what became of records so far, and how far the spool was delivered.
//!
//! It is written as a whole and renamed into place after each change of the spool and each final answer of the store, and at most once a
//! second if only more was received, so that a process that is killed leaves an account about a second old at most, which its successor takes
//! up. What was received and is neither in the spool nor settled is lost then, and is counted as dropped by the successor, since the sum would
//! not be even otherwise. Only the last one of a process is synced: the others outlive the process, not a power cut. A batch whose answer came in the last moment is sent once more, which changes nothing: a line with
//! known measurement, tags and time replaces itself.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Map, Value, json};
use tracing::warn;

use crate::answer::Refusal;
use crate::spool::Position;

const FILE: &str = "account.json";
const FILE_NEW: &str = "account.json.new";
const VERSION: u64 = 1;

/// What stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Saved {
    pub(crate) received: u64,
    pub(crate) delivered: u64,
    pub(crate) rejected: BTreeMap<Refusal, u64>,
    pub(crate) dropped: u64,
    /// Where the oldest batch of the spool stands that is not delivered.
    pub(crate) head: Position,
}

/// The file.
#[derive(Debug)]
pub(crate) struct Book {
    dir: PathBuf,
    /// Whether it could not be written the last time, so that the log says so once.
    failing: AtomicBool,
    /// What was received by what this process wrote last.
    received: AtomicU64,
}

impl Book {
    /// The account of a spool's folder.
    pub(crate) fn new(dir: &Path) -> Book {
        Book { dir: dir.to_path_buf(), failing: AtomicBool::new(false), received: AtomicU64::new(0) }
    }

    /// What an earlier process wrote; nothing where there was none, or where it can't be read, which the log says.
    ///
    /// # Errors
    /// When a newer version wrote it.
    pub(crate) fn load(&self) -> io::Result<Saved> {
        let path = self.dir.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Saved::default()),
            Err(error) => {
                warn!(path = %path.display(), %error, "a store's account can't be read; it begins anew");
                return Ok(Saved::default());
            }
        };
        let document: Value = serde_json::from_str(&text).unwrap_or_default();
        match document["version"].as_u64() {
            Some(found) if found > VERSION => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{FILE} is of version {found}, and this flyball knows {VERSION}; run the newer one"),
            )),
            _ => Ok(read(&document).unwrap_or_else(|| {
                warn!(path = %path.display(), "a store's account is damaged; it begins anew");
                Saved::default()
            })),
        }
    }

    /// Writes it unless it says already how much was received; what else it says is written whenever it changes.
    pub(crate) fn note(&self, saved: &Saved) {
        if saved.received != self.received.load(Ordering::Relaxed) {
            self.save(saved, false);
        }
    }

    /// Writes it; `sync`: to outlive a power cut. A failure is logged and changes nothing: the next one is as good.
    pub(crate) fn save(&self, saved: &Saved, sync: bool) {
        let written = self.write(&document(saved).to_string(), sync);
        let failed = written.is_err();
        if !failed {
            self.received.store(saved.received, Ordering::Relaxed);
        }
        if let Err(error) = written
            && !self.failing.load(Ordering::Relaxed)
        {
            warn!(path = %self.dir.join(FILE).display(), %error, "a store's account can't be written");
        }
        self.failing.store(failed, Ordering::Relaxed);
    }

    fn write(&self, text: &str, sync: bool) -> io::Result<()> {
        let new = self.dir.join(FILE_NEW);
        let mut file = File::create(&new)?;
        file.write_all(text.as_bytes())?;
        if sync {
            file.sync_data()?;
        }
        fs::rename(new, self.dir.join(FILE))?;
        if sync { File::open(&self.dir)?.sync_all() } else { Ok(()) }
    }
}

fn document(saved: &Saved) -> Value {
    let Saved { received, delivered, rejected, dropped, head } = saved;
    let rejected: Map<_, _> = rejected.iter().map(|(why, &lines)| (why.as_str().to_owned(), lines.into())).collect();
    json!({
        "version": VERSION,
        "received": received,
        "delivered": delivered,
        "rejected": rejected,
        "dropped": dropped,
        "spool": {"segment": head.segment, "batches": head.batches},
    })
}

fn read(document: &Value) -> Option<Saved> {
    let mut rejected = BTreeMap::new();
    for (word, lines) in document["rejected"].as_object()? {
        *rejected.entry(Refusal::parse(word)).or_default() += lines.as_u64()?;
    }
    let spool = &document["spool"];
    Some(Saved {
        received: document["received"].as_u64()?,
        delivered: document["delivered"].as_u64()?,
        rejected,
        dropped: document["dropped"].as_u64()?,
        head: Position { segment: spool["segment"].as_u64()?, batches: spool["batches"].as_u64()? },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_read_back_and_what_is_damaged_begins_anew() {
        let dir = tempfile::tempdir().expect("a folder");
        let book = Book::new(dir.path());
        assert_eq!(book.load().expect("none"), Saved::default());
        let saved = Saved {
            received: 100,
            delivered: 60,
            rejected: BTreeMap::from([(Refusal::Parse, 3), (Refusal::Limit, 4)]),
            dropped: 5,
            head: Position { segment: 7, batches: 2 },
        };
        for sync in [false, true] {
            book.save(&saved, sync);
            assert_eq!(book.load().expect("readable"), saved);
        }
        for damage in ["", "{", "{\"version\":1,\"received\":-1}", "[]"] {
            fs::write(dir.path().join(FILE), damage).expect("written");
            assert_eq!(book.load().expect("anew"), Saved::default(), "{damage}");
        }
        fs::write(dir.path().join(FILE), "{\"version\":2}").expect("written");
        assert!(book.load().expect_err("refused").to_string().contains("version 2"));
    }

    #[test]
    fn a_folder_that_is_gone_is_no_panic_and_the_next_one_is_written() {
        let dir = tempfile::tempdir().expect("a folder");
        let inner = dir.path().join("spool");
        let book = Book::new(&inner);
        book.save(&Saved { received: 1, ..Saved::default() }, false);
        fs::create_dir(&inner).expect("made");
        book.save(&Saved { received: 2, dropped: 2, ..Saved::default() }, false);
        assert_eq!(book.load().expect("readable").received, 2);
    }
}
