//! The series registry: metric + sorted labels → a stable 128-bit id → a dense number.
//!
//! It lives in the model because both `normalize`, which fills it, and `store`, which makes label columns from it, need
//! it and may not import each other. Strings are interned once; a series is a handful of symbol pairs. Persistence
//! is the store's: it writes down what a [`RegistryView`] shows and rebuilds with [`SeriesRegistry::resolve`].

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hashbrown::{HashMap, HashTable};
use parking_lot::{RwLock, RwLockReadGuard};
use twox_hash::XxHash3_128;

use crate::metric::MetricInfo;
use crate::time::UnixNanos;

/// The pseudo-metric whose series are the streams (resource label sets) of the table `logs`.
pub const LOGS: &str = "logs";

/// The dense number of a series; valid for the life of a data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct SeriesRef(pub u32);

/// The dense number of a metric; valid for the life of a data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct MetricRef(pub u32);

/// The dense number of an interned string (a label's name or value).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Symbol(pub u32);

/// The registry is full: a new series was asked for beyond the cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the cap of {cap} series is reached; raise limits.series, or find the culprit with: SELECT metric, count(*) FROM flyball.series GROUP BY metric ORDER BY 2 DESC"
)]
pub struct SeriesCapReached {
    /// `limits.series`.
    pub cap: usize,
}

/// All series ever seen by this data folder. Shared; reads don't block each other.
#[derive(Debug)]
pub struct SeriesRegistry {
    cap: usize,
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    symbols: Vec<Arc<str>>,
    symbol_of: HashMap<Arc<str>, Symbol>,
    metrics: Vec<Metric>,
    metric_of: HashMap<Arc<str>, MetricRef>,
    series: Vec<Series>,
    series_of: HashTable<(u128, SeriesRef)>,
}

#[derive(Debug)]
struct Metric {
    name: Arc<str>,
    info: MetricInfo,
    info_version: u64,
    series: Vec<SeriesRef>,
    label_names: Vec<Symbol>,
}

#[derive(Debug)]
struct Series {
    metric: MetricRef,
    labels: Box<[(Symbol, Symbol)]>,
    first_at: i64,
    last_at: AtomicI64,
}

/// The stable id of a series: XXH3-128 over the metric name and the sorted labels, each string preceded by its length.
///
/// `labels` must be sorted by name and free of duplicates.
pub fn series_id(metric: &str, labels: &[(&str, &str)]) -> u128 {
    let mut hasher = XxHash3_128::new();
    let mut write = |text: &str| {
        hasher.write(&(text.len() as u32).to_le_bytes());
        hasher.write(text.as_bytes());
    };
    write(metric);
    for (name, value) in labels {
        write(name);
        write(value);
    }
    hasher.finish_128()
}

impl SeriesRegistry {
    /// An empty registry that takes at most `cap` series.
    pub fn new(cap: usize) -> Self {
        Self { cap, inner: RwLock::default() }
    }

    /// The number of a series, made if it is new. `first_at` is the time of the point that brings it.
    ///
    /// `metric` and the label names are in Prometheus form; `labels` is sorted by name, without duplicates and without
    /// empty values (an empty value means the label is absent).
    ///
    /// # Errors
    /// When the series is new and the cap is reached.
    pub fn resolve(
        &self,
        metric: &str,
        labels: &[(&str, &str)],
        first_at: UnixNanos,
    ) -> Result<SeriesRef, SeriesCapReached> {
        debug_assert!(labels.is_sorted_by(|a, b| a.0 < b.0), "labels must be sorted and unique: {labels:?}");
        let id = series_id(metric, labels);
        if let Some(series) = self.inner.read().find(id) {
            return Ok(series);
        }
        let mut inner = self.inner.write();
        if let Some(series) = inner.find(id) {
            return Ok(series);
        }
        if inner.series.len() >= self.cap {
            return Err(SeriesCapReached { cap: self.cap });
        }
        Ok(inner.insert(id, metric, labels, first_at))
    }

    /// Takes over what is known of a metric. Makes the metric if it is new, without a series.
    pub fn describe(&self, metric: &str, info: &MetricInfo) {
        let known = {
            let inner = self.inner.read();
            inner.metric_of.get(metric).is_some_and(|&metric| {
                let mut merged = inner.metrics[metric.0 as usize].info.clone();
                !merged.merge(info)
            })
        };
        if !known {
            let mut inner = self.inner.write();
            let metric = inner.metric(metric);
            let metric = &mut inner.metrics[metric.0 as usize];
            if metric.info.merge(info) {
                metric.info_version += 1;
            }
        }
    }

