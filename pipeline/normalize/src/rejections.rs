//! The refused points of a batch, a line a reason.

use flyball_decode::remote_write::Labels;
use flyball_model::intake::Rejection;

use crate::fault::{Fault, Shown};

/// What a refused point belongs to; asked for words only for the first of a reason.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    Nothing,
    Metric(&'a [u8]),
    Series(Labels<'a>),
    LogRecord,
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
            Subject::Series(labels) => Some(series_words(labels)),
        }
    }
}

/// The metric's name, or, where there is none, the first labels.
fn series_words(labels: Labels<'_>) -> String {
    let labels = || labels.iter().map_while(Result::ok);
    match labels().find(|label| label.name == b"__name__" && !label.value.is_empty()) {
        Some(name) => format!("metric {}", Shown::bytes(name.value)),
        None => {
            let shown: Vec<_> = labels()
                .filter(|label| label.name != b"__name__")
                .take(3)
                .map(|label| {
                    format!("{}={}", String::from_utf8_lossy(label.name), String::from_utf8_lossy(label.value))
                })
                .collect();
            format!("series {}", Shown::text(&shown.join(",")))
        }
    }
}
