//! Which series a WHERE clause wants.

use std::sync::Arc;

use flyball_model::MetricRef;
use flyball_model::series::RegistryView;
use parking_lot::Mutex;

use crate::error::StoreError;
use crate::filter::series::{SeriesPredicate, pieces};
use crate::labels::{Dictionary, label_columns};
use crate::range::SeriesSet;
use crate::store::Store;

/// Series whose labels are made into columns at a time.
pub(super) const SERIES_AT_ONCE: usize = 8192;

/// A predicate on the labels of one metric's series.
#[derive(Debug)]
pub(super) struct WantedSeries {
    predicate: SeriesPredicate,
    /// The labels behind the predicate's columns.
    labels: Vec<Arc<str>>,
    /// What was said of the metric's first series; a plan that runs again asks only about new ones.
    answered: Mutex<Answered>,
}

#[derive(Debug, Default)]
struct Answered {
    asked: usize,
    series: SeriesSet,
}

impl WantedSeries {
    pub(super) fn new(predicate: SeriesPredicate, labels: Vec<Arc<str>>) -> Self {
        Self { predicate, labels, answered: Mutex::default() }
    }

    /// The series of the metric for which the predicate is true; the same metric each time.
    pub(super) fn of(&self, store: &Store, metric: MetricRef) -> Result<SeriesSet, StoreError> {
        let mut answered = self.answered.lock();
        let known = store.registry.read().series_of(metric).len();
        for piece in pieces(known - answered.asked, SERIES_AT_ONCE) {
            let piece = piece.start + answered.asked..piece.end + answered.asked;
            let (series, columns) = {
                let view = store.registry.read();
                let series: Vec<u32> = view.series_of(metric)[piece].iter().map(|series| series.0).collect();
                let columns = label_columns(&view, &self.labels, &series);
                (series, columns)
            };
            let answer = self.predicate.evaluate(columns)?;
            series.iter().zip(answer.values()).filter(|(_, yes)| *yes).for_each(|(&s, _)| answered.series.insert(s));
        }
        answered.asked = known;
        Ok(answered.series.clone())
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
        (metrics, names.column(keys.into_iter()))
    };
    let Some(predicate) = predicate else { return Ok(metrics) };
    let answer = predicate.evaluate(vec![names])?;
    Ok(metrics.into_iter().zip(answer.values()).filter(|(_, yes)| *yes).map(|(metric, _)| metric).collect())
}
