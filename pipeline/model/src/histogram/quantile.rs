//! Quantiles and fractions, interpolated within buckets.
//!
//! The rules are those of Prometheus' native histograms (`promql/quantile.go`): within an exponential bucket observations are taken to
//! be spread evenly by their logarithm, within all others evenly. Where the least and the greatest observation are known no
//! bucket reaches beyond them. An open bucket whose end is not known begins at zero if that is below its upper bound; else its
//! observations are taken to be at the bound it has.

use super::Histogram;
use super::buckets::Bucket;

impl Histogram {
    /// The value below which the part `q` of all observations lies; `q` from 0 to 1. `None` when there is no observation or `q` is
    /// something else; NaN when it falls among observations that are NaN.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if self.count() == 0.0 || !(0.0..=1.0).contains(&q) {
            return None;
        }
        let rank = q * self.count();
        let (mut below, mut last) = (0.0, None);
        for bucket in self.buckets().ascending() {
            let bucket = self.bounded(bucket);
            if below + bucket.count >= rank {
                return Some(bucket.value_at((rank - below) / bucket.count));
            }
            below += bucket.count;
            last = Some(bucket.value_at(1.0));
        }
        if self.totals().sum.is_some_and(f64::is_nan) { Some(f64::NAN) } else { last }
    }

    /// The part of all observations that is above `lo` and not above `hi`, from 0 to 1. `None` when there is no observation or a
    /// limit is NaN.
    pub fn fraction(&self, lo: f64, hi: f64) -> Option<f64> {
        if self.count() == 0.0 || lo.is_nan() || hi.is_nan() {
            return None;
        }
        if lo >= hi {
            return Some(0.0);
        }
        let within = self.buckets().ascending().map(|bucket| {
            let bucket = self.bounded(bucket);
            bucket.count * (bucket.part_below(hi) - bucket.part_below(lo))
        });
        Some((within.sum::<f64>() / self.count()).clamp(0.0, 1.0))
    }

    /// The bucket without what lies beyond the least and the greatest observation.
    fn bounded(&self, mut bucket: Bucket) -> Bucket {
        let totals = self.totals();
        if let Some(min) = totals.min.filter(|&min| min <= bucket.upper) {
            bucket.lower = bucket.lower.max(min);
        }
        if let Some(max) = totals.max.filter(|&max| max >= bucket.lower) {
            bucket.upper = bucket.upper.min(max);
        }
        if bucket.lower == f64::NEG_INFINITY && bucket.upper > 0.0 && bucket.upper.is_finite() && !bucket.exponential {
            bucket.lower = 0.0;
        }
        bucket
    }
}

impl Bucket {
    /// The value below which the part `part` of the bucket's observations lies.
    fn value_at(&self, part: f64) -> f64 {
        let part = part.clamp(0.0, 1.0);
        match (self.lower.is_finite(), self.upper.is_finite()) {
            (true, true) => {}
            (true, false) => return self.lower,
            (false, true) => return self.upper,
            // One bucket for everything: nothing is known.
            (false, false) => return f64::NAN,
        }
        let value = if self.is_logarithmic() {
            let (from, to) = (self.lower.abs().log2(), self.upper.abs().log2());
            (from + (to - from) * part).exp2().copysign(self.upper)
        } else {
            self.lower + (self.upper - self.lower) * part
        };
        value.clamp(self.lower, self.upper)
    }

    /// The part of the bucket's observations that is not above `value`.
    fn part_below(&self, value: f64) -> f64 {
        if value >= self.upper {
            1.0
        } else if value <= self.lower || !self.lower.is_finite() || !self.upper.is_finite() {
            0.0
        } else if self.is_logarithmic() {
            let (from, to) = (self.lower.abs().log2(), self.upper.abs().log2());
            (value.abs().log2() - from) / (to - from)
        } else {
            (value - self.lower) / (self.upper - self.lower)
        }
    }

    fn is_logarithmic(&self) -> bool {
        self.exponential && self.lower != 0.0 && self.upper != 0.0 && self.lower.signum() == self.upper.signum()
    }
}
