//! What the registry holds behind its lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hashbrown::{HashMap, HashSet, HashTable};

use super::symbols::{Symbol, Symbols};
use super::{MetricRef, ResolveError, SeriesRef, is_stream_table};
use crate::metric::{MetricInfo, Shape};
use crate::time::UnixNanos;

/// What a series takes whose labels are not in memory: the columns, its places in the index, in its metric's list and in the archive.
const SERIES_BYTES: usize = 16 + 4 + 4 + 4 + 3 * 8 + 8 + 4 + 2;

/// What labels take that are in memory, beside their pairs: the place of their pointer, and its allocation.
const LABELS_BYTES: usize = 16 + 16;

/// What a metric takes beside its series and its name.
const METRIC_BYTES: usize = size_of::<Metric>() + 64;

/// The place of labels that are not in memory.
const COLD: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(super) struct Inner {
    pub(super) symbols: Symbols,
    pub(super) metrics: Vec<Metric>,
    pub(super) metric_of: HashMap<Arc<str>, MetricRef>,
    pub(super) series: Columns,
    /// Series by the first half of their id.
    series_of: HashTable<SeriesRef>,
    /// The labels that are in memory, and the places that are free among them.
    labels: Vec<Box<[Pair]>>,
    free: Vec<u32>,
    pub(super) names_version: u64,
    bytes: usize,
}

/// A label's name and value.
pub(super) type Pair = (Symbol, Symbol);

/// What is known of each series, by its number. Columns and not rows: what is touched with every point lies close together.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub(super) id: Vec<[u64; 2]>,
    pub(super) metric: Vec<MetricRef>,
    /// Its place among the series of its metric.
    pub(super) position: Vec<u32>,
    /// Where its labels are, or [`COLD`].
    place: Vec<u32>,
    pub(super) first_at: Vec<i64>,
    /// The newest point's time since the process started.
    pub(super) last_at: Vec<AtomicI64>,
    /// What the sender said last of when the sum began.
    pub(super) start_at: Vec<AtomicI64>,
}

#[derive(Debug)]
pub(super) struct Metric {
    pub(super) name: Arc<str>,
    pub(super) info: MetricInfo,
    pub(super) info_version: u64,
    pub(super) series: Vec<SeriesRef>,
    /// Of all its series ever; each is a use of the string, so that they stay.
    pub(super) label_names: HashSet<Symbol>,
}

impl Inner {
    pub(super) fn find(&self, id: u128) -> Option<SeriesRef> {
        let id = halves(id);
        self.series_of.find(id[0], |series| self.series.id[series.0 as usize] == id).copied()
    }

    pub(super) fn find_shaped(&self, id: u128, shape: Shape) -> Result<Option<SeriesRef>, ResolveError> {
        let Some(series) = self.find(id) else { return Ok(None) };
        match self.metrics[self.series.metric[series.0 as usize].0 as usize].info.shape {
            Some(known) if known != shape => Err(ResolveError::Shape { known, asked: shape }),
            _ => Ok(Some(series)),
        }
    }

    pub(super) fn metric(&mut self, name: &str) -> MetricRef {
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

    /// Takes over what is known of a metric, if it is news.
    pub(super) fn describe(&mut self, metric: MetricRef, info: &MetricInfo) {
        let metric = &mut self.metrics[metric.0 as usize];
        let before = metric.info.text_bytes();
        if metric.info.merge(info) {
            metric.info_version += 1;
            let after = metric.info.text_bytes();
            self.names_version += 1;
            self.bytes = (self.bytes + after).saturating_sub(before);
        }
    }

    /// A new series, its labels in memory or not.
    pub(super) fn insert(
        &mut self,
        id: u128,
        metric: MetricRef,
        labels: &[(&str, &str)],
        first_at: UnixNanos,
        in_memory: bool,
    ) -> SeriesRef {
        let series = SeriesRef(u32::try_from(self.series.metric.len()).expect("SERIES_MAX is below 2^32"));
        self.bytes += SERIES_BYTES;
        let id = halves(id);
        let Self { series: columns, series_of, metrics, .. } = self;
        columns.id.push(id);
        columns.metric.push(metric);
        let of_metric = &mut metrics[metric.0 as usize].series;
        columns.position.push(of_metric.len() as u32);
        of_metric.push(series);
        columns.place.push(COLD);
        columns.first_at.push(first_at.0);
        columns.last_at.push(AtomicI64::new(i64::MIN));
        columns.start_at.push(AtomicI64::new(i64::MIN));
        series_of.insert_unique(id[0], series, |series| columns.id[series.0 as usize][0]);
        if in_memory {
            self.settle(series, labels.iter().copied());
            let Self { symbols, metrics, labels, series: columns, .. } = self;
            let names = &mut metrics[metric.0 as usize].label_names;
            for &(name, _) in &*labels[columns.place[series.0 as usize] as usize] {
                if names.insert(name) {
                    symbols.hold(name);
                }
            }
        } else {
            for (name, _) in labels {
                let name = self.symbols.take(name);
                if !self.metrics[metric.0 as usize].label_names.insert(name) {
                    self.symbols.give_back(name);
                }
            }
        }
        series
    }

    /// The labels of a series, if they are in memory.
    #[inline]
    pub(super) fn pairs(&self, series: SeriesRef) -> Option<&[Pair]> {
        let place = self.series.place[series.0 as usize];
        (place != COLD).then(|| &*self.labels[place as usize])
    }

    #[inline]
    pub(super) fn is_cold(&self, series: SeriesRef) -> bool {
        self.series.place[series.0 as usize] == COLD
    }

    /// Takes the labels of a cold series into memory.
    pub(super) fn settle<'a>(&mut self, series: SeriesRef, labels: impl Iterator<Item = (&'a str, &'a str)>) {
        debug_assert!(self.is_cold(series), "series {} has its labels", series.0);
        let pairs: Box<[_]> = labels.map(|(name, value)| (self.symbols.take(name), self.symbols.take(value))).collect();
        self.bytes += LABELS_BYTES + size_of_val(&*pairs);
        let place = match self.free.pop() {
            Some(place) => {
                self.labels[place as usize] = pairs;
                place
            }
            None => {
                self.labels.push(pairs);
                u32::try_from(self.labels.len() - 1).expect("there are no more labels than series")
            }
        };
        self.series.place[series.0 as usize] = place;
    }

    /// Has the labels of a series leave the memory.
    pub(super) fn forget_labels(&mut self, series: SeriesRef) {
        let place = std::mem::replace(&mut self.series.place[series.0 as usize], COLD);
        debug_assert!(place != COLD, "series {} has no labels to forget", series.0);
        let pairs = std::mem::take(&mut self.labels[place as usize]);
        self.bytes -= LABELS_BYTES + size_of_val(&*pairs);
        for &(name, value) in &*pairs {
            self.symbols.give_back(name);
            self.symbols.give_back(value);
        }
        self.free.push(place);
    }

    /// The newest time of a series, `i64::MIN` before its first point since the process started.
    #[inline]
    pub(super) fn last_at(&self, number: usize) -> i64 {
        self.series.last_at[number].load(Ordering::Relaxed)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.symbols.bytes()
    }

    /// Series whose labels are in memory.
    pub(super) fn in_memory(&self) -> usize {
        self.labels.len() - self.free.len()
    }
}

impl Metric {
    /// The first series says what the points are; each later one must agree. A stream's name is taken from the start, so that no
    /// metric that is called `spans` can keep spans out.
    pub(super) fn take_shape(&mut self, shape: Shape) -> Result<(), ResolveError> {
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
