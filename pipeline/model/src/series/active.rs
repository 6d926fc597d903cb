//! How many series are active.
//!
//! A series is active for a time after its newest point, and after it was made: numbers count up, so that "made within the last hour" is all
//! numbers from one on, and one mark a sweep is enough to know it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::time::UnixNanos;

/// The least time between two counts.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// Marks kept: with the default idle time of an hour one every ten seconds; where it is longer, older marks go and series count a little longer.
const MARKS_MAX: usize = 512;

/// The count.
#[derive(Debug, Default)]
pub(super) struct Active {
    count: AtomicUsize,
    marks: Mutex<Marks>,
}

/// How many series there were at which time.
#[derive(Debug, Default)]
pub(super) struct Marks(VecDeque<Mark>);

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

    pub(super) fn count_is(&self, count: usize) {
        self.count.store(count, Ordering::Relaxed);
    }

    /// The marks for a new count, which is the only one as long as they are held; `None` when there was one lately.
    pub(super) fn begin(&self, now: UnixNanos) -> Option<MutexGuard<'_, Marks>> {
        let marks = self.marks.lock();
        let is_early = marks.0.back().is_some_and(|last| now >= last.at && now.since(last.at) < SWEEP_EVERY);
        (!is_early).then_some(marks)
    }
}

impl Marks {
    /// The first number that was given within `idle`, of so many that there are.
    pub(super) fn made_lately(&mut self, now: UnixNanos, idle: Duration, known: usize) -> usize {
        let Self(marks) = self;
        // A clock that was set back would make the marks of before last for ever.
        marks.retain(|mark| mark.at <= now);
        while marks.len() > 1 && now.since(marks[1].at) >= idle || marks.len() >= MARKS_MAX {
            marks.pop_front();
        }
        // Before the first mark: what the journal held, of which only points tell whether it lives.
        marks.front().map_or(known, |mark| mark.series.min(known))
    }

    pub(super) fn push(&mut self, at: UnixNanos, series: usize) {
        self.0.push_back(Mark { at, series });
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

    fn sweep(registry: &SeriesRegistry, now: UnixNanos) {
        registry.sweep(now, IDLE).expect("there is no archive to fail");
    }

    fn touch(registry: &SeriesRegistry, series: std::ops::Range<u32>, secs: i64) {
        let view = registry.read();
        series.for_each(|series| view.touch(crate::SeriesRef(series), at(secs).0));
    }

    #[test]
    fn idle_series_make_room_for_new_ones_and_come_back() {
        let registry = SeriesRegistry::new(100);
        sweep(&registry, at(0));
        assert_eq!((make(&registry, 0, 150), registry.active()), (100, 100));
        sweep(&registry, at(10));
        touch(&registry, 0..40, 3_000);
        sweep(&registry, at(3_000));
        assert_eq!(registry.active(), 100, "made within the hour");
        sweep(&registry, at(6_500));
        assert_eq!(registry.active(), 40, "touched within the hour");
        assert_eq!((make(&registry, 100, 200), registry.active()), (60, 100));
        // One that was idle is known, whatever the cap, and is counted again.
        assert_eq!(make(&registry, 70, 80), 10);
        touch(&registry, 70..80, 6_550);
        sweep(&registry, at(6_550));
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
        sweep(&registry, at(10_000));
        assert_eq!(registry.active(), 7);
        assert_eq!(make(&registry, 500, 1_000), 93);
    }

    #[test]
    fn a_clock_that_jumps_back_leaves_a_count_that_ends() {
        let registry = SeriesRegistry::new(1_000);
        sweep(&registry, at(1_000_000));
        make(&registry, 0, 10);
        sweep(&registry, at(10));
        assert!(registry.active() <= 10);
        sweep(&registry, at(4_000));
        sweep(&registry, at(8_000));
        assert_eq!(registry.active(), 0);
    }

    #[test]
    fn it_is_counted_at_most_every_ten_seconds() {
        let registry = SeriesRegistry::new(1_000);
        make(&registry, 0, 10);
        sweep(&registry, at(100));
        assert_eq!(registry.active(), 0);
        touch(&registry, 0..10, 100);
        sweep(&registry, at(109));
        assert_eq!(registry.active(), 0);
        sweep(&registry, at(110));
        assert_eq!(registry.active(), 10);
    }
}
