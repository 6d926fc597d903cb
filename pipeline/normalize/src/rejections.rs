//! The refused points of a batch, a line a reason.

use flyball_decode::remote_write::Labels;
use flyball_decode::remote_write2::{References, Symbols};
use flyball_model::intake::Rejection;

use crate::fault::{Fault, Shown};
use crate::series::NAME_LABEL;

/// What a refused point belongs to; asked for words only for the first of a reason.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    Nothing,
    Metric(&'a [u8]),
    Series(Labels<'a>),
    /// A remote write 2.0 series.
    References(Symbols<'a, 'a>, References<'a>),
    LogRecord,
    /// A span by its name.
    Span(&'a [u8]),
    /// A line of line protocol by its number, measurement and tags.
    Line(u64, &'a [u8]),
}

#[derive(Debug, Default)]
pub(crate) struct Rejections(Vec<Rejection>);

impl Rejections {
    /// Counts refused points.
    pub(crate) fn add(&mut self, fault: &Fault<'_>, points: u64, subject: Subject<'_>) {
        if points == 0 {
            return;
        }
        let reason = fault.reason();
        // At most one entry a reason, so a search is a handful of comparisons.
        match self.0.iter_mut().find(|rejection| rejection.reason == reason) {
            Some(rejection) => rejection.points += points,
            None => {
                let detail = match subject.words() {
                    Some(subject) => format!("{subject}: {fault}"),
                    None => fault.to_string(),
                };
                self.0.push(Rejection { reason, points, detail });
            }
        }
    }

    pub(crate) fn into_vec(self) -> Vec<Rejection> {
        self.0
    }
}

impl Subject<'_> {
    fn words(self) -> Option<String> {
        match self {
            Subject::Nothing => None,
            Subject::Metric(name) => Some(format!("metric {}", Shown::bytes(name))),
            Subject::LogRecord => Some("log record".to_owned()),
            Subject::Span(name) => Some(format!("span {}", Shown::bytes(name))),
            Subject::Line(number, key) => Some(format!("line {number}, {}", Shown::bytes(key))),
            Subject::Series(labels) => {
                Some(series_words(|| labels.iter().map_while(Result::ok).map(|label| (label.name, label.value))))
            }
            Subject::References(symbols, references) => Some(series_words(|| pairs(symbols, references))),
        }
    }
}

/// The metric's name, or, where there is none, the first labels.
fn series_words<'a, I: Iterator<Item = (&'a [u8], &'a [u8])>>(labels: impl Fn() -> I) -> String {
    match labels().find(|(name, value)| *name == NAME_LABEL && !value.is_empty()) {
        Some((_, metric)) => format!("metric {}", Shown::bytes(metric)),
        None => {
            let shown: Vec<_> = labels()
                .filter(|label| label.0 != NAME_LABEL)
                .take(3)
                .map(|(name, value)| format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value)))
                .collect();
            format!("series {}", Shown::text(&shown.join(",")))
        }
    }
}

/// The labels of a series as far as they can be read.
fn pairs<'a>(symbols: Symbols<'a, 'a>, references: References<'a>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    let mut texts = references.iter().map_while(move |reference| symbols.get(reference.ok()?));
    std::iter::from_fn(move || Some((texts.next()?, texts.next()?)))
}
