//! Ids of traces and spans: bytes on the wire, lower-case hex in a column.

use arrow::array::StringBuilder;

/// The id of a trace, as in W3C trace context.
pub type TraceId = Id<16>;

/// The id of a span, as in W3C trace context.
pub type SpanId = Id<8>;

/// An id of a fixed number of bytes, not all of them zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id<const BYTES: usize>([u8; BYTES]);

/// The two digits of each byte.
const DIGITS: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    table
};

/// No id here has more bytes.
const BYTES_MAX: usize = 16;

impl<const BYTES: usize> Id<BYTES> {
    /// Takes an id. One of another length, or all zero, is none by OpenTelemetry's specification.
    #[inline]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        const { assert!(BYTES <= BYTES_MAX) };
        let id: [u8; BYTES] = bytes.try_into().ok()?;
        (id != [0; BYTES]).then_some(Self(id))
    }

    /// Appends the id's digits to a column; null where there is no id.
    #[inline]
    pub(super) fn append(id: Option<Self>, column: &mut StringBuilder) {
        let Some(Self(bytes)) = id else { return column.append_null() };
        let mut room = [[0; 2]; BYTES_MAX];
        for (digits, byte) in room.iter_mut().zip(bytes) {
            *digits = DIGITS[usize::from(byte)];
        }
        let digits = std::str::from_utf8(room[..BYTES].as_flattened()).expect("hex digits are ASCII");
        column.append_value(digits);
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Array;

    use super::*;

    #[test]
    fn ids_are_written_as_lower_case_hex() {
        let mut column = StringBuilder::new();
        TraceId::append(TraceId::new(&[0, 1, 0x0f, 0x10, 0xab, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]), &mut column);
        SpanId::append(SpanId::new(&[0xde; 8]), &mut column);
        SpanId::append(None, &mut column);
        let column = column.finish();
        assert_eq!(column.value(0), "00010f10abff00000000000000000009");
        assert_eq!(column.value(1), "dededededededede");
        assert!(column.is_null(2));
    }

    #[test]
    fn an_id_of_another_length_or_all_zero_is_none() {
        for bytes in [&[][..], &[0; 8], &[1; 7], &[1; 9], &[1; 16]] {
            assert_eq!(SpanId::new(bytes), None, "{bytes:?}");
        }
        assert_eq!(TraceId::new(&[0; 16]), None);
    }
}
