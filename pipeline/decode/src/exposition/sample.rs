//! A sample, and its labels once they are asked for.

use std::borrow::Cow;

use flyball_model::UnixNanos;

use super::Dialect;
use super::cursor::Cursor;
use super::problem::ExpositionProblem;
use crate::error::DecodeError;

/// The name under which a metric's name is among its labels.
pub const NAME_LABEL: &str = "__name__";

/// A value of a series.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// The series as it is written, from its name to the closing brace. Two that are the same bytes are the same series.
    pub series: &'a str,
    /// The value.
    pub value: f64,
    /// The time, where the exporter gives one.
    pub time: Option<UnixNanos>,
    /// An example of what went into the value; OpenMetrics only.
    pub exemplar: Option<Exemplar<'a>>,
    pub(super) body: &'a str,
    pub(super) at: usize,
    pub(super) dialect: Dialect,
}

impl<'a> Sample<'a> {
    /// The metric's name (as [`NAME_LABEL`]) and the labels, in the exporter's order. Names may come twice.
    pub fn labels(&self) -> Labels<'a> {
        let mut cursor = Cursor::new(self.body, self.at);
        let name = cursor.metric_name();
        cursor.blanks(self.dialect);
        let braces = cursor.eat(b'{');
        Labels {
            cursor,
            dialect: self.dialect,
            name: Some(name).filter(|name| !name.is_empty()),
            named: !name.is_empty(),
            may_be_name: true,
            begun: false,
            ended: !braces,
        }
    }
}

/// An example of what went into a value.
#[derive(Debug, Clone, Copy)]
pub struct Exemplar<'a> {
    /// All of it as it is written.
    pub text: &'a str,
    /// The value of the example.
    pub value: f64,
    /// Its time, where the exporter gives one.
    pub time: Option<UnixNanos>,
    pub(super) body: &'a str,
    pub(super) labels_at: usize,
}

impl<'a> Exemplar<'a> {
    /// The labels, `trace_id` mostly among them.
    pub fn labels(&self) -> Labels<'a> {
        Labels {
            cursor: Cursor::new(self.body, self.labels_at),
            dialect: Dialect::OpenMetrics,
            name: None,
            named: true,
            may_be_name: false,
            begun: false,
            ended: false,
        }
    }
}

/// A label; its texts borrow from the body where they have no escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label<'a> {
    /// The name.
    pub name: Cow<'a, str>,
    /// The value.
    pub value: Cow<'a, str>,
}

/// The labels of a sample or an exemplar. Ends after the first error.
#[derive(Debug, Clone)]
pub struct Labels<'a> {
    cursor: Cursor<'a>,
    dialect: Dialect,
    /// The metric's name before the braces, until it has been handed out.
    name: Option<&'a str>,
    /// Whether there was a name already.
    named: bool,
    /// Whether a quoted text without a value is the metric's name.
    may_be_name: bool,
    /// Whether a label was read: the next one needs a comma before it.
    begun: bool,
    ended: bool,
}

impl<'a> Iterator for Labels<'a> {
    type Item = Result<Label<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(name) = self.name.take() {
            return Some(Ok(Label { name: NAME_LABEL.into(), value: name.into() }));
        }
        if self.ended {
            return None;
        }
        let label = self.read();
        self.ended |= label.is_err();
        label.transpose()
    }
}

impl<'a> Labels<'a> {
    fn read(&mut self) -> Result<Option<Label<'a>>, DecodeError> {
        self.blanks();
        // In the older format the comma may be missing.
        if std::mem::replace(&mut self.begun, true)
            && !self.cursor.eat(b',')
            && self.cursor.peek() != Some(b'}')
            && self.dialect == Dialect::OpenMetrics
        {
            return Err(self.cursor.wrong(ExpositionProblem::Comma { found: self.cursor.found() }));
        }
        self.blanks();
        if self.cursor.eat(b'}') {
            self.ended = true;
            return if self.named { Ok(None) } else { Err(self.cursor.wrong(ExpositionProblem::NoName)) };
        }
        let start = self.cursor.at();
        let quoted = self.cursor.peek() == Some(b'"');
        let name = if quoted { self.cursor.quoted(self.dialect)? } else { self.cursor.label_name() };
        if name.is_empty() && !quoted {
            return Err(self.cursor.wrong(ExpositionProblem::LabelName { found: self.cursor.found() }));
        }
        self.blanks();
        if quoted && self.may_be_name && matches!(self.cursor.peek(), Some(b',' | b'}')) {
            if std::mem::replace(&mut self.named, true) {
                return Err(self.cursor.wrong_at(start, ExpositionProblem::TwoNames));
            }
            return Ok(Some(Label { name: NAME_LABEL.into(), value: unescape(name) }));
        }
        let equal = self.cursor.eat(b'=');
        self.blanks();
        if !equal || self.cursor.peek() != Some(b'"') {
            return Err(self.cursor.wrong(ExpositionProblem::LabelValue { found: self.cursor.found() }));
        }
        let value = self.cursor.quoted(self.dialect)?;
        let name = if quoted { unescape(name) } else { name.into() };
        Ok(Some(Label { name, value: unescape(value) }))
    }

    fn blanks(&mut self) {
        self.cursor.blanks(self.dialect);
    }

    /// Reads to the closing brace and says where that was; for an exemplar, whose labels are few.
    pub(super) fn finish(mut self) -> Result<usize, DecodeError> {
        for label in self.by_ref() {
            label?;
        }
        Ok(self.cursor.at())
    }
}

/// `\\`, `\"` and `\n` become what they stand for; another backslash is itself.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    unescape_all(text, true)
}

/// The same without `\"`, which is no escape in descriptions of the older format.
pub(super) fn unescape_help(text: &str) -> Cow<'_, str> {
    unescape_all(text, false)
}

fn unescape_all(text: &str, quotes: bool) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let meant = match after.bytes().next() {
            Some(b'n') => Some('\n'),
            Some(b'"') if quotes => Some('"'),
            Some(b'\\') => Some('\\'),
            _ => None,
        };
        plain.push(meant.unwrap_or('\\'));
        rest = &after[usize::from(meant.is_some())..];
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}
