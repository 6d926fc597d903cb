//! Adding histograms up, so that the result has no observation in a bucket it may not have been in.
//!
//! | of | becomes |
//! |---|---|
//! | exponential buckets | those of the coarser scale |
//! | zero buckets of different width, or buckets of different scales | the wider one, up to the next bound of the coarser scale; buckets inside of it join it |
//! | explicit buckets | those between the bounds that both have |
//! | exponential and explicit buckets | explicit ones, between those bounds that are bounds of the exponential buckets as well |
//!
//! Bounds that only one of the two has are given up, since nobody knows how the other's observations lie around them; so a
//! merge is exact, and its order does not matter (unless a sum would have too many buckets and gets coarser for it). What is given up is resolution: histograms with no bound in common become one
//! bucket.

use super::{BucketRun, Buckets, ExplicitBuckets, ExponentialBuckets, HISTOGRAM_BUCKETS_MAX, Histogram, Totals, scale};

impl Histogram {
    /// Adds another histogram's observations to this one's.
    pub fn merge(&mut self, other: &Histogram) {
        self.merge_within(other, HISTOGRAM_BUCKETS_MAX);
    }

    /// The same, but exponential buckets get coarser until there are no more than `buckets_max` of them, or as many as the longer
    /// one of the two has. `buckets_max` is at most [`HISTOGRAM_BUCKETS_MAX`].
    pub fn merge_within(&mut self, other: &Histogram, buckets_max: usize) {
        let buckets_max = buckets_max.max(self.bucket_count()).max(other.bucket_count());
        let (mine, others) = (self.count(), other.count());
        self.totals = self.totals.plus(&other.totals);
        // What holds nothing takes no bound away.
        if others == 0.0 {
            return;
        }
        if mine == 0.0 {
            self.buckets.clone_from(&other.buckets);
            return;
        }
        match (&mut self.buckets, &other.buckets) {
            (Buckets::Explicit(mine), Buckets::Explicit(others)) => mine.add(others),
            (Buckets::Exponential(mine), Buckets::Exponential(others)) => mine.add(others, buckets_max),
            (Buckets::Explicit(mine), Buckets::Exponential(others)) => mine.add_exponential(others),
            (Buckets::Exponential(mine), Buckets::Explicit(others)) => {
                let mut sum = others.clone();
                sum.add_exponential(mine);
                self.buckets = Buckets::Explicit(sum);
            }
        }
    }

    /// The same observations with every count multiplied, as for a rate. The sum is multiplied with them.
    ///
    /// `factor` is a finite number from 0.
    pub fn times(mut self, factor: f64) -> Self {
        debug_assert!(factor.is_finite() && factor >= 0.0, "counts stay counts");
        self.totals.count *= factor;
        self.totals.sum = self.totals.sum.map(|sum| sum * factor);
        let multiply = |counts: &mut Vec<f64>| counts.iter_mut().for_each(|count| *count *= factor);
        match &mut self.buckets {
            Buckets::Explicit(explicit) => multiply(&mut explicit.counts),
            Buckets::Exponential(exponential) => {
                exponential.zero_count *= factor;
                multiply(&mut exponential.positive.counts);
                multiply(&mut exponential.negative.counts);
            }
        }
        self
    }
}

impl Totals {
    fn plus(&self, other: &Totals) -> Totals {
        let both = |a: Option<f64>, b: Option<f64>, join: fn(f64, f64) -> f64| Some(join(a?, b?));
        // Nothing has no least and no greatest, and its sum is zero.
        let sum = |totals: &Totals| totals.sum.or((totals.count == 0.0).then_some(0.0));
        // A NaN says that some observations are in no bucket; it stands, also where the other sum is not known.
        let nan = [self.sum, other.sum].into_iter().flatten().find(|sum| sum.is_nan());
        let extreme = |a: Option<f64>, b: Option<f64>, join: fn(f64, f64) -> f64| match (self.count, other.count) {
            (_, 0.0) => a,
            (0.0, _) => b,
            _ => both(a, b, join),
        };
        Totals {
            count: self.count + other.count,
            sum: nan.or_else(|| both(sum(self), sum(other), |a, b| a + b)),
            min: extreme(self.min, other.min, f64::min),
            max: extreme(self.max, other.max, f64::max),
            start_time: self.start_time.zip(other.start_time).map(|(a, b)| a.min(b)),
        }
    }
}

impl ExplicitBuckets {
    fn add(&mut self, other: &ExplicitBuckets) {
        if self.bounds != other.bounds {
            let common: Vec<_> = self.bounds.iter().copied().filter(|bound| other.has(*bound)).collect();
            self.coarsen(&common);
            return self.add(&other.coarsened(&common));
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, others)| *mine += others);
    }

    fn has(&self, bound: f64) -> bool {
        self.bounds.binary_search_by(|known| known.total_cmp(&bound)).is_ok()
    }

    /// Keeps only some of its bounds.
    fn coarsen(&mut self, kept: &[f64]) {
        if kept.len() < self.bounds.len() {
            *self = self.coarsened(kept);
        }
    }

    fn coarsened(&self, kept: &[f64]) -> ExplicitBuckets {
        let mut counts = vec![0.0; kept.len() + 1];
        let mut place = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            counts[place] += count;
            place += usize::from(self.bounds.get(bucket).is_some_and(|bound| kept.get(place) == Some(bound)));
        }
        ExplicitBuckets { bounds: kept.to_vec(), counts }
    }

    /// Keeps only those bounds at which the exponential buckets can be parted, and adds these.
    fn add_exponential(&mut self, other: &ExponentialBuckets) {
        let common: Vec<_> = self.bounds.iter().copied().filter(|&bound| other.can_be_parted_at(bound)).collect();
        self.coarsen(&common);
        // What is not above zero is below every bound that is left.
        self.counts[0] += other.zero_count + other.negative.total();
        for (index, count) in other.positive.iter() {
            let upper = scale::boundary(other.scale, index + 1);
            self.counts[common.partition_point(|&bound| bound < upper)] += count;
        }
    }
}