    /// A consistent look at everything. Hold it for a batch or a query plan, never over an `.await`.
    pub fn read(&self) -> RegistryView<'_> {
        RegistryView { inner: self.inner.read() }
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.inner.read().series.len()
    }

    /// Whether there is no series yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The most series it takes.
    pub fn cap(&self) -> usize {
        self.cap
    }
}

impl Inner {
    fn find(&self, id: u128) -> Option<SeriesRef> {
        self.series_of.find(id as u64, |entry| entry.0 == id).map(|entry| entry.1)
    }

    fn symbol(&mut self, text: &str) -> Symbol {
        if let Some(&symbol) = self.symbol_of.get(text) {
            return symbol;
        }
        let symbol = Symbol(
            u32::try_from(self.symbols.len()).expect("label strings are capped by series x labels, far below 2^32"),
        );
        let text: Arc<str> = text.into();
        self.symbols.push(Arc::clone(&text));
        self.symbol_of.insert(text, symbol);
        symbol
    }

    fn metric(&mut self, name: &str) -> MetricRef {
        if let Some(&metric) = self.metric_of.get(name) {
            return metric;
        }
        let metric = MetricRef(u32::try_from(self.metrics.len()).expect("there are no more metrics than series"));
        let name: Arc<str> = name.into();
        self.metrics.push(Metric {
            name: Arc::clone(&name),
            info: MetricInfo { original: name.to_string(), ..MetricInfo::default() },
            info_version: 0,
            series: Vec::new(),
            label_names: Vec::new(),
        });
        self.metric_of.insert(name, metric);
        metric
    }

    fn insert(&mut self, id: u128, metric: &str, labels: &[(&str, &str)], first_at: UnixNanos) -> SeriesRef {
        let series = SeriesRef(u32::try_from(self.series.len()).expect("the cap of series is below 2^32"));
        let labels: Box<[(Symbol, Symbol)]> =
            labels.iter().map(|(name, value)| (self.symbol(name), self.symbol(value))).collect();
        let metric = self.metric(metric);
        let entry = &mut self.metrics[metric.0 as usize];
        entry.series.push(series);
        for (name, _) in &labels {
            if !entry.label_names.contains(name) {
                entry.label_names.push(*name);
            }
        }
        self.series.push(Series { metric, labels, first_at: first_at.0, last_at: AtomicI64::new(i64::MIN) });
        self.series_of.insert_unique(id as u64, (id, series), |entry| entry.0 as u64);
        series
    }
}

/// A consistent look at the registry; see [`SeriesRegistry::read`].
#[derive(Debug)]
pub struct RegistryView<'a> {
    inner: RwLockReadGuard<'a, Inner>,
}

