//! Points that are stored already.
//!
//! A sender that got no answer sends again. A point is a duplicate when series, time and the bits of the value are those of one that
//! is stored; another value at the same time is a correction, and is kept. Only points that are not newer than the newest of their
//! series can be duplicates, so that the look-up is not on the way of what senders do all day.

use std::hash::BuildHasher;

use flyball_model::PointBatch;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::chunk::Points;
use crate::options::CANDIDATES_MAX;
use crate::range::{SeriesSet, TimeRange};

/// Points of a batch that may be stored already, to be found by what they are.
pub(crate) struct Candidates<'b> {
    batch: &'b PointBatch,
    hasher: DefaultHashBuilder,
    /// Places in the batch of points that are different from each other and were not found yet.
    open: HashTable<u32>,
    times: TimeRange,
    first_series: u32,
    last_series: u32,
    found: Vec<u32>,
}

impl<'b> Candidates<'b> {
    /// Candidates at these places (rising, at most [`CANDIDATES_MAX`]); one that is equal to another before it is found at once.
    pub(crate) fn new(batch: &'b PointBatch, places: &[u32]) -> Self {
        debug_assert!(places.len() <= CANDIDATES_MAX && places.is_sorted());
        let mut candidates = Self {
            batch,
            hasher: DefaultHashBuilder::default(),
            open: HashTable::with_capacity(places.len()),
            times: TimeRange::EMPTY,
            first_series: u32::MAX,
            last_series: 0,
            found: Vec::new(),
        };
        places.iter().for_each(|&place| candidates.open(place));
        candidates
    }

    fn open(&mut self, place: u32) {
        let key = key(self.batch, place);
        let (series, time, _) = key;
        self.times = self.times.hull(TimeRange { from: time, to: time });
        self.first_series = self.first_series.min(series);
        self.last_series = self.last_series.max(series);
        let Self { batch, hasher, open, found, .. } = self;
        let same = open.find(hasher.hash_one(key), |&other| self::key(batch, other) == key).is_some();
        if same {
            found.push(place);
        } else {
            open.insert_unique(hasher.hash_one(key), place, |&other| hasher.hash_one(self::key(batch, other)));
        }
    }

    /// Times that a stored point must have to be of interest.
    pub(crate) fn times(&self) -> TimeRange {
        self.times
    }

    /// Series that a stored point must have to be of interest.
    pub(crate) fn series(&self) -> SeriesSet {
        let mut set = SeriesSet::default();
        self.open.iter().for_each(|&place| set.insert(self.batch.series()[place as usize]));
        set
    }

    /// Whether all were found.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Finds those that are among stored points.
    pub(crate) fn look_among(&mut self, series: &[u32], times: &[i64], values: &[f64]) {
        if self.is_empty() {
            return;
        }
        for ((&series, &time), value) in series.iter().zip(times).zip(values) {
            if self.times.contains(time) && self.first_series <= series && series <= self.last_series {
                self.strike((series, time, value.to_bits()), |_| true);
            }
        }
    }

    /// The same for points of a chunk or a file.
    pub(crate) fn look_among_points(&mut self, points: &Points) {
        self.look_among(&points.series, &points.time, &points.value);
    }

    /// Finds those that are equal to one of these points of the same batch, which stands before them.
    pub(crate) fn look_before(&mut self, start: u32, end: u32) {
        for place in start..end {
            let key = key(self.batch, place);
            if self.times.contains(key.1) {
                self.strike(key, |candidate| place < candidate);
            }
        }
    }

    fn strike(&mut self, key: (u32, i64, u64), if_it: impl FnOnce(u32) -> bool) {
        let batch = self.batch;
        let same = |&place: &u32| self::key(batch, place) == key;
        if let Ok(entry) = self.open.find_entry(self.hasher.hash_one(key), same)
            && if_it(*entry.get())
        {
            self.found.push(entry.remove().0);
        }
    }

    /// The places of those that are stored already, in any order.
    pub(crate) fn found(self) -> Vec<u32> {
        self.found
    }
}

/// What a point is. Bits, so that staleness markers and other NaNs are equal to themselves.
fn key(batch: &PointBatch, place: u32) -> (u32, i64, u64) {
    let place = place as usize;
    (batch.series()[place], batch.times()[place], batch.values()[place].to_bits())
}