impl ExponentialBuckets {
    fn add(&mut self, other: &ExponentialBuckets, buckets_max: usize) {
        // Without a bucket the scale says nothing: senders put any there.
        if self.length() == 0 {
            self.scale = other.scale;
        }
        let alike = self.zero_threshold == other.zero_threshold && (self.scale == other.scale || other.length() == 0);
        if alike && self.joint_length(other, 0) <= buckets_max {
            return self.add_alike(other);
        }
        let mut other = other.clone();
        self.align(&mut other, buckets_max);
        self.add_alike(&other);
    }

    fn add_alike(&mut self, other: &ExponentialBuckets) {
        self.zero_count += other.zero_count;
        self.positive.add(&other.positive);
        self.negative.add(&other.negative);
    }

    /// Brings both to one scale at which their sum has no more than `buckets_max` buckets, and to one zero bucket.
    fn align(&mut self, other: &mut ExponentialBuckets, buckets_max: usize) {
        if other.length() == 0 {
            other.scale = self.scale;
        }
        let scale = self.scale.min(other.scale);
        self.coarsen((self.scale - scale) as u32);
        other.coarsen((other.scale - scale) as u32);
        let mut by = 0;
        while self.joint_length(other, by) > buckets_max && scale - by as i8 > scale::SCALE_MIN {
            by += 1;
        }
        self.coarsen(by);
        other.coarsen(by);
        let threshold = self.zero_threshold.max(other.zero_threshold);
        let first = (threshold > 0.0).then(|| scale::index_of(self.scale, threshold) + 1);
        let threshold = first.map_or(0.0, |first| scale::boundary(self.scale, first));
        for buckets in [self, other] {
            buckets.zero_threshold = threshold;
            if let Some(first) = first {
                buckets.zero_count += buckets.positive.take_below(first) + buckets.negative.take_below(first);
            }
        }
    }

    /// Joins each 2^`by` neighbouring buckets into one.
    pub(super) fn coarsen(&mut self, by: u32) {
        if by > 0 {
            self.scale -= by as i8;
            self.positive.coarsen(by);
            self.negative.coarsen(by);
        }
    }

    /// Buckets of the sum if both were coarser by `by` steps.
    fn joint_length(&self, other: &ExponentialBuckets, by: u32) -> usize {
        self.positive.joint_length(&other.positive, by) + self.negative.joint_length(&other.negative, by)
    }

    /// Whether it is known of each observation if it is above this bound. At bounds below zero it never is: there the bound itself
    /// belongs to the bucket above.
    fn can_be_parted_at(&self, bound: f64) -> bool {
        if bound <= 0.0 {
            return bound == 0.0 && self.zero_threshold == 0.0;
        }
        let is_bound = || scale::boundary(self.scale, scale::index_of(self.scale, bound) + 1) == bound;
        bound >= self.zero_threshold && (self.length() == 0 || is_bound())
    }
}

impl BucketRun {
    fn add(&mut self, other: &BucketRun) {
        if other.counts.is_empty() {
            return;
        }
        if self.counts.is_empty() {
            self.clone_from(other);
            return;
        }
        if other.offset < self.offset {
            let missing = self.offset.abs_diff(other.offset) as usize;
            self.counts.splice(..0, std::iter::repeat_n(0.0, missing));
            self.offset = other.offset;
        }
        let start = other.offset.abs_diff(self.offset) as usize;
        let length = self.counts.len().max(start + other.counts.len());
        self.counts.resize(length, 0.0);
        self.counts[start..].iter_mut().zip(&other.counts).for_each(|(mine, others)| *mine += others);
    }

    fn joint_length(&self, other: &BucketRun, by: u32) -> usize {
        let ends = |run: &BucketRun| (i64::from(run.offset) >> by, ((run.end() - 1) >> by) + 1);
        let ((start, end), (other_start, other_end)) = match (self.counts.is_empty(), other.counts.is_empty()) {
            (true, true) => return 0,
            (true, false) => (ends(other), ends(other)),
            (false, true) => (ends(self), ends(self)),
            (false, false) => (ends(self), ends(other)),
        };
        (end.max(other_end) - start.min(other_start)) as usize
    }

    fn coarsen(&mut self, by: u32) {
        if self.counts.is_empty() {
            return;
        }
        let offset = self.offset >> by;
        let mut counts = vec![0.0; (((self.end() - 1) >> by) - i64::from(offset) + 1) as usize];
        for (index, count) in self.iter() {
            counts[((index >> by) - i64::from(offset)) as usize] += count;
        }
        *self = BucketRun { offset, counts };
    }

    /// Takes out the buckets below an index, and gives what they hold.
    pub(super) fn take_below(&mut self, index: i64) -> f64 {
        let taken = (index - i64::from(self.offset)).clamp(0, self.counts.len() as i64) as usize;
        let count = self.counts.drain(..taken).sum();
        self.offset = if self.counts.is_empty() { 0 } else { self.offset + taken as i32 };
        self.trim();
        count
    }
}
