//! Time that does not jump, for waiting; and the jumps of the machine's clock, which are noticed by comparing the two.
//!
//! A rule's `for` waits on the steady time, so that a clock that is set forwards by hours fires nothing early, and one that is set back
//! stops nothing for hours. Windows of queries and all times that are shown stay the machine's, because points come with such times.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{Clock, UnixNanos};

/// A difference between two looks that is no jump: what NTP does to a clock without setting it.
const DRIFT_MAX: Duration = Duration::from_secs(1);

/// Between the two clocks' readings at most this much may pass for them to count as taken together.
const TOGETHER: Duration = Duration::from_millis(50);

/// How often a reading that took longer is repeated.
const READINGS_MAX: usize = 4;

/// A reading of both lines of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// What the machine's clock shows, for windows of queries and for all that is shown. It may jump either way.
    pub now: UnixNanos,
    /// The steady time, for waiting and for limits. It never goes back, not even from one process to the next.
    pub steady: UnixNanos,
}

impl Reading {
    /// Of a clock that never jumped: in backtests, and where nothing waits.
    pub const fn at(now: UnixNanos) -> Self {
        Self { now, steady: now }
    }
}

/// The machine's clock was set, or the machine was suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jump {
    /// By that much into the future.
    Forwards(Duration),
    /// By that much into the past.
    Backwards(Duration),
}

impl Jump {
    /// How far.
    pub fn distance(self) -> Duration {
        match self {
            Jump::Forwards(by) | Jump::Backwards(by) => by,
        }
    }
}

/// The steady time beside a clock.
#[derive(Debug)]
pub struct SteadyClock {
    clock: Arc<dyn Clock>,
    /// The steady time when the monotonic clock was zero.
    base: UnixNanos,
    /// The machine's clock less the steady time, in nanoseconds, at the last look.
    offset: Mutex<i64>,
    jumps: AtomicU64,
    away: Duration,
}

impl SteadyClock {
    /// The steady time goes on from `last`, which the process before wrote down: by as much as the machine's clock says has passed since.
    /// Without it the steady time begins as the machine's.
    pub fn new(clock: Arc<dyn Clock>, last: Option<Reading>) -> Self {
        let (now, monotonic) = together(clock.as_ref());
        let away = last.map_or(Duration::ZERO, |last| now.since(last.now));
        let steady = last.map_or(now, |last| last.steady.plus(away));
        Self {
            clock,
            base: steady.minus(monotonic),
            offset: Mutex::new(now.0.saturating_sub(steady.0)),
            jumps: AtomicU64::new(0),
            away,
        }
    }

    /// Reads both lines, and leaves a jump to the next [`look`](Self::look).
    pub fn read(&self) -> Reading {
        let (now, monotonic) = together(self.clock.as_ref());
        Reading { now, steady: self.base.plus(monotonic) }
    }

    /// Reads both lines. A jump since the last look is told once.
    pub fn look(&self) -> (Reading, Option<Jump>) {
        let Reading { now, steady } = self.read();
        let offset = now.0.saturating_sub(steady.0);
        let before = std::mem::replace(&mut *self.offset.lock(), offset);
        let distance = Duration::from_nanos(offset.abs_diff(before));
        let jump = (distance > DRIFT_MAX).then(|| {
            self.jumps.fetch_add(1, Ordering::Relaxed);
            if offset > before { Jump::Forwards(distance) } else { Jump::Backwards(distance) }
        });
        (Reading { now, steady }, jump)
    }

    /// How many jumps there were since the start.
    pub fn jumps(&self) -> u64 {
        self.jumps.load(Ordering::Relaxed)
    }

    /// How long nobody looked before this process began, as far as the machine's clock tells; zero at the very first start.
    pub fn away(&self) -> Duration {
        self.away
    }
}

/// Both clocks, read so soon after each other that a process that was stopped in between does not look like a jump.
fn together(clock: &dyn Clock) -> (UnixNanos, Duration) {
    let mut reading = (clock.now(), clock.monotonic());
    for _ in 0..READINGS_MAX {
        let before = clock.monotonic();
        reading = (clock.now(), before);
        if clock.monotonic().saturating_sub(before) <= TOGETHER {
            break;
        }
    }
    reading
}

const _: () = assert!(TOGETHER.as_nanos() < DRIFT_MAX.as_nanos());

#[cfg(test)]
mod tests {
    use super::super::ManualClock;
    use super::*;

    const START: UnixNanos = UnixNanos::from_secs(1_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn steady(clock: &Arc<ManualClock>, last: Option<Reading>) -> SteadyClock {
        SteadyClock::new(Arc::<ManualClock>::clone(clock), last)
    }

    #[test]
    fn a_clock_that_is_set_moves_no_steady_time_and_is_told_of_once() {
        let clock = Arc::new(ManualClock::new(START));
        let steady = steady(&clock, None);
        assert_eq!(steady.look(), (Reading::at(START), None));
        for (set, jump) in [(HOUR, None), (HOUR * 3, Some(Jump::Forwards(HOUR * 3)))] {
            if jump.is_none() {
                clock.advance(set)
            } else {
                clock.set_ahead(set)
            }
            let (reading, found) = steady.look();
            assert_eq!((reading.steady, found), (START.plus(HOUR), jump));
        }
        clock.set_back(HOUR * 5);
        let (reading, found) = steady.look();
        assert_eq!((reading.now, reading.steady), (START.minus(HOUR), START.plus(HOUR)));
        assert_eq!((found, steady.look().1, steady.jumps()), (Some(Jump::Backwards(HOUR * 5)), None, 2));
    }

    #[test]
    fn drift_never_adds_up_to_a_jump() {
        let clock = Arc::new(ManualClock::new(START));
        let steady = steady(&clock, None);
        for _ in 0..100 {
            clock.set_ahead(Duration::from_millis(900));
            assert_eq!(steady.look().1, None);
        }
    }

    #[test]
    fn from_process_to_process_it_goes_on_by_what_the_machines_clock_says_and_never_back() {
        let last = Reading { now: START, steady: START.minus(HOUR) };
        for (now, away) in [(START.plus(HOUR), HOUR), (START.minus(HOUR), Duration::ZERO)] {
            let clock = Arc::new(ManualClock::new(now));
            let steady = steady(&clock, Some(last));
            let expected = Reading { now, steady: last.steady.plus(away) };
            assert_eq!((steady.look(), steady.away()), ((expected, None), away));
        }
    }
}
