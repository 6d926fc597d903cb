//! What left memory: Parquet files that are written once and deleted whole.
//!
//! A file holds points or records of one kind, and is named by what it holds. A points file holds three columns (`series` u32, `time`, `value`) sorted by metric, series and time, so that one
//! metric is one range of rows and one series a run in it. Which rows are which metric's, and their times, stands in the
//! file's own metadata (so that a file and its index can't be apart) and is kept in memory while the file lives: a query
//! opens only files that have something for it.

mod checksums;
pub(crate) mod file;
pub(crate) mod join;
mod order;
pub(crate) mod read;
pub(crate) mod rows;
mod sink;
pub(crate) mod write;

use std::cmp::Reverse;
use std::sync::Arc;

use file::{HistoryFile, Kind};
use flyball_model::{MetricRef, RowKind, UnixNanos};
use hashbrown::HashMap;

use crate::error::StoreError;
use crate::folder::Folder;
use crate::options::RETRIES_WITHIN;
use crate::ordinals::{OrdinalRange, Ordinals};
use crate::range::TimeRange;

/// All files of the history, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    pub(crate) points: Vec<Arc<HistoryFile>>,
    rows: [Vec<Arc<HistoryFile>>; RowKind::ALL.len()],
    /// Points files whose last number is this or a higher one are young, see [`RETRIES_WITHIN`].
    young_from: u64,
}

impl History {
    /// Reads the index of every file in the folder; tells also which ordinals they hold together. Files that were joined into one that is there
    /// are removed.
    ///
    /// # Errors
    /// When a file can't be read, or is of a newer format, or one that is superfluous can't be removed.
    pub(crate) fn load(folder: &Folder) -> Result<(Self, Held), StoreError> {
        let (mut history, mut held) = (Self::default(), Held::default());
        for path in folder.list()? {
            let Some((kind, number)) = file::parse_name(&path) else { continue };
            let (file, ordinals) = HistoryFile::load(Arc::clone(&folder.storage), path, kind, number)?;
            for (metric, from, to) in ordinals {
                held.of_mut(kind, MetricRef(metric)).add(OrdinalRange { from, to });
            }
            history.of_mut(kind).push(Arc::new(file));
        }
        for files in history.all_mut() {
            remove_joined(files, folder)?;
        }
        // The present is not known here, but it is not before the newest file.
        let newest = history.points.iter().map(|file| file.written).filter(|&written| written < i64::MAX).max();
        history.age(UnixNanos(newest.unwrap_or(i64::MIN)));
        Ok((history, held))
    }

    pub(crate) fn of_mut(&mut self, kind: Kind) -> &mut Vec<Arc<HistoryFile>> {
        match kind {
            Kind::Points => &mut self.points,
            Kind::Rows(kind) => &mut self.rows[kind as usize],
        }
    }

    /// The files of a kind, oldest first.
    pub(crate) fn of(&self, kind: Kind) -> &[Arc<HistoryFile>] {
        match kind {
            Kind::Points => &self.points,
            Kind::Rows(kind) => self.rows(kind),
        }
    }

    /// The files of one kind of record, oldest first.
    pub(crate) fn rows(&self, kind: RowKind) -> &[Arc<HistoryFile>] {
        &self.rows[kind as usize]
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &Arc<HistoryFile>> {
        self.points.iter().chain(self.rows.iter().flatten())
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Vec<Arc<HistoryFile>>> {
        std::iter::once(&mut self.points).chain(&mut self.rows)
    }

    /// Takes out the files whose newest point is older than `oldest`; each is removed when its last reader, the caller among them,
    /// is done.
    pub(crate) fn expire(&mut self, oldest: i64) -> Vec<Arc<HistoryFile>> {
        let mut expired = Vec::new();
        for files in self.all_mut() {
            expired.extend(files.extract_if(.., |file| file.times.to < oldest));
        }
        expired.iter().for_each(|file| file.doom());
        expired
    }

    /// Finds out which files are not young any more.
    pub(crate) fn age(&mut self, now: UnixNanos) {
        let oldest = now.minus(RETRIES_WITHIN).0;
        while let Some(file) = self.young_since(0).first()
            && file.written < oldest
        {
            self.young_from = file.ages.last + 1;
        }
    }

    /// Whether files that stand for numbers below this one are all old.
    pub(crate) fn is_old_before(&self, number: u64) -> bool {
        self.young_since(0).first().is_none_or(|file| file.ages.last >= number)
    }

    /// The points files that are young and stand for this number or a higher one.
    pub(crate) fn young_since(&self, number: u64) -> &[Arc<HistoryFile>] {
        let from = number.max(self.young_from);
        &self.points[self.points.partition_point(|file| file.ages.last < from)..]
    }

    /// Puts a file in the place of those that were joined into it, which stand together; each of them is removed when its last reader, the
    /// caller among them, is done.
    pub(crate) fn replace(&mut self, kind: Kind, joined: HistoryFile) {
        let files = self.of_mut(kind);
        let from = files.partition_point(|file| file.ages.last < joined.ages.first);
        let to = files.partition_point(|file| file.ages.last <= joined.ages.last);
        files[from..to].iter().for_each(|file| file.doom());
        files.splice(from..to, [Arc::new(joined)]);
    }

    /// Whether a young file has points of a metric and times.
    pub(crate) fn may_have(&self, metric: MetricRef, times: TimeRange) -> bool {
        let has = |file: &Arc<HistoryFile>| {
            file.times.overlaps(times) && file.times_of(metric).is_some_and(|of_metric| of_metric.overlaps(times))
        };
        self.young_since(0).iter().any(has)
    }
}

/// Puts files in order, and takes out those that others stand for: a crash came before they were removed.
fn remove_joined(files: &mut Vec<Arc<HistoryFile>>, folder: &Folder) -> Result<(), StoreError> {
    // What stands for others comes before them, and the newer of two that stand for the same.
    files.sort_by_key(|file| (file.ages.first, Reverse(file.ages.last), Reverse(file.number)));
    let mut end = None;
    let mut superfluous = Vec::new();
    files.retain(|file| {
        let stands = end.is_none_or(|end| file.ages.last > end);
        if stands {
            end = Some(file.ages.last);
        } else {
            superfluous.push(file.path.clone());
        }
        stands
    });
    if !superfluous.is_empty() {
        tracing::info!(files = superfluous.len(), "history files removed that were joined into others");
        folder.remove(|path| superfluous.iter().any(|file| file == path))?;
    }
    Ok(())
}

/// Which ordinals the history holds, or a replay has taken back.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) points: HashMap<MetricRef, Ordinals>,
    pub(crate) rows: [Ordinals; RowKind::ALL.len()],
}

impl Held {
    /// Those of a metric's points, or of a kind of records.
    pub(crate) fn of_mut(&mut self, kind: Kind, metric: MetricRef) -> &mut Ordinals {
        match kind {
            Kind::Points => self.points.entry(metric).or_default(),
            Kind::Rows(kind) => &mut self.rows[kind as usize],
        }
    }
}
