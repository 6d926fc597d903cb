//! Protobuf's wire format, written.

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH: u32 = 2;

/// A field with a number in it.
pub(super) fn number(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, VARINT);
    varint(out, value);
}

/// A field of eight bytes.
pub(super) fn fixed64(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, FIXED64);
    out.extend(value.to_le_bytes());
}

/// A field with a float in it.
pub(super) fn double(out: &mut Vec<u8>, field: u32, value: f64) {
    fixed64(out, field, value.to_bits());
}

/// A field with text in it.
pub(super) fn text(out: &mut Vec<u8>, field: u32, text: &str) {
    tag(out, field, LENGTH);
    varint(out, text.len() as u64);
    out.extend(text.as_bytes());
}

/// A field with a message, or packed numbers, in it. The length is known once it is written; it is turned in before it then.
pub(super) fn message(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    tag(out, field, LENGTH);
    let start = out.len();
    write(out);
    let length = out.len() - start;
    varint(out, length as u64);
    let digits = out.len() - start - length;
    out[start..].rotate_right(digits);
}

/// A number in as few bytes as it needs.
pub(super) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn tag(out: &mut Vec<u8>, field: u32, kind: u32) {
    varint(out, u64::from(field << 3 | kind));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_as_the_encoding_guide_shows_them() {
        let check = |write: fn(&mut Vec<u8>), bytes: &[u8]| {
            let mut out = Vec::new();
            write(&mut out);
            assert_eq!(out, bytes);
        };
        check(|out| number(out, 1, 150), &[0x08, 0x96, 0x01]);
        check(|out| text(out, 2, "testing"), b"\x12\x07testing");
        check(|out| message(out, 3, |out| number(out, 1, 150)), &[0x1a, 0x03, 0x08, 0x96, 0x01]);
        check(|out| double(out, 1, 1.0), &[0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
    }

    #[test]
    fn a_long_message_has_its_length_in_several_bytes() {
        let mut out = Vec::new();
        message(&mut out, 1, |out| out.extend([7; 300]));
        assert_eq!(out[..4], [0x0a, 0xac, 0x02, 7]);
        assert_eq!(out.len(), 303);
    }
}
