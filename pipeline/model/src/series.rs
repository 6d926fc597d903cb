//! The series registry: metric + sorted labels → a stable 128-bit id → a dense number.
//!
//! It lives in the model because both `normalize`, which fills it, and `store`, which makes label columns from it, need
//! it and may not import each other. Strings are interned once; a series is a handful of symbol pairs. Persistence
//! is the store's: it writes down what a [`RegistryView`] shows and rebuilds with [`SeriesRegistry::resolve`].

mod active;
mod view;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use hashbrown::{HashMap, HashSet, HashTable};
use parking_lot::RwLock;
use twox_hash::XxHash3_128;

pub use view::RegistryView;

use self::active::Active;
use crate::metric::{MetricInfo, Shape};
use crate::time::UnixNanos;

/// The pseudo-metric whose series are the streams (resource label sets) of the table `logs`.
pub const LOGS: &str = "logs";

/// The pseudo-metric whose series are the streams (resource label sets) of the table `spans`.
pub const SPANS: &str = "spans";

/// The pseudo-metric whose series are those of the table `texts`; the label `name` is `measurement_field`.
pub const TEXTS: &str = "texts";

/// Whether a name is that of a table of records, and no metric's.
pub fn is_stream_table(name: &str) -> bool {
    [LOGS, SPANS, TEXTS].contains(&name)
}

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

/// The registry is full: a new series was asked for beyond a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SeriesCapReached {
    /// So many series are active.
    #[error(
        "the cap of {cap} active series is reached; raise limits.series, or find the culprit with: SELECT metric, count(*) FROM flyball.series GROUP BY metric ORDER BY 2 DESC"
    )]
    Active {
        /// `limits.series`.
        cap: usize,
    },
    /// All that is known of series, idle ones included, takes so much memory.
    #[error(
        "the {bytes_max} bytes of memory for series are used up; raise limits.memory, or find the culprit with: SELECT metric, count(*) FROM flyball.series GROUP BY metric ORDER BY 2 DESC"
    )]
    Memory {
        /// The bound.
        bytes_max: usize,
    },
}

/// Why a series was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The registry is full.
    #[error(transparent)]
    Cap(#[from] SeriesCapReached),
    /// The metric's points are of another shape.
    #[error(
        "points of this metric are {} since its first one, and this is one of {}; rename one of the two at the sender",
        .known.as_str(), .asked.as_str()
    )]
    Shape {
        /// What they are.
        known: Shape,
        /// What was asked for.
        asked: Shape,
    },
}

/// Series ever seen, whatever is configured: their numbers are 32-bit.
const SERIES_MAX: usize = u32::MAX as usize - 1;

/// What a series takes beside its label pairs: the columns, its places in the index and in its metric's list, the allocation of the pairs.
const SERIES_BYTES: usize = 16 + 4 + 16 + 3 * 8 + 8 + 4 + 16;

/// What a string takes beside its text: its two counters, its places in the list and in the index, the allocation.
const SYMBOL_BYTES: usize = 16 + 16 + 28 + 16;

/// What a metric takes beside its series and its name.
const METRIC_BYTES: usize = size_of::<Metric>() + 64;

/// All series ever seen by this data folder. Shared; reads don't block each other.
///
/// Two bounds: the number of active series, those with a point of late or made of late, so that a day's churn does not keep new ones out; and
/// the bytes of all that is known, idle ones included.
#[derive(Debug)]
pub struct SeriesRegistry {
    cap: AtomicUsize,
    bytes_max: AtomicUsize,
    active: Active,
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    symbols: Vec<Arc<str>>,
    symbol_of: HashMap<Arc<str>, Symbol>,
    metrics: Vec<Metric>,
    metric_of: HashMap<Arc<str>, MetricRef>,
    series: Columns,
    /// Series by the first half of their id.
    series_of: HashTable<SeriesRef>,
    names_version: u64,
    bytes: usize,
}

/// What is known of each series, by its number. Columns and not rows: what is touched with every point lies close together.
#[derive(Debug, Default)]
struct Columns {
    id: Vec<[u64; 2]>,
    metric: Vec<MetricRef>,
    labels: Vec<Box<[(Symbol, Symbol)]>>,
    first_at: Vec<i64>,
    /// The newest point's time since the process started.
    last_at: Vec<AtomicI64>,
    /// What the sender said last of when the sum began.
    start_at: Vec<AtomicI64>,
}

#[derive(Debug)]
struct Metric {
    name: Arc<str>,
    info: MetricInfo,
    info_version: u64,
    series: Vec<SeriesRef>,
    label_names: HashSet<Symbol>,
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
    /// An empty registry that takes at most `cap` active series.
    pub fn new(cap: usize) -> Self {
        Self {
            cap: AtomicUsize::new(cap),
            bytes_max: AtomicUsize::new(usize::MAX),
            active: Active::default(),
            inner: RwLock::default(),
        }
    }

