//! How many series are active.
//!
//! A series is active for a time after its newest point, and after it was made: numbers count up, so that "made within the last hour" is all
//! numbers from one on, and one mark a sweep is enough to know it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use super::Inner;
use crate::time::UnixNanos;

/// The least time between two counts.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// Marks kept: with the default idle time of an hour one every ten seconds; where it is longer, older marks go and series count a little longer.
const MARKS_MAX: usize = 512;

/// The count.
#[derive(Debug, Default)]
pub(super) struct Active {
    count: AtomicUsize,
    marks: Mutex<VecDeque<Mark>>,
}

/// How many series there were at a time.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at: UnixNanos,
    series: usize,
}

impl Active {
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn made_one(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts anew, unless that was done lately.
    pub(super) fn sweep(&self, inner: &RwLock<Inner>, now: UnixNanos, idle: Duration) {
        let mut marks = self.marks.lock();
        if marks.back().is_some_and(|last| now >= last.at && now.since(last.at) < SWEEP_EVERY) {
            return;
        }
        // A clock that was set back would make the marks of before last for ever.
        marks.retain(|mark| mark.at <= now);
        let inner = inner.read();
        let known = inner.series.last_at.len();
        while marks.len() > 1 && now.since(marks[1].at) >= idle || marks.len() >= MARKS_MAX {
            marks.pop_front();
        }
        // Before the first mark: what the journal held, of which only points tell whether it lives.
        let made_lately = marks.front().map_or(known, |mark| mark.series.min(known));
        let alive = |at: &i64| *at != i64::MIN && now.since(UnixNanos(*at)) < idle;
        let touched =
            inner.series.last_at[..made_lately].iter().map(|at| at.load(Ordering::Relaxed)).filter(alive).count();
        // Under the lock for reading no series is made, and none is missed.
        self.count.store(touched + known - made_lately, Ordering::Relaxed);
        marks.push_back(Mark { at: now, series: known });
    }
}

#[cfg(test)]
mod tests {
    use crate::metric::Shape;
    use crate::series::{SeriesCapReached, SeriesRegistry};
    use crate::time::UnixNanos;
    use std::time::Duration;

    const IDLE: Duration = Duration::from_secs(3600);

    fn at(secs: i64) -> UnixNanos {
        UnixNanos(secs * 1_000_000_000)
    }

    fn make(registry: &SeriesRegistry, from: usize, to: usize) -> usize {
        let make = |number: usize| {
            let value = number.to_string();
            registry.resolve("m", Shape::Numbers, &[("n", &value)], at(0)).is_ok()
        };
        (from..to).filter(|&number| make(number)).count()
    }

    fn touch(registry: &SeriesRegistry, series: std::ops::Range<u32>, secs: i64) {
        let view = registry.read();
        series.for_each(|series| view.touch(crate::SeriesRef(series), at(secs).0));
    }

    #[test]
    fn idle_series_make_room_for_new_ones_and_come_back() {
        let registry = SeriesRegistry::new(100);
        registry.sweep(at(0), IDLE);
        assert_eq!((make(&registry, 0, 150), registry.active()), (100, 100));
        registry.sweep(at(10), IDLE);
        touch(&registry, 0..40, 3_000);
        registry.sweep(at(3_000), IDLE);
        assert_eq!(registry.active(), 100, "made within the hour");
        registry.sweep(at(6_500), IDLE);
        assert_eq!(registry.active(), 40, "touched within the hour");
        assert_eq!((make(&registry, 100, 200), registry.active()), (60, 100));
        // One that was idle is known, whatever the cap, and is counted again.
        assert_eq!(make(&registry, 70, 80), 10);
        touch(&registry, 70..80, 6_550);
        registry.sweep(at(6_550), IDLE);
        assert_eq!((registry.active(), registry.len()), (40 + 10 + 60, 160));
        let full = registry.resolve("m", Shape::Numbers, &[("n", "new")], at(0));
        assert_eq!(full, Err(SeriesCapReached::Active { cap: 100 }.into()));
    }

    #[test]
    fn what_was_read_from_a_journal_counts_once_it_has_points() {
        let registry = SeriesRegistry::new(1_000);
        assert_eq!((make(&registry, 0, 500), registry.active()), (500, 500));
        registry.bound(100, usize::MAX);
        touch(&registry, 0..7, 9_999);
        registry.sweep(at(10_000), IDLE);
        assert_eq!(registry.active(), 7);
        assert_eq!(make(&registry, 500, 1_000), 93);
    }

    #[test]
    fn a_clock_that_jumps_back_leaves_a_count_that_ends() {
        let registry = SeriesRegistry::new(1_000);
        registry.sweep(at(1_000_000), IDLE);
        make(&registry, 0, 10);
        registry.sweep(at(10), IDLE);
        assert!(registry.active() <= 10);
        registry.sweep(at(4_000), IDLE);
        registry.sweep(at(8_000), IDLE);
        assert_eq!(registry.active(), 0);
    }

    #[test]
    fn it_is_counted_at_most_every_ten_seconds() {
        let registry = SeriesRegistry::new(1_000);
        make(&registry, 0, 10);
        registry.sweep(at(100), IDLE);
        assert_eq!(registry.active(), 0);
        touch(&registry, 0..10, 100);
        registry.sweep(at(109), IDLE);
        assert_eq!(registry.active(), 0);
        registry.sweep(at(110), IDLE);
        assert_eq!(registry.active(), 10);
    }
}
