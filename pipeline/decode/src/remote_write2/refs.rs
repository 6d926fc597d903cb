//! Lists of references to symbols: `repeated uint32`, packed or not.

use crate::error::DecodeError;
use crate::wire::{Field, Fields, Slice, varint};

/// The number of a symbol in the request's table.
pub type Reference = u32;

/// The references of a message, name and value in turn.
///
/// Senders pack them into one field, whose bytes are then walked as they are. Protobuf allows them in several pieces and
/// unpacked as well; then the fields of the message are walked again.
#[derive(Debug, Clone, Copy)]
pub struct References<'a> {
    /// The packed numbers, or the whole message where they are in pieces.
    slice: Slice<'a>,
    pieces: bool,
    field: u32,
    message: &'static str,
}

impl<'a> References<'a> {
    pub(super) const fn empty(message: &'static str, field: u32) -> Self {
        Self { slice: Slice::empty(), pieces: false, field, message }
    }

    /// Takes one occurrence of the field in; `whole` is the message that has it.
    #[inline]
    pub(super) fn add(&mut self, field: &Field<'a>, whole: Slice<'a>) {
        match field.slice() {
            Ok(packed) if !self.pieces && self.slice.bytes().is_empty() => self.slice = packed,
            _ => {
                self.pieces = true;
                self.slice = whole;
            }
        }
    }

    /// The references in the order they were sent.
    pub fn iter(self) -> ReferenceIter<'a> {
        let packed = |slice: Slice<'a>| Packed { rest: slice.bytes(), end: slice.offset() + slice.bytes().len() };
        let fields = self.pieces.then(|| self.slice.fields(self.message));
        let slice = if self.pieces { Slice::empty() } else { self.slice };
        ReferenceIter { packed: packed(slice), fields, field: self.field, message: self.message }
    }
}

impl<'a> IntoIterator for References<'a> {
    type Item = Result<Reference, DecodeError>;
    type IntoIter = ReferenceIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// See [`References::iter`]. Ends after the first error.
#[derive(Debug, Clone)]
pub struct ReferenceIter<'a> {
    packed: Packed<'a>,
    fields: Option<Fields<'a>>,
    field: u32,
    message: &'static str,
}

#[derive(Debug, Clone, Copy)]
struct Packed<'a> {
    rest: &'a [u8],
    end: usize,
}

impl Iterator for ReferenceIter<'_> {
    type Item = Result<Reference, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.packed.rest {
            // Nearly all: a table of up to 128 symbols, or one of its first 16,384.
            [byte, rest @ ..] if *byte < 0x80 => {
                self.packed.rest = rest;
                Some(Ok(u32::from(*byte)))
            }
            [low, high, rest @ ..] if *high < 0x80 => {
                self.packed.rest = rest;
                Some(Ok(u32::from(*low & 0x7f) | u32::from(*high) << 7))
            }
            [] if self.fields.is_none() => None,
            _ => self.slow().transpose(),
        }
    }
}

impl ReferenceIter<'_> {
    #[cold]
    fn slow(&mut self) -> Result<Option<Reference>, DecodeError> {
        loop {
            if !self.packed.rest.is_empty() {
                return self.varint().map(Some).inspect_err(|_| self.stop());
            }
            let Some(fields) = &mut self.fields else { return Ok(None) };
            match fields.next().transpose()? {
                None => {
                    self.fields = None;
                    return Ok(None);
                }
                Some(field) if field.number != self.field => {}
                Some(field) => match field.slice() {
                    Ok(slice) => {
                        self.packed = Packed { rest: slice.bytes(), end: slice.offset() + slice.bytes().len() };
                    }
                    Err(_) => return field.varint().map(|number| Some(number as u32)).inspect_err(|_| self.stop()),
                },
            }
        }
    }

    fn stop(&mut self) {
        self.packed.rest = &[];
        self.fields = None;
    }

    fn varint(&mut self) -> Result<Reference, DecodeError> {
        let Packed { rest, end } = self.packed;
        let (value, length) = varint(rest).map_err(|problem| DecodeError::Wire {
            offset: end - rest.len(),
            message: self.message,
            problem,
        })?;
        self.packed.rest = &rest[length..];
        // Protobuf cuts a longer number to 32 bits.
        Ok(value as u32)
    }
}
