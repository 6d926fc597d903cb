//! The store: one data folder, what is in memory and what is in its history, as one set of points.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use flyball_log::{Disk, Position, ReadOnlyDisk, Storage};
use flyball_model::{MetricRef, PointBatch, RowKind, Rows, SeriesRef, SeriesRegistry, UnixNanos};
use parking_lot::{Mutex, RwLock};

use crate::appended::{AppendedRows, UNLOGGED};
use crate::error::StoreError;
use crate::evict::Keeper;
use crate::folder::{Folder, Lock};
use crate::history::{Held, History};
use crate::hot::points::HotPoints;
use crate::hot::rows::HotRows;
use crate::journal::JOURNAL;
use crate::journal::writer::{Extent, Journal, Torn};
use crate::options::{RowCounts, StoreOptions, StoreStats};

/// Points and records, in memory and in the history, with the series they belong to.
///
/// Locks are taken in this order, and only the first two are held while a history file is written: `joiner`, `keeper`, `journal`, `lock`,
/// registry, `history`, then the locks inside `points` and `rows`. What leaves memory for a file does so under the write lock of `history`,
/// and every reader takes its snapshot of memory and files under the read lock, so that it sees each point exactly once.
#[derive(Debug)]
pub struct Store {
    pub(crate) options: StoreOptions,
    pub(crate) history_folder: Folder,
    pub(crate) registry: Arc<SeriesRegistry>,
    pub(crate) points: HotPoints,
    pub(crate) rows: HotRows,
    pub(crate) history: RwLock<History>,
    /// Held while files are joined, so that it is done once at a time.
    pub(crate) joiner: Mutex<()>,
    /// Held through a maintenance, so that there is one at a time.
    pub(crate) keeper: Mutex<Keeper>,
    /// Not the keeper's, so that no new series waits for a history file.
    journal: Mutex<Journal>,
    journaled: Journaled,
    /// What of the journal could not be read when it was opened.
    pub(crate) torn: Option<Torn>,
    /// Which ordinals the history held when it was opened, and what was restored since.
    pub(crate) held: Mutex<Held>,
    pub(crate) reads: Arc<Reads>,
    /// The newest time of any history file that was there when the folder was opened.
    found_until: i64,
    /// Asked before a history file is written.
    pub(crate) before_files: BeforeFiles,
    lock: Mutex<Lock>,
}

/// What must be durable before a history file may hold it.
#[derive(Default)]
pub(crate) struct BeforeFiles(OnceLock<Box<dyn Fn() -> Result<(), String> + Send + Sync>>);

impl BeforeFiles {
    pub(crate) fn wait(&self) -> Result<(), StoreError> {
        self.0.get().map_or(Ok(()), |wait| wait().map_err(|detail| StoreError::Log { detail }))
    }
}

impl fmt::Debug for BeforeFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BeforeFiles").field(&self.0.get().is_some()).finish()
    }
}

/// How far the journal is, for those who don't want to wait for its lock.
#[derive(Debug, Default)]
struct Journaled {
    series: AtomicU64,
    names: AtomicU64,
    bytes: AtomicU64,
}

impl Journaled {
    fn note(&self, journal: &Journal) {
        let Extent { series, names } = journal.extent();
        self.series.store(series, Ordering::Release);
        self.names.store(names, Ordering::Release);
        self.bytes.store(journal.bytes(), Ordering::Relaxed);
    }

