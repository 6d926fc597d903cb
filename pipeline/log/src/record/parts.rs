//! A record on its way into the log.

use arrow::buffer::Buffer;

/// A record in parts that follow each other. What is long in it, the columns of rows, is shared with the store and not copied.
#[derive(Debug)]
pub struct NewRecord {
    parts: Vec<Buffer>,
    bytes: usize,
}

impl NewRecord {
    /// Bytes of the record.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether it has none, as where no log is written.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub(super) fn push(&mut self, part: Buffer) {
        self.bytes += part.len();
        self.parts.push(part);
    }

    /// Its bytes.
    pub(crate) fn into_parts(self) -> Vec<Buffer> {
        self.parts
    }
}

impl From<Vec<u8>> for NewRecord {
    fn from(record: Vec<u8>) -> Self {
        Self { bytes: record.len(), parts: vec![record.into()] }
    }
}
