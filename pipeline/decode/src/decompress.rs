//! The one decompressor of the project, and it is capped.
//!
//! Memory grows with what really comes out: gzip is streamed, and a snappy block's declared length is believed only as
//! far as a block of its size can possibly reach.

#![expect(clippy::disallowed_types, reason = "this is the one capped decompressor")]

use std::io::Read;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use flyball_model::intake::Encoding;

use crate::error::DecodeError;

/// The least that is made room for; a small body mostly fits.
const FIRST_BYTES: usize = 4096;

/// The most that one byte of a snappy block can become: a copy of 64 bytes takes three bytes.
const SNAPPY_RATIO_MAX: usize = 22;

/// How the framed format of snappy begins, which some senders mix up with the block format.
const SNAPPY_FRAME_MAGIC: &[u8] = b"\xff\x06\x00\x00sNaPpY";

/// The body without its compression, at most `max` bytes. An identity body is handed on without a copy.
///
/// # Errors
/// When more than `max` bytes would come out, or the bytes are not of that encoding.
pub fn decompress(encoding: Encoding, body: &Bytes, max: usize) -> Result<Bytes, DecodeError> {
    decompress_within(encoding, body, max, |_| true)
}

/// [`decompress`] where memory is asked for: `room` is told how many bytes more are wanted before they are taken, and may say no.
///
/// # Errors
/// As [`decompress`], and [`DecodeError::NoRoom`] when `room` said no.
pub fn decompress_within(
    encoding: Encoding,
    body: &Bytes,
    max: usize,
    mut room: impl FnMut(usize) -> bool,
) -> Result<Bytes, DecodeError> {
    match encoding {
        Encoding::Identity if body.len() > max => Err(DecodeError::TooLarge { max, compressed: false }),
        Encoding::Identity => Ok(body.clone()),
        Encoding::Gzip => gzip(body, max, &mut room).map(Bytes::from),
        Encoding::Snappy => snappy(body, max, &mut room).map(Bytes::from),
    }
}

/// All members of a gzip body, one after the other, as RFC 1952 has it.
fn gzip(body: &[u8], max: usize, room: &mut impl FnMut(usize) -> bool) -> Result<Vec<u8>, DecodeError> {
    let mut decoder = MultiGzDecoder::new(body);
    let mut read = |buffer: &mut [u8], produced| {
        decoder.read(buffer).map_err(|error| DecodeError::Gzip { produced, problem: error.to_string() })
    };
    let mut out = Vec::new();
    let mut produced = 0;
    loop {
        if produced == out.len() {
            if produced == max {
                // Full to the brim: it is a body of that length only if nothing more comes.
                return match read(&mut [0], produced)? {
                    0 => Ok(out),
                    _ => Err(DecodeError::TooLarge { max, compressed: true }),
                };
            }
            let bytes = (produced * 2).max(body.len()).max(FIRST_BYTES).min(max);
            if !room(bytes - produced) {
                return Err(DecodeError::NoRoom { bytes });
            }
            out.reserve_exact(bytes - produced);
            out.resize(bytes, 0);
        }
        match read(&mut out[produced..], produced)? {
            0 => {
                out.truncate(produced);
                return Ok(out);
            }
            more => produced += more,
        }
    }
}

