//! A straight line through values by least squares, put together from parts: Chan, Golub and LeVeque's update, of a covariance.
//!
//! A part has five numbers: an instant (its bits), the mean of the seconds since then, the mean of the values, the sum of the squares of the
//! seconds and that of the products of seconds and values, both around the means.

use super::accumulate::{time_of, word_of};
use crate::functions::numbers::seconds;

/// Adds a value to a part of so many.
pub(super) fn add(part: &mut [f64], count: f64, time: i64, value: f64) {
    if count == 0.0 {
        part[0] = word_of(time);
        (part[1], part[2]) = (0.0, value);
        return;
    }
    let time = seconds(time - time_of(part[0]));
    let away = (time - part[1], value - part[2]);
    part[1] += away.0 / (count + 1.0);
    part[2] += away.1 / (count + 1.0);
    part[3] += away.0 * (time - part[1]);
    part[4] += away.0 * (value - part[2]);
}

/// Puts a part of `more` values to one of `before`.
pub(super) fn merge(into: &mut [f64], before: f64, part: &[f64], more: f64) {
    if before == 0.0 {
        into.copy_from_slice(part);
        return;
    }
    let count = before + more;
    let time = seconds(time_of(part[0]) - time_of(into[0])) + part[1];
    let away = (time - into[1], part[2] - into[2]);
    into[1] += away.0 * more / count;
    into[2] += away.1 * more / count;
    into[3] += part[3] + away.0 * away.0 * before * more / count;
    into[4] += part[4] + away.0 * away.1 * before * more / count;
}

/// Per second; `None` for fewer than two values.
pub(super) fn slope(part: &[f64], count: f64) -> Option<f64> {
    (count >= 2.0).then(|| part[4] / part[3])
}

/// The line's value at an instant; `None` for fewer than two values.
pub(super) fn value_at(part: &[f64], count: f64, instant: i64) -> Option<f64> {
    slope(part, count).map(|slope| part[2] + slope * (seconds(instant - time_of(part[0])) - part[1]))
}
