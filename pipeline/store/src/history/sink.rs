//! Where the Parquet library writes to.

use std::io::{self, Write};
use std::sync::Arc;

use flyball_log::{Sequential, StoredFile};
use parking_lot::Mutex;

/// A file that remembers what the disk said: the library makes a text of it, and whether a write may be tried again does not stand
/// in a text.
#[derive(Debug)]
pub(super) struct FileSink {
    file: Sequential,
    refusal: Refusal,
}

/// The first error of a sink.
#[derive(Debug, Clone, Default)]
pub(super) struct Refusal(Arc<Mutex<Option<io::Error>>>);

impl Refusal {
    /// What the disk said, if it said no.
    pub(super) fn take(&self) -> Option<io::Error> {
        self.0.lock().take()
    }
}

impl FileSink {
    pub(super) fn new(file: Box<dyn StoredFile>) -> (Self, Refusal) {
        let refusal = Refusal::default();
        (Self { file: Sequential::new(file), refusal: refusal.clone() }, refusal)
    }

    /// Makes what was written durable; returns how many bytes that is.
    pub(super) fn sync(&mut self) -> io::Result<u64> {
        self.file.sync()?;
        Ok(self.file.written())
    }
}

impl Write for FileSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(|error| {
            let kind = error.kind();
            self.refusal.0.lock().get_or_insert(error);
            kind.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