    /// Sets the bounds: what was there before stays, also beyond them.
    pub fn bound(&self, cap: usize, bytes_max: usize) {
        self.cap.store(cap, Ordering::Relaxed);
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    /// Counts the active series anew: those with a point at most `idle` old, and those that were made within it. One pass over a column, at
    /// most every ten seconds; call it as often as is convenient. In between, only new series add to the number.
    pub fn sweep(&self, now: UnixNanos, idle: Duration) {
        self.active.sweep(&self.inner, now, idle);
    }

    /// How many series are active, as of the last sweep and with those made since. All that were read from the journal count until the first.
    pub fn active(&self) -> usize {
        self.active.count()
    }

    /// About how many bytes all that is known takes.
    pub fn bytes(&self) -> usize {
        self.inner.read().bytes
    }

    /// The number of a series, made if it is new. `first_at` is the time of the point that brings it.
    ///
    /// `metric` and the label names are in Prometheus form; `labels` is sorted by name, without duplicates and without
    /// empty values (an empty value means the label is absent).
    ///
    /// # Errors
    /// When the series is new and a bound is reached, or when the metric's points are of another shape.
    pub fn resolve(
        &self,
        metric: &str,
        shape: Shape,
        labels: &[(&str, &str)],
        first_at: UnixNanos,
    ) -> Result<SeriesRef, ResolveError> {
        debug_assert!(labels.is_sorted_by(|a, b| a.0 < b.0), "labels must be sorted and unique: {labels:?}");
        let id = series_id(metric, labels);
        // With the lock for reading first, also to find out that there is no room: whoever invents series then blocks nobody.
        if let Some(series) = self.find(&self.inner.read(), id, shape)? {
            return Ok(series);
        }
        let mut inner = self.inner.write();
        if let Some(series) = self.find(&inner, id, shape)? {
            return Ok(series);
        }
        let metric = inner.metric(metric);
        inner.metrics[metric.0 as usize].take_shape(shape)?;
        self.active.made_one();
        Ok(inner.insert(id, metric, labels, first_at))
    }

    /// The series, or `None` if it is new and there is room for it.
    fn find(&self, inner: &Inner, id: u128, shape: Shape) -> Result<Option<SeriesRef>, ResolveError> {
        match inner.find_shaped(id, shape)? {
            Some(found) => Ok(Some(found)),
            None => {
                let (cap, bytes_max) = (self.cap(), self.bytes_max.load(Ordering::Relaxed));
                if self.active() >= cap || inner.series.metric.len() >= SERIES_MAX {
                    Err(SeriesCapReached::Active { cap }.into())
                } else if inner.bytes >= bytes_max {
                    Err(SeriesCapReached::Memory { bytes_max }.into())
                } else {
                    Ok(None)
                }
            }
        }
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
            let before = metric.info.text_bytes();
            if metric.info.merge(info) {
                metric.info_version += 1;
                let after = metric.info.text_bytes();
                inner.names_version += 1;
                inner.bytes = (inner.bytes + after).saturating_sub(before);
            }
        }
    }

    /// Whether there is room for descriptions of metrics. They have no cap of their own: their text is among the bytes.
    pub fn has_room(&self) -> bool {
        self.inner.read().bytes < self.bytes_max.load(Ordering::Relaxed)
    }

    /// A consistent look at everything. Hold it for a batch or a query plan, never over an `.await`.
    pub fn read(&self) -> RegistryView<'_> {
        RegistryView { inner: self.inner.read() }
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.inner.read().series.metric.len()
    }

    /// Whether there is no series yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The most active series it takes.
    pub fn cap(&self) -> usize {
        self.cap.load(Ordering::Relaxed)
    }
}

impl Inner {
    fn find(&self, id: u128) -> Option<SeriesRef> {
        let id = halves(id);
        self.series_of.find(id[0], |series| self.series.id[series.0 as usize] == id).copied()
    }

    fn find_shaped(&self, id: u128, shape: Shape) -> Result<Option<SeriesRef>, ResolveError> {
        let Some(series) = self.find(id) else { return Ok(None) };
        match self.metrics[self.series.metric[series.0 as usize].0 as usize].info.shape {
            Some(known) if known != shape => Err(ResolveError::Shape { known, asked: shape }),
            _ => Ok(Some(series)),
        }
    }

    fn symbol(&mut self, text: &str) -> Symbol {
        if let Some(&symbol) = self.symbol_of.get(text) {
            return symbol;
        }
        let symbol = Symbol(
            u32::try_from(self.symbols.len()).expect("label strings are capped by series x labels, far below 2^32"),
        );
        let text: Arc<str> = text.into();
        self.bytes += SYMBOL_BYTES + text.len();
        self.symbols.push(Arc::clone(&text));
        self.symbol_of.insert(text, symbol);
        symbol
    }

