//! Protobuf bytes on their way out, bounded.

/// Bytes kept free for a length that is not known yet.
const LENGTH_BYTES: usize = 5;

/// From here on a length keeps all of [`LENGTH_BYTES`], with zeros at its upper end. Shorter contents are moved to make
/// their length the shortest: cheap, since they are in the cache, and what a label's bytes are compared by is then the
/// same as from a sender of protobuf.
const MOVED_BYTES_MAX: usize = (1 << 14) - 1;

/// A field's type on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) enum WireType {
    Varint = 0,
    Fixed64 = 1,
    Length = 2,
    Fixed32 = 5,
}

/// More than the limit would come out.
#[derive(Debug, thiserror::Error)]
#[error("more bytes than the limit would come out")]
pub(super) struct Full;

/// The bytes so far.
#[derive(Debug)]
pub(super) struct Output {
    bytes: Vec<u8>,
    bytes_max: usize,
    /// Bytes kept free for lengths that may turn out shorter.
    spare: usize,
    full: bool,
}

/// The place where the contents of an open field start.
#[derive(Debug)]
#[must_use = "a field that is opened must be closed"]
pub(super) struct Opened(usize);

impl Output {
    /// Room for at most `bytes_max`, some of it taken at once for a body of `json_bytes`.
    pub(super) fn new(bytes_max: usize, json_bytes: usize) -> Self {
        // Names and digits take more than half of the JSON.
        let bytes = Vec::with_capacity((json_bytes / 2).min(bytes_max));
        Self { bytes, bytes_max, spare: 0, full: false }
    }

    /// Whether something did not fit.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// What came out, all fields closed.
    ///
    /// # Errors
    /// When it is longer than the limit after all: a length took more of the bytes kept free for it than there was room.
    pub(super) fn finish(self) -> Result<Vec<u8>, Full> {
        debug_assert_eq!(self.spare, 0, "all fields are closed");
        if self.bytes.len() > self.bytes_max { Err(Full) } else { Ok(self.bytes) }
    }

    /// Fails when `more` bytes don't fit.
    fn room(&mut self, more: usize) -> Result<(), Full> {
        if more > self.bytes_max.saturating_add(self.spare).saturating_sub(self.bytes.len()) {
            self.full = true;
            return Err(Full);
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.room(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// A field's key.
    ///
    /// # Errors
    /// When the limit is reached; likewise below.
    pub(super) fn key(&mut self, field: u32, wire_type: WireType) -> Result<(), Full> {
        self.varint(u64::from(field) << 3 | wire_type as u64)
    }

    /// A number of variable length.
    pub(super) fn varint(&mut self, mut value: u64) -> Result<(), Full> {
        let mut digits = [0; 10];
        let mut count = 0;
        while value >= 0x80 {
            digits[count] = value as u8 | 0x80;
            value >>= 7;
            count += 1;
        }
        digits[count] = value as u8;
        self.put(&digits[..=count])
    }

    /// Four bytes.
    pub(super) fn fixed32(&mut self, value: u32) -> Result<(), Full> {
        self.put(&value.to_le_bytes())
    }

    /// Eight bytes.
    pub(super) fn fixed64(&mut self, value: u64) -> Result<(), Full> {
        self.put(&value.to_le_bytes())
    }

    /// A string or bytes, with their length before them.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.varint(bytes.len() as u64)?;
        self.put(bytes)
    }

    /// One byte of an open field.
    pub(super) fn byte(&mut self, byte: u8) -> Result<(), Full> {
        self.put(&[byte])
    }

    /// The key of a field whose length is not known yet.
    pub(super) fn open(&mut self, field: u32) -> Result<Opened, Full> {
        self.key(field, WireType::Length)?;
        self.spare += LENGTH_BYTES;
        self.put(&[0; LENGTH_BYTES])?;
        Ok(Opened(self.bytes.len()))
    }

    /// Writes the length of what came since the field was opened. The last one opened is closed first.
    pub(super) fn close(&mut self, Opened(start): Opened) {
        let length = self.bytes.len() - start;
        let place = start - LENGTH_BYTES;
        self.spare -= LENGTH_BYTES;
        if length <= MOVED_BYTES_MAX {
            let digits = 1 + usize::from(length > 0x7f);
            self.bytes.copy_within(start.., place + digits);
            self.bytes.truncate(place + digits + length);
            self.write_length(place, digits, length);
        } else {
            self.write_length(place, LENGTH_BYTES, length);
        }
    }

    fn write_length(&mut self, place: usize, digits: usize, length: usize) {
        for digit in 0..digits {
            let more = if digit + 1 < digits { 0x80 } else { 0 };
            self.bytes[place + digit] = (length >> (7 * digit)) as u8 & 0x7f | more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Field 1 around field 2 around `contents` bytes.
    fn nested(contents: usize, bytes_max: usize) -> Result<Vec<u8>, Full> {
        let mut output = Output::new(bytes_max, 0);
        let outer = output.open(1)?;
        let inner = output.open(2)?;
        (0..contents).try_for_each(|_| output.byte(7))?;
        output.close(inner);
        output.close(outer);
        output.finish()
    }

    #[test]
    fn lengths_are_read_back_whatever_they_are() {
        for contents in [0, 1, 120, 124, 125, 126, 127, 128, 129, 16_379, 16_380, 16_383, 16_384, 16_385, 100_000] {
            let bytes = nested(contents, usize::MAX).expect("room");
            let field = |bytes: &[u8], number| {
                let field = crate::wire::Slice::body(bytes).fields("M").next().expect("a field").expect("valid");
                assert_eq!((field.number, field.end()), (number, bytes.len()), "{contents}");
                field.bytes().expect("length-delimited").to_vec()
            };
            assert_eq!(field(&field(&bytes, 1), 2), vec![7; contents]);
        }
    }

    #[test]
    fn the_limit_is_what_comes_out_and_not_what_was_kept_free_on_the_way() {
        for contents in [0, 1, 100, 127, 128, 5000, 16_383, 16_384, 30_000] {
            let bytes = nested(contents, usize::MAX).expect("room").len();
            assert!(nested(contents, bytes).is_ok(), "{contents}");
            assert!(nested(contents, bytes - 1).is_err(), "{contents}");
        }
    }
}
