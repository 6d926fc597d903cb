//! A frame: what is written and synced at once.
//!
//! ```text
//! frame := body length u32 · CRC-32 of the body u32 · position u64 · synced u64 · CRC-32 of the 24 bytes before u32 · body
//! body  := record*
//! ```
//! Integers are little-endian. `position` is the frame's own, so that bytes of another time or file are never taken for a frame of this
//! one. `synced` is how far the log was known to be durable when the frame was written: what is damaged before it is damage of the disk,
//! what is damaged behind it a torn write.

use crate::position::Position;

/// Bytes before the body.
pub(crate) const FRAME_HEADER_BYTES: usize = 28;

/// No body is longer: one that says so is damaged, and one that is gets neither written nor, by [`crate::Log::submit`], gathered.
pub(crate) const FRAME_BODY_BYTES_MAX: usize = 1 << 30;

/// Bytes of records in one frame; the rest is room for the entries and pieces of state that are written with them, of which there are at
/// most some for each source, and the newest of each key.
///
/// No body's record is as long by itself, whatever `receivers.otlp.max_body` is: a body becomes at most 4 Mi points of at most 44 bytes, 1 Mi
/// records of about 60 and 256 MiB of text (the bounds of `flyball-normalize`), and only some of that at once.
pub(crate) const FRAME_RECORDS_BYTES_MAX: usize = FRAME_BODY_BYTES_MAX / 4 * 3;

/// Bytes of records that wait, from which on nothing more should be taken in: the bodies that are worked on have room in the frame still.
pub(crate) const FRAME_RECORDS_BYTES_FULL: usize = FRAME_BODY_BYTES_MAX / 4;

const _: () =
    assert!(FRAME_RECORDS_BYTES_FULL < FRAME_RECORDS_BYTES_MAX && FRAME_RECORDS_BYTES_MAX < FRAME_BODY_BYTES_MAX);

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    body_bytes: usize,
    body_checksum: u32,
    pub(crate) synced: Position,
}

impl FrameHeader {
    /// Bytes of the whole frame.
    pub(crate) fn frame_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.body_bytes
    }

    /// Reads a header; `None` when it is damaged.
    fn parse(header: &[u8; FRAME_HEADER_BYTES]) -> Option<Self> {
        let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        let body_bytes = word(0) as usize;
        let is_whole = crc32fast::hash(&header[..24]) == word(24) && (1..=FRAME_BODY_BYTES_MAX).contains(&body_bytes);
        is_whole.then(|| Self { body_bytes, body_checksum: word(4), synced: Position(long(16)) })
    }

    /// Whether this is its body.
    fn fits(&self, body: &[u8]) -> bool {
        body.len() == self.body_bytes && crc32fast::hash(body) == self.body_checksum
    }
}

/// The frame that `bytes` begin with, if it is whole and belongs at this position.
pub(crate) fn at(bytes: &[u8], position: Position) -> Option<(FrameHeader, &[u8])> {
    // The place of a frame's own position first: it tells nearly all places apart at the price of one comparison.
    if bytes.get(8..16)? != position.0.to_le_bytes() {
        return None;
    }
    let (header, rest) = bytes.split_first_chunk()?;
    let header = FrameHeader::parse(header)?;
    let body = rest.get(..header.body_bytes)?;
    header.fits(body).then_some((header, body))
}

/// The header of a frame with this body, which comes in parts and is at most [`FRAME_BODY_BYTES_MAX`] long.
pub(crate) fn header<'b>(
    body: impl IntoIterator<Item = &'b [u8]>,
    position: Position,
    synced: Position,
) -> [u8; FRAME_HEADER_BYTES] {
    let (mut bytes, mut hasher) = (0, crc32fast::Hasher::new());
    for part in body {
        bytes += part.len();
        hasher.update(part);
    }
    debug_assert!(bytes <= FRAME_BODY_BYTES_MAX, "whoever writes it has looked");
    let body_bytes = u32::try_from(bytes).expect("at most a gibibyte");
    let mut header = [0; FRAME_HEADER_BYTES];
    header[..4].copy_from_slice(&body_bytes.to_le_bytes());
    header[4..8].copy_from_slice(&hasher.finalize().to_le_bytes());
    header[8..16].copy_from_slice(&position.0.to_le_bytes());
    header[16..24].copy_from_slice(&synced.0.to_le_bytes());
    let checksum = crc32fast::hash(&header[..24]);
    header[24..].copy_from_slice(&checksum.to_le_bytes());
    header
}

/// Fills in the header of a frame whose body stands behind [`FRAME_HEADER_BYTES`] of room.
pub(crate) fn seal(frame: &mut [u8], position: Position, synced: Position) {
    let (room, body) = frame.split_at_mut(FRAME_HEADER_BYTES);
    room.copy_from_slice(&header([&*body], position, synced));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_with_any_bit_flipped_is_not_taken() {
        let parts: [&[u8]; 3] = [b"three", b"", b" records"];
        let mut frame = [header(parts, Position(77), Position(70)).as_slice(), &parts.concat()].concat();
        let whole = frame.clone();
        seal(&mut frame, Position(77), Position(70));
        assert_eq!(frame, whole);
        let is_good = |frame: &[u8]| at(frame, Position(77)).is_some_and(|(_, body)| body == b"three records");
        assert!(is_good(&frame));
        for bit in 0..frame.len() * 8 {
            frame[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_good(&frame), "bit {bit}");
            frame[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
