//! One history file: its name, its index, its end.

use std::fs::{self, Metadata};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::UNIX_EPOCH;

use flyball_log::Storage;
use flyball_model::{MetricRef, RowKind};
use parquet::file::metadata::{KeyValue, ParquetMetaDataReader};
use parquet::file::reader::Length;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::checksums::Source;
use crate::error::StoreError;
use crate::ordinals::Ordinals;
use crate::range::TimeRange;

/// The key of the index among the Parquet metadata.
const INDEX_KEY: &str = "flyball.index";
const VERSION_KEY: &str = "flyball.version";
/// 1: no ordinals. 2: ordinals. 3: it may stand for others. 4: it has checksums.
const VERSION: u32 = 4;
const WITH_CHECKSUMS: u32 = 4;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Points,
    Rows(RowKind),
}

impl Kind {
    /// Whether a metric is one range of rows, and the index says which.
    fn is_by_metric(self) -> bool {
        matches!(self, Kind::Points | Kind::Rows(RowKind::Histograms))
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Kind::Points => "points",
            Kind::Rows(kind) => kind.as_str(),
        }
    }
}

/// Which rows of a file of points or histograms belong to a metric, and their times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "(u32, u32, i64, i64)", from = "(u32, u32, i64, i64)")]
pub(crate) struct MetricRows {
    pub(crate) metric: MetricRef,
    /// The row after the metric's last; its first is the one before's end.
    pub(crate) end: u32,
    pub(crate) times: TimeRange,
}

impl From<(u32, u32, i64, i64)> for MetricRows {
    fn from((metric, end, from, to): (u32, u32, i64, i64)) -> Self {
        Self { metric: MetricRef(metric), end, times: TimeRange { from, to } }
    }
}

impl From<MetricRows> for (u32, u32, i64, i64) {
    fn from(rows: MetricRows) -> Self {
        (rows.metric.0, rows.end, rows.times.from, rows.times.to)
    }
}

/// Ordinals that a file holds: the metric's number (0 in a file of records, whose ordinals are those of the kind), the first, and the one
/// after the last.
pub(crate) type HeldRange = (u32, u64, u64);

/// The numbers that a file stands for: its own, or those of the files that were joined into it. What is in files of lower numbers arrived
/// before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "(u64, u64)", from = "(u64, u64)")]
pub(crate) struct Ages {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl From<(u64, u64)> for Ages {
    fn from((first, last): (u64, u64)) -> Self {
        Self { first, last }
    }
}

impl From<Ages> for (u64, u64) {
    fn from(ages: Ages) -> Self {
        (ages.first, ages.last)
    }
}

impl Ages {
    pub(crate) fn hull(self, other: Ages) -> Ages {
        Ages { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

/// What a file says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Index {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) rows: u64,
    /// Every series number in the file is below this.
    pub(crate) series_end: u32,
    /// Sorted by metric; empty in a file that is not sorted by metric.
    pub(crate) metrics: Vec<MetricRows>,
    /// Which ordinals are in the file; rising. A file of version 1 has none: there was no log then whose replay could ask.
    #[serde(default)]
    pub(crate) ordinals: Vec<HeldRange>,
    /// Those that were joined into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) joined: Option<Ages>,
}

impl Index {
    /// Of a file with nothing in it.
    pub(crate) const EMPTY: Index = Index {
        from: i64::MAX,
        to: i64::MIN,
        rows: 0,
        series_end: 0,
        metrics: Vec::new(),
        ordinals: Vec::new(),
        joined: None,
    };

    /// Notes which ordinals of a metric are in the file, or of the kind; metrics come rising.
    pub(crate) fn note_ordinals(&mut self, metric: MetricRef, ordinals: &Ordinals) {
        self.ordinals.extend(ordinals.ranges().map(|range| (metric.0, range.from, range.to)));
    }

    /// Whether the ordinals can be what this process would have written.
    fn has_good_ordinals(&self, kind: Kind) -> bool {
        let is_of_the_file = |metric: u32| match kind {
            Kind::Points => self.metrics.binary_search_by_key(&MetricRef(metric), |rows| rows.metric).is_ok(),
            Kind::Rows(_) => metric == 0,
        };
        self.ordinals.iter().all(|range| range.1 < range.2 && is_of_the_file(range.0))
            && self.ordinals.is_sorted_by(|a, b| a.0 < b.0 || (a.0 == b.0 && a.2 < b.1))
    }

    /// The index as Parquet metadata.
    pub(crate) fn to_metadata(&self) -> Vec<KeyValue> {
        let index = serde_json::to_string(self).expect("numbers always have a JSON form");
        vec![KeyValue::new(VERSION_KEY.to_owned(), VERSION.to_string()), KeyValue::new(INDEX_KEY.to_owned(), index)]
    }
}

/// A file of the history. It is removed when it is doomed and its last reader is done.
#[derive(Debug)]
pub(crate) struct HistoryFile {
    pub(crate) path: PathBuf,
    pub(crate) number: u64,
    pub(crate) ages: Ages,
    pub(crate) times: TimeRange,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) series_end: u32,
    pub(crate) metrics: Box<[MetricRows]>,
    /// When it was written by the clock of the file system, in nanoseconds since the epoch; far in the future where that is not known.
    pub(crate) written: i64,
    storage: Arc<dyn Storage>,
    doomed: AtomicBool,
    unreadable: AtomicBool,
}

impl HistoryFile {
    pub(crate) fn new(storage: Arc<dyn Storage>, path: PathBuf, number: u64, bytes: u64, index: Index) -> Self {
        let written = fs::metadata(&path).ok().and_then(|metadata| written(&metadata)).unwrap_or(i64::MAX);
        Self {
            written,
            storage,
            path,
            number,
            ages: index.joined.unwrap_or(Ages { first: number, last: number }),
            times: TimeRange { from: index.from, to: index.to },
            rows: index.rows,
            bytes,
            series_end: index.series_end,
            metrics: index.metrics.into(),
            doomed: AtomicBool::new(false),
            unreadable: AtomicBool::new(false),
        }
    }