    fn metric(&mut self, name: &str) -> MetricRef {
        if let Some(&metric) = self.metric_of.get(name) {
            return metric;
        }
        let metric = MetricRef(u32::try_from(self.metrics.len()).expect("there are no more metrics than series"));
        self.names_version += 1;
        let name: Arc<str> = name.into();
        self.bytes += METRIC_BYTES + 2 * name.len();
        self.metrics.push(Metric {
            name: Arc::clone(&name),
            info: MetricInfo { original: name.to_string(), ..MetricInfo::default() },
            info_version: 0,
            series: Vec::new(),
            label_names: HashSet::new(),
        });
        self.metric_of.insert(name, metric);
        metric
    }

    fn insert(&mut self, id: u128, metric: MetricRef, labels: &[(&str, &str)], first_at: UnixNanos) -> SeriesRef {
        let series = SeriesRef(u32::try_from(self.series.metric.len()).expect("SERIES_MAX is below 2^32"));
        let labels: Box<[(Symbol, Symbol)]> =
            labels.iter().map(|(name, value)| (self.symbol(name), self.symbol(value))).collect();
        self.bytes += SERIES_BYTES + size_of_val(&*labels);
        let entry = &mut self.metrics[metric.0 as usize];
        entry.series.push(series);
        entry.label_names.extend(labels.iter().map(|label| label.0));
        let Self { series: columns, series_of, .. } = self;
        let id = halves(id);
        columns.id.push(id);
        columns.metric.push(metric);
        columns.labels.push(labels);
        columns.first_at.push(first_at.0);
        columns.last_at.push(AtomicI64::new(i64::MIN));
        columns.start_at.push(AtomicI64::new(i64::MIN));
        series_of.insert_unique(id[0], series, |series| columns.id[series.0 as usize][0]);
        series
    }
}

impl Metric {
    /// The first series says what the points are; each later one must agree. A stream's name is taken from the start, so that no
    /// metric that is called `spans` can keep spans out.
    fn take_shape(&mut self, shape: Shape) -> Result<(), ResolveError> {
        let reserved = is_stream_table(&self.name).then_some(Shape::Streams);
        if let Some(known) = reserved.filter(|&reserved| reserved != shape) {
            return Err(ResolveError::Shape { known, asked: shape });
        }
        match self.info.shape {
            Some(known) if known != shape => Err(ResolveError::Shape { known, asked: shape }),
            Some(_) => Ok(()),
            None => {
                self.info.shape = Some(shape);
                self.info_version += 1;
                Ok(())
            }
        }
    }
}

const fn halves(id: u128) -> [u64; 2] {
    [id as u64, (id >> 64) as u64]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_labels_are_the_same_series_and_ids_do_not_depend_on_the_process() {
        let registry = SeriesRegistry::new(10);
        let a = registry.resolve("m", Shape::Numbers, &[("a", "1"), ("b", "2")], UnixNanos(5)).expect("below the cap");
        let again =
            registry.resolve("m", Shape::Numbers, &[("a", "1"), ("b", "2")], UnixNanos(9)).expect("below the cap");
        let other =
            registry.resolve("m", Shape::Numbers, &[("a", "12"), ("b", "")], UnixNanos(9)).expect("below the cap");
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
        let known = registry.resolve("m", Shape::Numbers, &[("a", "1")], UnixNanos(0));
        assert_eq!(
            registry.resolve("m", Shape::Numbers, &[("a", "2")], UnixNanos(0)),
            Err(SeriesCapReached::Active { cap: 1 }.into())
        );
        assert_eq!(registry.resolve("m", Shape::Numbers, &[("a", "1")], UnixNanos(0)), known);
        // And nobody who reads is disturbed by it.
        let _reader = registry.read();
        assert!(registry.resolve("m", Shape::Numbers, &[("a", "3")], UnixNanos(0)).is_err());
    }

    #[test]
    fn a_registry_out_of_memory_knows_what_it_knew_and_takes_no_new_series() {
        let registry = SeriesRegistry::new(1_000);
        registry.bound(1_000, 2_000);
        let pod = |number: usize| format!("checkout-{number}");
        let resolve = |number| registry.resolve("m", Shape::Numbers, &[("pod", &pod(number))], UnixNanos(0));
        let taken = (0..).take_while(|&number| resolve(number).is_ok()).count();
        assert!((5..15).contains(&taken) && registry.bytes() < 2_300, "{taken} of {} bytes", registry.bytes());
        assert_eq!(resolve(taken), Err(SeriesCapReached::Memory { bytes_max: 2_000 }.into()));
        assert!(resolve(0).is_ok());
        registry.bound(1_000, 4_000);
        assert!(resolve(taken).is_ok());
    }

    #[test]
    fn the_names_of_streams_are_reserved() {
        let registry = SeriesRegistry::new(10);
        for name in [LOGS, SPANS, TEXTS] {
            let refused = Err(ResolveError::Shape { known: Shape::Streams, asked: Shape::Numbers });
            assert_eq!(registry.resolve(name, Shape::Numbers, &[], UnixNanos(0)), refused);
            assert!(registry.resolve(name, Shape::Streams, &[], UnixNanos(0)).is_ok());
        }
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
