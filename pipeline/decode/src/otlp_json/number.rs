//! Numbers of all kinds, from a JSON number or a string.

use std::borrow::Cow;

use serde::Deserializer;
use serde::de::{Deserialize, Error};
use serde_json::value::RawValue;

use super::decimal::Decimal;
use super::output::{Full, Output, WireType};
use super::schema::{Field, Kind};

/// Characters of a number that an error repeats.
const QUOTED_CHARS_MAX: usize = 40;

/// Reads a number of the field's kind and writes it, after the field's key if `keyed`. Whether there was one: `null` is none.
///
/// The number is taken as it stands in the text, since what a JSON parser would make of it is a float where it has a
/// fraction, an exponent or more than 64 bits.
pub(super) fn read<'de, D>(field: &Field, keyed: bool, output: &mut Output, deserializer: D) -> Result<bool, D::Error>
where
    D: Deserializer<'de>,
{
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    let text = match raw.as_bytes().first() {
        Some(b'n') => return Ok(false),
        Some(b'"') => unquoted(raw).map_err(Error::custom)?,
        Some(b'[') => return Err(unexpected(field, "a list")),
        Some(b'{') => return Err(unexpected(field, "an object")),
        Some(b't' | b'f') => return Err(unexpected(field, "a truth value")),
        _ => Cow::Borrowed(raw),
    };
    if let (Kind::Enum(names), [b'"', ..]) = (field.kind, raw.as_bytes()) {
        return Err(Error::custom(match names.iter().position(|name| *name == text) {
            Some(number) => format!("{text} is an enum's name, and OTLP's JSON takes its number: {number}"),
            None => format!(
                "\"{text:.QUOTED_CHARS_MAX$}\" is a string, and this enum takes a number from 0 to {}",
                names.len() - 1
            ),
        }));
    }
    let number = number(field.kind, &text).ok_or_else(|| unfit(field, &text))?;
    number.write(keyed.then_some(field.number), output).map_err(Error::custom)?;
    Ok(true)
}

/// A string's contents.
fn unquoted(raw: &str) -> serde_json::Result<Cow<'_, str>> {
    match raw[1..raw.len() - 1].contains('\\') {
        true => serde_json::from_str(raw).map(Cow::Owned),
        false => Ok(Cow::Borrowed(&raw[1..raw.len() - 1])),
    }
}

/// A number as protobuf writes it.
pub(super) enum Number {
    Varint(u64),
    Fixed32(u32),
    Fixed64(u64),
}

impl Number {
    pub(super) fn write(&self, key: Option<u32>, output: &mut Output) -> Result<(), Full> {
        let wire_type = match self {
            Number::Varint(_) => WireType::Varint,
            Number::Fixed32(_) => WireType::Fixed32,
            Number::Fixed64(_) => WireType::Fixed64,
        };
        if let Some(field) = key {
            output.key(field, wire_type)?;
        }
        match *self {
            Number::Varint(value) => output.varint(value),
            Number::Fixed32(value) => output.fixed32(value),
            Number::Fixed64(value) => output.fixed64(value),
        }
    }
}

/// The number in a text, if it fits the kind.
pub(super) fn number(kind: Kind, text: &str) -> Option<Number> {
    if matches!(kind, Kind::Double) {
        return double(text).map(|value| Number::Fixed64(value.to_bits()));
    }
    let (least, most) = range(kind);
    let value = integer(text).filter(|value| (least..=most).contains(value))?;
    Some(match kind {
        Kind::Fixed32 => Number::Fixed32(value as u32),
        // Two's complement either way.
        Kind::Fixed64 | Kind::Sfixed64 => Number::Fixed64(value as u64),
        Kind::Sint32 => Number::Varint(zigzag(value as i32)),
        // Negative ones are sign-extended to ten bytes.
        _ => Number::Varint(value as u64),
    })
}

fn zigzag(value: i32) -> u64 {
    u64::from((value << 1 ^ value >> 31).cast_unsigned())
}

/// The integers that a kind holds.
fn range(kind: Kind) -> (i128, i128) {
    match kind {
        Kind::Int64 | Kind::Sfixed64 => (i64::MIN.into(), i64::MAX.into()),
        Kind::Uint64 | Kind::Fixed64 => (0, u64::MAX.into()),
        Kind::Uint32 | Kind::Fixed32 => (0, u32::MAX.into()),
        _ => (i32::MIN.into(), i32::MAX.into()),
    }
}

fn integer(text: &str) -> Option<i128> {
    // Nearly all are times and counts: digits, and few enough of them.
    match text.as_bytes() {
        [b'1'..=b'9', rest @ ..] if rest.len() < 19 && rest.iter().all(u8::is_ascii_digit) => {
            text.parse::<u64>().ok().map(i128::from)
        }
        _ => Decimal::parse(text)?.integer(),
    }
}

/// A double. One that only the infinities come near is no double.
fn double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => {
            Decimal::parse(text)?;
            text.parse().ok().filter(|value: &f64| value.is_finite())
        }
    }
}

#[cold]
fn unexpected<E: Error>(field: &Field, found: &str) -> E {
    E::custom(format!("{found} instead of {}", wanted(field.kind)))
}

#[cold]
fn unfit<E: Error>(field: &Field, text: &str) -> E {
    E::custom(format!("{text:.QUOTED_CHARS_MAX$} is not {}", wanted(field.kind)))
}

fn wanted(kind: Kind) -> String {
    if matches!(kind, Kind::Double) {
        return format!("a number up to {:e}, \"NaN\", \"Infinity\" or \"-Infinity\"", f64::MAX);
    }
    let (least, most) = range(kind);
    format!("a whole number from {least} to {most}")
}
