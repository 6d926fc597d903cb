//! Strings, bytes, ids and truth values.

use std::fmt::{self, Formatter};

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{Error, Visitor};

use super::output::{Full, Output, WireType};
use super::schema::{Field, Kind};

/// As lenient as protobuf's own parsers: padded or not, and whatever stands in bits that belong to no byte.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Reads a value and writes it with its key. Whether there was one: `null` is none.
pub(super) struct TextVisitor<'w> {
    pub(super) field: &'static Field,
    pub(super) output: &'w mut Output,
}

impl Visitor<'_> for TextVisitor<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self.field.kind {
            Kind::Bool => "true or false",
            Kind::Bytes => "a string in base64",
            Kind::Id => "a string of hex digits",
            _ => "a string",
        })
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<bool, E> {
        if !matches!(self.field.kind, Kind::Bool) {
            return Err(E::invalid_type(serde::de::Unexpected::Bool(value), &self));
        }
        let written =
            self.output.key(self.field.number, WireType::Varint).and_then(|()| self.output.byte(value.into()));
        written.map_err(E::custom)?;
        Ok(true)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
        let Self { field, output } = self;
        match field.kind {
            Kind::String => write(field, output, text.as_bytes()).map_err(E::custom)?,
            Kind::Bytes => {
                let engine = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
                let bytes = engine.decode(text).map_err(|problem| E::custom(format!("not base64: {problem}")))?;
                write(field, output, &bytes).map_err(E::custom)?;
            }
            Kind::Id => write_id(field, output, text)?,
            _ => return Err(E::invalid_type(serde::de::Unexpected::Str(text), &TextVisitor { field, output })),
        }
        Ok(true)
    }
}

fn write(field: &Field, output: &mut Output, bytes: &[u8]) -> Result<(), Full> {
    output.key(field.number, WireType::Length)?;
    output.bytes(bytes)
}

fn write_id<E: Error>(field: &Field, output: &mut Output, text: &str) -> Result<(), E> {
    let id = output.open(field.number).map_err(E::custom)?;
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    for &[high, low] in pairs {
        let digit = |byte| char::from(byte).to_digit(16);
        let (Some(high), Some(low)) = (digit(high), digit(low)) else {
            return Err(E::custom("an id has something else in it than hex digits (base64 is for other bytes)"));
        };
        output.byte((high << 4 | low) as u8).map_err(E::custom)?;
    }
    if !rest.is_empty() {
        return Err(E::custom(format!("an id of {} hex digits; each byte takes two", text.len())));
    }
    output.close(id);
    Ok(())
}
