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

    fn text_bytes(&self) -> usize {
        self.original.len() + self.unit.len() + self.help.len()
    }

    fn to_info(&self) -> MetricInfo {
        MetricInfo {
            original: self.original.to_owned(),
            kind: self.kind,
            unit: self.unit.to_string(),
            temporality: self.temporality,
            monotonic: self.monotonic,
            help: self.help.to_string(),
            shape: None,
        }
    }
}

/// Text of the news of one body. In remote write 2.0 many metrics can refer to one long text, and each gets a copy.
const NEWS_BYTES_MAX: usize = 1 << 24;

/// News about metrics, kept until the body was read to its end.
#[derive(Debug, Default)]
pub(crate) struct News {
    infos: hashbrown::HashMap<String, MetricInfo>,
    text_bytes: usize,
}

impl News {
    /// Notes a description if the registry does not know it yet. `metric` is in Prometheus form. `false` if there is no room for it:
    /// it must be noted again when it is said again.
    pub(crate) fn note(&mut self, registry: &SeriesRegistry, metric: &str, description: &Description<'_>) -> bool {
        if !registry.has_room() {
            return false;
        }
        let view = registry.read();
        let known = view.metric(metric);
        // A metric that has no series is not bounded by their cap.
        if known.is_none() && view.metric_count() + self.infos.len() >= registry.cap() {
            return false;
        }
        if known.is_none_or(|metric| description.is_news_to(view.info(metric))) {
            self.text_bytes += metric.len() + description.text_bytes();
            if self.text_bytes > NEWS_BYTES_MAX {
                return false;
            }
            self.infos.insert(metric.to_owned(), description.to_info());
        }
        true
    }

    /// Tells the registry.
    pub(crate) fn tell(self, registry: &SeriesRegistry) {
        for (metric, info) in self.infos {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_does_not_make_endless_copies_of_one_long_text() {
        let registry = SeriesRegistry::new(1 << 20);
        let help = "x".repeat(4096);
        let description = Description {
            original: "m",
            kind: Kind::Gauge,
            unit: "".into(),
            temporality: None,
            monotonic: None,
            help: help.as_str().into(),
        };
        let mut news = News::default();
        let noted = (0..10_000).filter(|number| news.note(&registry, &format!("m{number}"), &description)).count();
        assert!((4000..4096).contains(&noted), "{noted}");
        news.tell(&registry);
        let mut news = News::default();
        assert!(news.note(&registry, "m0", &description), "known already");
        assert!(news.note(&registry, "m9999", &description), "the next body has room again");
    }
}
