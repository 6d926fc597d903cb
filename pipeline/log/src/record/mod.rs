//! What stands in a frame.
//!
//! ```text
//! record := kind u8 · length u32 · payload
//! ```
//! A record carries what is needed to apply it twice without harm: points and rows their ordinals, totals their versions. What is not,
//! entries of the ledger and pieces of state, is applied from the checkpoint's position on only.

mod body;
mod columns;
mod cursor;
mod parts;
mod rows;

use flyball_model::ledger::Entry;
use flyball_model::state::Section;
use flyball_model::{SeriesRef, UnixNanos};

pub use body::{Body, NewBody, PointRun};
pub(crate) use cursor::Cursor;
pub use parts::NewRecord;

const BODY: u8 = 1;
const ENTRY: u8 = 2;
const PIECE: u8 = 3;
const TOTALS: u8 = 4;
const TWIN: u8 = 5;
const FINGERPRINT: u8 = 6;
const STARTS: u8 = 7;

/// Bytes before a record's payload.
const RECORD_HEADER_BYTES: usize = 5;

/// A record, borrowed from a frame.
#[derive(Debug)]
pub(crate) enum Record<'a> {
    /// What became of one body.
    Body(Box<Body<'a>>),
    /// A line of the ledger that belongs to no stored body.
    Entry(Entry),
    /// A piece of state; `None`: forget it.
    Piece(Section, &'a str, Option<&'a [u8]>),
    /// Totals of delta sums and histograms, in the form of `flyball-normalize`.
    Totals(&'a [u8]),
    /// A part of the twin, in the form of `flyball-twin`.
    Twin(&'a [u8]),
    /// When the sums of series began.
    Starts(Vec<(SeriesRef, UnixNanos)>),
    /// A body that was stored, known by its hash, and what was told of it.
    Fingerprint(u128, body::Told),
}

pub use body::Told;

/// A record that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a record can't be read: {0}")]
pub struct BadRecord(pub(crate) String);

impl BadRecord {
    /// A record that its taker can't use.
    pub fn new(detail: String) -> Self {
        Self(detail)
    }
}

impl From<&str> for BadRecord {
    fn from(detail: &str) -> Self {
        Self(detail.to_owned())
    }
}

/// Appends a record whose payload `fill` writes, but for so many bytes that come behind it.
fn put(kind: u8, out: &mut Vec<u8>, more_bytes: usize, fill: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    with_length(out, more_bytes, fill);
}

/// Appends what `fill` writes, with a length as u32 before it that counts so many bytes more.
fn with_length(out: &mut Vec<u8>, more_bytes: usize, fill: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend([0; 4]);
    fill(out);
    let length = u32::try_from(out.len() - at - 4 + more_bytes).expect("a record is capped far below 4 GiB");
    out[at..at + 4].copy_from_slice(&length.to_le_bytes());
}

/// Appends a line of the ledger.
pub(crate) fn encode_entry(entry: &Entry, out: &mut Vec<u8>) {
    put(ENTRY, out, 0, |out| entry.encode(out));
}

/// Appends a piece of state.
pub(crate) fn encode_piece(section: Section, key: &str, value: Option<&[u8]>, out: &mut Vec<u8>) {
    put(PIECE, out, 0, |out| {
        out.push(section as u8);
        out.push(u8::from(value.is_some()));
        out.extend((key.len() as u32).to_le_bytes());
        out.extend(key.as_bytes());
        out.extend(value.unwrap_or_default());
    });
}

/// Appends totals.
pub(crate) fn encode_totals(totals: &[u8], out: &mut Vec<u8>) {
    put(TOTALS, out, 0, |out| out.extend(totals));
}

/// Appends a part of the twin.
pub(crate) fn encode_twin(twin: &[u8], out: &mut Vec<u8>) {
    put(TWIN, out, 0, |out| out.extend(twin));
}

/// Appends when the sums of series began: `(series u32 · time i64)*`.
pub(crate) fn encode_starts(starts: &[(SeriesRef, UnixNanos)], out: &mut Vec<u8>) {
    put(STARTS, out, 0, |out| body::put_starts(starts, out));
}

/// Appends the hash of a body that was stored.
pub(crate) fn encode_fingerprint(fingerprint: u128, told: &Told, out: &mut Vec<u8>) {
    put(FINGERPRINT, out, 0, |out| {
        out.extend(fingerprint.to_le_bytes());
        told.encode(out);
    });
}

/// Calls `each` with the records of a frame's body.
///
/// # Errors
/// When one can't be read, or `each` says so.
pub(crate) fn each_record<'a, E: From<BadRecord>>(
    body: &'a [u8],
    mut each: impl FnMut(Record<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let mut rest = Cursor::new(body);
    while !rest.is_empty() {
        let kind = rest.byte()?;
        let length = rest.u32()? as usize;
        let payload = Cursor::new(rest.bytes(length)?);
        each(decode(kind, payload)?)?;
    }
    Ok(())
}

fn decode(kind: u8, mut payload: Cursor<'_>) -> Result<Record<'_>, BadRecord> {
    Ok(match kind {
        BODY => Record::Body(Box::new(Body::decode(&mut payload)?)),
        ENTRY => Record::Entry(Entry::decode(payload.rest()).map_err(|error| BadRecord(error.to_string()))?.0),
        PIECE => {
            let section = usize::from(payload.byte()?);
            let section = *Section::ALL.get(section).ok_or("its section of state is unknown")?;
            let is_put = payload.byte()? != 0;
            let length = payload.u32()? as usize;
            let key = std::str::from_utf8(payload.bytes(length)?).map_err(|_| "a key is not UTF-8")?;
            Record::Piece(section, key, is_put.then(|| payload.rest()))
        }
        TOTALS => Record::Totals(payload.rest()),
        TWIN => Record::Twin(payload.rest()),
        STARTS => Record::Starts(body::starts(payload.rest())?),
        FINGERPRINT => {
            let fingerprint = payload.u128()?;
            Record::Fingerprint(fingerprint, Told::decode(&mut payload)?)
        }
        other => return Err(BadRecord(format!("it has the unknown kind {other}"))),
    })
}

const _: () = assert!(RECORD_HEADER_BYTES == 1 + size_of::<u32>());
