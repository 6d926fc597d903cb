//! A log in few words: what a store must be able to come back from.

use flyball_log::{PointRun, Position};
use flyball_model::rows::{LogBuilder, LogRecord};
use flyball_model::series::LOGS;
use flyball_model::{PointBatch, RowKind, Rows, Shape, UnixNanos};

use crate::appended::{Appended, RestoredCount};
use crate::history::rows::{RowQuery, read_rows};
use crate::hot::rows::{TIME, times};
use crate::range::{SeriesFilter, TimeRange};
use crate::snapshot::PointQuery;
use crate::{Store, StoreError};
use std::ops::ControlFlow;

/// What is written down of a batch.
#[derive(Debug, Clone)]
pub(super) enum Record {
    Points(PointBatch, Vec<PointRun>),
    Rows(Rows, u64),
}

/// Records with their positions, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    pub(super) records: Vec<(Position, Record)>,
    pub(super) end: u64,
}

impl Log {
    /// Where the next record will stand, or behind.
    pub(super) fn position(&self) -> Position {
        Position(self.end)
    }

    pub(super) fn push(&mut self, record: Record) {
        self.records.push((Position(self.end), record));
        self.end += 1;
    }

    /// Appends points and writes them down.
    pub(super) fn append(&mut self, store: &Store, points: PointBatch) -> Appended {
        let appended = store.append(points, self.position());
        check_runs(store, &appended);
        self.push(Record::Points(appended.points.clone(), appended.runs.clone()));
        appended
    }

    /// Appends records and writes them down.
    pub(super) fn append_rows(&mut self, store: &Store, rows: Rows) {
        let ordinal = store.append_rows(rows.clone(), self.position()).ordinal;
        self.push(Record::Rows(rows, ordinal));
    }

    /// Forgets what is not needed.
    pub(super) fn trim(&mut self, from: Option<Position>) {
        self.records.retain(|(position, _)| from.is_some_and(|from| *position >= from));
    }

    /// Takes everything back.
    pub(super) fn replay(&self, store: &Store) -> Result<RestoredCount, StoreError> {
        let mut restore = store.begin_restore();
        let mut count = RestoredCount::default();
        for (position, record) in &self.records {
            count += match record {
                Record::Points(points, runs) => restore.points(points, runs, *position)?,
                Record::Rows(rows, ordinal) => restore.rows(rows.clone(), *ordinal, *position)?,
            };
        }
        restore.finish()?;
        Ok(count)
    }
}

/// Runs cover the points, each of one metric.
fn check_runs(store: &Store, appended: &Appended) {
    let view = store.registry().read();
    let mut end = 0;
    for run in &appended.runs {
        assert!(run.start == end && run.start < run.end, "{:?}", appended.runs);
        end = run.end;
        let mut metrics: Vec<_> = appended.points.series()[run.start as usize..run.end as usize]
            .iter()
            .map(|&series| view.metric_of(flyball_model::SeriesRef(series)))
            .collect();
        metrics.dedup();
        assert_eq!(metrics.len(), 1);
        assert!(appended.touched.contains(&metrics[0]));
    }
    assert_eq!(end as usize, appended.points.len());
}

/// Log records at these times.
pub(super) fn logs(store: &Store, times: &[i64]) -> Rows {
    let stream = store.registry().resolve(LOGS, Shape::Streams, &[], UnixNanos(0)).expect("below the cap");
    let mut builder = LogBuilder::default();
    times.iter().for_each(|&time| builder.push(LogRecord::new(stream, UnixNanos(time)), []));
    builder.finish()
}

/// All points as (series, time, bits of the value), each as often as it is there, in the order of their arrival by metric, as far as
/// files keep it.
pub(super) fn all_points(store: &Store) -> Vec<(u32, i64, u64)> {
    let metrics: Vec<_> = store.registry().read().metrics().collect();
    let mut all = Vec::new();
    for metric in metrics {
        let query = PointQuery { metrics: vec![metric], wanted: SeriesFilter::All, times: TimeRange::ALL };
        let snapshot = store.snapshot(query);
        let mut each = |points: crate::hot::chunk::Points| {
            let values = points.value.iter().map(|value| value.to_bits());
            all.extend(points.series.iter().zip(&points.time).zip(values).map(|((&s, &t), v)| (s, t, v)));
            Ok(ControlFlow::Continue(()))
        };
        let _ = snapshot.read_files(8192, &mut each).expect("a readable history");
        let _ = snapshot.read_hot(usize::MAX, &mut each).expect("memory is readable");
    }
    all
}

/// The times of all log records, sorted, each as often as it is there.
pub(super) fn all_logs(store: &Store) -> Vec<i64> {
    let history = store.history.read();
    let (hot, _) = store.rows.snapshot(RowKind::Logs, TimeRange::ALL);
    let files = history.rows(RowKind::Logs).to_vec();
    drop(history);
    let mut all: Vec<i64> = hot.iter().flat_map(|chunk| times(&chunk.batch).to_vec()).collect();
    for file in files {
        let query = RowQuery {
            kind: RowKind::Logs,
            columns: &[0, TIME],
            rows: None,
            wanted: &SeriesFilter::All,
            times: TimeRange::ALL,
            batch_rows: 8192,
        };
        for batch in read_rows(&file, query).expect("a readable history") {
            all.extend(times(&batch.expect("a readable history")));
        }
    }
    all.sort_unstable();
    all
}