impl RegistryView<'_> {
    /// How many series there are; their numbers are `0..count`.
    pub fn series_count(&self) -> usize {
        self.inner.series.len()
    }

    /// How many metrics there are; their numbers are `0..count`.
    pub fn metric_count(&self) -> usize {
        self.inner.metrics.len()
    }

    /// The number of a metric by its exact name in Prometheus form.
    pub fn metric(&self, name: &str) -> Option<MetricRef> {
        self.inner.metric_of.get(name).copied()
    }

    /// All metrics, oldest first. [`LOGS`] is among them once a log record came.
    pub fn metrics(&self) -> impl Iterator<Item = MetricRef> + use<> {
        (0..self.inner.metrics.len() as u32).map(MetricRef)
    }

    /// A metric's name in Prometheus form.
    pub fn metric_name(&self, metric: MetricRef) -> &Arc<str> {
        &self.inner.metrics[metric.0 as usize].name
    }

    /// What is known of a metric.
    pub fn info(&self, metric: MetricRef) -> &MetricInfo {
        &self.inner.metrics[metric.0 as usize].info
    }

    /// Grows each time a metric's [`MetricInfo`] changes.
    pub fn info_version(&self, metric: MetricRef) -> u64 {
        self.inner.metrics[metric.0 as usize].info_version
    }

    /// A metric's series, oldest first.
    pub fn series_of(&self, metric: MetricRef) -> &[SeriesRef] {
        &self.inner.metrics[metric.0 as usize].series
    }

    /// The names of all labels that any series of the metric has, sorted.
    pub fn label_names(&self, metric: MetricRef) -> Vec<Arc<str>> {
        let mut names: Vec<_> =
            self.inner.metrics[metric.0 as usize].label_names.iter().map(|&name| Arc::clone(self.text(name))).collect();
        names.sort_unstable();
        names
    }

    /// The metric of a series.
    pub fn metric_of(&self, series: SeriesRef) -> MetricRef {
        self.inner.series[series.0 as usize].metric
    }

    /// The labels of a series as symbols, sorted by name.
    pub fn label_symbols(&self, series: SeriesRef) -> &[(Symbol, Symbol)] {
        &self.inner.series[series.0 as usize].labels
    }

    /// The labels of a series, sorted by name.
    pub fn labels(&self, series: SeriesRef) -> impl Iterator<Item = (&str, &str)> {
        self.label_symbols(series).iter().map(|&(name, value)| (self.text(name).as_ref(), self.text(value).as_ref()))
    }

    /// The value of one label of a series.
    pub fn label(&self, series: SeriesRef, name: &str) -> Option<&Arc<str>> {
        let name = self.symbol(name)?;
        self.label_symbols(series).iter().find(|label| label.0 == name).map(|label| self.text(label.1))
    }

    /// The symbol of a string, if any label name or value is that string.
    pub fn symbol(&self, text: &str) -> Option<Symbol> {
        self.inner.symbol_of.get(text).copied()
    }

    /// The string of a symbol.
    pub fn text(&self, symbol: Symbol) -> &Arc<str> {
        &self.inner.symbols[symbol.0 as usize]
    }

    /// The stable 128-bit id of a series.
    pub fn id(&self, series: SeriesRef) -> u128 {
        let labels: Vec<_> = self.labels(series).collect();
        series_id(self.metric_name(self.metric_of(series)), &labels)
    }

    /// The time of the first point.
    pub fn first_at(&self, series: SeriesRef) -> UnixNanos {
        UnixNanos(self.inner.series[series.0 as usize].first_at)
    }

    /// The time of the newest point; `None` before the first since the process started.
    pub fn last_at(&self, series: SeriesRef) -> Option<UnixNanos> {
        let last = self.inner.series[series.0 as usize].last_at.load(Ordering::Relaxed);
        (last != i64::MIN).then_some(UnixNanos(last))
    }

    /// Notes a point's time; an older one than the newest changes nothing.
    pub fn touch(&self, series: SeriesRef, at: i64) {
        let last = &self.inner.series[series.0 as usize].last_at;
        // A plain load first: most points find a slot that only they write, and a store is cheaper than a locked maximum.
        if last.load(Ordering::Relaxed) < at {
            last.fetch_max(at, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_labels_are_the_same_series_and_ids_do_not_depend_on_the_process() {
        let registry = SeriesRegistry::new(10);
        let a = registry.resolve("m", &[("a", "1"), ("b", "2")], UnixNanos(5)).expect("below the cap");
        let again = registry.resolve("m", &[("a", "1"), ("b", "2")], UnixNanos(9)).expect("below the cap");
        let other = registry.resolve("m", &[("a", "12"), ("b", "")], UnixNanos(9)).expect("below the cap");
        assert_eq!(a, again);
        assert_ne!(a, other);
        let view = registry.read();
        assert_eq!(view.labels(a).collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        assert_eq!(view.first_at(a), UnixNanos(5));
        assert_eq!(view.id(a), series_id("m", &[("a", "1"), ("b", "2")]));
    }

    #[test]
    fn a_new_series_over_the_cap_is_refused_and_known_ones_go_on() {
        let registry = SeriesRegistry::new(1);
        let known = registry.resolve("m", &[("a", "1")], UnixNanos(0));
        assert_eq!(registry.resolve("m", &[("a", "2")], UnixNanos(0)), Err(SeriesCapReached { cap: 1 }));
        assert_eq!(registry.resolve("m", &[("a", "1")], UnixNanos(0)), known);
    }

    #[test]
    fn an_empty_description_never_overwrites() {
        let registry = SeriesRegistry::new(1);
        registry.describe("m", &MetricInfo { unit: "s".into(), help: "time".into(), ..MetricInfo::default() });
        registry.describe("m", &MetricInfo { help: "time spent".into(), ..MetricInfo::default() });
        let view = registry.read();
        let info = view.info(view.metric("m").expect("described"));
        assert_eq!((info.unit.as_str(), info.help.as_str(), info.original.as_str()), ("s", "time spent", "m"));
    }
}
