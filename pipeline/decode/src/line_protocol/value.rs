//! A field's value. Most are short decimals, so these are read in the same pass that looks for their end.

use memchr::{memchr_iter, memchr2};

use super::error::{LineProblem, Stumble};

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FieldValue<'a> {
    /// `1`, `1.5`, `-1e9`; always finite.
    Float(f64),
    /// `1i`.
    Integer(i64),
    /// `1u`.
    Unsigned(u64),
    /// `t`, `T`, `true`, `True`, `TRUE` and the same of `false`.
    Boolean(bool),
    /// What stands between double quotes, as it lies in the body; see [`super::unescape_text`].
    Text(&'a [u8]),
}

/// A number of so many digits is below 2^53, so that an f64 holds it and a power of ten as large exactly, and dividing
/// the one by the other rounds once: the nearest f64, as a parser of any length would find it.
const EXACT_DIGITS_MAX: usize = 15;

const POWERS_OF_TEN: [f64; EXACT_DIGITS_MAX + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

const _: () = assert!(10_u64.pow(EXACT_DIGITS_MAX as u32) < 1 << f64::MANTISSA_DIGITS);

/// Reads the value that begins at `start` and gives the byte after it. `newlines` grows by those inside a text.
#[inline]
pub(super) fn read<'a>(body: &'a [u8], start: usize, newlines: &mut u64) -> Result<(FieldValue<'a>, usize), Stumble> {
    if body.get(start) == Some(&b'"') {
        return text(body, start, newlines);
    }
    if let Some(found) = decimal(body, start) {
        return Ok(found);
    }
    let length = body[start..].iter().position(|&byte| ends_value(byte)).unwrap_or(body.len() - start);
    let end = start + length;
    let value = token(&body[start..end]).map_err(|problem| Stumble::new(start, problem))?;
    Ok((value, end))
}

#[inline]
fn ends_value(byte: u8) -> bool {
    matches!(byte, b',' | b' ' | b'\n' | b'\r')
}

/// A short number, plain or with `i` after it; `None` leaves it to [`token`].
#[inline]
fn decimal<'a>(body: &[u8], start: usize) -> Option<(FieldValue<'a>, usize)> {
    let negative = body.get(start) == Some(&b'-');
    let first = start + usize::from(negative);
    let (mut number, mut at, mut point) = (0_u64, first, None);
    // One more than the digits that may come, for the point.
    let until = body.len().min(first + EXACT_DIGITS_MAX + 1);
    while at < until {
        match body[at] {
            byte @ b'0'..=b'9' => number = number * 10 + u64::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(at),
            _ => break,
        }
        at += 1;
    }
    let digits = at - first - usize::from(point.is_some());
    if digits == 0 || digits > EXACT_DIGITS_MAX {
        return None;
    }
    match body.get(at) {
        Some(b'i') if point.is_none() && body.get(at + 1).is_none_or(|&byte| ends_value(byte)) => {
            // Fifteen digits fit an i64.
            let number = number.cast_signed();
            Some((FieldValue::Integer(if negative { -number } else { number }), at + 1))
        }
        next if next.is_none_or(|&byte| ends_value(byte)) => {
            let fraction = point.map_or(0, |point| at - point - 1);
            let value = number as f64 / POWERS_OF_TEN[fraction];
            Some((FieldValue::Float(if negative { -value } else { value }), at))
        }
        _ => None,
    }
}

/// A value that is no text and not as simple as most.
fn token<'a>(token: &[u8]) -> Result<FieldValue<'a>, LineProblem> {
    match token {
        b"" => return Err(LineProblem::MissingFieldValue),
        b"t" | b"T" | b"true" | b"True" | b"TRUE" => return Ok(FieldValue::Boolean(true)),
        b"f" | b"F" | b"false" | b"False" | b"FALSE" => return Ok(FieldValue::Boolean(false)),
        _ => {}
    }
    let unsigned_part = token.strip_prefix(b"-").or_else(|| token.strip_prefix(b"+")).unwrap_or(token);
    let word = unsigned_part.to_ascii_lowercase();
    if matches!(&word[..], b"nan" | b"inf" | b"infinity") {
        return Err(LineProblem::NotFinite);
    }
    match token {
        [number @ .., b'i'] => integer(number).map(FieldValue::Integer),
        [number @ .., b'u'] => integer(number).map(FieldValue::Unsigned),
        _ => float(token).map(FieldValue::Float),
    }
}

fn integer<T: std::str::FromStr<Err = std::num::ParseIntError>>(number: &[u8]) -> Result<T, LineProblem> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    let text = std::str::from_utf8(number).map_err(|_| LineProblem::InvalidValue)?;
    text.parse().map_err(|error: std::num::ParseIntError| match error.kind() {
        PosOverflow | NegOverflow => LineProblem::IntegerRange,
        _ if text.starts_with('-') && text[1..].bytes().all(|byte| byte.is_ascii_digit()) && text.len() > 1 => {
            LineProblem::IntegerRange
        }
        _ => LineProblem::InvalidValue,
    })
}

fn float(number: &[u8]) -> Result<f64, LineProblem> {
    // Rust reads words like `inf` too; here only figures are numbers.
    let figures = number.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    let text = std::str::from_utf8(number).ok().filter(|_| figures).ok_or(LineProblem::InvalidValue)?;
    let value = text.parse::<f64>().map_err(|_| LineProblem::InvalidValue)?;
    if value.is_finite() { Ok(value) } else { Err(LineProblem::NotFinite) }
}

/// A text; `start` is at its opening quote.
fn text<'a>(body: &'a [u8], start: usize, newlines: &mut u64) -> Result<(FieldValue<'a>, usize), Stumble> {
    let inside = start + 1;
    let mut at = inside;
    loop {
        match memchr2(b'"', b'\\', body.get(at..).unwrap_or_default()) {
            Some(found) if body[at + found] == b'"' => {
                at += found;
                break;
            }
            // Whatever comes after a backslash is part of the text.
            Some(found) => at += found + 2,
            None => return Err(Stumble::new(start, LineProblem::UnbalancedQuotes)),
        }
    }
    let text = &body[inside..at];
    let newlines_inside = memchr_iter(b'\n', text).count() as u64;
    if !body.get(at + 1).is_none_or(|&byte| ends_value(byte)) {
        // If it goes over lines, its quote is more likely lost than its text is long.
        let (at, problem) = if newlines_inside == 0 {
            (at + 1, LineProblem::AfterText)
        } else {
            (start, LineProblem::UnbalancedQuotes)
        };
        return Err(Stumble { at, problem, resume: start });
    }
    *newlines += newlines_inside;
    Ok((FieldValue::Text(text), at + 1))
}

/// The number that the digits from `at` on make, and the byte after them. `None` when it does not fit 64 bits.
#[inline]
pub(super) fn digits(body: &[u8], mut at: usize) -> Option<(u64, usize)> {
    let mut number = 0_u64;
    while let Some(byte @ b'0'..=b'9') = body.get(at) {
        number = number.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
        at += 1;
    }
    Some((number, at))
}
