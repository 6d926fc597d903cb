//! Totals as bytes, for the log and its checkpoints. [`super::entries`] reads them.
//!
//! A piece is a byte for the format, and then entries up to its end, each the whole state of one total:
//!
//! | part of an entry | bytes |
//! |---|---|
//! | tag: what kind of total it is, and what follows | 1 |
//! | series, version, time of the newest point, time when it began; each as the difference to the entry before | 4 varints, zigzag |
//! | mark of the newest delta, if it has one | 8 |
//! | of a number: sum; carry, if it is not 0 | 8; 8 |
//! | of a histogram: count; sum, min and max, as far as they are known | 8; 8 each |
//! | explicit buckets: how many bounds there are; bounds | varint; 8 each |
//! | and their counts, one more | varints, or 8 each if any has a fraction |
//! | exponential buckets: scale; zero threshold; zero count | 1; 8; 8 |
//! | and for the positive and the negative side: offset; how many buckets; their counts | varint, zigzag; varint; as above |
//!
//! Numbers of 8 bytes are little-endian floats. Series of one body mostly lie close together, and their times do too, so that a
//! number without a carry takes about 20 bytes. The state of the series registry is not in here: series have the numbers that the
//! data folder knows them by.

use flyball_model::histogram::{Buckets, HISTOGRAM_BUCKETS_MAX};
use flyball_model::{SeriesRef, UnixNanos};

use super::histograms::HistogramTotal;
use super::newest::Newest;
use super::numbers::NumberTotal;

/// Bytes of a piece of a checkpoint: small beside the memory, and large beside what handing one over costs.
pub const TOTALS_PIECE_BYTES_MAX: usize = 1 << 20;

/// The format, as the first byte of a piece says it. Whoever changes what is written below gives it the next number, and goes on reading
/// this one.
pub(super) const FORMAT: u8 = 1;

/// A varint of 64 bits takes at most this many bytes.
pub(super) const VARINT_BYTES_MAX: usize = 10;

/// No entry is longer: a histogram has at most this many bounds and counts, and a dozen other parts.
const ENTRY_BYTES_MAX: usize = 2 * VARINT_BYTES_MAX * HISTOGRAM_BUCKETS_MAX + 16 * VARINT_BYTES_MAX;

const _: () = assert!(2 * ENTRY_BYTES_MAX < TOTALS_PIECE_BYTES_MAX, "a piece holds some of the largest");

/// Up to here whole numbers are exact as floats.
pub(super) const EXACT_MAX: u64 = 1 << f64::MANTISSA_DIGITS;

/// Bits of a tag.
pub(super) mod tag {
    /// A histogram; else a number.
    pub(in super::super) const HISTOGRAM: u8 = 1;
    /// There is a mark.
    pub(in super::super) const MARK: u8 = 1 << 1;
    /// Of a number: there is a carry.
    pub(in super::super) const CARRY: u8 = 1 << 2;
    /// Of a histogram: its sum is known.
    pub(in super::super) const SUM: u8 = 1 << 2;
    /// Its min is known.
    pub(in super::super) const MIN: u8 = 1 << 3;
    /// Its max is known.
    pub(in super::super) const MAX: u8 = 1 << 4;
    /// Its buckets are exponential; else explicit.
    pub(in super::super) const EXPONENTIAL: u8 = 1 << 5;
    /// A count has a fraction, or is too large for all its digits: all of them are floats.
    pub(in super::super) const FLOATS: u8 = 1 << 6;

    /// What a number's tag may have.
    pub(in super::super) const OF_NUMBERS: u8 = MARK | CARRY;
    /// What a histogram's tag may have.
    pub(in super::super) const OF_HISTOGRAMS: u8 = HISTOGRAM | MARK | SUM | MIN | MAX | EXPONENTIAL | FLOATS;
}

/// The part of an entry that is written as the difference to the one before; all 0 before the first.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Head {
    pub(super) series: i64,
    pub(super) version: i64,
    pub(super) newest: i64,
    pub(super) start: i64,
}

