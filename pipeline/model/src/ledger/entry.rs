//! What one body adds to the ledger, and its form in the log.

use std::borrow::Cow;

use super::{Outcome, Reason, Signal};
use crate::time::UnixNanos;

/// What one body, or a refusal of one, adds to the account of its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The receiver, as in [`crate::Submission::receiver`].
    pub receiver: Cow<'static, str>,
    /// The peer's address without its port, or `local`.
    pub peer: String,
    /// The kind of telemetry.
    pub signal: Signal,
    /// Requests; one for a body.
    pub requests: u64,
    /// Bytes of the body as it came.
    pub bytes: u64,
    /// Points or records that came, whatever became of them; a body that can't be read counts as one.
    pub received: u64,
    /// What became of them. The sum is `received`.
    pub lines: Vec<Line>,
    /// When.
    pub at: UnixNanos,
}

/// A part of an [`Entry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// What became of the points.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// How many.
    pub points: u64,
}

/// Bytes that are no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an entry of the ledger can't be read: {0}")]
pub struct BadEntry(&'static str);

impl Entry {
    /// A request of which nothing is known yet.
    pub fn request(receiver: &'static str, peer: &str, signal: Signal, bytes: usize, at: UnixNanos) -> Self {
        let (receiver, peer) = (Cow::Borrowed(receiver), peer.to_owned());
        Self { receiver, peer, signal, requests: 1, bytes: bytes as u64, received: 0, lines: Vec::new(), at }
    }

    /// A request that was refused whole; it counts as one point.
    pub fn refused(mut self, reason: Reason) -> Self {
        self.received = 1;
        self.lines = vec![Line { outcome: Outcome::Rejected, reason, points: 1 }];
        self
    }

    /// Adds a line, unless it is of no points.
    pub fn add(&mut self, outcome: Outcome, reason: Reason, points: u64) {
        if points > 0 {
            self.lines.push(Line { outcome, reason, points });
        }
    }

    /// Takes over what another entry of the same source and signal adds.
    pub fn absorb(&mut self, other: &Entry) {
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.received += other.received;
        self.at = self.at.max(other.at);
        for line in &other.lines {
            let same = |known: &&mut Line| (known.outcome, known.reason) == (line.outcome, line.reason);
            match self.lines.iter_mut().find(same) {
                Some(known) => known.points += line.points,
                None => self.lines.push(*line),
            }
        }
    }

    /// Appends its form in the log: `text receiver · text peer · signal u8 · requests u64 · bytes u64 · received u64 · at i64 · lines u16 ·
    /// (outcome u8 · text reason · points u64)*`; a text is its length as u16 and UTF-8, integers are little-endian. Reasons are words, so that
    /// their list may grow.
    pub fn encode(&self, out: &mut Vec<u8>) {
        text(&self.receiver, out);
        text(&self.peer, out);
        out.push(self.signal as u8);
        for number in [self.requests, self.bytes, self.received, self.at.0.cast_unsigned()] {
            out.extend(number.to_le_bytes());
        }
        let lines = u16::try_from(self.lines.len()).expect("there are fewer lines than reasons and outcomes");
        out.extend(lines.to_le_bytes());
        for line in &self.lines {
            out.push(line.outcome as u8);
            text(line.reason.as_str(), out);
            out.extend(line.points.to_le_bytes());
        }
    }

    /// Reads what [`Entry::encode`] wrote, and gives the rest.
    ///
    /// # Errors
    /// When the bytes are cut off or say what no version of flyball writes.
    pub fn decode(bytes: &[u8]) -> Result<(Self, &[u8]), BadEntry> {
        let mut rest = Rest(bytes);
        let (receiver, peer) = (Cow::Owned(rest.text()?.to_owned()), rest.text()?.to_owned());
        let signal = *Signal::ALL.get(rest.byte()? as usize).ok_or(BadEntry("its signal is unknown"))?;
        let [requests, bytes, received, at] = [rest.number()?, rest.number()?, rest.number()?, rest.number()?];
        let count = u16::from_le_bytes(rest.take()?);
        let mut lines = Vec::new();
        for _ in 0..count {
            let outcome = *Outcome::ALL.get(rest.byte()? as usize).ok_or(BadEntry("an outcome is unknown"))?;
            let reason =
                Reason::parse(rest.text()?).ok_or(BadEntry("a reason is unknown; is it of a newer version?"))?;
            lines.push(Line { outcome, reason, points: rest.number()? });
        }
        let at = UnixNanos(at.cast_signed());
        Ok((Self { receiver, peer, signal, requests, bytes, received, lines, at }, rest.0))
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    // A peer's name may be a host's; none is near 64 KiB.
    let mut length = text.len().min(usize::from(u16::MAX));
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    out.extend((length as u16).to_le_bytes());
    out.extend(&text.as_bytes()[..length]);
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], BadEntry> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(BadEntry("it is cut off"))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, BadEntry> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn number(&mut self) -> Result<u64, BadEntry> {
        self.take().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Result<&'a str, BadEntry> {
        let length = usize::from(u16::from_le_bytes(self.take()?));
        let (text, rest) = self.0.split_at_checked(length).ok_or(BadEntry("a text is cut off"))?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| BadEntry("a text is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_back_as_it_was_written_and_no_part_of_it_is() {
        let mut entry = Entry::request("otlp_grpc", "10.0.0.7", Signal::Logs, 512, UnixNanos(-5));
        entry.received = 3;
        entry.add(Outcome::Stored, Reason::None, 2);
        entry.add(Outcome::Dropped, Reason::Duplicate, 1);
        entry.add(Outcome::Rejected, Reason::TooOld, 0);
        let mut bytes = Vec::new();
        entry.encode(&mut bytes);
        for cut in 0..bytes.len() {
            assert!(Entry::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        bytes.push(7);
        assert_eq!(Entry::decode(&bytes), Ok((entry, &[7][..])));
    }
}
