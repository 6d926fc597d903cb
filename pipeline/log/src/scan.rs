//! Finding the frames of a segment, and what is wrong with it.

use crate::frame;
use crate::position::Position;
use crate::segment::{SEGMENT_HEADER_BYTES, offset_of};

/// A stretch of a segment that holds no readable frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    /// Where it begins, from the start of the file.
    pub(crate) offset: u64,
    /// How long it is.
    pub(crate) bytes: u64,
    /// Whether what stood there was durable once. Else it was being written when the power went, and nobody was told of it.
    pub(crate) was_synced: bool,
}

/// What a walk over a segment found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Where the last good frame ends.
    pub(crate) end: Position,
    /// Bytes of the file up to the last one that is not zero.
    pub(crate) written: u64,
    pub(crate) gaps: Vec<Gap>,
}

/// Calls `each` with the position and the body of every good frame of a segment, and says what is between them. `segment` is the whole file; `next` is
/// where the next segment starts, if there is one: up to there all frames must be good.
pub(crate) fn frames<E>(
    segment: &[u8],
    start: Position,
    next: Option<Position>,
    mut each: impl FnMut(Position, &[u8]) -> Result<(), E>,
) -> Result<Found, E> {
    let limit = next.map_or(segment.len() as u64, |next| offset_of(start, next).min(segment.len() as u64)) as usize;
    let segment = &segment[..limit];
    // What was set aside and never written reads as zeros, where no frame begins.
    let written = segment.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let position = |offset: usize| Position(start.0 + (offset - SEGMENT_HEADER_BYTES) as u64);
    let mut found = Found { end: start, written: written as u64, gaps: Vec::new() };
    let mut offset = SEGMENT_HEADER_BYTES;
    while offset < segment.len() {
        if let Some((header, body)) = frame::at(&segment[offset..], position(offset)) {
            each(position(offset), body)?;
            offset += header.frame_bytes();
            found.end = position(offset);
            continue;
        }
        let good =
            (offset + 1..written).find_map(|later| Some((later, frame::at(&segment[later..], position(later))?.0)));
        let Some((later, header)) = good else { break };
        let was_synced = next.is_some() || header.synced > position(offset);
        found.gaps.push(Gap { offset: offset as u64, bytes: (later - offset) as u64, was_synced });
        offset = later;
    }
    if let Some(next) = next.filter(|&next| found.end < next) {
        let (offset, bytes) = (offset_of(start, found.end), next.0 - found.end.0);
        found.gaps.push(Gap { offset, bytes, was_synced: true });
        found.end = next;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FRAME_HEADER_BYTES;

    /// A segment of three frames with bodies of `a`, `b` and `c`, each written when the ones before it were synced.
    fn segment(start: u64) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = vec![0; SEGMENT_HEADER_BYTES];
        let mut offsets = Vec::new();
        for letter in [b'a', b'b', b'c'] {
            let position = Position(start + (bytes.len() - SEGMENT_HEADER_BYTES) as u64);
            let mut group = vec![0; FRAME_HEADER_BYTES];
            group.extend([letter; 10]);
            frame::seal(&mut group, position, position);
            offsets.push(bytes.len());
            bytes.extend(group);
        }
        offsets.push(bytes.len());
        bytes.extend([0; 100]);
        (bytes, offsets)
    }

    fn walk(bytes: &[u8], start: u64, next: Option<u64>) -> (String, Found) {
        let mut letters = String::new();
        let found = frames(bytes, Position(start), next.map(Position), |_, body| {
            letters.push(char::from(body[0]));
            Ok::<_, ()>(())
        });
        (letters, found.expect("each never fails"))
    }

    #[test]
    fn a_torn_tail_is_no_damage_and_a_bad_frame_before_a_good_one_is() {
        let (good, offsets) = segment(5000);
        let end = |offset: usize| Position(5000 + (offset - SEGMENT_HEADER_BYTES) as u64);
        let (letters, found) = walk(&good, 5000, None);
        assert_eq!((letters.as_str(), found.end, found.gaps.len()), ("abc", end(offsets[3]), 0));

        let mut torn = good.clone();
        torn[offsets[3] - 1] ^= 1;
        let (letters, found) = walk(&torn, 5000, None);
        assert_eq!((letters.as_str(), found.end, found.gaps.len()), ("ab", end(offsets[2]), 0));

        let mut damaged = good.clone();
        damaged[offsets[1] + 30] ^= 1;
        let (letters, found) = walk(&damaged, 5000, None);
        let gap = Gap { offset: offsets[1] as u64, bytes: (offsets[2] - offsets[1]) as u64, was_synced: true };
        assert_eq!((letters.as_str(), found.end, found.gaps), ("ac", end(offsets[3]), vec![gap]));
    }

    #[test]
    fn what_stands_behind_the_start_of_the_next_segment_is_void() {
        let (good, offsets) = segment(0);
        let next = (offsets[2] - SEGMENT_HEADER_BYTES) as u64;
        let (letters, found) = walk(&good, 0, Some(next));
        assert_eq!((letters.as_str(), found.end, found.gaps.len()), ("ab", Position(next), 0));
        // And what is missing before it is damage.
        let (letters, found) = walk(&good[..offsets[1] + 3], 0, Some(next));
        let gap = Gap { offset: offsets[1] as u64, bytes: (offsets[2] - offsets[1]) as u64, was_synced: true };
        assert_eq!((letters.as_str(), found.gaps), ("a", vec![gap]));
    }

    #[test]
    fn frames_of_another_place_are_not_taken() {
        let (good, _) = segment(5000);
        assert_eq!(walk(&good, 5001, None).0, "");
    }
}
