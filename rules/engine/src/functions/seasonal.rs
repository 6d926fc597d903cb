//! What `seasonal_baseline` compares with: the last sample of each series at the same phase of earlier periods.

use std::collections::HashMap;

use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use flyball_model::SeriesRef;

use super::exec::{SAMPLE_BYTES, Task};
use super::window::{Season, Window};

/// The value that each series had a period ago, two periods ago, and so on, as far as it had one: what `latest` would have given then.
/// Only windows as long as `latest` looks back are read, not the periods between them.
pub(super) fn earlier(
    task: &Task,
    season: Season,
    series: &[SeriesRef],
    reservation: &MemoryReservation,
) -> Result<HashMap<SeriesRef, Vec<f64>>> {
    let mut earlier: HashMap<SeriesRef, Vec<f64>> = HashMap::new();
    for ago in 1..=i64::from(season.count) {
        let ago = season.period.saturating_mul(ago);
        let Window { from, to } = task.window;
        let window = Window { from: from.saturating_sub(ago), to: to.saturating_sub(ago) };
        for samples in task.samples(series, window)? {
            reservation.try_grow(SAMPLE_BYTES)?;
            earlier.entry(samples.series).or_default().extend(samples.values.last());
        }
    }
    Ok(earlier)
}
