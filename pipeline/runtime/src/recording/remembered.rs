//! The series that have a row, in the log of state.

use std::collections::BTreeMap;

use flyball_model::series::series_id;
use flyball_model::state::{Piece, Section, StateLog};
use flyball_rules::recording::Labels;
use serde::{Deserialize, Serialize};

/// Pieces that are put as one take at most about this many bytes.
const GROUP_BYTES_MAX: usize = 256 << 10;

/// A piece of [`Section::Recordings`]; its key is the series' id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct WrittenSeries {
    rule: String,
    metric: String,
    labels: Labels,
}

/// What the process before recorded, by the rule's name: the metric, and the series that had a row.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RecordedSeries(BTreeMap<String, (String, Vec<Labels>)>);

impl RecordedSeries {
    pub(crate) fn recover(pieces: Vec<WrittenSeries>) -> Self {
        let mut rules: BTreeMap<String, (String, Vec<Labels>)> = BTreeMap::new();
        for WrittenSeries { rule, metric, labels } in pieces {
            // A rule's name says its metric, so it is one.
            rules.entry(rule).or_insert_with(|| (metric, Vec::new())).1.push(labels);
        }
        Self(rules)
    }

    /// What this rule recorded.
    pub(super) fn take(&mut self, rule: &str) -> Vec<Labels> {
        self.0.remove(rule).map(|(_, series)| series).unwrap_or_default()
    }

    /// Each rule that is left, with its metric and series.
    pub(super) fn into_rules(self) -> impl Iterator<Item = (String, String, Vec<Labels>)> {
        self.0.into_iter().map(|(rule, (metric, series))| (rule, metric, series))
    }
}

pub(super) fn key(metric: &str, labels: &Labels) -> String {
    let labels: Vec<_> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    format!("{:032x}", series_id(metric, &labels))
}

pub(super) fn pieces_of<'a>(
    rule: &str,
    metric: &str,
    series: impl Iterator<Item = &'a Labels>,
) -> impl Iterator<Item = Piece> {
    series.map(move |labels| {
        let written = WrittenSeries { rule: rule.to_owned(), metric: metric.to_owned(), labels: labels.clone() };
        Piece::json(Section::Recordings, key(metric, labels), &written)
    })
}

/// Puts pieces that need not be put as one.
pub(super) fn put(state: &dyn StateLog, pieces: impl Iterator<Item = Piece>) {
    let (mut group, mut bytes) = (Vec::new(), 0);
    for piece in pieces {
        bytes += piece.bytes();
        group.push(piece);
        if bytes >= GROUP_BYTES_MAX {
            state.put_all(std::mem::take(&mut group));
            bytes = 0;
        }
    }
    if !group.is_empty() {
        state.put_all(group);
    }
}
