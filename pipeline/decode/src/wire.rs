//! A walker over protobuf bytes: fields of a message, one after the other, as borrowed slices.
//!
//! It checks what it walks over and nothing else: a field that nobody asks for is skipped by its length. Two rules of
//! protobuf shape the interface. Fields may come in any order and a scalar may come twice (the last one counts), so a
//! view is read to its end before it is used. And a message field that comes twice is the concatenation of both, so
//! [`Nested`] walks all occurrences of a path of fields as if they were one message.

mod nested;
mod packed;

pub(crate) use nested::Extent;
pub use nested::{Nested, Repeated, Step, View};
pub(crate) use packed::zigzag;
pub use packed::{Double, Fixed64, NumberIter, Numbers, Run, Scalar, Varint, ZigZag};

use crate::error::{DecodeError, WireProblem};

/// Groups (a wire type that no message here uses) are skipped down to this depth; protobuf's own parsers stop at 100.
pub const GROUP_DEPTH_MAX: usize = 100;

/// Bytes of a body, with their place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Slice<'a> {
    /// A whole body.
    #[inline]
    pub const fn body(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// No bytes.
    #[inline]
    pub const fn empty() -> Self {
        Self { bytes: &[], offset: 0 }
    }

    /// The bytes.
    #[inline]
    pub const fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Where the bytes start in the body.
    pub const fn offset(self) -> usize {
        self.offset
    }

    /// The fields of the message in these bytes; `message` is its type's name for errors.
    #[inline]
    pub const fn fields(self, message: &'static str) -> Fields<'a> {
        Fields { rest: self.bytes, end: self.offset + self.bytes.len(), message }
    }

    /// The part between two places of the body, both inside of this slice.
    #[inline]
    fn between(self, start: usize, end: usize) -> Self {
        debug_assert!(self.offset <= start && start <= end && end <= self.offset + self.bytes.len());
        Self { bytes: &self.bytes[start - self.offset..end - self.offset], offset: start }
    }
}

/// A field of a message.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// The field's number in the schema.
    pub number: u32,
    /// Where its key starts in the body.
    pub start: usize,
    message: &'static str,
    whole: &'a [u8],
    value: Value<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(Slice<'a>),
    Group,
}

impl Value<'_> {
    const fn name(&self) -> &'static str {
        match self {
            Value::Varint(_) => "varint",
            Value::Fixed64(_) => "64-bit",
            Value::Fixed32(_) => "32-bit",
            Value::Bytes(_) => "length-delimited",
            Value::Group => "group",
        }
    }
}

impl<'a> Field<'a> {
    /// Where its value ends in the body.
    #[inline]
    pub const fn end(&self) -> usize {
        self.start + self.whole.len()
    }

    /// Key and value: the field as a message that has nothing but this field.
    pub const fn whole(&self) -> Slice<'a> {
        Slice { bytes: self.whole, offset: self.start }
    }

    /// The value of a string, bytes or message field.
    ///
    /// # Errors
    /// When the field has another wire type; likewise below.
    #[inline]
    pub fn slice(&self) -> Result<Slice<'a>, DecodeError> {
        match self.value {
            Value::Bytes(slice) => Ok(slice),
            _ => Err(self.wrong_type("length-delimited")),
        }
    }

    /// The value of a string or bytes field.
    #[inline]
    pub fn bytes(&self) -> Result<&'a [u8], DecodeError> {
        self.slice().map(Slice::bytes)
    }

    /// The value of an int, uint, bool or enum field.
    #[inline]
    pub fn varint(&self) -> Result<u64, DecodeError> {
        match self.value {
            Value::Varint(value) => Ok(value),
            _ => Err(self.wrong_type("varint")),
        }
    }

    /// The value of a fixed64, sfixed64 or double field, as bits.
    #[inline]
    pub fn fixed64(&self) -> Result<u64, DecodeError> {
        match self.value {
            Value::Fixed64(value) => Ok(value),
            _ => Err(self.wrong_type("64-bit")),
        }
    }

    /// The value of a double field.
    #[inline]
    pub fn double(&self) -> Result<f64, DecodeError> {
        self.fixed64().map(f64::from_bits)
    }

    /// The value of a fixed32 field.
    #[inline]
    pub fn fixed32(&self) -> Result<u32, DecodeError> {
        match self.value {
            Value::Fixed32(value) => Ok(value),
            _ => Err(self.wrong_type("32-bit")),
        }
    }

    #[cold]
    fn wrong_type(&self, expected: &'static str) -> DecodeError {
        DecodeError::Wire {
            offset: self.start,
            message: self.message,
            problem: WireProblem::WrongWireType { field: self.number, got: self.value.name(), expected },
        }
    }
}

