//! Readings from points: scaled, watts made from joules, parts summed.

use std::collections::BTreeMap;

use super::entries::Entry;
use super::mapping::Quantity;
use crate::samples::SeriesSamples;

/// What one row says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reading {
    pub(super) time: i64,
    pub(super) watts: Option<f64>,
    pub(super) joules: Option<f64>,
}

/// A value in the row's unit; `None` for what says nothing: a staleness marker, another NaN, an infinity.
pub(super) fn scaled(value: f64, entry: &Entry) -> Option<f64> {
    value.is_finite().then_some(value * entry.scale)
}

/// The reading that a point is by itself.
pub(super) fn reading(time: i64, value: f64, entry: &Entry) -> Option<Reading> {
    let amount = scaled(value, entry)?;
    Some(match entry.quantity {
        Quantity::Watts => {
            let watts = (!entry.zero_is_unknown || amount != 0.0).then_some(amount);
            Reading { time, watts, joules: None }
        }
        Quantity::Joules => Reading { time, watts: None, joules: Some(amount) },
    })
}

/// The readings of an entry from the samples of its parts.
pub(super) fn readings(entry: &Entry, parts: &[&SeriesSamples]) -> Vec<Reading> {
    let mut each = parts.iter().map(|samples| of_part(entry, samples));
    match parts.len() {
        0 | 1 => each.next().unwrap_or_default(),
        _ => sum(&each.collect::<Vec<_>>()),
    }
}

fn of_part(entry: &Entry, samples: &SeriesSamples) -> Vec<Reading> {
    let points = samples.times.iter().zip(&samples.values);
    let mut readings: Vec<_> = points.filter_map(|(&time, &value)| reading(time, value, entry)).collect();
    if entry.derive {
        let mut before: Option<Reading> = None;
        for reading in &mut readings {
            if let (Some(before), Some(joules)) = (before, reading.joules) {
                let spent = joules - before.joules.unwrap_or(joules);
                let seconds = (reading.time - before.time) as f64 / 1e9;
                // A counter that fell was reset; what was spent around it is not known.
                reading.watts = (spent >= 0.0).then_some(spent / seconds);
            }
            before = Some(*reading);
        }
    }
    readings
}

/// How long a silent part is waited for before the rest is taken for the whole: as long as Prometheus takes a series for alive.
const PART_ALIVE_NANOS: i64 = 300 * 1_000_000_000;

/// Adds up readings of one time. A time at which a part is missing, though it spoke before and not long ago, is left out:
/// the sum would be too small, and the rest of a scrape may still be on its way.
fn sum(parts: &[Vec<Reading>]) -> Vec<Reading> {
    let mut sums: BTreeMap<i64, (usize, Reading)> = BTreeMap::new();
    for reading in parts.iter().flatten() {
        sums.entry(reading.time)
            .and_modify(|(count, sum)| {
                *count += 1;
                sum.watts = sum.watts.zip(reading.watts).map(|(a, b)| a + b);
                sum.joules = sum.joules.zip(reading.joules).map(|(a, b)| a + b);
            })
            .or_insert((1, *reading));
    }
    let lives: Vec<_> = parts
        .iter()
        .filter_map(|part| Some((part.first()?.time, part.last()?.time.saturating_add(PART_ALIVE_NANOS))))
        .collect();
    let alive = |time: i64| lives.iter().filter(|(from, to)| (*from..=*to).contains(&time)).count();
    sums.into_values().filter(|(count, sum)| *count == alive(sum.time)).map(|(_, sum)| sum).collect()
}

#[cfg(test)]
mod tests {
    use flyball_model::SeriesRef;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn entry(quantity: Quantity, derive: bool) -> Entry {
        Entry { labels: Default::default(), quantity, scale: 1.0, zero_is_unknown: false, derive, parts: Vec::new() }
    }

    fn samples(points: &[(i64, f64)]) -> SeriesSamples {
        let (times, values) = points.iter().map(|(seconds, value)| (seconds * SECOND, *value)).unzip();
        SeriesSamples { series: SeriesRef(0), times, values }
    }

    fn row(seconds: i64, watts: Option<f64>, joules: Option<f64>) -> Reading {
        Reading { time: seconds * SECOND, watts, joules }
    }

    #[test]
    fn watts_are_the_rise_of_joules_and_unknown_at_the_start_and_after_a_reset() {
        let samples = samples(&[(0, 100.0), (10, 150.0), (20, f64::NAN), (30, 170.0), (40, 5.0), (50, 6.0)]);
        assert_eq!(
            readings(&entry(Quantity::Joules, true), &[&samples]),
            [
                row(0, None, Some(100.0)),
                row(10, Some(5.0), Some(150.0)),
                row(30, Some(1.0), Some(170.0)),
                row(40, None, Some(5.0)),
                row(50, Some(0.1), Some(6.0)),
            ]
        );
    }

    #[test]
    fn joules_beside_a_gauge_give_no_watts() {
        let samples = samples(&[(0, 100.0), (10, 150.0)]);
        let readings = readings(&entry(Quantity::Joules, false), &[&samples]);
        assert!(readings.iter().all(|reading| reading.watts.is_none()), "{readings:?}");
    }

    #[test]
    fn parts_are_summed_where_all_of_them_speak() {
        let package = samples(&[(0, 10.0), (10, 11.0), (20, 12.0), (30, 13.0), (321, 14.0)]);
        let dram = samples(&[(0, 1.0), (20, 2.0)]);
        assert_eq!(
            readings(&entry(Quantity::Watts, false), &[&package, &dram]),
            // Nothing at 10 and 30, where dram may still come; at 321 it is taken for ended.
            [row(0, Some(11.0), None), row(20, Some(14.0), None), row(321, Some(14.0), None)]
        );
    }
}
