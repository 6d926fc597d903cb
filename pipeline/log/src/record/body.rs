//! What became of one body.

use flyball_model::intake::Written;
use flyball_model::ledger::{Entry, Reason};
use flyball_model::{PointBatch, Rows, SeriesRef, UnixNanos};

use super::rows::EncodedRows;
use super::{BODY, BadRecord, Cursor, NewRecord, columns, put, rows, with_length};

/// Points of a batch that follow each other and are of one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PointRun {
    /// The place of its first point in the batch.
    pub start: u32,
    /// The place after its last.
    pub end: u32,
    /// The number of its first point among all points of the metric that ever were appended; the others follow.
    pub ordinal: u64,
}

/// What the sender of a body was told, to be told again if it sends the very same body again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// Points stored.
    pub stored: u64,
    /// What of it was what.
    pub written: Written,
    /// Points refused, a pair a reason; and lost exemplars, which are no points.
    pub rejected: Vec<(Reason, u64)>,
}

impl Told {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let Written { samples, histograms, exemplars } = self.written;
        for number in [self.stored, samples, histograms, exemplars] {
            out.extend(number.to_le_bytes());
        }
        out.push(self.rejected.len() as u8);
        for (reason, points) in &self.rejected {
            out.push(reason.as_str().len() as u8);
            out.extend(reason.as_str().as_bytes());
            out.extend(points.to_le_bytes());
        }
    }

    pub(super) fn decode(from: &mut Cursor<'_>) -> Result<Self, BadRecord> {
        let stored = from.u64()?;
        let written = Written { samples: from.u64()?, histograms: from.u64()?, exemplars: from.u64()? };
        let mut rejected = Vec::new();
        for _ in 0..from.byte()? {
            let length = usize::from(from.byte()?);
            let word = std::str::from_utf8(from.bytes(length)?).ok();
            let reason = word.and_then(Reason::parse).ok_or("a reason is unknown; is it of a newer version?")?;
            rejected.push((reason, from.u64()?));
        }
        Ok(Self { stored, written, rejected })
    }
}

/// A body's record.
#[derive(Debug)]
pub struct Body<'a> {
    /// What it added to the ledger.
    pub entry: Entry,
    /// Its hash, if it is one that is known again, and what was told.
    pub fingerprint: Option<(u128, Told)>,
    /// Totals of delta sums and histograms that it changed; may be empty.
    pub totals: &'a [u8],
    /// When the sums of its series began, where that is news.
    pub starts: Vec<(SeriesRef, UnixNanos)>,
    /// Its points.
    pub points: PointBatch,
    /// Which of them have which ordinals; together they are all of them, in order.
    pub runs: Vec<PointRun>,
    /// Its other records, and the ordinal of the first of each kind.
    pub rows: Vec<(Rows, u64)>,
}

/// A body's record as it is made; see [`Body`] for what its parts are.
#[derive(Debug)]
pub struct NewBody<'a> {
    /// What it adds to the ledger.
    pub entry: &'a Entry,
    /// Its hash, if it is one that is known again, and what is told.
    pub fingerprint: Option<&'a (u128, Told)>,
    /// Totals that it changed.
    pub totals: &'a [u8],
    /// When the sums of its series began, where that is news.
    pub starts: &'a [(SeriesRef, UnixNanos)],
    /// Its points.
    pub points: &'a PointBatch,
    /// Their ordinals.
    pub runs: &'a [PointRun],
    /// Its other records.
    pub rows: &'a [(Rows, u64)],
}

impl NewBody<'_> {
    /// Makes the record:
    ///
    /// ```text
    /// body := has fingerprint u8 · [fingerprint u128 · told] · entry length u32 · entry · totals length u32 · totals
    ///       · starts length u32 · starts · points · runs u32 · (length u32 · ordinal u64)* · kinds u8 · rows*
    /// ```
    pub fn encode(&self) -> NewRecord {
        let rows: Vec<_> = self.rows.iter().map(|(rows, ordinal)| EncodedRows::new(rows, *ordinal)).collect();
        let mut head = Vec::new();
        put(BODY, &mut head, rows.iter().map(EncodedRows::len).sum(), |out| self.encode_head(out));
        let mut record = NewRecord::from(head);
        for EncodedRows { head, stream } in rows {
            record.push(head.into());
            stream.into_iter().for_each(|part| record.push(part));
        }
        record
    }

    /// Appends what stands before the rows.
    fn encode_head(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.fingerprint.is_some()));
        if let Some((hash, told)) = self.fingerprint {
            out.extend(hash.to_le_bytes());
            told.encode(out);
        }
        with_length(out, 0, |out| self.entry.encode(out));
        with_length(out, 0, |out| out.extend_from_slice(self.totals));
        with_length(out, 0, |out| put_starts(self.starts, out));
        columns::encode(self.points, out);
        out.extend((self.runs.len() as u32).to_le_bytes());
        for run in self.runs {
            out.extend((run.end - run.start).to_le_bytes());
            out.extend(run.ordinal.to_le_bytes());
        }
        out.push(self.rows.len() as u8);
    }
}

impl<'a> Body<'a> {
    pub(super) fn decode(from: &mut Cursor<'a>) -> Result<Self, BadRecord> {
        let fingerprint = match from.byte()? {
            0 => None,
            _ => Some((from.u128()?, Told::decode(from)?)),
        };
        let length = from.u32()? as usize;
        let (entry, _) = Entry::decode(from.bytes(length)?).map_err(|error| BadRecord(error.to_string()))?;
        let length = from.u32()? as usize;
        let totals = from.bytes(length)?;
        let length = from.u32()? as usize;
        let starts = starts(from.bytes(length)?)?;
        let points = columns::decode(from)?;
        let mut runs = Vec::new();
        let mut start = 0_u32;
        for _ in 0..from.u32()? {
            let end = start.checked_add(from.u32()?).filter(|&end| end as usize <= points.len());
            let end = end.ok_or("its runs are longer than it is")?;
            runs.push(PointRun { start, end, ordinal: from.u64()? });
            start = end;
        }
        if start as usize != points.len() {
            return Err("its runs are shorter than it is".into());
        }
        let rows = (0..from.byte()?).map(|_| rows::decode(from)).collect::<Result<_, _>>()?;
        Ok(Self { entry, fingerprint, totals, starts, points, runs, rows })
    }
}

const START_BYTES: usize = size_of::<u32>() + size_of::<i64>();

pub(super) fn put_starts(starts: &[(SeriesRef, UnixNanos)], out: &mut Vec<u8>) {
    for (series, start) in starts {
        out.extend(series.0.to_le_bytes());
        out.extend(start.0.to_le_bytes());
    }
}

pub(super) fn starts(bytes: &[u8]) -> Result<Vec<(SeriesRef, UnixNanos)>, BadRecord> {
    let (entries, rest) = bytes.as_chunks::<START_BYTES>();
    if !rest.is_empty() {
        return Err("its starts are cut off".into());
    }
    let read = |entry: &[u8; START_BYTES]| {
        let mut entry = Cursor::new(entry);
        Ok((SeriesRef(entry.u32()?), UnixNanos(entry.i64()?)))
    };
    entries.iter().map(read).collect()
}
