//! The numbers: pure functions of the samples of one series in one window.
//!
//! | file | holds |
//! |---|---|
//! | `sums` | sums, means and moments that lose nothing of small values beside large ones |
//! | `growth` | how much a series grew over a whole window, resets and missing ends accounted for |
//! | `steps` | what lies between neighbours: the last step, changes, resets |
//! | `trend` | straight lines and double exponential smoothing |
//! | `usual` | how the last sample compares with those before: means by age, standard scores, seasons |

pub(crate) mod growth;
pub(crate) mod steps;
pub(super) mod sums;
#[cfg(test)]
mod tests;
pub(super) mod trend;
pub(super) mod usual;

/// Nanoseconds as seconds.
pub(crate) fn seconds(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}
