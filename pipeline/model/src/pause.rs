//! How long to wait between two tries of one event. For every backend that is reached over a network.

use std::time::Duration;

/// The first pause, and the most that pauses grow to. Half a minute keeps a consumer that is back from waiting long, and
/// costs one that is not ten requests an event over the default five minutes.
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);

/// Pauses that double from try to try.
#[derive(Debug, Clone)]
pub struct Pauses {
    next: Duration,
    longest: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self::new(FIRST, LONGEST)
    }
}

impl Pauses {
    /// Pauses from `first`, doubled up to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first.min(longest), longest }
    }

    /// The next pause, or `None` when it would end after `left` has passed and the event with it.
    ///
    /// `chance` in 0 to 1 spreads it over its upper half, so that consumers which failed together are not asked together
    /// again. It takes at most half of what is left, so that there are tries until shortly before the end. What the consumer
    /// asks for (`after`) is never undercut.
    pub fn next(&mut self, left: Duration, after: Option<Duration>, chance: f64) -> Option<Duration> {
        let nominal = self.next;
        self.next = (nominal * 2).min(self.longest);
        let spread = nominal.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0);
        let pause = spread.min((left / 2).max(FIRST.min(nominal))).max(after.unwrap_or_default());
        (pause < left).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut pauses = Pauses::new(ms(100), ms(300));
        let taken: Vec<_> = (0..4).map(|_| pauses.next(ms(100_000), None, 1.0)).collect();
        assert_eq!(taken, [100, 200, 300, 300].map(|pause| Some(ms(pause))));
        assert_eq!(Pauses::new(ms(100), ms(300)).next(ms(100_000), None, 0.0), Some(ms(50)));
    }

    #[test]
    fn what_the_consumer_asks_for_is_not_undercut() {
        let mut pauses = Pauses::new(ms(100), ms(300));
        assert_eq!(pauses.next(ms(100_000), Some(ms(5_000)), 1.0), Some(ms(5_000)));
        assert_eq!(pauses.next(ms(100_000), Some(ms(0)), 1.0), Some(ms(200)), "nor is our own pause");
        assert_eq!(pauses.next(ms(4_000), Some(ms(5_000)), 1.0), None, "the event is over by then");
    }

    #[test]
    fn a_server_that_stays_down_is_asked_some_twenty_times_in_five_minutes() {
        let (mut pauses, mut left, mut tries) = (Pauses::default(), Duration::from_secs(300), 1);
        while let Some(pause) = pauses.next(left, None, 0.5) {
            left -= pause;
            tries += 1;
        }
        assert!((18..=32).contains(&tries), "{tries} tries");
        assert!(left <= FIRST, "the last try comes shortly before the end, {left:?} are left");
    }

    proptest! {
        #[test]
        fn a_pause_never_outlasts_the_event(
            left_ms in 0_u64..400_000, after_ms in prop::option::of(0_u64..400_000), chance in 0.0..=1.0, earlier in 0..12,
        ) {
            let mut pauses = Pauses::default();
            for _ in 0..earlier {
                pauses.next(Duration::MAX, None, chance);
            }
            if let Some(pause) = pauses.next(ms(left_ms), after_ms.map(ms), chance) {
                prop_assert!(pause < ms(left_ms));
                prop_assert!(after_ms.is_none_or(|after| pause >= ms(after)));
                prop_assert!(pause >= FIRST / 2);
            }
        }
    }
}
