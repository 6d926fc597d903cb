//! Time as flyball speaks of it, and the one place that reads a clock.

mod steady;

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

pub use steady::{Jump, Reading, SteadyClock};

/// An instant in nanoseconds since 1970-01-01T00:00:00Z, from about the year 1677 to 2262.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixNanos(pub i64);

impl UnixNanos {
    /// The earliest instant that can be written down.
    pub const MIN: UnixNanos = UnixNanos(i64::MIN);
    /// The latest instant that can be written down.
    pub const MAX: UnixNanos = UnixNanos(i64::MAX);

    /// From milliseconds since the epoch; saturates at the ends.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// From whole seconds since the epoch; saturates at the ends.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// Whole milliseconds since the epoch, rounded towards the past.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This instant moved into the future; saturates.
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(duration_nanos(by)))
    }

    /// This instant moved into the past; saturates.
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(duration_nanos(by)))
    }

    /// How long after `earlier` this instant is; zero when it is not after it.
    pub fn since(self, earlier: UnixNanos) -> Duration {
        u64::try_from(self.0.saturating_sub(earlier.0)).map_or(Duration::ZERO, Duration::from_nanos)
    }
}

/// A duration as nanoseconds in an `i64`; saturates at about 292 years.
pub fn duration_nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

impl fmt::Display for UnixNanos {
    /// RFC 3339 in UTC, with as many fractional digits as are needed: `2026-01-01T00:00:10Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(timestamp) => timestamp.fmt(f),
            Err(_) => write!(f, "{} ns", self.0),
        }
    }
}

impl std::str::FromStr for UnixNanos {
    type Err = String;

    /// Reads RFC 3339, or a number of seconds since the epoch, as Prometheus' API does.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(secs) = text.parse::<f64>()
            && secs.is_finite()
        {
            return Ok(Self((secs * 1e9) as i64));
        }
        text.parse::<jiff::Timestamp>()
            .ok()
            .and_then(|timestamp| i64::try_from(timestamp.as_nanosecond()).ok())
            .map(Self)
            .ok_or_else(|| {
                format!("'{text}' is not a time; write RFC 3339 (2026-01-01T00:00:10Z) or seconds since 1970")
            })
    }
}

/// Where time comes from. An argument everywhere, so that a test or a backtest can set it.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time of day.
    fn now(&self) -> UnixNanos;
    /// Time since some fixed start; never goes back. For measuring how long something took.
    fn monotonic(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug)]
pub struct WallClock {
    start: Instant,
}

impl Default for WallClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> UnixNanos {
        match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => UnixNanos(duration_nanos(since)),
            Err(before) => UnixNanos(-duration_nanos(before.duration())),
        }
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that stands still until it is told to move. For tests.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicI64,
    elapsed: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `start`.
    pub fn new(start: UnixNanos) -> Self {
        Self { now: AtomicI64::new(start.0), elapsed: AtomicI64::new(0) }
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.elapsed.fetch_add(duration_nanos(by), Ordering::SeqCst);
        self.set_ahead(by);
    }

    /// Sets the time of day forwards, while no time passes.
    pub fn set_ahead(&self, by: Duration) {
        self.now.fetch_add(duration_nanos(by), Ordering::SeqCst);
    }

    /// Sets the time of day back, while no time passes.
    pub fn set_back(&self, by: Duration) {
        self.now.fetch_sub(duration_nanos(by), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixNanos {
        UnixNanos(self.now.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        UnixNanos(self.elapsed.load(Ordering::SeqCst)).since(UnixNanos(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_print_and_read_as_rfc_3339() {
        let instant = UnixNanos::from_secs(1_767_225_610);
        assert_eq!(instant.to_string(), "2026-01-01T00:00:10Z");
        assert_eq!("2026-01-01T00:00:10Z".parse(), Ok(instant));
        assert_eq!("1767225610".parse(), Ok(instant));
        assert!("yesterday".parse::<UnixNanos>().is_err());
    }
}