/// The fields of a message in the order they were sent. Ends after the first error.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    rest: &'a [u8],
    end: usize,
    message: &'static str,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, DecodeError>;

    // A field is too large to be handed over in memory for each label and sample: that took a tenth of remote write.
    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let start = self.place();
        let field = self.field(start).map_err(|problem| {
            let offset = self.place();
            self.rest = &[];
            DecodeError::Wire { offset, message: self.message, problem }
        });
        Some(field)
    }
}

impl<'a> Fields<'a> {
    /// Walks over the occurrences of a string, bytes or message field that lie next to each other here, each shorter than 128
    /// bytes: how senders write labels and attributes. What else lies here is left to the iterator.
    #[inline]
    pub(crate) fn run(&mut self, field: u32) -> Extent {
        debug_assert!(field < 16, "the key of a field is one byte below 16");
        let key = (field << 3 | 2) as u8;
        let start = self.place();
        while let [found, length @ 0..0x80, rest @ ..] = self.rest
            && *found == key
            && let Some(rest) = rest.get(usize::from(*length)..)
        {
            self.rest = rest;
        }
        Extent::between(start, self.place())
    }

    #[inline]
    const fn place(&self) -> usize {
        self.end - self.rest.len()
    }

    #[inline]
    fn field(&mut self, start: usize) -> Result<Field<'a>, WireProblem> {
        let before = self.rest;
        let (number, wire_type) = self.key()?;
        let value = match wire_type {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array(number)?)),
            2 => {
                let length = self.varint()?;
                let offset = self.place();
                Value::Bytes(Slice { bytes: self.cut(number, length)?, offset })
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array(number)?)),
            3 => {
                self.skip_group(number)?;
                Value::Group
            }
            4 => return Err(WireProblem::UnbalancedGroup { field: number, missing: "start" }),
            other => return Err(WireProblem::BadKey { key: u64::from(number) << 3 | u64::from(other) }),
        };
        let whole = &before[..before.len() - self.rest.len()];
        Ok(Field { number, start, message: self.message, whole, value })
    }

    #[inline]
    fn key(&mut self) -> Result<(u32, u8), WireProblem> {
        let key = self.varint()?;
        match u32::try_from(key) {
            Ok(small) if small >= 8 => Ok((small >> 3, (small & 7) as u8)),
            _ => Err(WireProblem::BadKey { key }),
        }
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, WireProblem> {
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireProblem> {
        let (value, length) = varint(self.rest)?;
        self.rest = &self.rest[length..];
        Ok(value)
    }

    #[inline]
    fn cut(&mut self, field: u32, length: u64) -> Result<&'a [u8], WireProblem> {
        match usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length)) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(WireProblem::Truncated { field, needed: length, left: self.rest.len() }),
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self, field: u32) -> Result<[u8; N], WireProblem> {
        match self.rest.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => Err(WireProblem::Truncated { field, needed: N as u64, left: self.rest.len() }),
        }
    }

    /// Walks to the end of a group whose start was just read.
    #[cold]
    fn skip_group(&mut self, field: u32) -> Result<(), WireProblem> {
        let mut open = [0; GROUP_DEPTH_MAX];
        let mut depth = 1;
        open[0] = field;
        while depth > 0 {
            if self.rest.is_empty() {
                return Err(WireProblem::UnbalancedGroup { field: open[depth - 1], missing: "end" });
            }
            let (number, wire_type) = self.key()?;
            match wire_type {
                0 => drop(self.varint()?),
                1 => drop(self.array::<8>(number)?),
                2 => {
                    let length = self.varint()?;
                    self.cut(number, length)?;
                }
                5 => drop(self.array::<4>(number)?),
                3 if depth == GROUP_DEPTH_MAX => return Err(WireProblem::GroupTooDeep { max: GROUP_DEPTH_MAX }),
                3 => {
                    open[depth] = number;
                    depth += 1;
                }
                4 if open[depth - 1] == number => depth -= 1,
                4 => return Err(WireProblem::UnbalancedGroup { field: number, missing: "start" }),
                other => return Err(WireProblem::BadKey { key: u64::from(number) << 3 | u64::from(other) }),
            }
        }
        Ok(())
    }
}

