//! The newest points of one metric: as many as are asked for, however many there are.

use std::cmp::Reverse;
use std::ops::ControlFlow;

use flyball_model::batch::is_stale;
use flyball_model::{MetricRef, SeriesRef, UnixNanos};

use crate::error::StoreError;
use crate::hot::chunk::Points;
use crate::range::TimeRange;
use crate::samples::{BATCH_ROWS, SeriesSamples, query};
use crate::store::Store;

impl Store {
    /// The `count` newest points of these series of a metric with `from < time <= to`, by series number; staleness markers are passed over. Of
    /// points with one series and time the one that arrived last counts; of series with points at one time those with lower numbers come first.
    /// Holds `count` and a few thousand points, and opens no file whose points are all older than what was found. Blocks.
    ///
    /// # Errors
    /// When the history can't be read.
    pub fn newest_samples(
        &self,
        metric: MetricRef,
        series: &[SeriesRef],
        from: UnixNanos,
        to: UnixNanos,
        count: usize,
    ) -> Result<Vec<SeriesSamples>, StoreError> {
        let query = query(metric, Some(series), from, to);
        let mut newest = Newest::new(count);
        if query.times.from > query.times.to || count == 0 {
            return Ok(Vec::new());
        }
        let wanted = query.times;
        let snapshot = self.snapshot(query);
        for (piece, times) in snapshot.pieces_newest_first() {
            if times.to < newest.from {
                break;
            }
            let range = TimeRange { from: wanted.from.max(newest.from), ..wanted };
            let _ = snapshot.read_piece(piece, range, BATCH_ROWS, &mut |points| {
                newest.add(&points, piece);
                Ok(ControlFlow::Continue(()))
            })?;
            newest.trim();
        }
        Ok(newest.finish())
    }
}

/// A point, and when it arrived: in which piece, and after how many others.
#[derive(Clone, Copy)]
struct Point {
    time: i64,
    series: u32,
    arrival: (usize, u64),
    value: f64,
}

/// The newest points of those that were added.
struct Newest {
    count: usize,
    points: Vec<Point>,
    added: u64,
    /// What is older is not among the newest.
    from: i64,
}

impl Newest {
    fn new(count: usize) -> Self {
        Self { count, points: Vec::new(), added: 0, from: i64::MIN }
    }

    fn add(&mut self, points: &Points, piece: usize) {
        for ((&series, &time), &value) in points.series.iter().zip(&points.time).zip(&points.value) {
            if time >= self.from && !is_stale(value) {
                self.points.push(Point { time, series, arrival: (piece, self.added), value });
                self.added += 1;
            }
            if self.points.len() >= self.count + BATCH_ROWS {
                self.trim();
            }
        }
    }

    /// Forgets all but the newest.
    fn trim(&mut self) {
        self.points.sort_unstable_by_key(|point| (Reverse(point.time), point.series, Reverse(point.arrival)));
        self.points.dedup_by_key(|point| (point.time, point.series));
        self.points.truncate(self.count);
        if self.points.len() == self.count {
            self.from = self.points[self.count - 1].time;
        }
    }

    fn finish(mut self) -> Vec<SeriesSamples> {
        self.points.sort_unstable_by_key(|point| (point.series, point.time));
        let of_series = self.points.chunk_by(|a, b| a.series == b.series);
        of_series
            .map(|points| SeriesSamples {
                series: SeriesRef(points[0].series),
                times: points.iter().map(|point| point.time).collect(),
                values: points.iter().map(|point| point.value).collect(),
            })
            .collect()
    }
}
