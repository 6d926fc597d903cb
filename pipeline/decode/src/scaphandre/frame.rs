//! Cutting reports out of a stream by their braces, without reading them.
//!
//! A report that was torn (a full disk, a `kill -9`, and then another run that appends to the file) would swallow those after it,
//! since its braces never close. The exporter writes without spaces and `host` first, so `{"host":` can be nothing but
//! a report's beginning: inside a text its quotes would stand behind backslashes.

use memchr::{memchr, memchr2, memchr3};

/// How each report begins.
const BEGINNING: &[u8] = b"{\"host\":";

/// A piece of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Its first byte.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
    /// What it is.
    pub kind: FrameKind,
}

/// What a piece of the stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// An object from brace to brace.
    Whole,
    /// An object that ends too early: at the stream's end, or where another report begins.
    Torn,
    /// Something between the reports that does not belong there.
    Stray,
}

impl FrameKind {
    /// What to say of it; nothing for a whole one.
    pub const fn problem(self) -> &'static str {
        match self {
            FrameKind::Whole => "",
            FrameKind::Torn => "it is torn: it breaks off before its closing brace",
            FrameKind::Stray => "this is no report: a report is a JSON object that begins with {\"host\":",
        }
    }
}

/// The first piece of `stream` from byte `from` on. `None` when there is none, or, unless the stream has `ended`, none of
/// which the end is known: then more of the stream is needed.
pub fn next(stream: &[u8], from: usize, ended: bool) -> Option<Frame> {
    let separator = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b'[' | b']');
    let start = from + stream.get(from..)?.iter().position(|byte| !separator(byte))?;
    if stream[start] != b'{' {
        return match memchr(b'{', &stream[start..]) {
            Some(length) => Some(Frame { start, end: start + length, kind: FrameKind::Stray }),
            None => ended.then_some(Frame { start, end: stream.len(), kind: FrameKind::Stray }),
        };
    }
    match closing(stream, start) {
        Some((end, kind)) => Some(Frame { start, end, kind }),
        None => ended.then_some(Frame { start, end: stream.len(), kind: FrameKind::Torn }),
    }
}

/// Where the object that opens at `start` ends.
fn closing(stream: &[u8], start: usize) -> Option<(usize, FrameKind)> {
    let (mut depth, mut at) = (1_usize, start + 1);
    loop {
        at += memchr3(b'"', b'{', b'}', stream.get(at..)?)?;
        match stream[at] {
            b'{' if begins(stream, at) => return Some((at, FrameKind::Torn)),
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some((at + 1, FrameKind::Whole)),
            b'}' => depth -= 1,
            _ => {
                at = text_end(stream, at + 1)?;
                if stream[at - 1] == b'{' && begins(stream, at - 1) {
                    return Some((at - 1, FrameKind::Torn));
                }
            }
        }
        at += 1;
    }
}

fn begins(stream: &[u8], at: usize) -> bool {
    stream[at..].starts_with(BEGINNING)
}

/// Where the quote is that ends a text.
fn text_end(stream: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr2(b'"', b'\\', stream.get(at..)?)?;
        if stream[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}
