//! What can be wrong with a line.

use std::fmt;

use super::FIELDS_MAX;

/// A line that can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadLine<'a> {
    /// Its number, from 1, comments and blank lines counted.
    pub number: u64,
    /// Its bytes without the newline.
    pub text: &'a [u8],
    /// Where it goes wrong: a byte of the line, from 1.
    pub column: usize,
    /// What is wrong.
    pub problem: LineProblem,
}

/// What is wrong with a line. It borrows nothing and becomes words only for the lines that are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// The line begins with a comma.
    #[error("missing measurement: the line begins with a comma")]
    MissingMeasurement,
    /// There is nothing after the measurement and tags.
    #[error("missing fields: after the measurement and its tags comes a space and at least one field=value")]
    MissingFields,
    /// `,=value` or `,,` among the tags.
    #[error("missing tag key: a tag is key=value")]
    MissingTagKey,
    /// A tag without `=`, or with nothing after it.
    #[error("missing tag value: a tag is key=value, and one without a value is left out")]
    MissingTagValue,
    /// A second `=` inside a tag.
    #[error("an '=' in a tag's value is written \\=")]
    BareEquals,
    /// `=value` without a key.
    #[error("missing field key: a field is key=value")]
    MissingFieldKey,
    /// A field without `=`, or with nothing after it.
    #[error("missing field value: a field is key=value, with 1.5, 1i, 1u, true or \"text\"")]
    MissingFieldValue,
    /// A text without its closing quote.
    #[error("unbalanced quotes: the text that begins here does not end; write a quote inside a text as \\\"")]
    UnbalancedQuotes,
    /// Something other than a comma, a space or the line's end after a text.
    #[error("the text ends before this; write a quote inside a text as \\\"")]
    AfterText,
    /// Neither number nor boolean nor text.
    #[error("invalid field value: neither a number (1.5, 1i, 1u) nor true or false, and texts stand in double quotes")]
    InvalidValue,
    /// NaN or an infinity, or a number that becomes one.
    #[error("invalid number: NaN, infinities and numbers beyond 1.8e308 can't be sent; leave the field out")]
    NotFinite,
    /// An integer that does not fit 64 bits.
    #[error("invalid integer: it does not fit 64 bits; send it as a float")]
    IntegerRange,
    /// The last part is not a time.
    #[error("bad timestamp: a whole number is wanted, in the unit that the request's precision says")]
    BadTimestamp,
    /// More fields than a line may have.
    #[error("more than {FIELDS_MAX} fields in one line; split it")]
    TooManyFields,
}

impl fmt::Display for BadLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {}, column {})", self.problem, self.number, self.column)
    }
}

/// A problem at a byte of the body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stumble {
    pub(super) at: usize,
    pub(super) problem: LineProblem,
    /// The line counts as ended by the first newline from here on. Mostly where it went wrong; where quotes don't match it
    /// is where the text began, so that a lost quote costs one line and not all up to the next quote.
    pub(super) resume: usize,
}

impl Stumble {
    pub(super) fn new(at: usize, problem: LineProblem) -> Self {
        Self { at, problem, resume: at }
    }
}
