//! Attribute values: `opentelemetry.proto.common.v1.AnyValue` and `KeyValue`.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::error::DecodeError;
use crate::wire::{Extent, Field, Nested, Repeated, Slice, Step, View};

/// Arrays and maps inside each other are read down to this depth; whatever protobuf's own parsers take (100 messages
/// inside each other, two for each level) is less deep.
pub const ANY_VALUE_DEPTH_MAX: usize = 64;

/// Magnitudes from here on, and below [`PLAIN_MIN`], are written with an exponent, as in JSON by ECMA-262.
const PLAIN_END: f64 = 1e21;
const PLAIN_MIN: f64 = 1e-6;

/// The attributes of a point, a record or a resource.
pub type KeyValues<'a> = Repeated<'a, KeyValue<'a>>;

/// A named value.
#[derive(Debug, Clone, Copy)]
pub struct KeyValue<'a> {
    /// The name; UTF-8 if the sender is honest.
    pub key: &'a [u8],
    /// The value, not yet read.
    pub value: AnyValueBytes<'a>,
}

impl<'a> View<'a> for KeyValue<'a> {
    #[inline]
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        const MESSAGE: &str = "KeyValue";
        let message = field.slice()?;
        let (mut key, mut value) = (&[][..], Extent::default());
        for field in message.fields(MESSAGE) {
            let field = field?;
            match field.number {
                1 => key = field.bytes()?,
                2 => value.add(&field),
                _ => {}
            }
        }
        Ok(Self { key, value: AnyValueBytes { span: value.of(message), step: Step::new(MESSAGE, 2) } })
    }
}

/// The bytes of an AnyValue: all occurrences of a field in a slice.
#[derive(Debug, Clone, Copy)]
pub struct AnyValueBytes<'a> {
    span: Slice<'a>,
    step: Step,
}

/// A value. Text and bytes are borrowed; arrays and maps are walked when asked.
#[derive(Debug, Clone, Copy)]
pub enum AnyValue<'a> {
    /// Not set. Also what a reference to a string table is, which only profiles have.
    Empty,
    /// Text; UTF-8 if the sender is honest.
    String(&'a [u8]),
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Double(f64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// An array.
    Array(Items<'a>),
    /// A map.
    Map(Items<'a>),
}

/// The items of an array or a map.
#[derive(Debug, Clone, Copy)]
pub struct Items<'a> {
    value: AnyValueBytes<'a>,
    field: u32,
    from: usize,
}

const ANY_VALUE: &str = "AnyValue";
const ARRAY: u32 = 5;
const MAP: u32 = 6;

impl<'a> AnyValueBytes<'a> {
    /// All occurrences of a field in the slice, as one value.
    pub(crate) const fn new(span: Slice<'a>, step: Step) -> Self {
        Self { span, step }
    }

    /// Reads what kind of value it is. Of several, the last one counts.
    ///
    /// # Errors
    /// When the bytes are not an AnyValue.
    #[inline]
    pub fn read(self) -> Result<AnyValue<'a>, DecodeError> {
        match self.short_text() {
            Some(text) => Ok(AnyValue::String(text)),
            None => self.walk(),
        }
    }

    /// The text, where the value is what most values are: one string, all of whose lengths take one byte.
    #[inline]
    fn short_text(self) -> Option<&'a [u8]> {
        const STRING: u8 = 1 << 3 | 2;
        let [key, outer, STRING, inner, text @ ..] = self.span.bytes() else { return None };
        let whole = u32::from(*key) == (self.step.field << 3 | 2)
            && *outer < 0x80
            && usize::from(*outer) == text.len() + 2
            && usize::from(*inner) == text.len();
        whole.then_some(text)
    }

    fn walk(self) -> Result<AnyValue<'a>, DecodeError> {
        let mut value = AnyValue::Empty;
        for part in Nested::<Slice<'a>, 1>::new(self.span, [self.step]) {
            for field in part?.fields(ANY_VALUE) {
                let field = field?;
                value = match (field.number, value) {
                    (1, _) => AnyValue::String(field.bytes()?),
                    (2, _) => AnyValue::Bool(field.varint()? != 0),
                    (3, _) => AnyValue::Int(field.varint()? as i64),
                    (4, _) => AnyValue::Double(field.double()?),
                    // The second of two arrays in a row goes on where the first one ended.
                    (ARRAY, array @ AnyValue::Array(_)) => array,
                    (MAP, map @ AnyValue::Map(_)) => map,
                    (ARRAY, _) => AnyValue::Array(Items { value: self, field: ARRAY, from: field.start }),
                    (MAP, _) => AnyValue::Map(Items { value: self, field: MAP, from: field.start }),
                    (7, _) => AnyValue::Bytes(field.bytes()?),
                    (8, _) => AnyValue::Empty,
                    (_, value) => value,
                };
            }
        }
        Ok(value)
    }
}

