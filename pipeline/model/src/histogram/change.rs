//! What was counted between two points of one series.

use super::{BucketRun, Buckets, ExplicitBuckets, ExponentialBuckets, Histogram, Totals, scale};
use crate::time::UnixNanos;

impl Histogram {
    /// What was observed since `earlier`, an older point of the same series that was taken at `earlier_at`. `None` when counting
    /// began anew in between: then all of this histogram was observed since.
    ///
    /// Counting began anew when any count fell, when it has another start time than before and that one is not before the
    /// older point, or when buckets changed in a way that adding up can't explain: other bounds, a finer scale, a narrower
    /// zero bucket. The least and the greatest of the change are not known.
    pub fn since(&self, earlier: &Histogram, earlier_at: UnixNanos) -> Option<Histogram> {
        let (start, earlier_start) = (self.totals.start_time, earlier.totals.start_time);
        let began_anew = start != earlier_start && start.is_some_and(|start| start >= earlier_at);
        if began_anew || self.totals.count < earlier.totals.count {
            return None;
        }
        let buckets = match (&self.buckets, &earlier.buckets) {
            (Buckets::Explicit(later), Buckets::Explicit(earlier)) => Buckets::Explicit(later.since(earlier)?),
            (Buckets::Exponential(later), Buckets::Exponential(earlier)) => {
                Buckets::Exponential(later.since(earlier.clone())?)
            }
            _ => return None,
        };
        let totals = Totals {
            count: self.totals.count - earlier.totals.count,
            sum: self.totals.sum.zip(earlier.totals.sum).map(|(later, earlier)| later - earlier),
            min: None,
            max: None,
            start_time: Some(earlier_at),
        };
        Some(Histogram { totals, buckets })
    }
}

impl ExplicitBuckets {
    fn since(&self, earlier: &ExplicitBuckets) -> Option<ExplicitBuckets> {
        if self.bounds != earlier.bounds {
            return None;
        }
        let counts = self.counts.iter().zip(&earlier.counts).map(|(later, earlier)| grown(*later, *earlier));
        Some(ExplicitBuckets { bounds: self.bounds.clone(), counts: counts.collect::<Option<_>>()? })
    }
}

impl ExponentialBuckets {
    fn since(&self, mut earlier: ExponentialBuckets) -> Option<ExponentialBuckets> {
        // Without a bucket the scale says nothing: while all observations are zero, SDKs send 0.
        if earlier.length() == 0 {
            earlier.scale = self.scale;
        }
        if self.scale > earlier.scale || self.zero_threshold < earlier.zero_threshold {
            return None;
        }
        earlier.coarsen((earlier.scale - self.scale) as u32);
        if self.zero_threshold > earlier.zero_threshold {
            earlier.widen_zero_up_to(self.zero_threshold)?;
        }
        Some(ExponentialBuckets {
            scale: self.scale,
            zero_threshold: self.zero_threshold,
            zero_count: grown(self.zero_count, earlier.zero_count)?,
            positive: self.positive.since(&earlier.positive)?,
            negative: self.negative.since(&earlier.negative)?,
        })
    }
}

impl ExponentialBuckets {
    /// Widens the zero bucket to any threshold above zero. `None` when there are observations around it.
    fn widen_zero_up_to(&mut self, threshold: f64) -> Option<()> {
        let around = scale::index_of(self.scale, threshold);
        let is_bound = scale::boundary(self.scale, around + 1) == threshold;
        let cut = |run: &BucketRun| run.iter().any(|(index, count)| index == around && count > 0.0);
        if !is_bound && (cut(&self.positive) || cut(&self.negative)) {
            return None;
        }
        self.zero_threshold = threshold;
        self.zero_count += self.positive.take_below(around + 1) + self.negative.take_below(around + 1);
        Some(())
    }
}

impl BucketRun {
    fn since(&self, earlier: &BucketRun) -> Option<BucketRun> {
        let mut left = self.clone();
        for (index, count) in earlier.iter().filter(|(_, count)| *count > 0.0) {
            let place = usize::try_from(index - i64::from(self.offset)).ok()?;
            let slot = left.counts.get_mut(place)?;
            *slot = grown(*slot, count)?;
        }
        left.trim();
        Some(left)
    }
}

fn grown(later: f64, earlier: f64) -> Option<f64> {
    (later >= earlier).then_some(later - earlier)
}
