//! What left memory: Parquet files that are written once and deleted whole.
//!
//! A points file holds three columns (`series` u32, `time`, `value`) sorted by metric, series and time, so that one
//! metric is one range of rows and one series a run in it. Which rows are which metric's, and their times, stands in the
//! file's own metadata (so that a file and its index can't be apart) and is kept in memory while the file lives: a query
//! opens only files that have something for it.

pub(crate) mod file;
pub(crate) mod logs;
pub(crate) mod read;
pub(crate) mod write;

use std::path::Path;
use std::sync::Arc;

use file::{HistoryFile, Kind};

use crate::error::StoreError;

/// All files of the history, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    pub(crate) points: Vec<Arc<HistoryFile>>,
    pub(crate) logs: Vec<Arc<HistoryFile>>,
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
        history.points.sort_by_key(|file| file.number);
        history.logs.sort_by_key(|file| file.number);
        Ok(history)
    }

    pub(crate) fn of_mut(&mut self, kind: Kind) -> &mut Vec<Arc<HistoryFile>> {
        match kind {
            Kind::Points => &mut self.points,
            Kind::Logs => &mut self.logs,
        }
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &Arc<HistoryFile>> {
        self.points.iter().chain(&self.logs)
    }

    /// Takes out the files whose newest point is older than `oldest`; each is deleted when its last reader is done.
    pub(crate) fn expire(&mut self, oldest: i64) -> usize {
        let before = self.points.len() + self.logs.len();
        for files in [&mut self.points, &mut self.logs] {
            files.retain(|file| {
                let keep = file.times.to >= oldest;
                if !keep {
                    file.doom();
                }
                keep
            });
        }
        before - self.points.len() - self.logs.len()
    }
}
