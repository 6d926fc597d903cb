//! Reading what [`super::piece`] wrote. The bytes come from a disk, so nothing about them is believed: every length is compared with what
//! is there before room is made for it, and each total is checked like one that a sender makes.

use flyball_model::histogram::{
    BucketRun, ExponentialBuckets, HISTOGRAM_BUCKETS_MAX, HistogramError, Totals as Summary,
};
use flyball_model::{Histogram, SeriesRef, UnixNanos};

use super::histograms::HistogramTotal;
use super::newest::{Mark, Newest, Versions};
use super::numbers::NumberTotal;
use super::piece::{EXACT_MAX, FORMAT, Head, VARINT_BYTES_MAX, tag};

/// Why bytes are no running totals.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("running totals, byte {offset}: {problem}")]
pub struct TotalsError {
    /// Where in the bytes, from 0.
    pub offset: usize,
    /// What is wrong there.
    pub problem: TotalsProblem,
}

/// What is wrong with bytes that should be running totals.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TotalsProblem {
    /// They were written by a newer flyball, or by something else.
    #[error("format {found} is not known; this version of flyball reads format {FORMAT}, a newer one may read it")]
    Format {
        /// The first byte.
        found: u8,
    },
    /// They end within an entry.
    #[error("the bytes end where {what} should be")]
    CutOff {
        /// What should stand there.
        what: &'static str,
    },
    /// Something has a value that nobody writes.
    #[error("{what} is not what it may be; the bytes are damaged")]
    Value {
        /// What has it.
        what: &'static str,
    },
    /// The registry has no series of this number.
    #[error(
        "series {series} is not known, there are {known}; the journal of series belongs to another data folder, or lost some"
    )]
    Series {
        /// The number.
        series: i64,
        /// How many series there are; their numbers begin with 0.
        known: usize,
    },
    /// The parts of a histogram don't fit each other.
    #[error("{0}; the bytes are damaged")]
    Histogram(#[source] HistogramError),
}

/// A total that was read.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) series: SeriesRef,
    /// When it began.
    pub(super) start: UnixNanos,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum State {
    Number(NumberTotal),
    Histogram(HistogramTotal),
}

/// The totals of a piece. Ends after its first error; no bytes at all are no totals.
#[derive(Debug)]
pub(super) struct Entries<'b> {
    bytes: &'b [u8],
    at: usize,
    before: Head,
    series_count: usize,
}

type Read<T> = Result<T, TotalsError>;

impl<'b> Entries<'b> {
    /// The totals of a piece, of a registry with so many series.
    pub(super) fn new(bytes: &'b [u8], series_count: usize) -> Self {
        Self { bytes, at: 0, before: Head::default(), series_count }
    }

    fn entry(&mut self) -> Read<Entry> {
        if self.at == 0 {
            match self.byte("the format")? {
                FORMAT => {}
                found => return Err(TotalsError { offset: 0, problem: TotalsProblem::Format { found } }),
            }
        }
        let at = self.at;
        let tag = self.byte("a tag")?;
        let is_histogram = tag & tag::HISTOGRAM != 0;
        if tag & !(if is_histogram { tag::OF_HISTOGRAMS } else { tag::OF_NUMBERS }) != 0 {
            return Err(damaged(at, "a tag"));
        }
        let (series, start, newest) = self.head(tag)?;
        let state = if is_histogram {
            State::Histogram(HistogramTotal { sum: self.histogram(tag, start)?, newest })
        } else {
            State::Number(self.number(tag, start, newest)?)
        };
        Ok(Entry { series, start, state })
    }

    fn head(&mut self, tag: u8) -> Read<(SeriesRef, UnixNanos, Newest)> {
        let at = self.at;
        let before = self.before;
        let number = before.series.wrapping_add(self.zigzag("a series")?);
        let known = self.series_count;
        let series = u32::try_from(number).ok().filter(|&series| (series as usize) < known);
        let series =
            series.ok_or(TotalsError { offset: at, problem: TotalsProblem::Series { series: number, known } })?;
        let at = self.at;
        let version = before.version.wrapping_add(self.zigzag("a version")?);
        if !(1..=Versions::MAX as i64).contains(&version) {
            return Err(damaged(at, "a version"));
        }
        let newest = before.newest.wrapping_add(self.zigzag("the time of the newest point")?);
        let start = before.start.wrapping_add(self.zigzag("the time when it began")?);
        self.before = Head { series: number, version, newest, start };
        let at = self.at;
        let mark = match tag & tag::MARK {
            0 => None,
            _ => Some(Mark::from_le_bytes(self.eight("a mark")?).ok_or_else(|| damaged(at, "a mark"))?),
        };
        let newest = Newest { time: UnixNanos(newest), mark, version: version as u64 };
        Ok((SeriesRef(series), UnixNanos(start), newest))
    }

