//! Finding the series of a point: the one place where labels are looked at.
//!
//! A cache from the raw bytes of a [`SeriesKey`] to the series goes here, before the labels are read at all.

use flyball_decode::otlp::any_value::KeyValues;
use flyball_decode::remote_write::Labels;
use flyball_model::series::LOGS;
use flyball_model::{Limits, SeriesRef, SeriesRegistry, UnixNanos, name};

use crate::fault::{Fault, Found};
use crate::labels::{Level, merge};

/// The label that holds a metric's name in remote write.
const NAME_LABEL: &[u8] = b"__name__";

/// What a series is known by, as it lies in the body.
pub(crate) enum SeriesKey<'k, 'a> {
    /// An OTLP point: its metric's name in Prometheus form, its resource's labels, and its own attributes.
    Otlp { metric: &'k str, resource: &'k Level<'a>, attributes: KeyValues<'a> },
    /// A remote write series.
    RemoteWrite { labels: Labels<'a> },
    /// The stream of log records of a resource.
    Stream { resource: &'k Level<'a> },
}

/// Finds series, with room that is kept from point to point.
#[derive(Debug)]
pub(crate) struct SeriesFinder<'n, 'a> {
    registry: &'n SeriesRegistry,
    limits: &'n Limits,
    own: Level<'a>,
    none: Level<'a>,
    merged: Vec<(&'static str, &'static str)>,
}

impl<'n, 'a> SeriesFinder<'n, 'a> {
    pub(crate) fn new(registry: &'n SeriesRegistry, limits: &'n Limits) -> Self {
        Self { registry, limits, own: Level::default(), none: Level::default(), merged: Vec::new() }
    }

    /// The series of a key, made if it is new. `at` is the time of the point that asks.
    pub(crate) fn find(&mut self, key: &SeriesKey<'_, 'a>, at: UnixNanos) -> Found<'a, SeriesRef> {
        match key {
            SeriesKey::Otlp { metric, resource, attributes } => {
                self.own.fill(*attributes, self.limits)?;
                self.resolve(metric, Some(resource), at)
            }
            SeriesKey::RemoteWrite { labels } => {
                let metric = self.fill(*labels)?;
                self.resolve(&name::metric_name(metric), None, at)
            }
            SeriesKey::Stream { resource } => {
                self.own.clear();
                self.resolve(LOGS, Some(resource), at)
            }
        }
    }

    /// Takes remote write labels as the point's own, and gives the metric's name.
    fn fill(&mut self, labels: Labels<'a>) -> Found<'a, &'a str> {
        self.own.clear();
        let mut metric = None;
        for label in labels {
            let label = label?;
            if label.name != NAME_LABEL {
                self.own.add(label.name, label.value)?;
            } else if metric.replace(label.value).is_some() {
                return Err(Fault::DuplicateLabel { label: "__name__" }.into());
            }
        }
        self.own.finish(self.limits)?;
        Ok(metric_text(metric.unwrap_or_default(), self.limits)?)
    }

    fn resolve(&mut self, metric: &str, resource: Option<&Level<'a>>, at: UnixNanos) -> Found<'a, SeriesRef> {
        let mut merged = emptied(std::mem::take(&mut self.merged));
        let found = merge(resource.unwrap_or(&self.none), &self.own, self.limits, &mut merged)
            .and_then(|()| self.registry.resolve(metric, &merged, at).map_err(Fault::SeriesCap));
        self.merged = emptied(merged);
        Ok(found?)
    }
}

/// A metric's name as text, if it may be one.
pub(crate) fn metric_text<'a>(name: &'a [u8], limits: &Limits) -> Result<&'a str, Fault<'static>> {
    match std::str::from_utf8(name) {
        Err(_) => Err(Fault::MetricNotUtf8),
        Ok("") => Err(Fault::EmptyMetricName),
        Ok(name) if name.len() > limits.label_bytes => {
            Err(Fault::MetricTooLong { bytes: name.len(), max: limits.label_bytes })
        }
        Ok(name) => Ok(name),
    }
}

/// The vector's room for pairs of another lifetime. Collecting in place, this allocates nothing.
pub(crate) fn emptied<'b>(mut pairs: Vec<(&str, &str)>) -> Vec<(&'b str, &'b str)> {
    pairs.clear();
    pairs.into_iter().map(|_| ("", "")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emptied_vector_keeps_its_room() {
        let pairs = vec![("a", "b"); 10];
        let (room, place) = (pairs.capacity(), pairs.as_ptr());
        let pairs = emptied(pairs);
        assert_eq!((pairs.len(), pairs.capacity(), pairs.as_ptr()), (0, room, place));
    }
}
