//! The samples that made an instance fire: what a person looks at first.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flyball_model::event::Identity;
use flyball_model::series::is_stream_table;
use flyball_model::{MetricRef, SeriesRef, Shape, UnixNanos};
use flyball_store::labels::labels_by_column;
use flyball_store::{Store, StoreError};
use serde::{Deserialize, Serialize};

use super::RuleEvaluator;
use crate::catalog::TableRead;
use crate::query::Database;

/// Samples kept of a violation.
pub const SAMPLES_MAX: usize = 10;

/// A point of a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When it was taken.
    pub time: UnixNanos,
    /// What was measured.
    #[serde(with = "as_text")]
    pub value: f64,
    /// The series' labels.
    pub labels: BTreeMap<String, String>,
}

/// How far back samples are looked for.
const LOOK_BACK: Duration = Duration::from_secs(3600);

/// Series whose labels are looked at together.
const SERIES_AT_ONCE: usize = 8192;

impl RuleEvaluator {
    /// The metric whose samples made the rows, if it is one of numbers and the only table that the query reads.
    pub fn single_metric(&self, database: &Database) -> Option<MetricRef> {
        let [TableRead::Metric(metric)] = self.reads() else { return None };
        let view = database.store().registry().read();
        let is_stream = is_stream_table(view.metric_name(*metric));
        (view.shape(*metric) == Shape::Numbers && !is_stream).then_some(*metric)
    }
}

/// The latest samples of a metric's series whose labels fit the identity, the newest first, as of `now` and within the hour before. A part of
/// the identity that is no label of the metric is passed over. Blocks on files.
///
/// # Errors
/// When the history can't be read.
pub fn latest_samples(
    store: &Store,
    metric: MetricRef,
    identity: &Identity,
    now: UnixNanos,
) -> Result<Vec<Sample>, StoreError> {
    let labels = labels_by_column(&store.registry().read(), metric);
    let from = now.minus(LOOK_BACK);
    let series = with_labels(store, store.series_since(metric, from.0.saturating_add(1)), &labels, identity)?;
    let mut samples: Vec<(UnixNanos, f64, SeriesRef)> = Vec::new();
    for found in store.newest_samples(metric, &series, from, now, SAMPLES_MAX)? {
        let of_series = found.times.iter().zip(&found.values);
        samples.extend(of_series.map(|(&time, &value)| (UnixNanos(time), value, found.series)));
    }
    samples.sort_by_key(|&(time, ..)| Reverse(time));
    let series: Vec<_> = samples.iter().map(|&(_, _, series)| series).collect();
    let view = store.registry().labels_of(&series)?;
    let texts = |series| {
        let text =
            |(column, label): &(String, Arc<str>)| Some((column.clone(), view.label(series, label)?.to_string()));
        labels.iter().filter_map(text).collect()
    };
    Ok(samples.into_iter().map(|(time, value, series)| Sample { time, value, labels: texts(series) }).collect())
}

/// Those series whose labels fit the identity.
fn with_labels(
    store: &Store,
    series: Vec<SeriesRef>,
    labels: &[(String, Arc<str>)],
    identity: &Identity,
) -> Result<Vec<SeriesRef>, StoreError> {
    let asked = |(column, value)| labels.iter().find(|(known, _)| known == column).map(|(_, label)| (label, value));
    let asked: Vec<(&Arc<str>, &String)> = identity.iter().filter_map(asked).collect();
    let mut found = Vec::new();
    for series in series.chunks(SERIES_AT_ONCE) {
        let view = store.registry().labels_of(series)?;
        let fits = |series: &&SeriesRef| {
            asked.iter().all(|(label, value)| view.label(**series, label).is_some_and(|known| **known == ***value))
        };
        found.extend(series.iter().filter(fits));
    }
    Ok(found)
}

/// A number exact to the last bit, as [`flyball_model::exact`] writes several.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| de::Error::custom(format!("'{text}' is no number")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Estate, NOW};
    use super::*;

    #[test]
    fn the_ten_latest_samples_of_the_series_that_fit_are_read() {
        let estate = Estate::new();
        let ago = |secs: u64| NOW.minus(Duration::from_secs(secs));
        for secs in 0..20 {
            let core = if secs % 2 == 0 { "0" } else { "1" };
            estate.point("load", &[("core", core), ("host", "it's \"a\"")], ago(secs), secs as f64);
            estate.point("load", &[("core", core), ("host", "b")], ago(secs), -1.0);
        }
        let identity = |parts: &[(&str, &str)]| parts.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let store = estate.database.store();
        let load = store.registry().read().metric("load").expect("points of it have come");
        let read = |parts: Identity| latest_samples(store, load, &parts, NOW).expect("the store can be read");
        let found = read(identity(&[("host", "it's \"a\""), ("team", "no label of the metric")]));
        assert_eq!(
            found.iter().map(|sample| sample.value).collect::<Vec<_>>(),
            (0..10).map(f64::from).collect::<Vec<_>>()
        );
        assert_eq!((found[1].time, found[1].labels["core"].as_str()), (ago(1), "1"));
        let found = read(identity(&[("host", "it's \"a\""), ("core", "1")]));
        assert_eq!(found.iter().map(|sample| sample.value).take(3).collect::<Vec<_>>(), [1.0, 3.0, 5.0]);
        assert!(read(identity(&[("host", "nobody")])).is_empty());
    }
}