/// A piece in the making. Nothing is allocated before its first entry.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    bytes: Vec<u8>,
    before: Head,
}

impl Piece {
    pub(super) fn number(&mut self, series: SeriesRef, total: &NumberTotal) {
        let NumberTotal { sum, carry, start, ref newest } = *total;
        let has_carry = carry != 0.0;
        self.head(if has_carry { tag::CARRY } else { 0 }, series, newest, start);
        self.float(sum);
        if has_carry {
            self.float(carry);
        }
    }

    pub(super) fn histogram(&mut self, series: SeriesRef, total: &HistogramTotal) {
        let totals = total.sum.totals();
        let known = [(totals.sum, tag::SUM), (totals.min, tag::MIN), (totals.max, tag::MAX)];
        let mut tag =
            known.iter().fold(tag::HISTOGRAM, |tag, (value, bit)| if value.is_some() { tag | bit } else { tag });
        let runs = match total.sum.buckets() {
            Buckets::Explicit(explicit) => [&explicit.counts[..], &[]],
            Buckets::Exponential(exponential) => {
                tag |= tag::EXPONENTIAL;
                [&exponential.positive.counts[..], &exponential.negative.counts]
            }
        };
        if !runs.into_iter().flatten().all(|&count| is_whole(count)) {
            tag |= tag::FLOATS;
        }
        self.head(tag, series, &total.newest, total.start());
        self.float(totals.count);
        known.iter().filter_map(|(value, _)| *value).for_each(|value| self.float(value));
        match total.sum.buckets() {
            Buckets::Explicit(explicit) => {
                self.varint(explicit.bounds.len() as u64);
                explicit.bounds.iter().for_each(|&bound| self.float(bound));
                self.counts(&explicit.counts, tag);
            }
            Buckets::Exponential(exponential) => {
                self.bytes.extend(exponential.scale.to_le_bytes());
                self.float(exponential.zero_threshold);
                self.float(exponential.zero_count);
                for run in [&exponential.positive, &exponential.negative] {
                    self.zigzag(i64::from(run.offset));
                    self.varint(run.counts.len() as u64);
                    self.counts(&run.counts, tag);
                }
            }
        }
    }

    fn head(&mut self, tag: u8, series: SeriesRef, newest: &Newest, start: UnixNanos) {
        if self.bytes.is_empty() {
            self.bytes.push(FORMAT);
        }
        self.bytes.push(if newest.mark.is_some() { tag | tag::MARK } else { tag });
        let before = self.before;
        let head =
            Head { series: i64::from(series.0), version: newest.version as i64, newest: newest.time.0, start: start.0 };
        self.before = head;
        self.zigzag(head.series - before.series);
        self.zigzag(head.version.wrapping_sub(before.version));
        self.zigzag(head.newest.wrapping_sub(before.newest));
        self.zigzag(head.start.wrapping_sub(before.start));
        if let Some(mark) = newest.mark {
            self.bytes.extend(mark.to_le_bytes());
        }
    }

    fn counts(&mut self, counts: &[f64], tag: u8) {
        if tag & tag::FLOATS == 0 {
            counts.iter().for_each(|&count| self.varint(count as u64));
        } else {
            counts.iter().for_each(|&count| self.float(count));
        }
    }

    fn float(&mut self, value: f64) {
        self.bytes.extend(value.to_le_bytes());
    }

    /// Small numbers of either sign as small ones without.
    fn zigzag(&mut self, value: i64) {
        self.varint(((value << 1) ^ (value >> 63)) as u64);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether another entry might make it longer than [`TOTALS_PIECE_BYTES_MAX`].
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() > TOTALS_PIECE_BYTES_MAX - ENTRY_BYTES_MAX
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Begins anew and keeps the room.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.before = Head::default();
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Whether a count, which is never below 0, is a whole number with all its digits.
fn is_whole(count: f64) -> bool {
    count.fract() == 0.0 && count <= EXACT_MAX as f64
}
