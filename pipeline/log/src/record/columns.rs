//! Points as bytes: 8 to 10 a point where senders keep their order, 20 at the worst.
//!
//! ```text
//! points  := count u32 · series · times · value f64 * count
//! series  := 0 · u32 * count                         as they are
//!          | 1 · stretches u32 · (first u32 · length u32)*      numbers that follow each other
//! times   := 0 · i64 * count                         as they are
//!          | 1 · stretches u32 · (time i64 · length u32)*       one time for many
//!          | 2 · first i64 · u32 * count             milliseconds after the first
//! ```
//! Values are not packed: what a faster disk would gain the processor would lose.

use arrow::datatypes::ToByteSlice;
use flyball_model::{PointBatch, SeriesRef, UnixNanos};

use super::{BadRecord, Cursor};

#[cfg(target_endian = "big")]
compile_error!("columns are written as they lie in memory, which must be little-endian");

const RAW: u8 = 0;
const STRETCHES: u8 = 1;
const MILLIS: u8 = 2;

const NANOS_PER_MILLI: i64 = 1_000_000;

pub(super) fn encode(points: &PointBatch, out: &mut Vec<u8>) {
    out.reserve(points.len() * 12 + 64);
    out.extend((points.len() as u32).to_le_bytes());
    encode_series(points.series(), out);
    encode_times(points.times(), out);
    out.extend_from_slice(points.values().to_byte_slice());
}

fn encode_series(series: &[u32], out: &mut Vec<u8>) {
    let stretches = || series.chunk_by(|a, b| a.wrapping_add(1) == *b);
    // Eight bytes a stretch against four a point.
    if fewer_than(stretches(), series.len() / 2) {
        put_stretches(stretches().map(|stretch| (stretch[0].to_le_bytes(), stretch.len())), out);
    } else {
        out.push(RAW);
        out.extend_from_slice(series.to_byte_slice());
    }
}

fn encode_times(times: &[i64], out: &mut Vec<u8>) {
    let stretches = || times.chunk_by(|a, b| a == b);
    // Twelve bytes a stretch against four or eight a point.
    if fewer_than(stretches(), times.len() / 3) {
        put_stretches(stretches().map(|stretch| (stretch[0].to_le_bytes(), stretch.len())), out);
        return;
    }
    let first = times.iter().copied().min().unwrap_or_default();
    let fits = |time: &i64| {
        let after = time.wrapping_sub(first);
        after % NANOS_PER_MILLI == 0 && (0..=i64::from(u32::MAX) * NANOS_PER_MILLI).contains(&after)
    };
    if times.iter().all(fits) {
        out.push(MILLIS);
        out.extend(first.to_le_bytes());
        let at = out.len();
        out.resize(at + times.len() * size_of::<u32>(), 0);
        for (place, time) in out[at..].chunks_exact_mut(size_of::<u32>()).zip(times) {
            place.copy_from_slice(&(((time - first) / NANOS_PER_MILLI) as u32).to_le_bytes());
        }
    } else {
        out.push(RAW);
        out.extend_from_slice(times.to_byte_slice());
    }
}

/// Whether there are fewer, without counting further than that.
fn fewer_than(stretches: impl Iterator, max: usize) -> bool {
    stretches.take(max).count() < max
}

fn put_stretches<const N: usize>(stretches: impl Iterator<Item = ([u8; N], usize)>, out: &mut Vec<u8>) {
    out.push(STRETCHES);
    let at = out.len();
    out.extend([0; 4]);
    let mut count = 0_u32;
    for (first, length) in stretches {
        out.extend(first);
        out.extend((length as u32).to_le_bytes());
        count += 1;
    }
    out[at..at + 4].copy_from_slice(&count.to_le_bytes());
}

