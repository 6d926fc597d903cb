//! From the rows of an evaluation to points.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use flyball_model::UnixNanos;
use flyball_model::name::label_name;

use super::owners::braced;
use super::{Labels, RecordedPoint};
use crate::definition::{Record, Rule};
use crate::evaluate::Row;

/// What a recording rule has recorded: the series that have a row, each with the time of its newest point, as far as that is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recorder {
    live: BTreeMap<Labels, Option<UnixNanos>>,
    /// The latest evaluation that was recorded.
    at: Option<UnixNanos>,
}

/// What an evaluation gives, before it is known whether it can be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// By their labels.
    pub points: Vec<RecordedPoint>,
    live: BTreeMap<Labels, Option<UnixNanos>>,
    begun: Vec<Labels>,
    ended: Vec<Labels>,
    at: UnixNanos,
}

impl Taken {
    /// The series that had no row before.
    pub fn begun(&self) -> impl Iterator<Item = &Labels> + Clone {
        self.begun.iter()
    }

    /// The series that have none any more.
    pub fn ended(&self) -> impl Iterator<Item = &Labels> + Clone {
        self.ended.iter()
    }
}

/// A row as a point.
struct Recordable {
    value: f64,
    /// Its own time, where it has one.
    time: Option<UnixNanos>,
}

impl Recorder {
    /// Goes on with the series that had a row when this was last known.
    pub fn resume(series: impl IntoIterator<Item = Labels>) -> Self {
        Self { live: series.into_iter().map(|labels| (labels, None)).collect(), at: None }
    }

    /// The latest evaluation that was recorded.
    pub fn at(&self) -> Option<UnixNanos> {
        self.at
    }

    /// Everything up to then was recorded by the process before.
    pub fn go_on_from(&mut self, at: UnixNanos) {
        self.at = self.at.max(Some(at));
    }

    /// The series that have a row.
    pub fn series(&self) -> impl ExactSizeIterator<Item = &Labels> + Clone {
        self.live.keys()
    }

    /// What the rows of an evaluation at `at` give. `newest` is asked, in one call, for the newest points of those series of which the recorder
    /// does not know it, as far as it is not before the time that stands beside each; see [`super::newest`].
    ///
    /// # Errors
    /// A sentence about the rows: a column too many, two rows of one series; or what `newest` says.
    pub fn take(
        &self,
        rule: &Rule,
        record: &Record,
        rows: &[Row],
        at: UnixNanos,
        newest: impl FnOnce(&[(&Labels, UnixNanos)]) -> Result<Vec<Option<UnixNanos>>, String>,
    ) -> Result<Taken, String> {
        let rows = recordable(rule, record, rows)?;
        let unknown: Vec<(&Labels, UnixNanos)> = rows
            .iter()
            .filter(|(labels, _)| self.live.get(*labels).copied().flatten().is_none())
            .map(|(labels, row)| (labels, row.time.unwrap_or(at)))
            .collect();
        let asked: BTreeMap<&Labels, Option<UnixNanos>> = if unknown.is_empty() {
            BTreeMap::new()
        } else {
            let times = newest(&unknown)?;
            unknown.into_iter().map(|(labels, _)| labels).zip(times).collect()
        };
        let mut taken = Taken { points: Vec::new(), live: BTreeMap::new(), begun: Vec::new(), ended: Vec::new(), at };
        for (labels, row) in &rows {
            let known = self.live.get(labels);
            let last = known.copied().flatten().or_else(|| asked.get(labels).copied().flatten());
            let time = row.time.unwrap_or(at);
            if last.is_none_or(|last| time > last) {
                taken.points.push(RecordedPoint { labels: labels.clone(), time, value: Some(row.value) });
            }
            taken.live.insert(labels.clone(), Some(last.map_or(time, |last| last.max(time))));
            if known.is_none() {
                taken.begun.push(labels.clone());
            }
        }
        let gone: BTreeSet<&Labels> = self.live.keys().filter(|labels| !rows.contains_key(*labels)).collect();
        taken.points.extend(self.markers(gone.iter().copied(), at));
        taken.points.sort_by(|a, b| a.labels.cmp(&b.labels));
        taken.ended = gone.into_iter().cloned().collect();
        Ok(taken)
    }

    /// What [`Recorder::take`] gave is stored.
    pub fn commit(&mut self, taken: Taken) {
        self.live = taken.live;
        self.at = Some(taken.at);
    }

    /// The points that end all series, since the rule is gone.
    pub fn end(&self, at: UnixNanos) -> Vec<RecordedPoint> {
        self.markers(self.live.keys(), at).collect()
    }

    /// A marker comes after all points of its series.
    fn markers<'a>(
        &'a self,
        series: impl Iterator<Item = &'a Labels> + 'a,
        at: UnixNanos,
    ) -> impl Iterator<Item = RecordedPoint> + 'a {
        series.map(move |labels| {
            let last = self.live.get(labels).copied().flatten();
            let time = last.map_or(at, |last| at.max(UnixNanos(last.0.saturating_add(1))));
            RecordedPoint { labels: labels.clone(), time, value: None }
        })
    }
}

/// The rows by the series that they become; those without a value are left out.
fn recordable(rule: &Rule, record: &Record, rows: &[Row]) -> Result<BTreeMap<Labels, Recordable>, String> {
    let mut by_series = BTreeMap::new();
    for row in rows {
        if let Some(other) = row.values.keys().find(|name| is_too_many(record, name)) {
            return Err(too_many(other));
        }
        if row.severity.is_some() {
            return Err(SEVERITY.to_owned());
        }
        let Some(&value) = row.values.get(record.value) else { continue };
        match by_series.entry(labels_of(rule, row)) {
            Entry::Vacant(entry) => drop(entry.insert(Recordable { value, time: row.time })),
            Entry::Occupied(entry) => {
                return Err(format!(
                    "two rows become the series {}{}; give one of the columns a name that the rule's 'labels' do not have",
                    record.metric,
                    braced(entry.key())
                ));
            }
        }
    }
    Ok(by_series)
}

/// What is recorded has one number; a query of flyball's own may show more beside it.
fn is_too_many(record: &Record, column: &str) -> bool {
    record.value == crate::definition::VALUE_COLUMN && column != record.value
}

/// Of a text column that says how grave a row is, and is no part of what it is about.
pub(crate) const SEVERITY: &str = "a recording rule fires nothing, so its 'severity' means nothing; to record it as a label rename the column: severity AS level";

/// Of a numeric column that is not the value.
pub(crate) fn too_many(column: &str) -> String {
    format!(
        "a recording rule gives one number, named 'value', and '{column}' is a number too; name the one to record with AS value, leave the \
         other out, or record it by a rule of its own"
    )
}

fn labels_of(rule: &Rule, row: &Row) -> Labels {
    let own = row.identity.iter().map(|(name, text)| (label_name(name).into_owned(), text.clone()));
    let set = rule.labels.iter().map(|(name, text)| (name.clone(), text.clone()));
    // As everywhere, an empty value is no label.
    own.chain(set).collect::<Labels>().into_iter().filter(|(_, text)| !text.is_empty()).collect()
}
