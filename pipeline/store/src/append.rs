//! Taking points in.

use std::sync::Arc;

use flyball_log::Position;
use flyball_model::{MetricRef, PointBatch};
use tracing::warn;

use crate::appended::Appended;
use crate::error::StoreError;
use crate::history::file::HistoryFile;
use crate::history::read::read_points;
use crate::hot::append::{Group, Work};
use crate::hot::duplicates::Candidates;
use crate::options::CANDIDATES_MAX;
use crate::range::SeriesFilter;
use crate::store::Store;

/// Rows that are read from a history file at a time.
const BATCH_ROWS: usize = 8192;

impl Store {
    /// Appends points; those that are there already, with the same series, time and bits of the value, are left out. All series
    /// are of this store's registry. The log record of what was stored will stand at `needs` or later.
    ///
    /// A duplicate is recognised as long as its original is in memory, or in a history file that was written within the last hour.
    /// Blocks on the disk in the latter case only.
    ///
    /// Takes a look at the registry itself: the caller must not hold one, or a waiting writer deadlocks both.
    pub fn append(&self, points: PointBatch, needs: Position) -> Appended {
        let view = self.registry.read();
        let mut work = Work::new(&view, &points, needs, self.options.late);
        let history = self.history.read();
        let postponed = self.points.append(&view, &mut work, |metric, times| history.may_have(metric, times));
        drop(history);
        // Not held while files are read: new series would wait, and with them everybody.
        drop(view);
        if !postponed.is_empty() {
            self.append_postponed(&mut work, postponed);
        }
        let finished = work.finish();
        finished.into_appended(points)
    }

    /// Appends the points of metrics that may have duplicates in files.
    fn append_postponed(&self, work: &mut Work<'_>, groups: Vec<Group>) {
        let metrics: Vec<_> = groups.iter().map(|group| group.metric).collect();
        let mut places: Vec<_> = groups.iter().flat_map(|group| work.places(group)).collect();
        places.sort_unstable();
        let young = self.history.read().young_since(0).to_vec();
        let mut found = find_in_files(work.batch, &places, &metrics, &young);
        // What left memory meanwhile is in files that were not read yet, hardly ever one. Under the lock there will be no more.
        let history = self.history.read();
        let newer = young.last().map_or(0, |file| file.number + 1);
        found.extend(find_in_files(work.batch, &places, &metrics, history.young_since(newer)));
        found.sort_unstable();
        self.points.append_postponed(work, groups, &found);
    }
}

/// The places of those points of some metrics (rising) that are in the files.
fn find_in_files(batch: &PointBatch, places: &[u32], metrics: &[MetricRef], files: &[Arc<HistoryFile>]) -> Vec<u32> {
    let mut found = Vec::new();
    if files.is_empty() {
        return found;
    }
    for piece in places.chunks(CANDIDATES_MAX) {
        let mut candidates = Candidates::new(batch, piece);
        // The newest first: what is sent twice was mostly sent a moment ago.
        for file in files.iter().rev() {
            if candidates.is_empty() {
                break;
            }
            if let Err(error) = look_in_file(&mut candidates, metrics, file) {
                warn!(%error, "points that may be duplicates can't be compared with the history; they are stored");
            }
        }
        found.extend(candidates.found());
    }
    found
}

fn look_in_file(candidates: &mut Candidates<'_>, metrics: &[MetricRef], file: &HistoryFile) -> Result<(), StoreError> {
    let rows = file.rows_of(metrics, candidates.times());
    if rows.is_empty() {
        return Ok(());
    }
    let wanted = SeriesFilter::Some(candidates.series());
    for points in read_points(file, rows, &wanted, candidates.times(), BATCH_ROWS)? {
        candidates.look_among_points(&points?);
        if candidates.is_empty() {
            break;
        }
    }
    Ok(())
}
