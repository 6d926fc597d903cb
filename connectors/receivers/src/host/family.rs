//! A metric and its points, as the readers give them and before they are encoded.

use std::borrow::Cow;

/// All points of one metric.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Family {
    pub(super) name: Cow<'static, str>,
    /// In one line, what the values are.
    pub(super) help: Cow<'static, str>,
    /// UCUM, as OTLP wants it.
    pub(super) unit: &'static str,
    pub(super) kind: Kind,
    pub(super) points: Vec<Point>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Gauge,
    /// Only grows, and starts again with the machine.
    Counter,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) value: f64,
}

impl Family {
    /// A gauge without points.
    pub(super) fn gauge(
        name: impl Into<Cow<'static, str>>,
        unit: &'static str,
        help: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { name: name.into(), help: help.into(), unit, kind: Kind::Gauge, points: Vec::new() }
    }

    /// A monotonic, cumulative sum without points.
    pub(super) fn counter(
        name: impl Into<Cow<'static, str>>,
        unit: &'static str,
        help: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { kind: Kind::Counter, ..Self::gauge(name, unit, help) }
    }

    /// The same with one point without labels.
    pub(super) fn of(mut self, value: f64) -> Self {
        self.push(&[], value);
        self
    }

    /// Adds a point.
    pub(super) fn push(&mut self, labels: &[(&'static str, &str)], value: f64) {
        let labels = labels.iter().map(|&(name, value)| (name, value.to_owned())).collect();
        self.points.push(Point { labels, value });
    }
}

/// The value of the point with all of these labels; for tests.
#[cfg(test)]
pub(super) fn value(families: &[Family], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let family = families.iter().find(|family| family.name == name)?;
    let point = family.points.iter().find(|point| {
        labels.iter().all(|&(name, value)| point.labels.iter().any(|label| label.0 == name && label.1 == value))
    });
    point.map(|point| point.value)
}