    /// Each of the two only grows, and is noted when it is on disk.
    fn extent(&self) -> Extent {
        Extent { series: self.series.load(Ordering::Acquire), names: self.names.load(Ordering::Acquire) }
    }
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
        Self::open_on(dir, options, Arc::new(Disk))
    }

    /// Opens a data folder whose files are read and written through `storage`; its lock is one of the file system nevertheless.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_on(dir: &Path, options: StoreOptions, storage: Arc<dyn Storage>) -> Result<Arc<Self>, StoreError> {
        let folder = Folder::make(dir.to_owned(), Arc::clone(&storage))?;
        let lock = Lock::take(dir)?;
        Self::open_locked(folder, dir, options, storage, lock)
    }

    /// Opens a data folder to look at it: nothing in it changes, and no process can work on it meanwhile. Nothing may be flushed or
    /// maintained; what is appended stays in memory. Blocks.
    ///
    /// # Errors
    /// When there is no data folder, [`StoreError::InUse`] when a process works on it, else as [`Store::open`].
    pub fn open_read_only(dir: &Path, options: StoreOptions) -> Result<Arc<Self>, StoreError> {
        let storage: Arc<dyn Storage> = Arc::new(ReadOnlyDisk);
        if !dir.join(JOURNAL).is_file() {
            return Err(StoreError::NoFolder { dir: dir.to_owned() });
        }
        let folder = Folder { path: dir.to_owned(), storage: Arc::clone(&storage) };
        let lock = Lock::share(dir)?;
        Self::open_locked(folder, dir, options, storage, lock)
    }

    fn open_locked(
        folder: Folder,
        dir: &Path,
        options: StoreOptions,
        storage: Arc<dyn Storage>,
        lock: Lock,
    ) -> Result<Arc<Self>, StoreError> {
        let history_folder = Folder::make(dir.join("history"), storage)?;
        folder.remove_temporary()?;
        history_folder.remove_temporary()?;
        let (journal, registry) = Journal::open(&folder, options.series_cap)?;
        let (history, held) = History::load(&history_folder)?;
        // What is seen now is what is there after the next power cut too, even if the process before could not sync it: else the journal
        // might go, and a file that has expired come back, whose metrics' ordinals begin anew now.
        folder.sync()?;
        history_folder.sync()?;
        let torn = journal.torn().cloned();
        check_series(&history, &registry, torn.as_ref())?;
        let (points, rows) = (HotPoints::default(), HotRows::default());
        let young_from = history.young_since(0).first().map_or(u64::MAX, |file| file.ages.last);
        for file in &history.points {
            let young = file.ages.last >= young_from;
            file.metrics.iter().for_each(|rows| points.note_newest(rows.metric, rows.times.to, young));
        }
        for of_metric in history.rows(RowKind::Histograms).iter().flat_map(|file| &file.metrics) {
            rows.note_newest(of_metric.metric, of_metric.times.to);
        }
        held.points.iter().for_each(|(&metric, ordinals)| points.note_ordinals(metric, ordinals.end()));
        RowKind::ALL.into_iter().for_each(|kind| rows.note_ordinals(kind, held.rows[kind as usize].end()));
        let next_number = history.files().map(|file| file.number + 1).max().unwrap_or(0);
        let found_until = history.files().map(|file| file.times.to).max().unwrap_or(i64::MIN);
        let journaled = Journaled::default();
        journaled.note(&journal);
        Ok(Arc::new(Self {
            options,
            history_folder,
            registry: Arc::new(registry),
            points,
            rows,
            history: RwLock::new(history),
            joiner: Mutex::default(),
            keeper: Mutex::new(Keeper::new(next_number)),
            journal: Mutex::new(journal),
            journaled,
            torn,
            held: Mutex::new(held),
            reads: Arc::default(),
            found_until,
            before_files: BeforeFiles::default(),
            lock: Mutex::new(lock),
        }))
    }

    /// The series of this folder. `normalize` fills it.
    pub fn registry(&self) -> &Arc<SeriesRegistry> {
        &self.registry
    }

    /// Appends records. All series are of this store's registry, and of a kind's records none is compared with what is stored.
    /// The log record will stand at `needs` or later.
    ///
    /// Takes a look at the registry itself: the caller must not hold one, or a waiting writer deadlocks both.
    pub fn append_rows(&self, rows: Rows, needs: Position) -> AppendedRows {
        self.rows.append(&self.registry.read(), rows, needs)
    }

    /// Appends points that are in no log: a crash loses those that are not in the history yet. Returns the metrics of the
    /// batch, each once.
    pub fn append_unlogged(&self, points: PointBatch) -> Vec<MetricRef> {
        self.append(points, UNLOGGED).touched
    }

    /// The same for records.
    pub fn append_rows_unlogged(&self, rows: Rows) -> Vec<MetricRef> {
        self.append_rows(rows, UNLOGGED).touched
    }

    /// The log is needed from here on, since what is in memory may stand there; `None` when memory is empty.
    ///
    /// A batch that is on its way from its position to [`Store::append`] is the caller's concern: take the lowest position of
    /// those *before* calling this, and the lower one of both is safe.
    pub fn needed_from(&self) -> Option<Position> {
        // What leaves memory meanwhile is in a synced file already.
        let needed = self.points.needed_from().min(self.rows.needed_from());
        (needed != UNLOGGED).then_some(needed)
    }

    /// Has `wait` asked before each history file is written: it returns when all that was appended before is durable in the log. Without it
    /// a crash could leave points in the history that were never acknowledged, and that the ledger knows nothing of. Once a store.
    pub fn wait_before_files(&self, wait: impl Fn() -> Result<(), String> + Send + Sync + 'static) {
        if self.before_files.0.set(Box::new(wait)).is_err() {
            tracing::error!("a store has one log; the second one is not asked");
        }
    }

    /// Has every series and metric of the registry written to the journal and synced; writes nothing when there is nothing
    /// new. A journal that somebody removed is put back, whether there is or not. Does not wait for maintenance. Blocks.
    ///
    /// # Errors
    /// When the disk says no, [`StoreError::InUse`] when the folder was removed too and another process works there by now; the next call tries
    /// again.
    pub fn sync_series(&self) -> Result<(), StoreError> {
        self.write_journal().map(drop)
    }

    /// The same; tells how many records were written.
    pub(crate) fn write_journal(&self) -> Result<u64, StoreError> {
        let there = Extent::of(&self.registry.read());
        let mut journal = self.journal.lock();
        let mut written = 0;
        if self.journaled.extent() != there {
            let caught_up = journal.catch_up(&self.registry);
            self.journaled.note(&journal);
            written = caught_up?;
        }
        // Behind the write: what was written into a file without a name is gone with the process.
        if !journal.is_there()? {
            journal.folder().make_again()?;
            self.lock.lock().take_again()?;
            journal.put_back()?;
        }
        Ok(written)
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

    /// The series of a metric that may have a point, or a record other than an exemplar, at or after `from`: by the times of what came since
    /// the folder was opened, and all where the history may have them from before. The labels of the others, most of which
    /// may not be in memory, need not be looked at.
    pub fn series_since(&self, metric: MetricRef, from: i64) -> Vec<SeriesRef> {
        let view = self.registry.read();
        let may_have = |series: &SeriesRef| view.last_at(*series).is_some_and(|last| last.0 >= from);
        let all = view.series_of(metric);
        if from <= self.found_until { all.to_vec() } else { all.iter().copied().filter(may_have).collect() }
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
            journal_bytes: read(&self.journaled.bytes),
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
fn check_series(history: &History, registry: &SeriesRegistry, torn: Option<&Torn>) -> Result<(), StoreError> {
    let view = registry.read();
    for file in history.files() {
        let metrics_end = file.metrics.last().map_or(0, |rows| rows.metric.0 as usize + 1);
        if file.series_end as usize > view.series_count() || metrics_end > view.metric_count() {
            if let Some(torn) = torn {
                let name = file.path.file_name().unwrap_or_default().display();
                return Err(torn.needed(&format!("{name} speaks of {} series", file.series_end), view.series_count()));
            }
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
