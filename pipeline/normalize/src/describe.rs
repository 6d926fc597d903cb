//! What a body says of its metrics, handed to the registry once the body was read and only where it is news.

use std::borrow::Cow;

use flyball_model::{Kind, Limits, MetricInfo, SeriesRegistry, Temporality};

/// What a sender says of a metric. Empty texts say nothing.
#[derive(Debug, Clone)]
pub(crate) struct Description<'a> {
    pub(crate) original: &'a str,
    pub(crate) kind: Kind,
    pub(crate) unit: Cow<'a, str>,
    pub(crate) temporality: Option<Temporality>,
    pub(crate) monotonic: Option<bool>,
    pub(crate) help: Cow<'a, str>,
}

impl Description<'_> {
    /// Whether [`MetricInfo::merge`] would change anything; found out without making a [`MetricInfo`].
    fn is_news_to(&self, known: &MetricInfo) -> bool {
        let says = |text: &str, known: &str| !text.is_empty() && text != known;
        says(self.original, &known.original)
            || says(&self.unit, &known.unit)
            || says(&self.help, &known.help)
            || self.kind != Kind::Unknown
                && (self.kind, self.temporality, self.monotonic) != (known.kind, known.temporality, known.monotonic)
    }

    fn to_info(&self) -> MetricInfo {
        MetricInfo {
            original: self.original.to_owned(),
            kind: self.kind,
            unit: self.unit.to_string(),
            temporality: self.temporality,
            monotonic: self.monotonic,
            help: self.help.to_string(),
        }
    }
}

/// News about metrics, kept until the body was read to its end.
#[derive(Debug, Default)]
pub(crate) struct News(hashbrown::HashMap<String, MetricInfo>);

impl News {
    /// Notes a description if the registry does not know it yet. `metric` is in Prometheus form.
    pub(crate) fn note(&mut self, registry: &SeriesRegistry, metric: &str, description: &Description<'_>) {
        let view = registry.read();
        let known = view.metric(metric);
        // A metric that has no series is not bounded by their cap.
        if known.is_none() && view.metric_count() + self.0.len() >= registry.cap() {
            return;
        }
        if known.is_none_or(|metric| description.is_news_to(view.info(metric))) {
            self.0.insert(metric.to_owned(), description.to_info());
        }
    }

    /// Tells the registry.
    pub(crate) fn tell(self, registry: &SeriesRegistry) {
        for (metric, info) in self.0 {
            registry.describe(&metric, &info);
        }
    }
}

/// A description's text: what is not UTF-8 is replaced, and what is longer than a label may be is cut off. Unlike a label
/// it names nothing, so it need not be exact.
pub(crate) fn lenient<'a>(bytes: &'a [u8], limits: &Limits) -> Cow<'a, str> {
    match String::from_utf8_lossy(&bytes[..bytes.len().min(limits.label_bytes)]) {
        // The cut may have gone through a character.
        Cow::Owned(text) if bytes.len() > limits.label_bytes => {
            Cow::Owned(text.trim_end_matches(char::REPLACEMENT_CHARACTER).to_owned())
        }
        text => text,
    }
}
