//! Exponential buckets from those that are not empty, as Prometheus sends them.

use super::check::{run as check_run, scale as check_scale};
use super::{BucketRun, ExponentialBuckets, HISTOGRAM_BUCKETS_MAX, HistogramError};

/// A bucket that is not empty: its index as OTLP counts them, and what it holds.
pub type SparseBucket = (i64, f64);

impl ExponentialBuckets {
    /// Buckets from those that are not empty, ascending. When too many lie between the first and the last, neighbours are joined until
    /// there are few enough: that takes a histogram whose fine buckets span hundreds of powers of two.
    ///
    /// # Errors
    /// When the scale is not taken, or an index lies beyond all floats.
    pub fn from_sparse(
        scale: i8,
        positive: &[SparseBucket],
        negative: &[SparseBucket],
    ) -> Result<Self, HistogramError> {
        // First of all: what is worked out below shifts by it.
        check_scale(scale)?;
        let span = |buckets: &[SparseBucket], by: u32| match (buckets.first(), buckets.last()) {
            (Some(first), Some(last)) => ((last.0 >> by) - (first.0 >> by) + 1).unsigned_abs() as usize,
            _ => 0,
        };
        for bucket in [positive.first(), positive.last(), negative.first(), negative.last()].into_iter().flatten() {
            let offset = i32::try_from(bucket.0).unwrap_or(if bucket.0 < 0 { i32::MIN } else { i32::MAX });
            check_run(scale, &BucketRun { offset, counts: vec![1.0] })?;
        }
        let mut by = 0;
        while span(positive, by) + span(negative, by) > HISTOGRAM_BUCKETS_MAX {
            by += 1;
        }
        let run = |buckets: &[SparseBucket]| {
            let mut counts = vec![0.0; span(buckets, by)];
            let offset = buckets.first().map_or(0, |first| first.0 >> by);
            buckets.iter().for_each(|&(index, count)| counts[((index >> by) - offset) as usize] += count);
            BucketRun { offset: offset as i32, counts }
        };
        Ok(Self { scale: scale - by as i8, positive: run(positive), negative: run(negative), ..Self::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_and_wide_ones_make_the_buckets_coarser() {
        let buckets = ExponentialBuckets::from_sparse(3, &[(-2, 1.0), (1, 2.0)], &[]).expect("good");
        assert_eq!((buckets.scale, buckets.positive.offset), (3, -2));
        assert_eq!(buckets.positive.counts, [1.0, 0.0, 0.0, 2.0]);
        let buckets =
            ExponentialBuckets::from_sparse(8, &[(-200_000, 1.0), (200_000, 2.0)], &[(7, 1.0)]).expect("good");
        assert_eq!((buckets.scale, buckets.positive.counts.len()), (3, 12_501));
        assert_eq!((buckets.positive.offset, buckets.negative.offset), (-6250, 0));
        assert_eq!(buckets.positive.counts.iter().sum::<f64>(), 3.0);
        assert!(ExponentialBuckets::from_sparse(0, &[(i64::MAX, 1.0)], &[]).is_err());
        assert!(ExponentialBuckets::from_sparse(0, &[(1, 1.0)], &[(-5000, 1.0)]).is_err());
    }

    #[test]
    fn a_scale_that_is_not_taken_is_an_error_whatever_the_buckets() {
        for scale in [i8::MIN, -64, -11, 21, 64, i8::MAX] {
            for buckets in [&[][..], &[(1, 1.0)], &[(-(1 << 40), 1.0), (1 << 40, 1.0)]] {
                let error = ExponentialBuckets::from_sparse(scale, buckets, &[]).expect_err("no such scale");
                assert_eq!(error, HistogramError::Scale { scale: i32::from(scale) });
            }
        }
    }
}
