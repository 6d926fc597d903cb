//! The series registry: metric + sorted labels → a stable 128-bit id → a dense number.
//!
//! It lives in the model because both `normalize`, which fills it, and `store`, which makes label columns from it, need
//! it and may not import each other. Strings are interned once; a series is a handful of symbol pairs. Persistence
//! is the store's: it writes down what a [`LabelView`] shows and rebuilds with [`SeriesRegistry::remember`].
//!
//! | file | holds |
//! |---|---|
//! | `inner` | what is known, in columns; `symbols` its strings |
//! | `view` | a look without labels, `labels` one with |
//! | `active` | how many series are active |
//! | `cold` | labels that left the memory, and reading them back |
//! | `sweep` | when they leave and return |

mod active;
mod cold;
mod inner;
mod labels;
mod sweep;
mod symbols;
#[cfg(test)]
mod tests;
mod view;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;
use twox_hash::XxHash3_128;

pub use cold::{Archive, ColdError, EachLabels};
pub use labels::LabelView;
pub use sweep::Swept;
pub use symbols::Symbol;
pub use view::RegistryView;

use self::active::Active;
use self::cold::ReadBack;
use self::inner::Inner;
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

/// All series ever seen by this data folder. Shared; reads don't block each other.
///
/// Two bounds: the number of active series, those with a point of late or made of late, so that a day's churn does not keep new ones out; and
/// the bytes of all that is known, idle ones included. Of those the labels leave the memory, see [`SeriesRegistry::sweep`].
#[derive(Debug)]
pub struct SeriesRegistry {
    cap: AtomicUsize,
    bytes_max: AtomicUsize,
    active: Active,
    archive: OnceLock<Arc<dyn Archive>>,
    inner: RwLock<Inner>,
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
            archive: OnceLock::new(),
            inner: RwLock::default(),
        }
    }

    /// Sets the bounds: what was there before stays, also beyond them.
    pub fn bound(&self, cap: usize, bytes_max: usize) {
        self.cap.store(cap, Ordering::Relaxed);
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    /// Says where labels stand that are not in memory. Once a registry; without it none leave.
    pub fn set_archive(&self, archive: Arc<dyn Archive>) {
        self.archive.get_or_init(|| archive);
    }

    fn archive(&self) -> Result<&dyn Archive, ColdError> {
        let archive = self.archive.get().ok_or_else(|| ColdError("there is no archive yet".to_owned()))?;
        Ok(&**archive)
    }

    /// How many series are active, as of the last sweep and with those made since. All that were read from the journal count until the first.
    pub fn active(&self) -> usize {
        self.active.count()
    }

    /// About how many bytes all that is known takes.
    pub fn bytes(&self) -> usize {
        self.inner.read().bytes()
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
        Ok(inner.insert(id, metric, labels, first_at, true))
    }

    /// Takes a series back that was there before, whatever the bounds; its labels come into memory or stay in the archive. Returns its
    /// number: the next one, or the one that it has if it stands there already.
    ///
    /// # Errors
    /// When the metric's points are of another shape.
    pub fn remember(
        &self,
        metric: &str,
        shape: Shape,
        labels: &[(&str, &str)],
        first_at: UnixNanos,
        in_memory: bool,
    ) -> Result<SeriesRef, ResolveError> {
        let id = series_id(metric, labels);
        let mut inner = self.inner.write();
        if let Some(series) = inner.find_shaped(id, shape)? {
            return Ok(series);
        }
        let metric = inner.metric(metric);
        inner.metrics[metric.0 as usize].take_shape(shape)?;
        self.active.made_one();
        Ok(inner.insert(id, metric, labels, first_at, in_memory))
    }

    /// The series, or `None` if it is new and there is room for it.
    /// The number of a series that is there already; `metric` and `labels` as for [`SeriesRegistry::resolve`].
    pub fn known(&self, metric: &str, shape: Shape, labels: &[(&str, &str)]) -> Option<SeriesRef> {
        self.inner.read().find_shaped(series_id(metric, labels), shape).ok().flatten()
    }

    fn find(&self, inner: &Inner, id: u128, shape: Shape) -> Result<Option<SeriesRef>, ResolveError> {
        match inner.find_shaped(id, shape)? {
            Some(found) => Ok(Some(found)),
            None => {
                let (cap, bytes_max) = (self.cap(), self.bytes_max.load(Ordering::Relaxed));
                if self.active() >= cap || inner.series.metric.len() >= SERIES_MAX {
                    Err(SeriesCapReached::Active { cap }.into())
                } else if inner.bytes() >= bytes_max {
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
            inner.describe(metric, info);
        }
    }

    /// Whether there is room for descriptions of metrics. They have no cap of their own: their text is among the bytes.
    pub fn has_room(&self) -> bool {
        self.inner.read().bytes() < self.bytes_max.load(Ordering::Relaxed)
    }

    /// A consistent look at everything. Hold it for a batch or a query plan, never over an `.await`.
    pub fn read(&self) -> RegistryView<'_> {
        RegistryView { inner: self.inner.read() }
    }

    /// A look with the labels of these series, wherever they are. Like [`SeriesRegistry::read`], and blocks on the archive before it takes
    /// the lock when some are not in memory.
    ///
    /// # Errors
    /// When labels can't be read back.
    pub fn labels_of(&self, series: &[SeriesRef]) -> Result<LabelView<'_>, ColdError> {
        let mut read = ReadBack::default();
        loop {
            let view = self.read();
            let is_missing = |series: &SeriesRef| view.inner.is_cold(*series) && !read.has(*series);
            let mut missing: Vec<_> = series.iter().copied().filter(is_missing).collect();
            if missing.is_empty() {
                read.check(&view)?;
                read.unify(&view);
                return Ok(LabelView::new(view, read));
            }
            drop(view);
            missing.sort_unstable();
            missing.dedup();
            // Seldom more than once: another one must have left the memory meanwhile.
            read.read(self.archive()?, &missing)?;
        }
    }

    /// A look with those labels that are in memory: of every series that is not in the archive yet, and of nearly every active one.
    pub fn labels_in_memory(&self) -> LabelView<'_> {
        LabelView::new(self.read(), ReadBack::default())
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.inner.read().series.metric.len()
    }

    /// Of how many series the labels are in memory.
    pub fn in_memory(&self) -> usize {
        self.inner.read().in_memory()
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