pub(super) fn decode(from: &mut Cursor<'_>) -> Result<PointBatch, BadRecord> {
    let count = from.u32()? as usize;
    let series: Vec<u32> = match from.byte()? {
        RAW => words(from.bytes(count * size_of::<u32>())?).map(u32::from_le_bytes).collect(),
        STRETCHES => stretches(from, count, Cursor::u32, |first, length| first..first.saturating_add(length))?,
        other => return Err(BadRecord(format!("series are written in the unknown way {other}"))),
    };
    let times: Vec<i64> = match from.byte()? {
        RAW => words(from.bytes(count * size_of::<i64>())?).map(i64::from_le_bytes).collect(),
        STRETCHES => stretches(from, count, Cursor::i64, |time, length| std::iter::repeat_n(time, length as usize))?,
        MILLIS => {
            let first = from.i64()?;
            let after = words(from.bytes(count * size_of::<u32>())?).map(u32::from_le_bytes);
            after.map(|millis| first.wrapping_add(i64::from(millis) * NANOS_PER_MILLI)).collect()
        }
        other => return Err(BadRecord(format!("times are written in the unknown way {other}"))),
    };
    let values = words(from.bytes(count * size_of::<f64>())?).map(f64::from_le_bytes);
    if series.len() != count || times.len() != count {
        return Err("its columns are of different lengths".into());
    }
    let mut points = PointBatch::with_capacity(count);
    for ((series, time), value) in series.into_iter().zip(times).zip(values) {
        points.push(SeriesRef(series), UnixNanos(time), value);
    }
    Ok(points)
}

fn words<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks().0.iter().copied()
}

/// Reads stretches that are `count` long together.
fn stretches<'a, T, I: Iterator<Item = T>>(
    from: &mut Cursor<'a>,
    count: usize,
    first: impl Fn(&mut Cursor<'a>) -> Result<T, BadRecord>,
    expand: impl Fn(T, u32) -> I,
) -> Result<Vec<T>, BadRecord> {
    let mut all = Vec::new();
    for _ in 0..from.u32()? {
        let (first, length) = (first(from)?, from.u32()?);
        if length as usize > count - all.len() {
            return Err("its stretches are longer than it is".into());
        }
        all.extend(expand(first, length));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn batch(points: &[(u32, i64, u64)]) -> PointBatch {
        let mut batch = PointBatch::default();
        for &(series, time, bits) in points {
            batch.push(SeriesRef(series), UnixNanos(time), f64::from_bits(bits));
        }
        batch
    }

    fn check(points: &[(u32, i64, u64)], bytes_max: usize) {
        let mut bytes = Vec::new();
        encode(&batch(points), &mut bytes);
        assert!(bytes.len() <= bytes_max, "{} bytes", bytes.len());
        let mut cursor = Cursor::new(&bytes);
        let back = decode(&mut cursor).expect("what was written is read");
        assert!(cursor.is_empty());
        let back: Vec<_> = back.iter().map(|(series, time, value)| (series.0, time.0, value.to_bits())).collect();
        assert_eq!(back, points);
        for cut in 0..bytes.len() {
            // Cut off or spoiled, it is an error or something else, and never a panic.
            let _ = decode(&mut Cursor::new(&bytes[..cut]));
            bytes[cut] ^= 0x81;
            let _ = decode(&mut Cursor::new(&bytes));
            bytes[cut] ^= 0x81;
        }
    }

    #[test]
    fn a_scrape_takes_eight_bytes_a_point() {
        let scrape: Vec<_> = (0..1000).map(|i| (500 + i, 1_700_000_000_123_000_000, u64::from(i))).collect();
        check(&scrape, 8_050);
        let many: Vec<_> =
            (0..1000).map(|i| (500 + i, 1_700_000_000_123_000_000 + i64::from(i) * 1_000_000, 1)).collect();
        check(&many, 12_050);
        check(&[], 16);
    }

    proptest! {
        #[test]
        fn any_points_are_read_back(points in prop::collection::vec((any::<u32>(), any::<i64>(), any::<u64>()), 0..40)) {
            check(&points, 20 * points.len() + 16);
        }

        #[test]
        fn points_in_any_order_of_few_series_and_times_are_read_back(
            points in prop::collection::vec((0_u32..6, (0_i64..3).prop_map(|t| t * 1_000_000), any::<u64>()), 0..60)
        ) {
            check(&points, 20 * points.len() + 24);
        }
    }
}
