//! Where the Parquet library writes to.

use std::io::{self, Write};
use std::sync::Arc;

use flyball_log::StoredFile;
use parking_lot::Mutex;

use super::checksums::Checksums;

/// A file that remembers what the disk said: the library makes a text of it, and whether a write may be tried again does not stand
/// in a text.
#[derive(Debug)]
pub(super) struct FileSink {
    file: Box<dyn StoredFile>,
    written: u64,
    checksums: Checksums,
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
        let checksums = Checksums::default();
        (Self { file, written: 0, checksums, refusal: refusal.clone() }, refusal)
    }

    /// Adds the checksums to a file of which all is written, and makes it durable; returns how many bytes it has.
    ///
    /// # Errors
    /// What the disk says.
    pub(super) fn seal(mut self) -> io::Result<u64> {
        let bytes = self.checksums.seal(&mut *self.file, self.written)?;
        self.file.sync()?;
        Ok(bytes)
    }
}

impl Write for FileSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(bytes, self.written).map_err(|error| {
            let kind = error.kind();
            self.refusal.0.lock().get_or_insert(error);
            io::Error::from(kind)
        })?;
        self.checksums.add(bytes);
        self.written += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