    /// Reads a file's index; tells also which ordinals are in the file (see [`Index::ordinals`]).
    pub(crate) fn load(
        storage: Arc<dyn Storage>,
        path: PathBuf,
        kind: Kind,
        number: u64,
    ) -> Result<(Self, Vec<HeldRange>), StoreError> {
        let (mut index, bytes) = read_index(&*storage, &path, kind, number)?;
        let ordinals = std::mem::take(&mut index.ordinals);
        Ok((Self::new(storage, path, number, bytes, index), ordinals))
    }

    /// Which ordinals are in the file; read from it.
    ///
    /// # Errors
    /// As [`HistoryFile::load`].
    pub(crate) fn held(&self, kind: Kind) -> Result<Vec<HeldRange>, StoreError> {
        Ok(read_index(&*self.storage, &self.path, kind, self.number)?.0.ordinals)
    }

    /// Opens it for reading.
    ///
    /// # Errors
    /// When it can't be read or is damaged.
    pub(super) fn source(&self) -> Result<Source, StoreError> {
        Source::open(&*self.storage, &self.path)
    }

    /// The rows that may be of these metrics (sorted) and times.
    pub(crate) fn rows_of(&self, metrics: &[MetricRef], range: TimeRange) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        if !self.times.overlaps(range) {
            return ranges;
        }
        for &metric in metrics {
            let Ok(at) = self.metrics.binary_search_by_key(&metric, |rows| rows.metric) else { continue };
            let start = if at == 0 { 0 } else { self.metrics[at - 1].end as usize };
            let MetricRows { end, times, .. } = self.metrics[at];
            match ranges.last_mut() {
                _ if !times.overlaps(range) => {}
                Some(last) if last.end == start => last.end = end as usize,
                _ => ranges.push(start..end as usize),
            }
        }
        ranges
    }

    /// The times of a metric's points in the file.
    pub(crate) fn times_of(&self, metric: MetricRef) -> Option<TimeRange> {
        let at = self.metrics.binary_search_by_key(&metric, |rows| rows.metric).ok()?;
        Some(self.metrics[at].times)
    }

    /// Has the file left alone by who joins files.
    pub(crate) fn note_unreadable(&self) {
        self.unreadable.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_unreadable(&self) -> bool {
        self.unreadable.load(Ordering::Relaxed)
    }

    /// Has the file removed when nobody reads it any more.
    pub(crate) fn doom(&self) {
        self.doomed.store(true, Ordering::Relaxed);
    }
}

impl Drop for HistoryFile {
    fn drop(&mut self) {
        if *self.doomed.get_mut()
            && let Err(error) = self.storage.remove(&self.path)
        {
            // It is found again, and expired again, when the folder is next opened.
            warn!(path = %self.path.display(), %error, "expired history file not removed");
        }
    }
}

/// A file's index, and how many bytes the file has.
fn read_index(storage: &dyn Storage, path: &Path, kind: Kind, number: u64) -> Result<(Index, u64), StoreError> {
    let source = Source::open(storage, path)?;
    let bytes = source.len();
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&source).map_err(StoreError::parquet(path))?;
    let values = metadata.file_metadata().key_value_metadata();
    let value = |key: &str| values?.iter().find(|entry| entry.key == key)?.value.as_deref();
    let corrupt = |detail: &str| StoreError::Corrupt {
        path: path.to_owned(),
        offset: bytes,
        detail: format!("{detail}; move the file out of the folder to go on without it"),
    };
    let found = value(VERSION_KEY).and_then(|version| version.parse().ok());
    let found: u32 = found.ok_or_else(|| corrupt("its metadata has no flyball.version"))?;
    if found > VERSION {
        return Err(StoreError::NewerFormat { path: path.to_owned(), found, known: VERSION });
    }
    if found >= WITH_CHECKSUMS && !source.has_checksums() {
        return Err(corrupt("its checksums are gone"));
    }
    let index = value(INDEX_KEY).and_then(|index| serde_json::from_str::<Index>(index).ok());
    let index = index.ok_or_else(|| corrupt("its metadata has no readable flyball.index"))?;
    let rows_of_metrics = index.metrics.last().map_or(0, |last| u64::from(last.end));
    let fits = index.rows == u64::try_from(metadata.file_metadata().num_rows()).unwrap_or_default()
        && (!kind.is_by_metric() || rows_of_metrics == index.rows)
        && index.metrics.is_sorted_by(|a, b| a.metric < b.metric && a.end < b.end)
        && index.has_good_ordinals(kind)
        && index.joined.is_none_or(|ages| ages.first < ages.last && ages.last < number);
    if fits { Ok((index, bytes)) } else { Err(corrupt("its index does not fit its rows")) }
}

fn written(metadata: &Metadata) -> Option<i64> {
    let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_nanos()).ok()
}

/// `points-N.parquet`, `logs-N.parquet`, …
pub(crate) fn name(kind: Kind, number: u64) -> String {
    format!("{}-{number:012}.parquet", kind.as_str())
}

/// What a file's name says; `None` for files that are not ours.
pub(crate) fn parse_name(path: &Path) -> Option<(Kind, u64)> {
    let (word, number) = path.file_name()?.to_str()?.strip_suffix(".parquet")?.split_once('-')?;
    let mut kinds = RowKind::ALL.into_iter().map(Kind::Rows).chain([Kind::Points]);
    Some((kinds.find(|kind| kind.as_str() == word)?, number.parse().ok()?))
}
