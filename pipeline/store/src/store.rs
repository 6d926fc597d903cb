//! The store: one data folder, what is in memory and what is in its history, as one set of points.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flyball_model::{MetricRef, PointBatch, RowKind, Rows, SeriesRegistry, UnixNanos};
use parking_lot::{Mutex, RwLock};

use crate::error::StoreError;
use crate::evict::Keeper;
use crate::folder;
use crate::history::History;
use crate::hot::points::HotPoints;
use crate::hot::rows::HotRows;
use crate::journal::writer::Journal;
use crate::options::{RowCounts, StoreOptions, StoreStats};

/// Points and records, in memory and in the history, with the series they belong to.
///
/// Locks are taken in this order, and none is held while a file is written: registry, `keeper`, `history`, then the locks
/// inside `points` and `rows`. What leaves memory for a file does so under the write lock of `history`, and every reader
/// takes its snapshot of memory and files under the read lock, so that it sees each point exactly once.
#[derive(Debug)]
pub struct Store {
    pub(crate) options: StoreOptions,
    pub(crate) history_dir: PathBuf,
    pub(crate) registry: Arc<SeriesRegistry>,
    pub(crate) points: HotPoints,
    pub(crate) rows: HotRows,
    pub(crate) history: RwLock<History>,
    /// Held through a maintenance, so that there is one at a time.
    pub(crate) keeper: Mutex<Keeper>,
    pub(crate) journal_bytes: AtomicU64,
    pub(crate) reads: Reads,
    _lock: File,
}

/// What queries read.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    pub(crate) files_opened: AtomicU64,
    pub(crate) files_pruned: AtomicU64,
    pub(crate) history_rows: AtomicU64,
    pub(crate) hot_rows: AtomicU64,
}

impl Store {
    /// Opens a data folder, made if it is missing, and finds its series and history again. Blocks.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process has it; else when something in it can't be read or made.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Arc<Self>, StoreError> {
        let history_dir = dir.join("history");
        folder::create(dir)?;
        let lock = folder::lock(dir)?;
        folder::create(&history_dir)?;
        folder::remove_temporary(dir)?;
        folder::remove_temporary(&history_dir)?;
        let (journal, registry) = Journal::open(dir, options.series_cap)?;
        let history = History::load(&history_dir)?;
        check_series(&history, &registry)?;
        let points = HotPoints::default();
        for rows in history.points.iter().flat_map(|file| &file.metrics) {
            points.note_newest(rows.metric, rows.times.to);
        }
        let rows = HotRows::default();
        for of_metric in history.rows(RowKind::Histograms).iter().flat_map(|file| &file.metrics) {
            rows.note_newest(of_metric.metric, of_metric.times.to);
        }
        let next_number = history.files().map(|file| file.number + 1).max().unwrap_or(0);
        Ok(Arc::new(Self {
            options,
            history_dir,
            registry: Arc::new(registry),
            points,
            rows,
            history: RwLock::new(history),
            journal_bytes: AtomicU64::new(journal.bytes()),
            keeper: Mutex::new(Keeper::new(journal, next_number)),
            reads: Reads::default(),
            _lock: lock,
        }))
    }

    /// The series of this folder. `normalize` fills it.
    pub fn registry(&self) -> &Arc<SeriesRegistry> {
        &self.registry
    }

    /// Appends points and returns the metrics they belong to, each once. All series are of this store's registry.
    ///
    /// Takes a look at the registry itself: the caller must not hold one, or a waiting writer deadlocks both.
    pub fn append(&self, points: &PointBatch) -> Vec<MetricRef> {
        self.points.append(&self.registry.read(), points)
    }

    /// Appends records and returns the metrics whose series they belong to, each once: a pseudo-metric where a kind has
    /// one. All series are of this store's registry; see [`Store::append`].
    pub fn append_rows(&self, rows: Rows) -> Vec<MetricRef> {
        self.rows.append(&self.registry.read(), rows)
    }

    /// Whether memory is one and a half times over its budget: no more points should be taken before
    /// [`Store::maintain`] was run, and senders be told to try again.
    pub fn over_budget(&self) -> bool {
        self.hot_bytes() >= self.options.hard_limit_bytes()
    }

    /// Whether memory is over its budget: [`Store::maintain`] has something to do now.
    pub fn needs_maintenance(&self) -> bool {
        self.hot_bytes() > self.options.hot_bytes
    }

    /// The newest time of any point of a metric, a number or a histogram; older ones may have expired since. `None` for
    /// streams: that no log record came says nothing.
    pub fn newest(&self, metric: MetricRef) -> Option<UnixNanos> {
        self.points.newest(metric).max(self.rows.newest(metric))
    }

    /// What the store holds, and what it has read since it was opened.
    pub fn stats(&self) -> StoreStats {
        let (series, metrics) = {
            let view = self.registry.read();
            (view.series_count() as u64, view.metric_count() as u64)
        };
        let history = self.history.read();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StoreStats {
            hot_points: self.points.count(),
            hot_rows: RowCounts::of(|kind| self.rows.count(kind)),
            hot_bytes: self.hot_bytes() as u64,
            history_files: history.files().count() as u64,
            history_points: history.points.iter().map(|file| file.rows).sum(),
            history_rows: RowCounts::of(|kind| history.rows(kind).iter().map(|file| file.rows).sum()),
            history_bytes: history.files().map(|file| file.bytes).sum(),
            journal_bytes: read(&self.journal_bytes),
            series,
            metrics,
            files_opened: read(&self.reads.files_opened),
            files_pruned: read(&self.reads.files_pruned),
            history_rows_read: read(&self.reads.history_rows),
            hot_rows_read: read(&self.reads.hot_rows),
        }
    }

    pub(crate) fn hot_bytes(&self) -> usize {
        self.points.bytes() + self.rows.bytes()
    }
}

/// A history that speaks of series which the journal does not know would give points to the wrong labels.
fn check_series(history: &History, registry: &SeriesRegistry) -> Result<(), StoreError> {
    let view = registry.read();
    for file in history.files() {
        let metrics_end = file.metrics.last().map_or(0, |rows| rows.metric.0 as usize + 1);
        if file.series_end as usize > view.series_count() || metrics_end > view.metric_count() {
            return Err(StoreError::Corrupt {
                path: file.path.clone(),
                offset: 0,
                detail: format!(
                    "it speaks of {} series, but series.journal has {}; restore the journal that belongs to it, or move the file out of the folder",
                    file.series_end,
                    view.series_count()
                ),
            });
        }
    }
    Ok(())
}
