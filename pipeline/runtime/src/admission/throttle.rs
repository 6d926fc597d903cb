//! Limits of one sender (`limits.per_source`): budgets that refill with time.
//!
//! What a body costs is known only when it is read, so it may overdraw its sender's budget, and the next one waits until that is paid back.
//! So many bytes or points come through in the long run, exactly, and every body does at last, however small the limit.

use std::sync::Arc;
use std::time::Duration;

use flyball_model::Limits;
use flyball_model::limits::SOURCES_MAX;
use hashbrown::HashMap;
use parking_lot::Mutex;

/// A budget is of what so much time brings: a sender may be so much ahead.
const BURST: Duration = Duration::from_secs(1);

/// The longest wait that is asked for. The budget of series may take hours; whoever asks in between hears it again.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// Senders beyond [`SOURCES_MAX`] share one budget, which is generous to none of them.
const OTHERS: &str = "other";

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Points,
    Bytes,
    Series,
}

const MEASURES: [Measure; 3] = [Measure::Points, Measure::Bytes, Measure::Series];

/// The place of [`Measure::Series`] among them.
const SERIES: usize = 2;

/// A sender is over one of its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Over {
    /// The limit and how to raise it.
    pub(crate) message: String,
    /// When it is paid back.
    pub(crate) retry_after: Duration,
}

/// The budgets of all senders.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// Rate a second and capacity, by measure; `None`: no limit.
    limits: [Option<(f64, f64)>; MEASURES.len()],
    budgets: Mutex<Budgets>,
}

#[derive(Debug, Default)]
struct Budgets {
    senders: HashMap<Arc<str>, Budget>,
    swept_at: Duration,
}

/// What a sender still has, by measure; below zero it is overdrawn.
#[derive(Debug, Clone, Copy)]
struct Budget {
    left: [f64; MEASURES.len()],
    at: Duration,
}

impl Throttle {
    /// The limits of `limits.per_source`.
    pub(crate) fn new(limits: &Limits) -> Self {
        let per_source = &limits.per_source;
        let rate = |per_second: Option<u64>| per_second.map(|rate| (rate as f64, rate as f64 * BURST.as_secs_f64()));
        let idle = limits.idle.as_secs_f64().max(1.0);
        let series = per_source.series.map(|series| (series as f64 / idle, series as f64));
        Self {
            limits: [rate(per_source.points_per_second), rate(per_source.bytes_per_second), series],
            budgets: Mutex::default(),
        }
    }

    pub(crate) fn is_off(&self) -> bool {
        self.limits.iter().all(Option::is_none)
    }

    /// Whether a sender may send now.
    ///
    /// # Errors
    /// When it is over a limit.
    pub(crate) fn check(&self, sender: &Arc<str>, now: Duration) -> Result<(), Over> {
        if self.is_off() {
            return Ok(());
        }
        let mut budgets = self.budgets.lock();
        budgets.sweep(&self.limits, now);
        let left = budgets.of(sender, &self.limits, now).left;
        for ((measure, limit), left) in MEASURES.into_iter().zip(&self.limits).zip(left) {
            if let Some((rate, capacity)) = limit
                && left < 0.0
            {
                let retry_after = Duration::try_from_secs_f64(-left / rate).unwrap_or(Duration::MAX);
                let message = message(measure, *capacity);
                return Err(Over { message, retry_after: retry_after.min(RETRY_AFTER_MAX) });
            }
        }
        Ok(())
    }

    /// Charges bytes that came.
    pub(crate) fn charge_bytes(&self, sender: &Arc<str>, bytes: usize, now: Duration) {
        self.charge(sender, [0.0, bytes as f64, 0.0], now);
    }

    /// Charges what was in a body.
    pub(crate) fn charge_points(&self, sender: &Arc<str>, points: u64, new_series: u64, now: Duration) {
        self.charge(sender, [points as f64, 0.0, new_series as f64], now);
    }

    fn charge(&self, sender: &Arc<str>, costs: [f64; MEASURES.len()], now: Duration) {
        if self.is_off() {
            return;
        }
        let mut budgets = self.budgets.lock();
        let budget = budgets.of(sender, &self.limits, now);
        for (left, cost) in budget.left.iter_mut().zip(costs) {
            *left -= cost;
        }
        // New series are made in bursts, and a sender's known ones must not be kept out for days by one of them.
        if let Some((_, capacity)) = self.limits[SERIES] {
            budget.left[SERIES] = budget.left[SERIES].max(-capacity);
        }
    }
}

