//! What is known of a metric beside its points.

use serde::{Deserialize, Serialize};

/// What a metric's values mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Not said by the sender (remote write without metadata).
    #[default]
    Unknown,
    /// A value that goes up and down.
    Gauge,
    /// A cumulative sum that only grows, and restarts at zero.
    Counter,
    /// A sum that may also fall.
    UpDownCounter,
    /// A distribution: native where the metric has histogram points, else the family of classic `_bucket` series.
    Histogram,
    /// Quantiles that the sender computed.
    Summary,
    /// A constant 1 that carries labels (OpenMetrics).
    Info,
    /// 0 or 1 a state (OpenMetrics).
    StateSet,
    /// Log records: the streams of the table `logs`.
    Log,
}

impl Kind {
    /// The word that stands in `flyball.metric_info`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Unknown => "unknown",
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::UpDownCounter => "up_down_counter",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
            Kind::Info => "info",
            Kind::StateSet => "state_set",
            Kind::Log => "log",
        }
    }
}

/// What the points of a metric are made of; fixed by its first series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A number each.
    Numbers,
    /// A histogram each.
    Histograms,
    /// No points: the streams of a table of records (`logs`, `spans`, `texts`).
    Streams,
}

impl Shape {
    /// The word in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Shape::Numbers => "numbers",
            Shape::Histograms => "native histograms",
            Shape::Streams => "records that are no points",
        }
    }
}

/// How successive points of a sum relate. What is stored is always cumulative; this says what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Temporality {
    /// Each point is the total since the start.
    Cumulative,
    /// Each point is the change since the last one.
    Delta,
}

impl Temporality {
    /// The word that stands in `flyball.metric_info`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Temporality::Cumulative => "cumulative",
            Temporality::Delta => "delta",
        }
    }
}

/// A row of `flyball.metric_info`. The latest word of any sender wins; an empty one never overwrites.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MetricInfo {
    /// The name as sent, before it was put in Prometheus form: `http.server.duration`.
    pub original: String,
    /// What the values mean.
    pub kind: Kind,
    /// The unit as sent (UCUM in OTLP: `By`, `s`); empty when not said.
    pub unit: String,
    /// How the sender counts; `None` for what is not a sum.
    pub temporality: Option<Temporality>,
    /// Whether the sum only grows; `None` for what is not a sum.
    pub monotonic: Option<bool>,
    /// The description; empty when not said.
    pub help: String,
    /// What its points are made of; `None` before its first series. The registry sets it, no sender.
    #[serde(default)]
    pub shape: Option<Shape>,
}

impl MetricInfo {
    /// Bytes of its text.
    pub(crate) fn text_bytes(&self) -> usize {
        self.original.len() + self.unit.len() + self.help.len()
    }

    /// Takes over what `newer` says. Returns whether anything changed.
    pub fn merge(&mut self, newer: &MetricInfo) -> bool {
        let before = self.clone();
        if !newer.original.is_empty() {
            self.original.clone_from(&newer.original);
        }
        if newer.kind != Kind::Unknown {
            self.kind = newer.kind;
            self.temporality = newer.temporality;
            self.monotonic = newer.monotonic;
        }
        if !newer.unit.is_empty() {
            self.unit.clone_from(&newer.unit);
        }
        if !newer.help.is_empty() {
            self.help.clone_from(&newer.help);
        }
        *self != before
    }
}
