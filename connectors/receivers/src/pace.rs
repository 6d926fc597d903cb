//! How fast senders hear that there is too much to do.
//!
//! Senders that ignore the hint come again as soon as they are answered. Each of these rounds costs a tenth or more of what taking the body
//! would: its bytes are in the socket, and must be read away before the answer is heard. Then all the time could go into refusals, and
//! what is let in waits between them. So refusals get a part of the machine only, one after the other: a body that is refused stays unread
//! until its time has come, which costs nothing, and its connection sends no other meanwhile.
//!
//! What a refusal costs is measured, but not what the machine has: a process whose CPU time is rationed has less than it sees. That shows in
//! how late those who waited are woken; the later, the slower is the pace.

use std::pin::pin;
use std::sync::LazyLock;
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The pace of this process.
pub(crate) static PACE: LazyLock<Pace> = LazyLock::new(|| {
    // One that can't tell its cores has at least one.
    Pace::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
});

/// The part of the machine that refusals may take.
const PART: f64 = 0.2;

/// The longest wait for an answer: exporters give up after five or ten seconds.
const HOLD_MAX: Duration = Duration::from_secs(2);

/// The guess at what reading the rest of a refused body takes before the first one.
const READING_FIRST: Duration = Duration::from_micros(50);

/// What is not measured of a refusal: what comes with its head (mostly as much of the body as is there), judging it, writing the answer,
/// waking up.
const AROUND: Duration = Duration::from_micros(100);

/// How much of the new is in the mean. Where CPU time is rationed most readings are short, and some are as long as the wait for the next
/// ration; it takes many to know the mean.
const SMOOTHING: f64 = 0.02;

/// The pace is half as fast when who waited is woken so late, a third as fast at twice of it, and so on.
const LATE: Duration = Duration::from_millis(3);

/// How much of the new is in the mean lateness, and how fast it is forgotten while nobody waits.
const LATE_SMOOTHING: f64 = 0.1;
const LATE_DECAY: Duration = Duration::from_secs(1);

/// A reading that took longer says nothing of the others.
const READING_MAX: Duration = Duration::from_millis(100);

/// Lets refusals out one after the other.
#[derive(Debug)]
pub(crate) struct Pace {
    cores: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the next one may go out.
    next_at: Option<Instant>,
    /// The mean time that the readings took of one core.
    reading: Duration,
    /// How late those who waited are woken, in seconds, and when that was last known.
    late: f64,
    late_at: Option<Instant>,
}

impl Pace {
    fn new(cores: usize) -> Self {
        let state = State { next_at: None, reading: READING_FIRST, late: 0.0, late_at: None };
        Self { cores: cores.max(1) as f64, state: Mutex::new(state) }
    }

    /// Waits until the next refusal may go out. While there are few it may at once.
    pub(crate) async fn turn(&self) {
        let now = Instant::now();
        let at = self.next(now);
        if at > now {
            tokio::time::sleep_until(at).await;
            self.woken(at, Instant::now());
        }
    }

    /// When the one that is refused now may go out.
    fn next(&self, now: Instant) -> Instant {
        let mut state = self.state.lock();
        let at = state.next_at.map_or(now, |next_at| next_at.max(now));
        let slower = 1.0 + state.late(now) / LATE.as_secs_f64();
        let apart = (state.reading + AROUND).mul_f64(slower / PART / self.cores);
        state.next_at = Some((at + apart).min(now + HOLD_MAX));
        at
    }

    /// One who waited until `at` was woken now.
    fn woken(&self, at: Instant, now: Instant) {
        let mut state = self.state.lock();
        let before = state.late(now);
        let late = (now - at).min(READING_MAX).as_secs_f64();
        state.late = before + LATE_SMOOTHING * (late - before);
        state.late_at = Some(now);
    }

    /// Does the reading, and measures what it takes: not its waiting for the sender.
    pub(crate) async fn meter<T>(&self, reading: impl Future<Output = T>) -> T {
        let mut reading = pin!(reading);
        let mut took = Duration::ZERO;
        std::future::poll_fn(|context| {
            let began = Instant::now();
            let polled = reading.as_mut().poll(context);
            took += began.elapsed();
            if polled.is_ready() {
                self.took(took);
            }
            match polled {
                Poll::Ready(done) => Poll::Ready(done),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    fn took(&self, time: Duration) {
        let mut state = self.state.lock();
        let (mean, time) = (state.reading.as_secs_f64(), time.min(READING_MAX).as_secs_f64());
        state.reading = Duration::from_secs_f64(mean + SMOOTHING * (time - mean));
    }
}

impl State {
    /// How late those who waited are woken now.
    fn late(&self, now: Instant) -> f64 {
        let passed = self.late_at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.late * (-passed.as_secs_f64() / LATE_DECAY.as_secs_f64()).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A pace whose refusals take so long.
    fn pace(cores: usize, refusal: Duration) -> Pace {
        let pace = Pace::new(cores);
        (0..1_000).for_each(|_| pace.took(refusal - AROUND));
        pace
    }

    #[test]
    fn refusals_take_their_part_of_the_machine_and_no_more() {
        for (cores, expected) in [(1, 200), (2, 400), (8, 1_600)] {
            let pace = pace(cores, MS);
            let start = Instant::now();
            // Each takes a millisecond of one core, and a fifth is theirs.
            let within = (0..2_000).filter(|_| pace.next(start) <= start + 999 * MS).count();
            assert!((expected - 2..=expected + 2).contains(&within), "{cores} cores: {within}");
        }
    }

    #[test]
    fn where_all_are_woken_late_refusals_are_slower() {
        let pace = pace(1, MS);
        let start = Instant::now();
        (0..200).for_each(|_| pace.woken(start, start + 3 * LATE));
        let within = (0..2_000).filter(|_| pace.next(start + 3 * LATE) <= start + 999 * MS).count();
        assert!((48..=52).contains(&within), "a fourth of what it would be: {within}");
        let later = start + 20 * LATE_DECAY;
        let within = (0..2_000).filter(|_| pace.next(later) <= later + 999 * MS).count();
        assert!((198..=202).contains(&within), "it is forgotten: {within}");
    }

    #[test]
    fn few_are_not_held_at_all_and_nobody_for_long() {
        let pace = pace(1, MS);
        let start = Instant::now();
        for second in 0..5 {
            let now = start + second * 1_000 * MS;
            assert_eq!(pace.next(now), now);
        }
        let now = start + 10_000 * MS;
        let longest = (0..10_000).map(|_| pace.next(now)).max();
        assert_eq!(longest, Some(now + HOLD_MAX));
        // Once they stay away, all is as before.
        assert_eq!(pace.next(now + 2 * HOLD_MAX), now + 2 * HOLD_MAX);
    }

    #[tokio::test]
    async fn what_a_reading_takes_is_measured() {
        let pace = Pace::new(1);
        for _ in 0..200 {
            assert_eq!(pace.meter(async { 7 }).await, 7);
        }
        let reading = pace.state.lock().reading;
        assert!(reading < READING_FIRST, "{reading:?}");
    }
}
