//! Histograms: explicit, exponential and Prometheus' native ones under one type, and their mathematics.
//!
//! | from | becomes |
//! |---|---|
//! | OTLP histogram, Prometheus schema -53 (custom buckets) | [`ExplicitBuckets`] |
//! | OTLP exponential histogram, Prometheus schemas -4 to 8 | [`ExponentialBuckets`] |
//!
//! Counts are floats, since Prometheus' native histograms may have fractions. An integer count is exact up to 2^53;
//! above, whoever makes the histogram rounds to the nearest float and says so.
//!
//! | file | holds |
//! |---|---|
//! | `buckets` | the two kinds of buckets, and both as one ascending walk |
//! | `check` | what fits together and what does not |
//! | `scale` | where exponential buckets begin and end |
//! | `sparse` | exponential buckets from those that are not empty |
//! | `merge` | adding histograms up |
//! | `change` | what was counted between two points of one series |
//! | `quantile` | quantiles and fractions |

mod buckets;
mod change;
mod check;
mod merge;
mod quantile;
pub mod scale;
mod sparse;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use buckets::{BucketRun, Buckets, ExplicitBuckets, ExponentialBuckets};
pub use check::HistogramError;
pub use sparse::SparseBucket;

use crate::time::UnixNanos;

/// Buckets that one histogram may have: exponential ones between the first and the last that is not empty. 16,384 cover
/// all floats at scale 3, and the sender's usual 160 buckets a hundredfold.
pub const HISTOGRAM_BUCKETS_MAX: usize = 16_384;

/// A distribution: how many observations fell in which bucket. Made by its constructors only, so its parts fit each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    totals: Totals,
    buckets: Buckets,
}

/// What is known of all observations together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Totals {
    /// How many there are; those that are NaN are counted here and in no bucket.
    pub count: f64,
    /// Their sum; `None` where the sender does not know it. NaN where one of them is.
    pub sum: Option<f64>,
    /// The least; `None` where it is not known.
    pub min: Option<f64>,
    /// The greatest; `None` where it is not known.
    pub max: Option<f64>,
    /// When counting began; `None` where it is not known.
    pub start_time: Option<UnixNanos>,
}

impl Histogram {
    /// A histogram whose bucket `i` holds what is above `bounds[i - 1]` and not above `bounds[i]`; the first and the last are
    /// open. Without bounds and counts all observations are in one bucket. An infinite last bound is taken away.
    ///
    /// # Errors
    /// When the parts don't fit each other.
    pub fn explicit(totals: Totals, mut bounds: Vec<f64>, mut counts: Vec<f64>) -> Result<Self, HistogramError> {
        if bounds.is_empty() && counts.is_empty() {
            counts.push(totals.count);
        }
        check::explicit(&bounds, &counts)?;
        if bounds.last() == Some(&f64::INFINITY) {
            bounds.pop();
            let beyond = counts.pop().unwrap_or_default();
            if let Some(last) = counts.last_mut() {
                *last += beyond;
            }
        }
        let totals = check::totals(totals, counts.iter().sum())?;
        Ok(Self { totals, buckets: Buckets::Explicit(ExplicitBuckets { bounds, counts }) })
    }

    /// A histogram with exponential buckets. Empty ones at the ends are taken away.
    ///
    /// # Errors
    /// When the parts don't fit each other.
    pub fn exponential(totals: Totals, mut buckets: ExponentialBuckets) -> Result<Self, HistogramError> {
        check::exponential(&buckets)?;
        buckets.positive.trim();
        buckets.negative.trim();
        check::length(buckets.positive.counts.len() + buckets.negative.counts.len())?;
        let totals = check::totals(totals, buckets.total())?;
        Ok(Self { totals, buckets: Buckets::Exponential(buckets) })
    }

    /// How many observations.
    pub fn count(&self) -> f64 {
        self.totals.count
    }

    /// What is known of all observations together.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The buckets.
    pub fn buckets(&self) -> &Buckets {
        &self.buckets
    }

    /// The same histogram that began to count at another time.
    pub fn started_at(mut self, start_time: Option<UnixNanos>) -> Self {
        self.set_start_time(start_time);
        self
    }

    /// Says when counting began.
    pub fn set_start_time(&mut self, start_time: Option<UnixNanos>) {
        self.totals.start_time = start_time;
    }

    /// Whether another histogram can be merged without any bound being given up: both are exponential, or they have the same bounds.
    pub fn is_like(&self, other: &Histogram) -> bool {
        match (&self.buckets, &other.buckets) {
            (Buckets::Explicit(mine), Buckets::Explicit(others)) => mine.bounds == others.bounds,
            (Buckets::Exponential(_), Buckets::Exponential(_)) => true,
            _ => false,
        }
    }

    /// How many buckets are held, empty ones between others included.
    pub fn bucket_count(&self) -> usize {
        match &self.buckets {
            Buckets::Explicit(explicit) => explicit.counts.len(),
            Buckets::Exponential(exponential) => exponential.length(),
        }
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        let floats = match &self.buckets {
            Buckets::Explicit(explicit) => explicit.bounds.capacity() + explicit.counts.capacity(),
            Buckets::Exponential(exponential) => {
                exponential.positive.counts.capacity() + exponential.negative.counts.capacity()
            }
        };
        floats * size_of::<f64>()
    }
}
