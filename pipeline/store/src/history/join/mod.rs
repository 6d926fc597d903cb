//! Several files that were written one after the other become one.
//!
//! A file is written each time that memory is full, so a busy estate makes one every few seconds, and each costs a query that has
//! something in it half a millisecond, the start a look at its index, and memory that index. Points and histograms are merged by metric, series and time:
//! a metric is one range of rows again. Records in the order of time are copied as they are encoded.
//!
//! What is joined says which files it stands for. Where a crash leaves both, the joined one counts and the others are removed.

mod choose;
mod copy;
mod merge;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flyball_model::{MetricRef, RowKind};

pub(crate) use choose::{Bounds, choose};

use super::file::{Ages, HeldRange, HistoryFile, Index, Kind, MetricRows};
use super::sink::FileSink;
use super::write::write_temporary;
use crate::error::StoreError;
use crate::folder::Folder;
use crate::ordinals::{OrdinalRange, Ordinals};
use crate::range::TimeRange;

/// The name under which files are joined, until all of it is durable. There is one at a time.
const TEMPORARY: &str = "joined.part";

/// Told between batches: the join is to be given up.
pub(crate) type Stop<'a> = &'a (dyn Fn() -> bool + Sync);

/// A joined file that is durable, and has no name yet.
pub(crate) struct Made {
    pub(crate) index: Index,
    pub(crate) bytes: u64,
    pub(crate) temporary: PathBuf,
}

/// Joins files, given in the order of their age.
///
/// # Errors
/// When one can't be read, the disk says no, or it is to stop; nothing is left of it then, or a file that nobody reads if that can't be
/// removed.
pub(crate) fn join(
    folder: &Folder,
    kind: Kind,
    inputs: &[Arc<HistoryFile>],
    bounds: &Bounds,
    stop: Stop<'_>,
) -> Result<Made, StoreError> {
    let index = index(kind, inputs)?;
    let temporary = folder.path.join(TEMPORARY);
    let bytes = write_temporary(folder, &temporary, |sink, path| {
        let group_rows_min = bounds.group_rows_min;
        let join = Join { kind, inputs, index: &index, group_rows_min, sink, path, stop };
        match kind {
            Kind::Points | Kind::Rows(RowKind::Histograms) => merge::merge(join),
            Kind::Rows(kind) => copy::copy(join, kind),
        }
    })
    .inspect_err(|_| discard(folder, &temporary))?;
    Ok(Made { index, bytes, temporary })
}

/// What is joined, and into what.
struct Join<'a> {
    kind: Kind,
    inputs: &'a [Arc<HistoryFile>],
    index: &'a Index,
    group_rows_min: u64,
    sink: FileSink,
    path: &'a Path,
    stop: Stop<'a>,
}

/// Removes what was not finished: a full disk needs the room.
pub(crate) fn discard(folder: &Folder, temporary: &Path) {
    if let Err(error) = folder.storage.remove(temporary) {
        tracing::debug!(path = %temporary.display(), %error, "half of a joined file not removed; the next one takes its place");
    }
}

fn check(stop: Stop<'_>) -> Result<(), StoreError> {
    if stop() { Err(StoreError::Stopped) } else { Ok(()) }
}

/// All of the index follows from those of the inputs.
fn index(kind: Kind, inputs: &[Arc<HistoryFile>]) -> Result<Index, StoreError> {
    let times = inputs.iter().fold(TimeRange::EMPTY, |times, file| times.hull(file.times));
    let mut metrics: BTreeMap<MetricRef, (u64, TimeRange)> = BTreeMap::new();
    let mut ordinals: BTreeMap<u32, Ordinals> = BTreeMap::new();
    for file in inputs {
        let mut start = 0;
        for rows in &file.metrics {
            let (count, times) = metrics.entry(rows.metric).or_insert((0, TimeRange::EMPTY));
            *count += u64::from(rows.end - start);
            *times = times.hull(rows.times);
            start = rows.end;
        }
        for (metric, from, to) in file.held(kind)? {
            ordinals.entry(metric).or_default().add(OrdinalRange { from, to });
        }
    }
    let mut end = 0;
    let metrics = metrics.into_iter().map(|(metric, (rows, times))| {
        end += rows;
        let end = u32::try_from(end).expect("the bounds of a window are far below 2^32 rows");
        MetricRows { metric, end, times }
    });
    let ranges = |(metric, ordinals): (u32, Ordinals)| -> Vec<HeldRange> {
        ordinals.ranges().map(|range| (metric, range.from, range.to)).collect()
    };
    Ok(Index {
        from: times.from,
        to: times.to,
        rows: inputs.iter().map(|file| file.rows).sum(),
        series_end: inputs.iter().map(|file| file.series_end).max().unwrap_or(0),
        metrics: metrics.collect(),
        ordinals: ordinals.into_iter().flat_map(ranges).collect(),
        joined: inputs.iter().map(|file| file.ages).reduce(Ages::hull),
    })
}