impl<'a> View<'a> for AnyValueBytes<'a> {
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        Ok(Self { span: field.whole(), step: Step::new("ArrayValue", field.number) })
    }
}

impl<'a> Items<'a> {
    fn walk<T: View<'a>>(self, message: &'static str) -> Nested<'a, T, 3> {
        let path = [self.value.step, Step::new(ANY_VALUE, self.field), Step::new(message, 1)];
        Nested::since(self.value.span, path, self.from)
    }

    /// The values of an array.
    pub fn values(self) -> Nested<'a, AnyValueBytes<'a>, 3> {
        self.walk("ArrayValue")
    }

    /// The entries of a map.
    pub fn entries(self) -> Nested<'a, KeyValue<'a>, 3> {
        self.walk("KeyValueList")
    }
}

impl AnyValue<'_> {
    /// Appends the value as text: a string as it is, numbers in their shortest form, bytes as base64, arrays and maps as
    /// JSON, nothing for [`AnyValue::Empty`]. What is appended is UTF-8 if all strings inside are, and at most six times
    /// as long as the value's bytes.
    ///
    /// # Errors
    /// When the bytes are no AnyValue, or nested deeper than [`ANY_VALUE_DEPTH_MAX`].
    pub fn write_text(self, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        match self {
            AnyValue::Empty => {}
            AnyValue::String(text) => out.extend_from_slice(text),
            AnyValue::Bytes(bytes) => write_base64(out, bytes),
            AnyValue::Double(value) => write_double(out, value),
            other => other.write_json(out, 1)?,
        }
        Ok(())
    }

    fn write_json(self, out: &mut Vec<u8>, depth: usize) -> Result<(), DecodeError> {
        match self {
            AnyValue::Empty => out.extend_from_slice(b"null"),
            AnyValue::String(text) => write_quoted(out, text),
            AnyValue::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
            AnyValue::Int(value) => write!(out, "{value}").expect("a Vec takes all"),
            // JSON has no number for these.
            AnyValue::Double(value) if !value.is_finite() => {
                out.push(b'"');
                write_double(out, value);
                out.push(b'"');
            }
            AnyValue::Double(value) => write_double(out, value),
            AnyValue::Bytes(bytes) => {
                out.push(b'"');
                write_base64(out, bytes);
                out.push(b'"');
            }
            AnyValue::Array(items) | AnyValue::Map(items) if depth > ANY_VALUE_DEPTH_MAX => {
                return Err(DecodeError::TooDeep { offset: items.from, max: ANY_VALUE_DEPTH_MAX });
            }
            AnyValue::Array(items) => {
                out.push(b'[');
                for (index, value) in items.values().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    value?.read()?.write_json(out, depth + 1)?;
                }
                out.push(b']');
            }
            AnyValue::Map(items) => {
                out.push(b'{');
                for (index, entry) in items.entries().enumerate() {
                    let entry = entry?;
                    if index > 0 {
                        out.push(b',');
                    }
                    write_quoted(out, entry.key);
                    out.push(b':');
                    entry.value.read()?.write_json(out, depth + 1)?;
                }
                out.push(b'}');
            }
        }
        Ok(())
    }
}

fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(BASE64.encode(bytes).as_bytes());
}

/// The shortest digits that read back as the same float; `NaN`, `Infinity` and `-Infinity` by the OpenTelemetry
/// specification ("AnyValue representation for non-OTLP protocols").
fn write_double(out: &mut Vec<u8>, value: f64) {
    let magnitude = value.abs();
    let written = if value.is_nan() {
        write!(out, "NaN")
    } else if value.is_infinite() {
        write!(out, "{}Infinity", if value < 0.0 { "-" } else { "" })
    } else if magnitude == 0.0 || (PLAIN_MIN..PLAIN_END).contains(&magnitude) {
        write!(out, "{value}")
    } else {
        write!(out, "{value:e}")
    };
    written.expect("a Vec takes all");
}

/// A JSON string. Only ASCII bytes are touched, so UTF-8 stays UTF-8.
fn write_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => write!(out, "\\u{byte:04x}").expect("a Vec takes all"),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
pub(crate) mod tests;
