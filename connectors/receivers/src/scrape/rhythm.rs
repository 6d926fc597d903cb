//! When a target is asked.
//!
//! Each target has a place in the interval that follows from its hash alone, so that thousands of targets are spread evenly and each
//! keeps its place over restarts. Scrapes count from the epoch, not from the start: a slow scrape shifts none after it.

use std::time::Duration;

use flyball_model::UnixNanos;
use flyball_model::time::duration_nanos;
use twox_hash::XxHash3_64;

/// A scrape that begins this much after its time is stamped with its time: regular times are small on disk, and so small a
/// difference is the timer's.
const TOLERANCE: Duration = Duration::from_millis(2);

/// The times of one target.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rhythm {
    every: i64,
    offset: i64,
}

impl Rhythm {
    /// For a target's identity.
    pub(super) fn new(identity: &str, every: Duration) -> Self {
        let every = duration_nanos(every).max(1);
        let hash = XxHash3_64::oneshot(identity.as_bytes());
        let offset = (hash % every.unsigned_abs()).cast_signed();
        Self { every, offset }
    }

    /// The next time, `now` that the scrape of `last` is done.
    ///
    /// A clock that is being slowed down may not have come to `last` yet when its timer was done; it would be asked for twice. One that
    /// was set back is followed.
    pub(super) fn next(self, now: UnixNanos, last: Option<UnixNanos>) -> UnixNanos {
        match last {
            Some(last) if last > now && duration_nanos(last.since(now)) < self.every / 2 => self.next_after(last),
            _ => self.next_after(now),
        }
    }

    /// The first time after `now`.
    fn next_after(self, now: UnixNanos) -> UnixNanos {
        let since = now.0.saturating_sub(self.offset).rem_euclid(self.every);
        UnixNanos(now.0.saturating_add(self.every - since))
    }
}

/// The time that samples of a scrape get.
pub(super) fn stamp(planned: UnixNanos, now: UnixNanos) -> UnixNanos {
    if now >= planned && now.since(planned) <= TOLERANCE { planned } else { now }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_keeps_its_place_in_the_interval_and_targets_are_spread() {
        let every = Duration::from_secs(10);
        let mut tenths = [0; 10];
        for number in 0..1000 {
            let rhythm = Rhythm::new(&format!("http://h:{number}/"), every);
            let first = rhythm.next_after(UnixNanos::from_secs(1_000_003));
            assert!(first > UnixNanos::from_secs(1_000_003) && first <= UnixNanos::from_secs(1_000_013));
            assert_eq!(rhythm.next_after(first), first.plus(every));
            assert_eq!(rhythm.next_after(first.plus(Duration::from_nanos(1))), first.plus(every));
            assert_eq!(rhythm.next_after(first.minus(Duration::from_nanos(1))), first);
            tenths[usize::try_from(first.0 / 1_000_000_000 % 10).expect("below ten")] += 1;
        }
        assert!(tenths.iter().all(|&count| (60..140).contains(&count)), "{tenths:?}");
    }

    #[test]
    fn a_time_that_the_clock_has_not_quite_reached_is_not_taken_twice() {
        let every = Duration::from_secs(10);
        let rhythm = Rhythm::new("t", every);
        let last = rhythm.next_after(UnixNanos::from_secs(1_000_000));
        for (now, next) in [
            (last.plus(Duration::from_millis(5)), last.plus(every)),
            (last.minus(Duration::from_millis(5)), last.plus(every)),
            // Set back by an hour.
            (last.minus(every * 360).plus(Duration::from_millis(5)), last.minus(every * 359)),
        ] {
            assert_eq!(rhythm.next(now, Some(last)), next);
        }
        assert_eq!(rhythm.next(last.minus(Duration::from_millis(5)), None), last);
    }

    #[test]
    fn the_timers_small_delay_is_not_stamped() {
        let planned = UnixNanos::from_secs(5);
        assert_eq!(stamp(planned, planned.plus(TOLERANCE)), planned);
        let late = planned.plus(Duration::from_millis(3));
        assert_eq!(stamp(planned, late), late);
        let early = planned.minus(Duration::from_nanos(1));
        assert_eq!(stamp(planned, early), early);
    }
}
