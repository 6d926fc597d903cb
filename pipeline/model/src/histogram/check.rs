//! What fits together and what does not.

use super::scale::{SCALE_MAX, SCALE_MIN, index_max, index_min};
use super::{BucketRun, ExponentialBuckets, HISTOGRAM_BUCKETS_MAX, Totals};

/// Sums of fractional counts may differ from the count by this part of it: they were added in another order.
const ROUNDING: f64 = 1e-6;

/// Up to here whole numbers are exact as floats: 2^53.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Why parts are no histogram.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum HistogramError {
    /// Bounds and counts don't belong together.
    #[error("{counts} bucket counts for {bounds} bounds; there must be one count more than there are bounds")]
    Lengths {
        /// How many bounds.
        bounds: usize,
        /// How many counts.
        counts: usize,
    },
    /// A bound does not lie above the one before.
    #[error("bound {index} is {bound}, which is not above {before}, the one before; sort them and send each once")]
    Bounds {
        /// Which one, from 0.
        index: usize,
        /// The bound before.
        before: f64,
        /// The bound.
        bound: f64,
    },
    /// Too many buckets.
    #[error("{buckets} buckets, at most {max} are taken; lower the scale or send fewer bounds")]
    TooManyBuckets {
        /// How many.
        buckets: usize,
        /// How many are taken.
        max: usize,
    },
    /// A count below zero, infinite or NaN.
    #[error("the count of {what} is {count}; it must be a number from 0")]
    Count {
        /// What was counted.
        what: &'static str,
        /// How many.
        count: f64,
    },
    /// The buckets hold more or less than there is.
    #[error("the count is {count} and the buckets hold {buckets} together; they must be the same")]
    Sum {
        /// The count as a whole.
        count: f64,
        /// What the buckets hold.
        buckets: f64,
    },
    /// A scale that is not taken.
    #[error("the scale is {scale}; it must be from {SCALE_MIN} to {SCALE_MAX}")]
    Scale {
        /// The scale.
        scale: i32,
    },
    /// A zero threshold below zero, infinite or NaN.
    #[error("the zero threshold is {threshold}; it must be a number from 0")]
    ZeroThreshold {
        /// The threshold.
        threshold: f64,
    },
    /// A bucket that no float can be in.
    #[error("bucket {index} at scale {scale} lies beyond all 64-bit floats, whose buckets are {min} to {max}")]
    Index {
        /// Its index, as OTLP counts.
        index: i64,
        /// The scale.
        scale: i8,
        /// The first index that is taken.
        min: i64,
        /// The last index that is taken.
        max: i64,
    },
    /// The least is above the greatest.
    #[error("min is {min} and max is {max}; min must not be above max")]
    MinMax {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
    },
}

pub(super) fn explicit(bounds: &[f64], counts: &[f64]) -> Result<(), HistogramError> {
    if counts.len() != bounds.len() + 1 {
        return Err(HistogramError::Lengths { bounds: bounds.len(), counts: counts.len() });
    }
    length(counts.len())?;
    let mut before = f64::NEG_INFINITY;
    for (index, &bound) in bounds.iter().enumerate() {
        // NaN is not above anything, and nothing above it.
        if before < bound {
            before = bound;
        } else {
            return Err(HistogramError::Bounds { index, before, bound });
        }
    }
    counts.iter().try_for_each(|&count| number("a bucket", count))
}

pub(super) fn exponential(buckets: &ExponentialBuckets) -> Result<(), HistogramError> {
    let ExponentialBuckets { scale, zero_threshold, zero_count, positive, negative } = buckets;
    self::scale(*scale)?;
    if !(zero_threshold.is_finite() && *zero_threshold >= 0.0) {
        return Err(HistogramError::ZeroThreshold { threshold: *zero_threshold });
    }
    number("the zero bucket", *zero_count)?;
    run(*scale, positive)?;
    run(*scale, negative)
}

pub(super) fn scale(scale: i8) -> Result<(), HistogramError> {
    if (SCALE_MIN..=SCALE_MAX).contains(&scale) {
        Ok(())
    } else {
        Err(HistogramError::Scale { scale: i32::from(scale) })
    }
}

pub(super) fn run(scale: i8, run: &BucketRun) -> Result<(), HistogramError> {
    if run.counts.is_empty() {
        return Ok(());
    }
    // Empty buckets may lie anywhere: senders round the length of their arrays up.
    let first = run.iter().find(|(_, count)| *count != 0.0).map(|(index, _)| index);
    let last = run.iter().rev().find(|(_, count)| *count != 0.0).map(|(index, _)| index);
    let (min, max) = (index_min(scale), index_max(scale));
    for index in first.into_iter().chain(last) {
        if !(min..=max).contains(&index) {
            return Err(HistogramError::Index { index, scale, min, max });
        }
    }
    run.counts.iter().try_for_each(|&count| number("a bucket", count))
}

pub(super) fn length(buckets: usize) -> Result<(), HistogramError> {
    if buckets <= HISTOGRAM_BUCKETS_MAX {
        Ok(())
    } else {
        Err(HistogramError::TooManyBuckets { buckets, max: HISTOGRAM_BUCKETS_MAX })
    }
}

fn number(what: &'static str, count: f64) -> Result<(), HistogramError> {
    if count.is_finite() && count >= 0.0 { Ok(()) } else { Err(HistogramError::Count { what, count }) }
}

/// Checks the totals against what the buckets hold. Without observations there is no least and no greatest, whatever stands
/// there; a NaN is none either.
pub(super) fn totals(mut totals: Totals, buckets: f64) -> Result<Totals, HistogramError> {
    let count = totals.count;
    number("all observations", count)?;
    if !buckets.is_finite() {
        return Err(HistogramError::Sum { count, buckets });
    }
    let whole = |count: f64| count.fract() == 0.0 && count <= EXACT_MAX;
    let same = if whole(count) && whole(buckets) {
        count == buckets
    } else {
        (count - buckets).abs() <= ROUNDING * count.max(buckets)
    };
    // An observation that is NaN is in no bucket, and makes the sum NaN.
    let some_are_nan = totals.sum.is_some_and(f64::is_nan) && buckets <= count;
    if !same && !some_are_nan {
        return Err(HistogramError::Sum { count, buckets });
    }
    let known = |value: Option<f64>| value.filter(|value| count > 0.0 && !value.is_nan());
    (totals.min, totals.max) = (known(totals.min), known(totals.max));
    match (totals.min, totals.max) {
        (Some(min), Some(max)) if min > max => Err(HistogramError::MinMax { min, max }),
        _ => Ok(totals),
    }
}
