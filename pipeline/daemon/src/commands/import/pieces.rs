//! A stream of reports in pieces that fit a request: only whole reports are sent, whatever else there is gets a name.

use std::fmt;
use std::io::Read;

use bytes::Bytes;
use flyball_decode::scaphandre::frame::{self, Frame, FrameKind};

use super::post::Fault;

/// Bytes of a piece, unless one report is longer. Far below what a server takes, so that progress is seen.
const PIECE_BYTES: usize = 1 << 20;

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Bytes of one report: what a server takes of one body unless told otherwise.
pub(super) const REPORT_BYTES_MAX: usize = flyball_model::limits::BODY_BYTES_DEFAULT;

/// The stream so far.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    buffer: Vec<u8>,
    /// What of the buffer has been handed out.
    at: usize,
    /// Where in the stream the buffer begins.
    offset: u64,
    /// Reports so far.
    number: u64,
}

/// Some reports that lie together.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// The whole ones, as they are sent.
    pub(super) body: Bytes,
    /// Where they stand in the stream.
    pub(super) reports: Vec<Place>,
    /// What is not sent.
    pub(super) bad: Vec<Bad>,
    /// Where in the stream the piece ends.
    pub(super) end: u64,
}

/// Where a report stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Its number, from 1.
    number: u64,
    /// Its first byte.
    offset: u64,
}

/// Something that is no whole report.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bad {
    place: Place,
    bytes: usize,
    kind: FrameKind,
}

impl Pieces {
    /// Reads on. Gives how many bytes there were; 0 at the end.
    pub(super) fn fill(&mut self, input: &mut (impl Read + ?Sized)) -> std::io::Result<usize> {
        self.buffer.drain(..self.at);
        self.offset += self.at as u64;
        self.at = 0;
        let length = self.buffer.len();
        self.buffer.resize(length + CHUNK_BYTES, 0);
        let read = loop {
            match input.read(&mut self.buffer[length..]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(length + *read.as_ref().unwrap_or(&0));
        read
    }

    /// The next piece of what has been read. `ended`: nothing more will come.
    pub(super) fn next(&mut self, ended: bool) -> Option<Piece> {
        let (mut piece, mut body) = (Piece::default(), Vec::new());
        while body.len() < PIECE_BYTES {
            let Some(Frame { start, end, kind }) = frame::next(&self.buffer, self.at, ended) else { break };
            self.at = end;
            self.number += 1;
            let place = Place { number: self.number, offset: self.offset + start as u64 };
            if kind == FrameKind::Whole {
                body.extend_from_slice(&self.buffer[start..end]);
                body.push(b'\n');
                piece.reports.push(place);
            } else {
                piece.bad.push(Bad { place, bytes: end - start, kind });
            }
        }
        piece.body = body.into();
        piece.end = self.offset + self.at as u64;
        (!piece.reports.is_empty() || !piece.bad.is_empty()).then_some(piece)
    }

    /// The number of a report that is longer than one may be.
    pub(super) fn endless(&self) -> Option<u64> {
        (self.buffer.len() - self.at > REPORT_BYTES_MAX).then_some(self.number + 1)
    }
}

impl Piece {
    /// A report that the server could not read, by its place in the stream.
    pub(super) fn name(&self, fault: &Fault) -> String {
        // The server says at which byte of the piece it stands.
        let message = match fault.message.split_once(": ") {
            Some((place, message)) if place.starts_with("at byte ") => message,
            _ => &fault.message,
        };
        let index = usize::try_from(fault.report).ok().and_then(|report| report.checked_sub(1));
        match index.and_then(|index| self.reports.get(index)) {
            Some(place) => format!("{place}: {message}"),
            None => fault.message.clone(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "report {}, at byte {}", self.number, self.offset)
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({} bytes)", self.place, self.kind.problem(), self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"{"host":{"consumption":1.0},"consumers":[],"sockets":[]}"#;

    /// A stream that comes in reads of so many bytes.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let read = self.0.len().min(self.1).min(buffer.len());
            buffer[..read].copy_from_slice(&self.0[..read]);
            self.0 = &self.0[read..];
            Ok(read)
        }
    }

    /// All that is sent, and all that is told.
    fn read(stream: &str, chunk: usize) -> (String, Vec<String>, usize) {
        let (mut input, mut pieces) = (Slow(stream.as_bytes(), chunk), Pieces::default());
        let (mut sent, mut told, mut requests) = (String::new(), Vec::new(), 0);
        loop {
            let ended = pieces.fill(&mut input).expect("no real file") == 0;
            while let Some(piece) = pieces.next(ended) {
                requests += usize::from(!piece.reports.is_empty());
                sent.push_str(std::str::from_utf8(&piece.body).expect("ASCII"));
                told.extend(piece.bad.iter().map(ToString::to_string));
            }
            if ended {
                return (sent, told, requests);
            }
        }
    }

    #[test]
    fn whole_reports_are_sent_however_the_stream_is_cut_and_a_torn_one_is_named() {
        let stream = format!("[{REPORT},{REPORT},{}", &REPORT[..30]);
        let torn = format!(
            "report 3, at byte {}: it is torn: it breaks off before its closing brace (30 bytes)",
            2 * REPORT.len() + 3
        );
        for chunk in [1, 7, 50, 1000] {
            let (sent, told, _) = read(&stream, chunk);
            assert_eq!((sent, told), (format!("{REPORT}\n{REPORT}\n"), vec![torn.clone()]), "{chunk} bytes at once");
        }
        assert_eq!(read("", 10), (String::new(), vec![], 0));
    }

    #[test]
    fn a_long_stream_goes_in_pieces() {
        let count = 3 * PIECE_BYTES / REPORT.len();
        let (sent, told, requests) = read(&format!("[{}]", vec![REPORT; count].join(",")), usize::MAX);
        assert_eq!((sent.len(), told.len()), (count * (REPORT.len() + 1), 0));
        assert!((3..=6).contains(&requests), "{requests}");
    }

    #[test]
    fn what_the_server_can_not_read_is_named_by_its_place_in_the_stream() {
        let mut pieces = Pieces { offset: 100, number: 7, ..Pieces::default() };
        let stream = format!("{REPORT},{REPORT}");
        pieces.fill(&mut Slow(stream.as_bytes(), usize::MAX)).expect("no real file");
        let piece = pieces.next(true).expect("two reports");
        let fault = |report, message: &str| piece.name(&Fault { report, message: message.to_owned() });
        assert_eq!(
            fault(2, "at byte 57: missing field `host`"),
            format!("report 9, at byte {}: missing field `host`", 101 + REPORT.len())
        );
        assert_eq!(fault(9, "at byte 57: odd"), "at byte 57: odd");
    }
}