fn snappy(body: &[u8], max: usize, room: &mut impl FnMut(usize) -> bool) -> Result<Vec<u8>, DecodeError> {
    let problem = |problem: String| DecodeError::Snappy { problem };
    if body.starts_with(SNAPPY_FRAME_MAGIC) {
        return Err(problem("this is the framed format; remote write uses the block format".into()));
    }
    let declared = snap::raw::decompress_len(body).map_err(|error| problem(error.to_string()))?;
    if declared > max {
        return Err(DecodeError::TooLarge { max, compressed: true });
    }
    if declared > body.len().saturating_mul(SNAPPY_RATIO_MAX) {
        return Err(problem(format!("{} bytes can't become the declared {declared}", body.len())));
    }
    if !room(declared) {
        return Err(DecodeError::NoRoom { bytes: declared });
    }
    let mut out = vec![0; declared];
    snap::raw::Decoder::new().decompress(body, &mut out).map_err(|error| problem(error.to_string()))?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("a Vec takes all");
        encoder.finish().expect("a Vec takes all")
    }

    fn snapped(bytes: &[u8]) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(bytes).expect("short enough for snappy")
    }

    fn check(encoding: Encoding, body: Vec<u8>, max: usize) -> Result<Vec<u8>, DecodeError> {
        decompress(encoding, &Bytes::from(body), max).map(|bytes| bytes.to_vec())
    }

    #[test]
    fn a_body_may_be_exactly_as_long_as_the_limit() {
        let data = vec![7; 10_000];
        for (encoding, body, compressed) in [
            (Encoding::Identity, data.clone(), false),
            (Encoding::Gzip, gzipped(&data), true),
            (Encoding::Snappy, snapped(&data), true),
        ] {
            assert_eq!(check(encoding, body.clone(), 10_000).as_ref(), Ok(&data), "{encoding:?}");
            let error = check(encoding, body, 9_999);
            assert_eq!(error, Err(DecodeError::TooLarge { max: 9_999, compressed }), "{encoding:?}");
        }
    }

    #[test]
    fn room_is_asked_for_before_it_is_taken() {
        let data = vec![7; 10_000];
        for (encoding, body, length) in [
            (Encoding::Identity, data.clone(), 0),
            (Encoding::Gzip, gzipped(&data), 16_384),
            (Encoding::Snappy, snapped(&data), 10_000),
        ] {
            let body = Bytes::from(body);
            let mut asked = 0;
            let decompressed = decompress_within(encoding, &body, 20_000, |more| {
                asked += more;
                true
            });
            assert_eq!((decompressed.map(|bytes| bytes.len()), asked), (Ok(10_000), length), "{encoding:?}");
            let refused = decompress_within(encoding, &body, 20_000, |more| more < 5_000);
            assert_eq!(matches!(refused, Err(DecodeError::NoRoom { .. })), length > 0, "{encoding:?}");
        }
    }

    #[test]
    fn a_gzip_bomb_stops_at_the_limit() {
        let bomb = gzipped(&vec![0; 20_000_000]);
        assert!(bomb.len() < 100_000);
        assert_eq!(check(Encoding::Gzip, bomb, 1000), Err(DecodeError::TooLarge { max: 1000, compressed: true }));
    }

    #[test]
    fn all_members_of_a_gzip_body_are_read() {
        let mut body = gzipped(b"one ");
        body.extend(gzipped(b""));
        body.extend(gzipped(b"two"));
        assert_eq!(check(Encoding::Gzip, body, 100), Ok(b"one two".to_vec()));
    }

    #[test]
    fn a_gzip_body_that_is_cut_off_or_followed_by_garbage_is_refused() {
        let body = gzipped(&[1, 2, 3, 4, 5, 6, 7, 8, 9]);
        for cut in 0..body.len() {
            assert!(matches!(check(Encoding::Gzip, body[..cut].to_vec(), 100), Err(DecodeError::Gzip { .. })), "{cut}");
        }
        assert!(check(Encoding::Gzip, [body, b"garbage".to_vec()].concat(), 100).is_err());
    }

    #[test]
    fn a_snappy_block_that_lies_about_its_length_is_refused_before_anything_is_allocated() {
        // Declares 4 GiB - 1.
        let lie = vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0];
        assert!(matches!(check(Encoding::Snappy, lie.clone(), 1000), Err(DecodeError::TooLarge { .. })));
        assert!(matches!(check(Encoding::Snappy, lie, usize::MAX), Err(DecodeError::Snappy { .. })));
    }

    #[test]
    fn an_empty_body_is_neither_gzip_nor_snappy() {
        assert!(matches!(check(Encoding::Gzip, Vec::new(), 10), Err(DecodeError::Gzip { produced: 0, .. })));
        assert!(matches!(check(Encoding::Snappy, Vec::new(), 10), Err(DecodeError::Snappy { .. })));
        assert_eq!(check(Encoding::Identity, Vec::new(), 10), Ok(Vec::new()));
    }

    #[test]
    fn framed_snappy_is_named() {
        let error = check(Encoding::Snappy, SNAPPY_FRAME_MAGIC.to_vec(), 100).expect_err("not a block");
        assert!(error.to_string().contains("framed"), "{error}");
    }

    #[test]
    fn the_best_that_snappy_can_do_is_within_the_ratio() {
        let data = vec![0; 1 << 20];
        assert_eq!(check(Encoding::Snappy, snapped(&data), data.len()), Ok(data));
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(data in proptest::collection::vec(any::<u8>(), 0..20_000)) {
            prop_assert_eq!(check(Encoding::Gzip, gzipped(&data), data.len()), Ok(data.clone()));
            prop_assert_eq!(check(Encoding::Snappy, snapped(&data), data.len()), Ok(data));
        }

        #[test]
        fn any_bytes_end_in_at_most_the_limit(data in proptest::collection::vec(any::<u8>(), 0..500), max in 0..1000usize) {
            for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Snappy] {
                if let Ok(bytes) = check(encoding, data.clone(), max) {
                    prop_assert!(bytes.len() <= max);
                }
            }
        }
    }
}
