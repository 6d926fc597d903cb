//! Histograms of values that a test knows.

use super::{BucketRun, ExponentialBuckets, Histogram, Totals, scale};

fn totals(values: &[f64]) -> Totals {
    Totals {
        count: values.len() as f64,
        sum: Some(values.iter().sum()),
        min: values.iter().copied().reduce(f64::min),
        max: values.iter().copied().reduce(f64::max),
        start_time: None,
    }
}

/// The exponential histogram of some values.
pub(crate) fn exponential(values: &[f64], scale: i8, zero_threshold: f64) -> Histogram {
    let mut buckets = ExponentialBuckets { scale, zero_threshold, ..ExponentialBuckets::default() };
    for &value in values {
        if value.abs() <= zero_threshold {
            buckets.zero_count += 1.0;
            continue;
        }
        let run = if value > 0.0 { &mut buckets.positive } else { &mut buckets.negative };
        count(run, scale::index_of(scale, value.abs()) as i32);
    }
    Histogram::exponential(totals(values), buckets).expect("counted from values")
}

fn count(run: &mut BucketRun, index: i32) {
    if run.counts.is_empty() {
        run.offset = index;
    }
    while index < run.offset {
        run.counts.insert(0, 0.0);
        run.offset -= 1;
    }
    let place = (index - run.offset) as usize;
    run.counts.resize(run.counts.len().max(place + 1), 0.0);
    run.counts[place] += 1.0;
}

/// The explicit histogram of some values.
pub(crate) fn explicit(values: &[f64], bounds: &[f64]) -> Histogram {
    let mut counts = vec![0.0; bounds.len() + 1];
    values.iter().for_each(|value| counts[bounds.partition_point(|bound| bound < value)] += 1.0);
    Histogram::explicit(totals(values), bounds.to_vec(), counts).expect("counted from values")
}
