//! One line: where its key ends, its fields, its timestamp.

use memchr::memchr2;

use super::error::{LineProblem, Stumble};
use super::{FIELDS_MAX, Field, value};

/// A line without its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number, from 1, comments and blank lines counted.
    pub number: u64,
    /// Its bytes without the newline.
    pub text: &'a [u8],
    /// Measurement and tags as they lie in the body. The same bytes are the same series, but for the field.
    pub key: &'a [u8],
    /// The time, in the unit that the request says.
    pub timestamp: Option<i64>,
}

/// What was found in one line.
#[derive(Debug)]
pub(super) struct Read<'a> {
    pub(super) key: &'a [u8],
    pub(super) timestamp: Option<i64>,
    /// Where the line's text ends.
    pub(super) end: usize,
    /// Where the next line begins.
    pub(super) next: usize,
    /// Newlines inside texts.
    pub(super) newlines_inside: u64,
}

/// Reads the line that begins at `start`, which is no space and no newline.
#[inline]
pub(super) fn read<'a>(body: &'a [u8], start: usize, fields: &mut Vec<Field<'a>>) -> Result<Read<'a>, Stumble> {
    if body[start] == b',' {
        return Err(Stumble::new(start, LineProblem::MissingMeasurement));
    }
    let key_end = key_end(body, start)?;
    let mut newlines_inside = 0;
    let mut at = spaces(body, key_end);
    loop {
        let (field, end) = read_field(body, at, &mut newlines_inside)?;
        if fields.len() == FIELDS_MAX {
            return Err(Stumble::new(at, LineProblem::TooManyFields));
        }
        fields.push(field);
        match body.get(end) {
            Some(b',') => at = end + 1,
            _ => {
                at = end;
                break;
            }
        }
    }
    let text_end = at;
    at = spaces(body, at);
    if let Some(next) = line_end(body, at) {
        return Ok(Read { key: &body[start..key_end], timestamp: None, end: text_end, next, newlines_inside });
    }
    let (timestamp, end) = read_timestamp(body, at)?;
    let Some(next) = line_end(body, spaces(body, end)) else {
        return Err(Stumble::new(end, LineProblem::BadTimestamp));
    };
    Ok(Read { key: &body[start..key_end], timestamp: Some(timestamp), end, next, newlines_inside })
}

/// Where measurement and tags end: the first space without a backslash before it.
#[inline]
fn key_end(body: &[u8], start: usize) -> Result<usize, Stumble> {
    let mut at = start;
    while let Some(found) = memchr2(b' ', b'\n', &body[at..]) {
        at += found;
        if body[at] == b'\n' {
            break;
        }
        if body[at - 1] != b'\\' {
            return Ok(at);
        }
        at += 1;
    }
    let end = if body.get(at) == Some(&b'\n') { at } else { body.len() };
    Err(Stumble::new(end, LineProblem::MissingFields))
}

/// Reads `key=value` and gives the byte after it.
#[inline]
fn read_field<'a>(body: &'a [u8], start: usize, newlines: &mut u64) -> Result<(Field<'a>, usize), Stumble> {
    let mut at = start;
    loop {
        match body.get(at) {
            Some(b'=') if at == start || body[at - 1] != b'\\' => break,
            Some(b',' | b' ') if at > start && body[at - 1] == b'\\' => at += 1,
            Some(b',' | b' ' | b'\n') | None => return Err(no_value(body, start, at)),
            Some(_) => at += 1,
        }
    }
    if at == start {
        return Err(Stumble::new(start, LineProblem::MissingFieldKey));
    }
    let (value, end) = value::read(body, at + 1, newlines)?;
    Ok((Field { key: &body[start..at], value }, end))
}

/// What is missing where a field's key ends without `=`.
#[cold]
fn no_value(body: &[u8], start: usize, at: usize) -> Stumble {
    let nothing_at_all = line_end(body, start).is_some();
    let problem = match body.get(at) {
        _ if nothing_at_all && body.get(start.wrapping_sub(1)) != Some(&b',') => LineProblem::MissingFields,
        _ if nothing_at_all || body.get(start) == Some(&b',') => LineProblem::MissingFieldKey,
        _ => LineProblem::MissingFieldValue,
    };
    Stumble::new(at, problem)
}

#[inline]
fn read_timestamp(body: &[u8], start: usize) -> Result<(i64, usize), Stumble> {
    let bad = Stumble::new(start, LineProblem::BadTimestamp);
    let negative = body.get(start) == Some(&b'-');
    let digits = start + usize::from(negative);
    let (number, end) = value::digits(body, digits).ok_or(bad)?;
    if end == digits {
        return Err(bad);
    }
    let number = if negative { 0_i64.checked_sub_unsigned(number) } else { i64::try_from(number).ok() };
    Ok((number.ok_or(bad)?, end))
}

#[inline]
fn spaces(body: &[u8], mut at: usize) -> usize {
    while body.get(at) == Some(&b' ') {
        at += 1;
    }
    at
}

/// If the line ends here, where the next one begins.
#[inline]
fn line_end(body: &[u8], at: usize) -> Option<usize> {
    match body.get(at) {
        None => Some(at),
        Some(b'\n') => Some(at + 1),
        Some(b'\r') => match body.get(at + 1) {
            None => Some(at + 1),
            Some(b'\n') => Some(at + 2),
            Some(_) => None,
        },
        Some(_) => None,
    }
}
