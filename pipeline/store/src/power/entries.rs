//! The consumers that are known: one entry for each, with the series that speak of it.

use std::sync::Arc;

use arrow::array::ArrayRef;
use flyball_model::series::{LabelView, Symbol};
use flyball_model::{MetricRef, SeriesRef};
use hashbrown::{HashMap, HashSet};

use super::LABEL_COLUMNS;
use super::mapping::{Labels, Quantity, Template, template};
use crate::error::StoreError;
use crate::labels::Dictionary;
use crate::store::Store;

/// Positions in [`LABEL_COLUMNS`].
const HOST: usize = 0;
const SCOPE: usize = 1;
const DOMAIN: usize = 2;
const SOURCE: usize = 9;
const SOCKET: usize = 10;

/// One consumer as one source sees it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) labels: Labels,
    pub(super) quantity: Quantity,
    pub(super) scale: f64,
    pub(super) zero_is_unknown: bool,
    /// Whether watts are made from joules.
    pub(super) derive: bool,
    /// The series whose readings are summed; nearly always one.
    pub(super) parts: Vec<(MetricRef, SeriesRef)>,
}

impl Entry {
    /// Whether each point is a row by itself.
    pub(super) fn is_direct(&self) -> bool {
        !self.derive && self.parts.len() == 1
    }
}

/// All consumers that may have a reading at or after `from`. Blocks.
///
/// # Errors
/// When labels that are not in memory can't be read.
pub(super) fn entries(store: &Store, from: i64) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::new();
    let metrics: Vec<_> = {
        let view = store.registry.read();
        view.metrics().filter_map(|metric| Some((metric, template(view.metric_name(metric))?))).collect()
    };
    for (metric, template) in metrics {
        // Whether a host has a figure of its own must not depend on what is asked for.
        let series = store.series_since(metric, if template.is_of_machine() { i64::MIN } else { from });
        let view = store.registry.labels_of(&series)?;
        of_metric(&view, metric, &series, &template, &mut entries);
    }
    let hosts = host_sums(&entries);
    entries.extend(hosts);
    Ok(entries)
}

fn of_metric(
    view: &LabelView<'_>,
    metric: MetricRef,
    series: &[SeriesRef],
    template: &Template,
    entries: &mut Vec<Entry>,
) {
    let has_gauge = template.gauge.as_ref().is_some_and(|gauge| {
        view.metric(gauge)
            .or_else(|| view.metric(&format!("{gauge}_total")))
            .is_some_and(|gauge| !view.series_of(gauge).is_empty())
    });
    let mode = view.symbol("mode");
    // Series that differ in `mode` alone are parts of one figure.
    let mut wholes: HashMap<Vec<(Symbol, Symbol)>, usize> = HashMap::new();
    for &series in series {
        let symbols = view.label_symbols(series);
        let has_mode = symbols.iter().any(|label| Some(label.0) == mode);
        let without_mode = || symbols.iter().filter(|label| Some(label.0) != mode).copied().collect::<Vec<_>>();
        if has_mode && let Some(&whole) = wholes.get(&without_mode()) {
            entries[whole].parts.push((metric, series));
            continue;
        }
        let Some(labels) = template.labels(|name| view.label(series, name).map(|value| value.as_ref())) else {
            continue;
        };
        if has_mode {
            wholes.insert(without_mode(), entries.len());
        }
        entries.push(Entry {
            labels,
            quantity: template.quantity,
            scale: template.scale,
            zero_is_unknown: template.zero_is_unknown,
            derive: template.quantity == Quantity::Joules && !has_gauge,
            parts: vec![(metric, series)],
        });
    }
}

/// For each host whose source gives no figure for all of it: the sum of its package and dram zones.
fn host_sums(entries: &[Entry]) -> Vec<Entry> {
    let text = |entry: &Entry, column: usize| entry.labels[column].clone();
    let is = |entry: &Entry, column: usize, value: &str| entry.labels[column].as_deref() == Some(value);
    let with_figure: HashSet<_> = entries
        .iter()
        .filter(|entry| is(entry, SCOPE, "host"))
        .map(|entry| (text(entry, HOST), text(entry, SOURCE)))
        .collect();
    let mut sums: Vec<Entry> = Vec::new();
    let mut known = HashMap::new();
    for entry in entries {
        let zone = ["package", "dram"].into_iter().find(|zone| is(entry, DOMAIN, zone));
        let of_node = is(entry, SCOPE, "socket") || is(entry, SCOPE, "domain");
        let who = (text(entry, HOST), text(entry, SOURCE));
        let Some(zone) = zone.filter(|_| of_node && !with_figure.contains(&who)) else { continue };
        let at = *known.entry((who, entry.quantity == Quantity::Watts)).or_insert_with(|| {
            let mut sum = Entry { parts: Vec::new(), ..entry.clone() };
            sum.labels[SCOPE] = Some(Arc::from("host"));
            sum.labels[DOMAIN] = None;
            sum.labels[SOCKET] = None;
            sums.push(sum);
            sums.len() - 1
        });
        let sum = &mut sums[at];
        sum.parts.extend(&entry.parts);
        sum.derive |= entry.derive;
        sum.labels[DOMAIN] = match (sum.labels[DOMAIN].as_deref(), zone) {
            (None, zone) => Some(Arc::from(zone)),
            (Some(had), zone) if had != zone => Some(Arc::from("package+dram")),
            (had, _) => had.map(Arc::from),
        };
    }
    // Memory alone is no host.
    sums.retain(|sum| !is(sum, DOMAIN, "dram"));
    sums
}

/// The text columns of entries, and the key of each entry in them.
pub(super) struct EntryColumns {
    columns: Vec<TextColumn>,
}

struct TextColumn {
    values: Dictionary<Arc<str>>,
    /// An entry's key among the values.
    keys: Vec<Option<i32>>,
}

impl EntryColumns {
    pub(super) fn new(entries: &[Entry]) -> Self {
        let column = |at: usize| {
            let mut values = Dictionary::default();
            let key = |entry: &Entry| {
                let text = entry.labels[at].as_ref()?;
                Some(values.key(Arc::clone(text), || text))
            };
            let keys = entries.iter().map(key).collect();
            TextColumn { values, keys }
        };
        Self { columns: (0..LABEL_COLUMNS.len()).map(column).collect() }
    }

    /// A column for rows that are given as positions of entries.
    pub(super) fn column(&self, label: usize, rows: impl Iterator<Item = u32> + Clone) -> ArrayRef {
        let TextColumn { values, keys } = &self.columns[label];
        values.column(keys, rows)
    }
}
