//! Files of the history become fewer.

use std::sync::Arc;

use flyball_model::RowKind;
use tracing::info;

use crate::error::StoreError;
use crate::history::file::{HistoryFile, Kind, name};
use crate::history::join::{Bounds, Stop, choose, discard, join};
use crate::store::Store;

/// While the machine is busy so many files may wait to be joined.
const WAITING_MAX: usize = 64;

/// What one [`Store::join_files`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joined {
    /// Files that became one.
    pub files: usize,
    /// Points or records in it.
    pub rows: u64,
    /// Bytes of it.
    pub bytes: u64,
}

impl Store {
    /// Joins history files that were written one after the other, if there are enough of them; `None` when there is nothing to join. Points
    /// come and leave memory meanwhile. Blocks, for many seconds where much is joined; `stop` is asked all the time.
    ///
    /// # Errors
    /// [`StoreError::Stopped`] when it was to stop; else when a file can't be read or the disk says no. The files are as before then.
    pub fn join_files(&self, stop: Stop<'_>) -> Result<Option<Joined>, StoreError> {
        self.join_within(&Bounds::new(self.options.retention), stop)
    }

    /// Whether so many files wait to be joined that it should be done although the machine is busy: each costs queries time, and memory.
    pub fn must_join_files(&self) -> bool {
        let history = self.history.read();
        let is_small = |file: &&Arc<HistoryFile>| Bounds::new(self.options.retention).is_small(file);
        let mut kinds = RowKind::ALL.into_iter().map(Kind::Rows).chain([Kind::Points]);
        kinds.any(|kind| history.of(kind).iter().filter(is_small).count() > WAITING_MAX)
    }

    pub(crate) fn join_within(&self, bounds: &Bounds, stop: Stop<'_>) -> Result<Option<Joined>, StoreError> {
        let _alone = self.joiner.lock();
        for kind in RowKind::ALL.into_iter().map(Kind::Rows).chain([Kind::Points]) {
            let border = self.keeper.lock().found;
            let inputs = {
                let history = self.history.read();
                let files = history.of(kind);
                choose(files, bounds, border).map(|window| files[window].to_vec())
            };
            if let Some(inputs) = inputs {
                return self.join_these(kind, &inputs, bounds, stop).map(Some);
            }
        }
        Ok(None)
    }

    fn join_these(
        &self,
        kind: Kind,
        inputs: &[Arc<HistoryFile>],
        bounds: &Bounds,
        stop: Stop<'_>,
    ) -> Result<Joined, StoreError> {
        let folder = &self.history_folder;
        let made = join(folder, kind, inputs, bounds, stop).inspect_err(|error| leave_alone(inputs, error))?;
        let mut keeper = self.keeper.lock();
        let all_there = {
            let history = self.history.read();
            inputs.iter().all(|input| history.of(kind).iter().any(|file| Arc::ptr_eq(file, input)))
        };
        if !all_there {
            // Some have expired meanwhile: what is left is joined another time.
            discard(folder, &made.temporary);
            return Err(StoreError::Stopped);
        }
        let mut file = self.write(&mut keeper, |number| {
            let path = folder.path.join(name(kind, number));
            folder.rename(&made.temporary, &path)?;
            Ok(HistoryFile::new(Arc::clone(&folder.storage), path, number, made.bytes, made.index))
        })?;
        keeper.next_number += 1;
        // It is as young as the youngest in it.
        file.written = inputs.iter().map(|input| input.written).max().unwrap_or(file.written);
        let done = Joined { files: inputs.len(), rows: file.rows, bytes: file.bytes };
        self.history.write().replace(kind, file);
        info!(kind = kind.as_str(), files = done.files, rows = done.rows, bytes = done.bytes, "history files joined");
        Ok(done)
    }
}

/// Keeps one that can't be read from being tried again and again, and the others from becoming fewer.
fn leave_alone(inputs: &[Arc<HistoryFile>], error: &StoreError) {
    if let StoreError::Parquet { path, .. } | StoreError::Corrupt { path, .. } = error {
        inputs.iter().filter(|input| input.path == *path).for_each(|input| input.note_unreadable());
    }
}