    fn number(&mut self, tag: u8, start: UnixNanos, newest: Newest) -> Read<NumberTotal> {
        let at = self.at;
        let sum = self.float("a sum")?;
        // It may have grown beyond all floats.
        if sum.is_nan() {
            return Err(damaged(at, "a sum"));
        }
        let at = self.at;
        let carry = if tag & tag::CARRY == 0 { 0.0 } else { self.float("a carry")? };
        if !carry.is_finite() {
            return Err(damaged(at, "a carry"));
        }
        Ok(NumberTotal { sum, carry, start, newest })
    }

    fn histogram(&mut self, tag: u8, start: UnixNanos) -> Read<Histogram> {
        let at = self.at;
        let count = self.float("a count")?;
        let mut known = |bit, what| if tag & bit == 0 { Ok(None) } else { self.float(what).map(Some) };
        let (sum, min, max) = (known(tag::SUM, "a sum")?, known(tag::MIN, "a min")?, known(tag::MAX, "a max")?);
        let totals = Summary { count, sum, min, max, start_time: Some(start) };
        let made = if tag & tag::EXPONENTIAL == 0 {
            let bounds = self.length()?;
            let bounds = (0..bounds).map(|_| self.float("a bound")).collect::<Read<Vec<_>>>()?;
            let counts = self.counts(bounds.len() + 1, tag)?;
            Histogram::explicit(totals, bounds, counts)
        } else {
            let [scale] = self.take("a scale")?;
            let (zero_threshold, zero_count) = (self.float("a zero threshold")?, self.float("a zero count")?);
            let (positive, negative) = (self.run(tag)?, self.run(tag)?);
            let scale = i8::from_le_bytes([scale]);
            Histogram::exponential(totals, ExponentialBuckets { scale, zero_threshold, zero_count, positive, negative })
        };
        made.map_err(|error| TotalsError { offset: at, problem: TotalsProblem::Histogram(error) })
    }

    fn run(&mut self, tag: u8) -> Read<BucketRun> {
        let at = self.at;
        let offset = i32::try_from(self.zigzag("an offset")?).map_err(|_| damaged(at, "an offset"))?;
        let length = self.length()?;
        Ok(BucketRun { offset, counts: self.counts(length, tag)? })
    }

    /// How many bounds or buckets follow. Each has at least a byte.
    fn length(&mut self) -> Read<usize> {
        const WHAT: &str = "a number of buckets";
        let at = self.at;
        let length = self.varint(WHAT)?;
        let left = self.bytes.len() - self.at;
        usize::try_from(length)
            .ok()
            .filter(|&length| length <= HISTOGRAM_BUCKETS_MAX.min(left))
            .ok_or_else(|| damaged(at, WHAT))
    }

    fn counts(&mut self, length: usize, tag: u8) -> Read<Vec<f64>> {
        const WHAT: &str = "the count of a bucket";
        let whole = |entries: &mut Self| {
            let at = entries.at;
            let count = entries.varint(WHAT)?;
            if count <= EXACT_MAX { Ok(count as f64) } else { Err(damaged(at, WHAT)) }
        };
        (0..length).map(|_| if tag & tag::FLOATS == 0 { whole(self) } else { self.float(WHAT) }).collect()
    }

    fn zigzag(&mut self, what: &'static str) -> Read<i64> {
        self.varint(what).map(|value| (value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn varint(&mut self, what: &'static str) -> Read<u64> {
        let at = self.at;
        let mut value = 0;
        for place in 0..VARINT_BYTES_MAX {
            let byte = self.byte(what)?;
            let bits = u64::from(byte & 0x7f);
            let shifted = bits << (7 * place);
            if shifted >> (7 * place) != bits {
                break;
            }
            value |= shifted;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(damaged(at, what))
    }

    fn float(&mut self, what: &'static str) -> Read<f64> {
        self.eight(what).map(f64::from_le_bytes)
    }

    fn eight(&mut self, what: &'static str) -> Read<[u8; 8]> {
        self.take(what)
    }

    fn byte(&mut self, what: &'static str) -> Read<u8> {
        self.take(what).map(|[byte]| byte)
    }

    fn take<const BYTES: usize>(&mut self, what: &'static str) -> Read<[u8; BYTES]> {
        let taken = self.bytes[self.at..].first_chunk::<BYTES>();
        let taken = *taken.ok_or(TotalsError { offset: self.at, problem: TotalsProblem::CutOff { what } })?;
        self.at += BYTES;
        Ok(taken)
    }
}

impl Iterator for Entries<'_> {
    type Item = Read<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at == self.bytes.len() {
            return None;
        }
        let entry = self.entry();
        if entry.is_err() {
            self.at = self.bytes.len();
        }
        Some(entry)
    }
}

fn damaged(offset: usize, what: &'static str) -> TotalsError {
    TotalsError { offset, problem: TotalsProblem::Value { what } }
}
