//! What lies between neighbouring samples. All of it counts as Prometheus does (`promql/functions.go`).

use super::seconds;

/// The growth per second of a counter between its last two samples; after a reset, what it has counted since (`irate`).
pub(crate) fn instant_rate(times: &[i64], values: &[f64]) -> Option<f64> {
    let (&[.., before, last], &[.., before_at, last_at]) = (values, times) else { return None };
    let growth = if last < before { last } else { last - before };
    Some(growth / seconds(last_at - before_at))
}

/// The difference of the last two samples of a gauge (`idelta`).
pub(crate) fn instant_delta(values: &[f64]) -> Option<f64> {
    let &[.., before, last] = values else { return None };
    Some(last - before)
}

/// How often a sample differs from the one before.
pub(crate) fn changes(values: &[f64]) -> f64 {
    values.array_windows().filter(|[before, after]| is_change(*before, *after)).count() as f64
}

/// Whether a sample differs from the one before. NaN is like NaN.
pub(crate) fn is_change(before: f64, after: f64) -> bool {
    before != after && !(before.is_nan() && after.is_nan())
}

/// How often a counter fell.
pub(crate) fn resets(values: &[f64]) -> f64 {
    values.array_windows().filter(|[before, after]| is_reset(*before, *after)).count() as f64
}

/// Whether a counter fell.
pub(crate) fn is_reset(before: f64, after: f64) -> bool {
    after < before
}
