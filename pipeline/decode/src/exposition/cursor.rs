//! A place in a body of text, moved forward token by token.

use super::Dialect;
use super::problem::{ExpositionProblem, Found};
use crate::error::DecodeError;

/// The text and where in it we are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    body: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(body: &'a str, at: usize) -> Self {
        Self { body, at }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'a str {
        &self.body[self.at..]
    }

    /// From an earlier place to here.
    pub(super) fn since(&self, start: usize) -> &'a str {
        &self.body[start..self.at]
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.body.as_bytes().get(self.at).copied()
    }

    /// Goes over one byte, which must be ASCII.
    #[inline]
    pub(super) fn step(&mut self) {
        debug_assert!(self.peek().is_some_and(|byte| byte.is_ascii()), "only ASCII is stepped over");
        self.at += 1;
    }

    #[inline]
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    /// Goes over a word of ASCII.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let there = self.rest().starts_with(word);
        self.at += if there { word.len() } else { 0 };
        there
    }

    /// Goes on while bytes are of a kind; all of that kind are ASCII, or all that are not are.
    #[inline]
    pub(super) fn take_while(&mut self, of_kind: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        let bytes = self.body.as_bytes();
        while self.at < bytes.len() && of_kind(bytes[self.at]) {
            self.at += 1;
        }
        &self.body[start..self.at]
    }

    /// Goes over blanks; OpenMetrics has none beside those that separate.
    #[inline]
    pub(super) fn blanks(&mut self, dialect: Dialect) {
        if dialect == Dialect::Text {
            self.take_while(is_blank);
        }
    }

    /// A metric's name, which may be empty.
    pub(super) fn metric_name(&mut self) -> &'a str {
        self.name(|byte| byte.is_ascii_alphabetic() || byte == b'_' || byte == b':')
    }

    /// A label's name, which may be empty.
    pub(super) fn label_name(&mut self) -> &'a str {
        self.name(|byte| byte.is_ascii_alphabetic() || byte == b'_')
    }

    #[inline]
    fn name(&mut self, first: impl Fn(u8) -> bool) -> &'a str {
        if self.peek().is_some_and(&first) { self.take_while(|byte| first(byte) || byte.is_ascii_digit()) } else { "" }
    }

    /// What stands between quotes, with its escapes; the cursor is at the opening one.
    ///
    /// # Errors
    /// When the text ends before the quote does. In OpenMetrics the line ends it too.
    pub(super) fn quoted(&mut self, dialect: Dialect) -> Result<&'a str, DecodeError> {
        let opening = self.at;
        self.step();
        let bytes = self.body.as_bytes();
        let mut at = self.at;
        loop {
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => at += 2,
                Some(b'\n') if dialect == Dialect::OpenMetrics => at = bytes.len(),
                Some(_) => at += 1,
                None => return Err(self.wrong_at(opening, ExpositionProblem::Unclosed)),
            }
        }
        let inside = &self.body[self.at..at];
        self.at = at + 1;
        Ok(inside)
    }

    /// Goes to the end of the line, which is left.
    pub(super) fn rest_of_line(&mut self) -> &'a str {
        let rest = self.rest();
        let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
        self.at += line.len();
        line
    }

    /// What stands here instead of what should, for a message.
    pub(super) fn found(&self) -> Found {
        Found::instead(self.rest())
    }

    /// The error for a problem here.
    pub(super) fn wrong(&self, problem: ExpositionProblem) -> DecodeError {
        self.wrong_at(self.at, problem)
    }

    pub(super) fn wrong_at(&self, at: usize, problem: ExpositionProblem) -> DecodeError {
        wrong(self.body.as_bytes(), at, problem)
    }
}

pub(super) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// The error for a problem at a byte. Lines are counted here and not on the way, since there is mostly nothing wrong.
pub(super) fn wrong(body: &[u8], at: usize, problem: ExpositionProblem) -> DecodeError {
    let before = &body[..at.min(body.len())];
    let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    DecodeError::Exposition {
        line: before.iter().filter(|&&byte| byte == b'\n').count() + 1,
        column: String::from_utf8_lossy(&before[line_start..]).chars().count() + 1,
        problem,
    }
}
