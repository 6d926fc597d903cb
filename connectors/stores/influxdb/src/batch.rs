//! Lines up to a bound, and the compressed body that they become.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use flyball_model::UnixNanos;
use flyball_model::ports::Record;

use crate::line::write_line;
use crate::options::{BATCH_BYTES_MAX, BATCH_LINES_MAX};

/// A request's body, with what the account needs to know of it. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Lines in the body.
    pub(crate) records: u64,
    /// When its first line was written.
    pub(crate) made_at: UnixNanos,
    /// Line protocol, gzip.
    pub(crate) body: Bytes,
}

/// Lines that are still being collected.
#[derive(Debug, Default)]
pub(crate) struct OpenBatch {
    lines: String,
    records: u64,
    made_at: UnixNanos,
}

impl OpenBatch {
    pub(crate) fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// When its first line was written; meaningless while it is empty.
    pub(crate) fn made_at(&self) -> UnixNanos {
        self.made_at
    }

    /// Appends a record. Returns `false` when there is nothing of it to write.
    pub(crate) fn add(&mut self, record: &Record, now: UnixNanos) -> bool {
        let written = write_line(record, &mut self.lines);
        if written {
            if self.records == 0 {
                self.made_at = now;
            }
            self.records += 1;
        }
        written
    }

    /// Whether it should be sealed before another record is added. A line is at most a few hundred KB, since keys and texts
    /// are bounded, so the bound on bytes is overrun by no more than that.
    pub(crate) fn is_full(&self) -> bool {
        self.records >= BATCH_LINES_MAX || self.lines.len() >= BATCH_BYTES_MAX
    }

    /// The batch; what collected it is empty again.
    pub(crate) fn seal(&mut self) -> Batch {
        let body = gzip(self.lines.as_bytes()).expect("writing to memory does not fail");
        let batch = Batch { records: self.records, made_at: self.made_at, body: body.into() };
        self.lines.clear();
        self.records = 0;
        batch
    }
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 8), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}
