//! Prometheus' native histograms: `prometheus.Histogram` of remote write 1.0 and `io.prometheus.write.v2.Histogram` of 2.0,
//! which are the same on the wire.
//!
//! Source: `prompb/types.proto` and `prompb/io/prometheus/write/v2/types.proto` of Prometheus.

use crate::error::DecodeError;
use crate::wire::{Double, Extent, Field, Numbers, Repeated, Step, View, ZigZag, zigzag};

/// The schema of histograms with bounds of their own.
pub const CUSTOM_BUCKETS_SCHEMA: i32 = -53;

/// A native histogram.
#[derive(Debug, Clone, Copy)]
pub struct NativeHistogram<'a> {
    /// How many observations.
    pub count: Count,
    /// Their sum; the staleness marker where the series has ended.
    pub sum: f64,
    /// How fine the buckets are, or [`CUSTOM_BUCKETS_SCHEMA`].
    pub schema: i32,
    /// The greatest magnitude that counts as zero.
    pub zero_threshold: f64,
    /// How many observations count as zero.
    pub zero_count: Count,
    /// Observations below zero.
    pub negative: Side<'a>,
    /// Observations above zero; all of them where the bounds are custom.
    pub positive: Side<'a>,
    /// Whether counting began anew.
    pub reset_hint: ResetHint,
    /// Milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// The upper bounds of custom buckets.
    pub custom_values: Numbers<'a, Double, 1>,
    /// When counting began, milliseconds since the epoch; 0 where not said. Remote write 2.0 only.
    pub start_timestamp_ms: i64,
}

/// A number of observations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Count {
    /// Of an integer histogram.
    Int(u64),
    /// Of a float histogram, and of none where nothing is set.
    Float(f64),
}

/// The buckets on one side of zero: spans of neighbours, and what is in each of them.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Where the buckets are.
    pub spans: Repeated<'a, BucketSpan>,
    /// In integer histograms, how much more each bucket holds than the one before.
    pub deltas: Numbers<'a, ZigZag, 1>,
    /// In float histograms, what each bucket holds.
    pub counts: Numbers<'a, Double, 1>,
}

/// Neighbouring buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketSpan {
    /// The first span's index, or how many buckets are empty since the span before.
    pub offset: i32,
    /// How many buckets.
    pub length: u32,
}

/// What is known of whether counting began anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetHint {
    /// Nothing.
    Unknown,
    /// It did.
    Yes,
    /// It did not.
    No,
    /// Nothing is counted up: the histogram is one of what is there now.
    Gauge,
}

impl Count {
    /// The number as a float; integers beyond 2^53 are rounded to the nearest.
    pub const fn as_f64(self) -> f64 {
        match self {
            Count::Int(count) => count as f64,
            Count::Float(count) => count,
        }
    }
}

const MESSAGE: &str = "Histogram";

impl<'a> View<'a> for NativeHistogram<'a> {
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        let message = field.slice()?;
        // By the field's number.
        let mut extents = [Extent::default(); 17];
        let (mut count, mut zero_count) = (Count::Float(0.0), Count::Float(0.0));
        let (mut sum, mut schema, mut zero_threshold) = (0.0, 0, 0.0);
        let (mut reset_hint, mut timestamp_ms, mut start_timestamp_ms) = (ResetHint::Unknown, 0, 0);
        for field in message.fields(MESSAGE) {
            let field = field?;
            match field.number {
                1 => count = Count::Int(field.varint()?),
                2 => count = Count::Float(field.double()?),
                3 => sum = field.double()?,
                4 => schema = zigzag(u64::from(field.varint()? as u32)) as i32,
                5 => zero_threshold = field.double()?,
                6 => zero_count = Count::Int(field.varint()?),
                7 => zero_count = Count::Float(field.double()?),
                number @ (8..=13 | 16) => extents[number as usize].add(&field),
                14 => {
                    reset_hint = match field.varint()? as i32 {
                        1 => ResetHint::Yes,
                        2 => ResetHint::No,
                        3 => ResetHint::Gauge,
                        _ => ResetHint::Unknown,
                    }
                }
                15 => timestamp_ms = field.varint()? as i64,
                17 => start_timestamp_ms = field.varint()? as i64,
                _ => {}
            }
        }
        let side = |spans: usize, deltas: usize, counts: usize| Side {
            spans: Repeated::new(message, extents[spans], Step::new(MESSAGE, spans as u32)),
            deltas: Numbers::new(message, extents[deltas], [Step::new(MESSAGE, deltas as u32)]),
            counts: Numbers::new(message, extents[counts], [Step::new(MESSAGE, counts as u32)]),
        };
        Ok(Self {
            count,
            sum,
            schema,
            zero_threshold,
            zero_count,
            negative: side(8, 9, 10),
            positive: side(11, 12, 13),
            reset_hint,
            timestamp_ms,
            custom_values: Numbers::new(message, extents[16], [Step::new(MESSAGE, 16)]),
            start_timestamp_ms,
        })
    }
}

impl<'a> View<'a> for BucketSpan {
    fn read(field: Field<'a>) -> Result<Self, DecodeError> {
        let mut span = Self { offset: 0, length: 0 };
        for field in field.slice()?.fields("BucketSpan") {
            let field = field?;
            match field.number {
                1 => span.offset = zigzag(u64::from(field.varint()? as u32)) as i32,
                2 => span.length = field.varint()? as u32,
                _ => {}
            }
        }
        Ok(span)
    }
}

#[cfg(test)]
pub(crate) mod tests;
