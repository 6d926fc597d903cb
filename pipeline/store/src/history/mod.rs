//! What left memory: Parquet files that are written once and deleted whole.
//!
//! A file holds points or records of one kind, and is named by what it holds. A points file holds three columns (`series` u32, `time`, `value`) sorted by metric, series and time, so that one
//! metric is one range of rows and one series a run in it. Which rows are which metric's, and their times, stands in the
//! file's own metadata (so that a file and its index can't be apart) and is kept in memory while the file lives: a query
//! opens only files that have something for it.

pub(crate) mod file;
mod order;
pub(crate) mod read;
pub(crate) mod rows;
pub(crate) mod write;

use std::path::Path;
use std::sync::Arc;

use file::{HistoryFile, Kind};
use flyball_model::RowKind;

use crate::error::StoreError;

/// All files of the history, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    pub(crate) points: Vec<Arc<HistoryFile>>,
    rows: [Vec<Arc<HistoryFile>>; RowKind::ALL.len()],
}

impl History {
    /// Reads the index of every file in the folder.
    ///
    /// # Errors
    /// When a file can't be read, or is of a newer format.
    pub(crate) fn load(dir: &Path) -> Result<Self, StoreError> {
        let mut history = Self::default();
        for entry in std::fs::read_dir(dir).map_err(StoreError::io("read", dir))? {
            let path = entry.map_err(StoreError::io("read", dir))?.path();
            let Some((kind, number)) = file::parse_name(&path) else { continue };
            let file = Arc::new(HistoryFile::load(path, kind, number)?);
            history.of_mut(kind).push(file);
        }
        for files in history.all_mut() {
            files.sort_by_key(|file| file.number);
        }
        Ok(history)
    }

    pub(crate) fn of_mut(&mut self, kind: Kind) -> &mut Vec<Arc<HistoryFile>> {
        match kind {
            Kind::Points => &mut self.points,
            Kind::Rows(kind) => &mut self.rows[kind as usize],
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

    /// Takes out the files whose newest point is older than `oldest`; each is deleted when its last reader is done.
    pub(crate) fn expire(&mut self, oldest: i64) -> usize {
        let mut expired = 0;
        for files in self.all_mut() {
            for file in files.extract_if(.., |file| file.times.to < oldest) {
                file.doom();
                expired += 1;
            }
        }
        expired
    }
}
