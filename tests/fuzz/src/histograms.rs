//! What holds for each native histogram that was taken.

use arrow::array::RecordBatch;
use flyball_model::Histogram;
use flyball_model::rows::histogram_rows;

/// Reads a batch back and asks each histogram for what SQL will ask.
pub(crate) fn check(batch: &RecordBatch) {
    let rows = histogram_rows(batch).expect("what was taken can be read back");
    assert_eq!(rows.len(), batch.num_rows());
    for histogram in rows.into_iter().filter_map(|row| row.histogram) {
        check_quantiles(&histogram);
        check_sums(&histogram);
    }
}

fn check_quantiles(histogram: &Histogram) {
    let quantiles = [0.0, 0.5, 0.99, 1.0].map(|q| histogram.quantile(q));
    if histogram.count() == 0.0 {
        assert_eq!(quantiles, [None; 4]);
        return;
    }
    let known: Vec<f64> = quantiles.into_iter().flatten().filter(|value| !value.is_nan()).collect();
    // Two neighbours may differ by rounding where buckets are narrower than floats are apart.
    let rises = |pair: &[f64]| pair[0] <= pair[1] + pair[1].abs() * 1e-9;
    assert!(known.windows(2).all(rises), "{quantiles:?} of {histogram:?}");
    let all = histogram.fraction(f64::NEG_INFINITY, f64::INFINITY).expect("there are observations");
    assert!((0.0..=1.0).contains(&all), "{all} of {histogram:?}");
}

fn check_sums(histogram: &Histogram) {
    let mut twice = histogram.clone();
    twice.merge(histogram);
    let (sum, expected) = (twice.count(), 2.0 * histogram.count());
    assert_eq!(sum.to_bits(), expected.to_bits(), "{histogram:?} twice is {twice:?}");
    check_quantiles(&twice);
}
