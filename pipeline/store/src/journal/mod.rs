//! The series journal: which number is which metric and which label set.
//!
//! History files hold series as numbers, so the numbers must outlive the process. The journal is one append-only file,
//! `series.journal`, synced before any history file that uses a new number gets its name, and before any log record that
//! does is.
//!
//! ```text
//! file    := magic "flybser\n" · version u32 · frame*
//! frame   := body length u32 · CRC-32 of the body u32 · CRC-32 of the eight bytes before u32 · body
//! body    := record*                       at least one; synced as a whole
//! record  := 1 · metric number u32 · text name · text MetricInfo as JSON
//!          | 2 · metric number u32 · first_at i64 · labels u16 · (text name · text value)*
//! text    := length u32 · UTF-8
//! ```
//! All integers are little-endian. Metrics and series are numbered in the order of their (first) records. The labels of idle series are
//! not in memory; they are read from here again (`archive`).
//!
//! Each frame is synced before the next is written, so a crash can damage only the last one. A bad frame with a whole good
//! one somewhere behind it is therefore no torn tail but damage, and an error. Otherwise it stays until the next frame takes its place:
//! where the log or the history speaks of series that stood in it, it is damage after all, and must not be gone.

mod archive;
pub(crate) mod reader;
mod record;
pub(crate) mod writer;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use flyball_model::limits::LABEL_SET_BYTES_MAX;

/// The name of the journal in the data folder.
pub(crate) const JOURNAL: &str = "series.journal";

const MAGIC: &[u8; 8] = b"flybser\n";
const VERSION: u32 = 1;
const FILE_HEADER_BYTES: usize = MAGIC.len() + size_of::<u32>();
const FRAME_HEADER_BYTES: usize = 12;

/// A frame is closed when its body is this long; the record that crosses the line is still in it.
const FRAME_BYTES_TARGET: usize = 1024 * 1024;

/// No body is longer. A label set and a metric's texts are capped long before.
const FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;

const _: () = assert!(FRAME_BYTES_TARGET + 2 * LABEL_SET_BYTES_MAX <= FRAME_BYTES_MAX);

/// The length and body checksum that a frame's header claims; `None` when the header is damaged.
fn frame_header(header: &[u8; FRAME_HEADER_BYTES]) -> Option<(usize, u32)> {
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let length = word(0) as usize;
    (crc32fast::hash(&header[..8]) == word(8) && (1..=FRAME_BYTES_MAX).contains(&length)).then(|| (length, word(4)))
}