/// A varint at the start of some bytes, and how many bytes it takes.
#[inline]
pub(crate) fn varint(bytes: &[u8]) -> Result<(u64, usize), WireProblem> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(10).enumerate() {
        // The tenth byte holds the 64th bit and nothing else.
        if index == 9 && byte > 1 {
            return Err(WireProblem::OverlongVarint);
        }
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Ok((value, index + 1));
        }
    }
    Err(WireProblem::UnfinishedVarint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(bytes: &[u8]) -> (usize, WireProblem) {
        let mut fields = Slice::body(bytes).fields("M");
        let error = fields.find_map(Result::err).expect("the bytes are bad");
        assert!(fields.next().is_none(), "nothing comes after an error");
        match error {
            DecodeError::Wire { offset, problem, message: "M" } => (offset, problem),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn fields_of_every_wire_type_are_walked() {
        let bytes = [8, 0x96, 1, 17, 1, 0, 0, 0, 0, 0, 0, 0, 26, 2, b'h', b'i', 37, 7, 0, 0, 0, 43, 8, 1, 51, 52, 44];
        let fields: Vec<_> = Slice::body(&bytes).fields("M").map(|field| field.expect("valid")).collect();
        assert_eq!(fields.iter().map(|field| field.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert_eq!(fields[0].varint(), Ok(150));
        assert_eq!(fields[1].fixed64(), Ok(1));
        assert_eq!(fields[2].bytes(), Ok(&b"hi"[..]));
        assert_eq!((fields[2].start, fields[2].end()), (12, 16));
        assert_eq!(fields[3].fixed32(), Ok(7));
        assert_eq!(fields[4].end(), bytes.len(), "the group and the group inside of it are skipped");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (bytes, expected) in [
            (&[8, 0x80][..], (1, WireProblem::UnfinishedVarint)),
            (&[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2], (1, WireProblem::OverlongVarint)),
            (&[0], (1, WireProblem::BadKey { key: 0 })),
            (&[8, 1, 14], (3, WireProblem::BadKey { key: 14 })),
            (&[0x80, 0x80, 0x80, 0x80, 0x10], (5, WireProblem::BadKey { key: 1 << 32 })),
            (&[10, 5, 1], (2, WireProblem::Truncated { field: 1, needed: 5, left: 1 })),
            (&[9, 1, 2], (1, WireProblem::Truncated { field: 1, needed: 8, left: 2 })),
            (&[12], (1, WireProblem::UnbalancedGroup { field: 1, missing: "start" })),
            (&[11, 19, 12], (3, WireProblem::UnbalancedGroup { field: 1, missing: "start" })),
            (&[11], (1, WireProblem::UnbalancedGroup { field: 1, missing: "end" })),
            (&[11; 101], (101, WireProblem::GroupTooDeep { max: GROUP_DEPTH_MAX })),
        ] {
            assert_eq!(problem(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_field_of_another_wire_type_is_an_error() {
        let field = Slice::body(&[8, 1]).fields("M").next().expect("one field").expect("valid");
        let error = field.bytes().expect_err("a varint is no string");
        assert_eq!(error.to_string(), "byte 0, in M: field 1 is of wire type varint instead of length-delimited");
    }
}
