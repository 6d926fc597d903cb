//! The sweep: which series are active, and whose labels are in memory.
//!
//! Only a sweep moves labels, so nobody else need think of it: a cold series that gets points is known by its id and its number like any
//! other, its labels are read back by whoever wants them, and with the next sweep they are in memory again.

use std::time::Duration;

use super::cold::{ColdError, ReadBack};
use super::{SeriesRef, SeriesRegistry};
use crate::time::UnixNanos;

/// Series looked at under one hold of the lock for reading: some tens of microseconds.
const LOOKED_AT_ONCE: usize = 64 * 1024;

/// Series whose labels move under one hold of the lock for writing: some hundred microseconds.
const MOVED_AT_ONCE: usize = 512;

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Series whose labels left the memory.
    pub left: usize,
    /// Series whose labels are in memory again.
    pub returned: usize,
}

/// Series that are not where they should be.
#[derive(Debug, Default)]
struct Misplaced {
    /// Idle, with labels in memory.
    idle: Vec<SeriesRef>,
    /// With points of late, and labels that are not in memory.
    back: Vec<SeriesRef>,
}

impl SeriesRegistry {
    /// Counts the active series anew: those with a point at most `idle` old, and those that were made within it. The labels of the others leave
    /// the memory, once they stand in the archive; those of active ones return. One pass over two columns, at most every ten seconds; call
    /// it as often as is convenient. In between, only new series add to the number. Blocks on the archive, without a lock.
    ///
    /// # Errors
    /// When labels can't be read back. Everything else is done then, and the next sweep tries again.
    pub fn sweep(&self, now: UnixNanos, idle: Duration) -> Result<Swept, ColdError> {
        let is_alive = |at: i64| at != i64::MIN && now.since(UnixNanos(at)) < idle;
        let Some(mut marks) = self.active.begin(now) else { return Ok(Swept::default()) };
        let known = self.len();
        let made_lately = marks.made_lately(now, idle, known);
        let archived = self.archive.get().map_or(0, |archive| archive.end() as usize);
        let (mut touched, mut misplaced) = (0, Misplaced::default());
        for start in (0..known).step_by(LOOKED_AT_ONCE) {
            let inner = self.inner.read();
            for number in start..known.min(start + LOOKED_AT_ONCE) {
                let (series, alive) = (SeriesRef(number as u32), is_alive(inner.last_at(number)));
                touched += usize::from(alive && number < made_lately);
                if inner.is_cold(series) {
                    if alive {
                        misplaced.back.push(series);
                    }
                } else if !alive && number < made_lately.min(archived) {
                    misplaced.idle.push(series);
                }
            }
        }
        {
            // Under the lock for reading no series is made, and none is missed.
            let inner = self.inner.read();
            let known = inner.series.metric.len();
            self.active.count_is(touched + known - made_lately);
            marks.push(now, known);
        }
        let left = self.let_leave(&misplaced.idle, is_alive);
        Ok(Swept { left, returned: self.take_back(&misplaced.back)? })
    }

    fn let_leave(&self, idle: &[SeriesRef], is_alive: impl Fn(i64) -> bool) -> usize {
        let mut left = 0;
        for piece in idle.chunks(MOVED_AT_ONCE) {
            let mut inner = self.inner.write();
            for &series in piece {
                // It may have got a point since it was looked at.
                if !is_alive(inner.last_at(series.0 as usize)) {
                    inner.forget_labels(series);
                    left += 1;
                }
            }
        }
        if left > 0 {
            self.inner.write().symbols.shrink();
        }
        left
    }

    fn take_back(&self, back: &[SeriesRef]) -> Result<usize, ColdError> {
        for piece in back.chunks(MOVED_AT_ONCE) {
            let mut read = ReadBack::default();
            read.read(self.archive()?, piece)?;
            read.check(&self.read())?;
            let mut inner = self.inner.write();
            piece.iter().for_each(|&series| inner.settle(series, read.labels(series)));
        }
        Ok(back.len())
    }
}
