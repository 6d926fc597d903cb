//! A look at the registry, without labels: those of idle series are not in memory, see [`super::LabelView`].

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::RwLockReadGuard;

use super::inner::Inner;
use super::{MetricRef, SeriesRef};
use crate::metric::{MetricInfo, Shape};
use crate::time::UnixNanos;

/// A consistent look at the registry; see [`super::SeriesRegistry::read`].
#[derive(Debug)]
pub struct RegistryView<'a> {
    pub(super) inner: RwLockReadGuard<'a, Inner>,
}

impl RegistryView<'_> {
    /// How many series there are; their numbers are `0..count`.
    pub fn series_count(&self) -> usize {
        self.inner.series.metric.len()
    }

    /// How many metrics there are; their numbers are `0..count`.
    pub fn metric_count(&self) -> usize {
        self.inner.metrics.len()
    }

    /// The number of a metric by its exact name in Prometheus form.
    pub fn metric(&self, name: &str) -> Option<MetricRef> {
        self.inner.metric_of.get(name).copied()
    }

    /// All metrics, oldest first. [`super::LOGS`] is among them once a log record came.
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

    /// What a metric's points are made of; numbers, where no series has said it yet.
    pub fn shape(&self, metric: MetricRef) -> Shape {
        self.info(metric).shape.unwrap_or(Shape::Numbers)
    }

    /// Grows each time a metric comes or what is known of one changes: what a name in a query may mean.
    pub fn names_version(&self) -> u64 {
        self.inner.names_version
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
        let names = &self.inner.metrics[metric.0 as usize].label_names;
        let mut names: Vec<_> = names.iter().map(|&name| Arc::clone(self.inner.symbols.text(name))).collect();
        names.sort_unstable();
        names
    }

    /// How many labels the series of the metric have between them.
    pub fn label_count(&self, metric: MetricRef) -> usize {
        self.inner.metrics[metric.0 as usize].label_names.len()
    }

    /// The metric of a series.
    #[inline]
    pub fn metric_of(&self, series: SeriesRef) -> MetricRef {
        self.inner.series.metric[series.0 as usize]
    }

    /// The place of a series in [`RegistryView::series_of`] of its metric.
    #[inline]
    pub fn position(&self, series: SeriesRef) -> u32 {
        self.inner.series.position[series.0 as usize]
    }

    /// The stable 128-bit id of a series.
    pub fn id(&self, series: SeriesRef) -> u128 {
        let [low, high] = self.inner.series.id[series.0 as usize];
        u128::from(low) | u128::from(high) << 64
    }

    /// The time of the first point.
    pub fn first_at(&self, series: SeriesRef) -> UnixNanos {
        UnixNanos(self.inner.series.first_at[series.0 as usize])
    }

    /// The time of the newest point; `None` before the first since the process started.
    pub fn last_at(&self, series: SeriesRef) -> Option<UnixNanos> {
        let last = self.inner.last_at(series.0 as usize);
        (last != i64::MIN).then_some(UnixNanos(last))
    }

    /// When the sum began, by the sender's last word; `None` where it did not say since the process started.
    pub fn start_at(&self, series: SeriesRef) -> Option<UnixNanos> {
        let start = self.inner.series.start_at[series.0 as usize].load(Ordering::Relaxed);
        (start != i64::MIN).then_some(UnixNanos(start))
    }

    /// Notes when the sums of these series began, and keeps those of them that are news.
    pub fn note_starts(&self, starts: &mut Vec<(SeriesRef, UnixNanos)>) {
        starts.retain(|(series, start)| {
            let known = &self.inner.series.start_at[series.0 as usize];
            // Senders say the same each time: what is only read stays in the caches of all cores.
            let is_news = known.load(Ordering::Relaxed) != start.0;
            if is_news {
                known.store(start.0, Ordering::Relaxed);
            }
            is_news
        });
    }

    /// When the sums of all series began of which that is known.
    pub fn starts(&self) -> impl Iterator<Item = (SeriesRef, UnixNanos)> {
        (0..self.series_count() as u32).map(SeriesRef).filter_map(|series| Some((series, self.start_at(series)?)))
    }

    /// Notes a point's time; an older one than the newest changes nothing.
    #[inline]
    pub fn touch(&self, series: SeriesRef, at: i64) {
        let last = &self.inner.series.last_at[series.0 as usize];
        // A plain load first: most points find a slot that only they write, and a store is cheaper than a locked maximum.
        if last.load(Ordering::Relaxed) < at {
            last.fetch_max(at, Ordering::Relaxed);
        }
    }

    /// Notes a point's time and returns the newest one before, `i64::MIN` if there was none since the process started. For a caller
    /// who holds a lock that everyone holds who notes times of this series: then the answer is exact, and a plain store will do.
    #[inline]
    pub fn advance(&self, series: SeriesRef, at: i64) -> i64 {
        let last = &self.inner.series.last_at[series.0 as usize];
        let before = last.load(Ordering::Relaxed);
        if before < at {
            last.store(at, Ordering::Relaxed);
        }
        before
    }
}
