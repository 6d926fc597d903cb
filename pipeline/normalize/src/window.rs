//! Which times are taken.

use flyball_model::{Limits, UnixNanos};

use crate::fault::{Fault, Instant};

/// From `past` before the time of receipt to `future` after it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) now: UnixNanos,
    earliest: UnixNanos,
    latest: UnixNanos,
}

impl Window {
    pub(crate) fn new(now: UnixNanos, limits: &Limits) -> Self {
        Self { now, earliest: now.minus(limits.past), latest: now.plus(limits.future) }
    }

    /// An OTLP time. 0 means that the sender does not know it: then it is the time of receipt.
    #[inline]
    pub(crate) fn nanos(&self, time: u64) -> Result<UnixNanos, Fault<'static>> {
        match i64::try_from(time) {
            Ok(0) => Ok(self.now),
            Ok(time) => self.check(UnixNanos(time)),
            Err(_) => Err(Fault::TooFarInFuture { time: Instant::Beyond(time), latest: self.latest }),
        }
    }

    /// A Prometheus time. 0 is 1970 and nothing else.
    #[inline]
    pub(crate) fn millis(&self, time: i64) -> Result<UnixNanos, Fault<'static>> {
        self.check(UnixNanos::from_millis(time))
    }

    /// An instant.
    #[inline]
    pub(crate) fn check(&self, time: UnixNanos) -> Result<UnixNanos, Fault<'static>> {
        if time > self.latest {
            Err(Fault::TooFarInFuture { time: Instant::Known(time), latest: self.latest })
        } else if time < self.earliest {
            Err(Fault::TooOld { time, earliest: self.earliest })
        } else {
            Ok(time)
        }
    }
}

/// An OTLP time that needs no check: one beyond what can be written down is the latest that can.
#[inline]
pub(crate) fn clamped(time: u64) -> UnixNanos {
    UnixNanos(i64::try_from(time).unwrap_or(i64::MAX))
}
