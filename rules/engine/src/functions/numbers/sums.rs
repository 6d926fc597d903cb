//! Sums, means and moments.
//!
//! A sum carries what rounding took from it along (Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen",
//! ZAMM 54, 1974); variances are found in two passes around the mean (Chan, Golub and LeVeque, "Algorithms for computing the sample
//! variance", The American Statistician 37, 1983), which is at least as exact as Welford's one pass.

/// The sum of some numbers, as if they had been added exactly and rounded once, for all but the most contrived of them.
pub(crate) fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0_f64);
    for value in values {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() { (sum - next) + value } else { (value - next) + sum };
        sum = next;
    }
    // After an infinity the compensation is NaN.
    if sum.is_finite() { sum + lost } else { sum }
}

/// The mean of at least one number.
pub(crate) fn mean(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let total = sum(values.iter().copied());
    if total.is_infinite() && values.iter().all(|value| value.is_finite()) {
        // The sum has no place in a float, the mean has.
        return sum(values.iter().map(|value| value / count));
    }
    total / count
}

/// The mean and the variance of at least one number: of these numbers themselves (divided by n), not an estimate for others, as
/// `stdvar_over_time` of Prometheus.
pub(crate) fn mean_and_variance(values: &[f64]) -> (f64, f64) {
    let mean = mean(values);
    let count = values.len() as f64;
    let squares = sum(values.iter().map(|value| (value - mean) * (value - mean)));
    // Zero but for the rounding of the mean, which this takes out again.
    let off = sum(values.iter().map(|value| value - mean));
    let variance = (squares - off * off / count) / count;
    // Rounding may take it below zero; NaN stays.
    (mean, if variance < 0.0 { 0.0 } else { variance })
}
