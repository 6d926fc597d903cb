//! The two kinds of buckets, and both as one ascending walk.

use super::scale;

/// Where observations were counted.
#[derive(Debug, Clone, PartialEq)]
pub enum Buckets {
    /// Between bounds that the sender chose.
    Explicit(ExplicitBuckets),
    /// Between powers of a base.
    Exponential(ExponentialBuckets),
}

/// Buckets between bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplicitBuckets {
    /// Upper bounds, finite and ascending; the bound belongs to the bucket below it.
    pub bounds: Vec<f64>,
    /// One more than there are bounds: the last bucket has no upper bound.
    pub counts: Vec<f64>,
}

/// Buckets between powers of 2^(2^-scale), one run of them on each side of zero.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExponentialBuckets {
    /// How fine the buckets are: each step up halves them. [`scale::SCALE_MIN`] to [`scale::SCALE_MAX`].
    pub scale: i8,
    /// Observations up to this magnitude are in the zero bucket.
    pub zero_threshold: f64,
    /// How many those are.
    pub zero_count: f64,
    /// Observations above zero.
    pub positive: BucketRun,
    /// Observations below zero, by their magnitude.
    pub negative: BucketRun,
}

/// Neighbouring exponential buckets. The bucket `index` holds magnitudes in (base^index, base^(index + 1)], as OTLP counts
/// them; Prometheus' index of the same bucket is greater by one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BucketRun {
    /// The index of the first bucket.
    pub offset: i32,
    /// How many observations are in each.
    pub counts: Vec<f64>,
}

/// One bucket with the values it may hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bucket {
    pub(super) lower: f64,
    pub(super) upper: f64,
    pub(super) count: f64,
    /// Whether values in it are taken to be spread evenly by their logarithm.
    pub(super) exponential: bool,
}

impl BucketRun {
    /// Takes empty buckets away from both ends.
    pub(super) fn trim(&mut self) {
        let Some(first) = self.counts.iter().position(|&count| count > 0.0) else {
            *self = Self::default();
            return;
        };
        let end = self.counts.iter().rposition(|&count| count > 0.0).map_or(0, |last| last + 1);
        self.counts.truncate(end);
        self.counts.drain(..first);
        self.offset += first as i32;
    }

    /// How many observations are in all of them.
    pub(super) fn total(&self) -> f64 {
        self.counts.iter().sum()
    }

    /// The index behind the last bucket.
    pub(super) fn end(&self) -> i64 {
        i64::from(self.offset) + self.counts.len() as i64
    }

    /// The buckets with their indices, ascending.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (i64, f64)> {
        self.counts.iter().enumerate().map(|(place, &count)| (i64::from(self.offset) + place as i64, count))
    }
}

impl ExponentialBuckets {
    /// How many observations are in all of them.
    pub(super) fn total(&self) -> f64 {
        self.zero_count + self.positive.total() + self.negative.total()
    }

    /// How many buckets are held, the zero bucket not counted.
    pub(super) fn length(&self) -> usize {
        self.positive.counts.len() + self.negative.counts.len()
    }

    /// The magnitudes of a bucket. One that reaches below the zero threshold holds only what is above it.
    fn magnitudes(&self, index: i64) -> (f64, f64) {
        let (lower, upper) = (scale::boundary(self.scale, index), scale::boundary(self.scale, index + 1));
        (lower.max(self.zero_threshold).min(upper), upper)
    }

    fn zero(&self) -> Bucket {
        let (below, above) = (self.negative.counts.is_empty(), self.positive.counts.is_empty());
        // Where all other observations are on one side of zero, those near zero are taken to be too.
        let lower = if below && !above { 0.0 } else { -self.zero_threshold };
        let upper = if above && !below { 0.0 } else { self.zero_threshold };
        Bucket { lower, upper, count: self.zero_count, exponential: false }
    }
}

impl Buckets {
    /// The buckets that are not empty, by ascending values.
    pub(super) fn ascending(&self) -> impl Iterator<Item = Bucket> {
        let (explicit, exponential) = match self {
            Buckets::Explicit(explicit) => (Some(explicit), None),
            Buckets::Exponential(exponential) => (None, Some(exponential)),
        };
        let bounded = explicit.into_iter().flat_map(|ExplicitBuckets { bounds, counts }| {
            counts.iter().enumerate().map(|(place, &count)| Bucket {
                lower: place.checked_sub(1).map_or(f64::NEG_INFINITY, |below| bounds[below]),
                upper: bounds.get(place).copied().unwrap_or(f64::INFINITY),
                count,
                exponential: false,
            })
        });
        let negative = exponential.into_iter().flat_map(|buckets| {
            buckets.negative.iter().rev().map(|(index, count)| {
                let (lower, upper) = buckets.magnitudes(index);
                Bucket { lower: -upper, upper: -lower, count, exponential: true }
            })
        });
        let zero = exponential.map(ExponentialBuckets::zero);
        let positive = exponential.into_iter().flat_map(|buckets| {
            buckets.positive.iter().map(|(index, count)| {
                let (lower, upper) = buckets.magnitudes(index);
                Bucket { lower, upper, count, exponential: true }
            })
        });
        bounded.chain(negative).chain(zero).chain(positive).filter(|bucket| bucket.count > 0.0)
    }
}
