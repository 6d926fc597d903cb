//! Points of one metric as three columns: open while they grow, sealed and shared afterwards.

use std::sync::Arc;

use arrow::buffer::ScalarBuffer;

use super::arrival::Arrival;
use crate::options::{CHUNK_POINTS_MAX, HEAD_POINTS_MIN};
use crate::range::{SeriesFilter, TimeRange};

/// Bytes of one point.
pub(crate) const POINT_BYTES: usize = size_of::<u32>() + size_of::<i64>() + size_of::<f64>();

/// Points as shared columns of one length, in the order of their arrival. A clone shares the memory.
#[derive(Debug, Clone)]
pub struct Points {
    /// The number of each point's series.
    pub series: ScalarBuffer<u32>,
    /// Nanoseconds since the epoch.
    pub time: ScalarBuffer<i64>,
    /// Staleness markers are among them (`flyball_model::batch::is_stale`).
    pub value: ScalarBuffer<f64>,
}

impl Points {
    pub(crate) fn len(&self) -> usize {
        self.series.len()
    }

    pub(crate) fn slice(&self, offset: usize, length: usize) -> Points {
        Points {
            series: self.series.slice(offset, length),
            time: self.time.slice(offset, length),
            value: self.value.slice(offset, length),
        }
    }
}

/// Sealed points, the range of their times, and what of the log they are.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) points: Points,
    pub(crate) times: TimeRange,
    pub(crate) arrival: Arrival,
}

impl Chunk {
    /// The points that are wanted; shares the chunk's memory when that is all of them.
    pub(crate) fn select(&self, wanted: &SeriesFilter, range: TimeRange) -> Points {
        if *wanted == SeriesFilter::All && range.covers(self.times) {
            return self.points.clone();
        }
        select(&self.points.series, &self.points.time, &self.points.value, wanted, range).into_points()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.points.len() * POINT_BYTES + size_of::<Chunk>()
    }
}

/// Growing columns.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    pub(crate) series: Vec<u32>,
    pub(crate) time: Vec<i64>,
    pub(crate) value: Vec<f64>,
}

impl Columns {
    pub(crate) fn len(&self) -> usize {
        self.series.len()
    }

    pub(crate) fn capacity_bytes(&self) -> usize {
        self.series.capacity() * size_of::<u32>() + (self.time.capacity() + self.value.capacity()) * size_of::<i64>()
    }

    #[inline]
    pub(crate) fn push(&mut self, series: u32, time: i64, value: f64) {
        self.series.push(series);
        self.time.push(time);
        self.value.push(value);
    }

    pub(crate) fn extend(&mut self, series: &[u32], time: &[i64], value: &[f64]) {
        self.series.extend_from_slice(series);
        self.time.extend_from_slice(time);
        self.value.extend_from_slice(value);
    }

    /// A copy of the last points.
    pub(crate) fn tail(&self, points: usize) -> Columns {
        let from = self.len() - points;
        Columns {
            series: self.series[from..].to_vec(),
            time: self.time[from..].to_vec(),
            value: self.value[from..].to_vec(),
        }
    }

    /// Makes room for `more` points by doubling, but never for more than a full chunk.
    pub(crate) fn grow(&mut self, more: usize) {
        let needed = self.len() + more;
        if needed > self.series.capacity() {
            let target = needed.next_power_of_two().clamp(HEAD_POINTS_MIN, CHUNK_POINTS_MAX.max(needed)) - self.len();
            self.series.reserve_exact(target);
            self.time.reserve_exact(target);
            self.value.reserve_exact(target);
        }
    }

    pub(crate) fn into_points(self) -> Points {
        Points { series: self.series.into(), time: self.time.into(), value: self.value.into() }
    }

    /// The sealed form, without spare room.
    pub(crate) fn seal(mut self, arrival: Arrival) -> Arc<Chunk> {
        self.series.shrink_to_fit();
        self.time.shrink_to_fit();
        self.value.shrink_to_fit();
        Arc::new(Chunk { times: TimeRange::of(&self.time), points: self.into_points(), arrival })
    }
}

/// A copy of the points that are wanted.
pub(crate) fn select(series: &[u32], time: &[i64], value: &[f64], wanted: &SeriesFilter, range: TimeRange) -> Columns {
    let mut selected = Columns::default();
    for ((&series, &time), &value) in series.iter().zip(time).zip(value) {
        if range.contains(time) && wanted.contains(series) {
            selected.push(series, time, value);
        }
    }
    selected
}
