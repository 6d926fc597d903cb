//! Which series a WHERE clause wants.

use std::sync::Arc;

use flyball_model::MetricRef;
use flyball_model::series::RegistryView;
use parking_lot::Mutex;

use crate::error::StoreError;
use crate::filter::series::{SeriesPredicate, pieces};
use crate::labels::{Dictionary, label_columns};
use crate::range::{SeriesSet, TimeRange};
use crate::store::Store;

/// Series whose labels are made into columns at a time.
pub(super) const SERIES_AT_ONCE: usize = 8192;

/// A predicate on the labels of one metric's series.
#[derive(Debug)]
pub(super) struct WantedSeries {
    predicate: SeriesPredicate,
    /// The labels behind the predicate's columns.
    labels: Vec<Arc<str>>,
    /// What was said of which series; a plan that runs again asks only about others.
    answered: Mutex<Answered>,
}

#[derive(Debug, Default)]
struct Answered {
    asked: SeriesSet,
    wanted: SeriesSet,
}

impl WantedSeries {
    pub(super) fn new(predicate: SeriesPredicate, labels: Vec<Arc<str>>) -> Self {
        Self { predicate, labels, answered: Mutex::default() }
    }

    /// The series of the metric for which the predicate is true, but for those that have no point in the range; the same metric and range
    /// each time.
    pub(super) fn of(&self, store: &Store, metric: MetricRef, times: TimeRange) -> Result<SeriesSet, StoreError> {
        let mut answered = self.answered.lock();
        let series = store.series_since(metric, times.from).into_iter().map(|series| series.0);
        let new: Vec<u32> = series.filter(|&series| !answered.asked.contains(series)).collect();
        for piece in pieces(new.len(), SERIES_AT_ONCE) {
            let series = &new[piece];
            let answer = self.predicate.evaluate(label_columns(&store.registry, &self.labels, series)?)?;
            for (&series, yes) in series.iter().zip(answer.values()) {
                answered.asked.insert(series);
                if yes {
                    answered.wanted.insert(series);
                }
            }
        }
        Ok(answered.wanted.clone())
    }
}

impl std::fmt::Display for WantedSeries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.predicate.fmt(f)
    }
}

/// The metrics that pass `eligible` and, if there is one, a predicate on their names; sorted.
pub(super) fn metrics_named(
    store: &Store,
    predicate: Option<&SeriesPredicate>,
    eligible: impl Fn(&RegistryView<'_>, MetricRef) -> bool,
) -> Result<Vec<MetricRef>, StoreError> {
    let (metrics, names) = {
        let view = store.registry.read();
        let metrics: Vec<_> = view.metrics().filter(|&metric| eligible(&view, metric)).collect();
        let mut names = Dictionary::default();
        let keys: Vec<_> = metrics.iter().map(|&metric| Some(names.key(metric, || view.metric_name(metric)))).collect();
        (metrics, names.column(&keys, 0..keys.len() as u32))
    };
    let Some(predicate) = predicate else { return Ok(metrics) };
    let answer = predicate.evaluate(vec![names])?;
    Ok(metrics.into_iter().zip(answer.values()).filter(|(_, yes)| *yes).map(|(metric, _)| metric).collect())
}
