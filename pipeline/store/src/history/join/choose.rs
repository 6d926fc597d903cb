//! Which files are joined.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::history::file::HistoryFile;

/// What a joined file may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// So many files at least; else points would be written anew too often.
    pub(crate) files_min: usize,
    /// So many at the most, since each is open meanwhile, with some hundred kilobytes of its rows.
    pub(crate) files_max: usize,
    pub(crate) rows_max: u64,
    pub(crate) bytes_max: u64,
    /// It has at least so many times the rows of its largest part: what is large is not written anew for a little more.
    pub(crate) growth_min: u64,
    /// Groups of rows that have fewer in the mean are not copied but encoded anew, and become few: what a file says of each column of each
    /// group is half a kilobyte, and is read before anything else.
    pub(crate) group_rows_min: u64,
    /// The newest points of all lie within this time, so that none is kept much longer than the retention because it shares a file.
    pub(crate) newest_within: Duration,
}

impl Bounds {
    /// Those of production, where the history is kept for `retention`. A file of a memory's worth of points is joined once in a busy
    /// estate, and twice in the long run.
    pub(crate) fn new(retention: Duration) -> Self {
        Self {
            files_min: 8,
            files_max: 12,
            rows_max: 64 * 1024 * 1024,
            bytes_max: 256 * 1024 * 1024,
            growth_min: 4,
            group_rows_min: 24 * 1024,
            newest_within: retention / 24,
        }
    }

    /// Whether a file is one of those that the smallest join could take.
    pub(crate) fn is_small(&self, file: &HistoryFile) -> bool {
        let parts = self.files_min as u64;
        file.rows < self.rows_max / parts && file.bytes < self.bytes_max / parts
    }
}

/// The oldest files, standing together in the order of age, that are worth it, and as many as may be with them; but none from both sides
/// of `border`.
pub(crate) fn choose(files: &[Arc<HistoryFile>], bounds: &Bounds, border: Option<u64>) -> Option<Range<usize>> {
    (0..files.len()).find_map(|start| {
        let (mut rows, mut bytes, mut largest) = (0, 0, 0);
        let (mut newest, mut oldest_newest) = (i64::MIN, i64::MAX);
        let mut end = None;
        for (at, file) in files.iter().enumerate().skip(start).take(bounds.files_max) {
            rows += file.rows;
            bytes += file.bytes;
            largest = file.rows.max(largest);
            newest = file.times.to.max(newest);
            oldest_newest = file.times.to.min(oldest_newest);
            let is_apart = newest.saturating_sub(oldest_newest) as u128 > bounds.newest_within.as_nanos();
            let crosses = border.is_some_and(|border| files[start].ages.last < border && border <= file.ages.last);
            let is_too_much = rows > bounds.rows_max || bytes > bounds.bytes_max;
            if is_too_much || is_apart || crosses || file.is_unreadable() {
                break;
            }
            if at + 1 - start >= bounds.files_min && rows >= bounds.growth_min * largest {
                end = Some(at + 1);
            }
        }
        Some(start..end?)
    })
}
