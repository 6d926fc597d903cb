//! Measurement and tags, taken apart. Done only for what has not been seen before.

use std::borrow::Cow;

use super::error::{LineProblem, Stumble};
use super::{BadLine, Line, unescape_measurement, unescape_name};

/// A tag of a line, without escapes. UTF-8 if the sender is honest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag<'a> {
    /// The key; never empty.
    pub key: Cow<'a, [u8]>,
    /// The value; never empty.
    pub value: Cow<'a, [u8]>,
}

/// The tags of a line.
#[derive(Debug, Clone)]
pub struct Tags<'a> {
    line: Line<'a>,
    /// Where in the key the next tag begins.
    at: usize,
}

impl<'a> Line<'a> {
    /// The measurement, without escapes; never empty.
    pub fn measurement(&self) -> Cow<'a, [u8]> {
        unescape_measurement(&self.key[..separator(self.key, 0, |byte| byte == b',')])
    }

    /// The tags in the sender's order.
    pub fn tags(&self) -> Tags<'a> {
        Tags { line: *self, at: separator(self.key, 0, |byte| byte == b',') + 1 }
    }

    /// This line, bad by what stands at a byte of it.
    fn bad(&self, stumble: Stumble) -> BadLine<'a> {
        BadLine { number: self.number, text: self.text, column: stumble.at + 1, problem: stumble.problem }
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = Result<Tag<'a>, BadLine<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let (key, start) = (self.line.key, self.at);
        // After `cpu` the next tag begins one past the end; after `cpu,` at the end, where a tag is missing.
        if start > key.len() {
            return None;
        }
        let end = separator(key, start, |byte| byte == b',');
        self.at = end + 1;
        let tag = read(key, start, end);
        if tag.is_err() {
            self.at = key.len() + 1;
        }
        Some(tag.map_err(|stumble| self.line.bad(stumble)))
    }
}

fn read(key: &[u8], start: usize, end: usize) -> Result<Tag<'_>, Stumble> {
    let tag = &key[..end];
    let equals = separator(tag, start, |byte| byte == b'=');
    if equals == start {
        return Err(Stumble::new(start, LineProblem::MissingTagKey));
    }
    if equals + 1 >= end {
        return Err(Stumble::new(end, LineProblem::MissingTagValue));
    }
    let second = separator(tag, equals + 1, |byte| byte == b'=');
    if second < end {
        return Err(Stumble::new(second, LineProblem::BareEquals));
    }
    Ok(Tag { key: unescape_name(&tag[start..equals]), value: unescape_name(&tag[equals + 1..]) })
}

/// Where the first byte of a kind stands that has no backslash before it; the end when there is none.
fn separator(bytes: &[u8], from: usize, is: impl Fn(u8) -> bool) -> usize {
    let found = (from..bytes.len()).find(|&at| is(bytes[at]) && (at == from || bytes[at - 1] != b'\\'));
    found.unwrap_or(bytes.len())
}