impl Budgets {
    /// A sender's budget as of now.
    fn of(&mut self, sender: &Arc<str>, limits: &[Option<(f64, f64)>; 3], now: Duration) -> &mut Budget {
        let full = self.senders.len() >= SOURCES_MAX && !self.senders.contains_key(sender);
        let name = if full { OTHERS.into() } else { Arc::clone(sender) };
        let fresh = || Budget { left: limits.map(|limit| limit.map_or(0.0, |(_, capacity)| capacity)), at: now };
        let budget = self.senders.entry(name).or_insert_with(fresh);
        budget.refill(limits, now);
        budget
    }

    /// Forgets budgets that are full, which are as good as new ones; at most once a second.
    fn sweep(&mut self, limits: &[Option<(f64, f64)>; 3], now: Duration) {
        if now < self.swept_at + Duration::from_secs(1) {
            return;
        }
        self.swept_at = now;
        self.senders.retain(|_, budget| {
            budget.refill(limits, now);
            budget.left.iter().zip(limits).any(|(left, limit)| limit.is_some_and(|(_, capacity)| *left < capacity))
        });
    }
}

impl Budget {
    fn refill(&mut self, limits: &[Option<(f64, f64)>; 3], now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        for (left, limit) in self.left.iter_mut().zip(limits) {
            match limit {
                Some((rate, capacity)) => *left = (*left + rate * passed).min(*capacity),
                None => *left = 0.0,
            }
        }
    }
}

fn message(measure: Measure, capacity: f64) -> String {
    match measure {
        Measure::Points => format!(
            "this sender is over its {capacity} points a second (limits.per_source.points_per_second); send it again later"
        ),
        Measure::Bytes => format!(
            "this sender is over its {capacity} bytes a second (limits.per_source.bytes_per_second); send it again later"
        ),
        Measure::Series => format!(
            "this sender brought more than {capacity} new series within limits.idle (limits.per_source.series); \
             send fewer, or the same again later"
        ),
    }
}

#[cfg(test)]
mod tests {
    use flyball_model::limits::PerSource;

    use super::*;

    fn throttle(points: u64, bytes: u64, series: u64) -> Throttle {
        let some = |limit: u64| (limit > 0).then_some(limit);
        let per_source =
            PerSource { points_per_second: some(points), bytes_per_second: some(bytes), series: some(series) };
        Throttle::new(&Limits { per_source, idle: Duration::from_secs(100), ..Limits::default() })
    }

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_sender_in_debt_waits_until_it_is_paid_back_and_nobody_else_does() {
        let throttle = throttle(100, 0, 0);
        let (noisy, quiet): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        assert_eq!(throttle.check(&noisy, secs(0)), Ok(()));
        // The first body may be as large as it likes.
        throttle.charge_points(&noisy, 400, 0, secs(0));
        let over = throttle.check(&noisy, secs(1)).expect_err("in debt");
        assert!(over.message.contains("limits.per_source.points_per_second"), "{}", over.message);
        assert_eq!(over.retry_after, secs(2));
        assert_eq!(throttle.check(&quiet, secs(1)), Ok(()));
        assert_eq!(throttle.check(&noisy, secs(3)), Ok(()));
    }

    #[test]
    fn in_the_long_run_exactly_the_rate_comes_through() {
        let throttle = throttle(0, 1_000, 0);
        let sender: Arc<str> = "a".into();
        let mut bytes = 0;
        for tenth in 0..1_000 {
            let now = Duration::from_millis(tenth * 100);
            if throttle.check(&sender, now).is_ok() {
                throttle.charge_bytes(&sender, 300, now);
                bytes += 300;
            }
        }
        assert!((100_000..=101_600).contains(&bytes), "{bytes}");
    }

    #[test]
    fn new_series_are_a_budget_of_the_idle_time() {
        let throttle = throttle(0, 0, 1_000);
        let sender: Arc<str> = "a".into();
        throttle.charge_points(&sender, 5_000, 1_000, secs(0));
        assert_eq!(throttle.check(&sender, secs(0)), Ok(()), "so many at once");
        throttle.charge_points(&sender, 5_000, 200, secs(0));
        let over = throttle.check(&sender, secs(0)).expect_err("over it");
        assert!(over.message.contains("limits.per_source.series") && over.retry_after == secs(20), "{over:?}");
        // Known series cost nothing.
        throttle.charge_points(&sender, 5_000, 0, secs(20));
        assert_eq!(throttle.check(&sender, secs(20)), Ok(()));
    }

    #[test]
    fn budgets_that_are_full_again_are_forgotten_and_their_number_is_bounded() {
        let throttle = throttle(10, 0, 0);
        for sender in 0..SOURCES_MAX + 50 {
            throttle.charge_points(&format!("{sender}").into(), 20, 0, secs(1));
        }
        assert_eq!(throttle.budgets.lock().senders.len(), SOURCES_MAX + 1, "the last is the others'");
        assert_eq!(throttle.check(&"x".into(), secs(1_000)), Ok(()));
        assert_eq!(throttle.budgets.lock().senders.len(), 1);
    }
}
