//! Bounds on what one sender may make flyball hold.

use std::time::Duration;

/// A request body after decompression may be at most this long unless configured otherwise (`receivers.otlp.max_body`).
pub const BODY_BYTES_DEFAULT: usize = 64 * 1024 * 1024;

/// Label sets larger than this in total are refused whatever is configured: a record in the series journal holds one.
pub const LABEL_SET_BYTES_MAX: usize = 1024 * 1024;

/// Senders beyond this many share one account named `other`, so that addresses can't fill the memory.
pub const SOURCES_MAX: usize = 10_000;

/// One part in so many of `limits.memory` is for bodies under way, over all receivers ([`crate::admission::Budget`]).
const BODIES_SHARE: usize = 4;

/// What a body may need of that at once, in lengths of itself: as it came, decompressed, and as what it becomes.
const BODY_FORMS: usize = 3;

/// The share of the bodies must hold one of the default length when `limits.memory` has its default too.
const _: () = assert!(BODY_BYTES_DEFAULT * BODY_FORMS <= MEMORY_BYTES_DEFAULT / BODIES_SHARE);

/// The default of `limits.memory`.
const MEMORY_BYTES_DEFAULT: usize = 1024 * 1024 * 1024;

/// The configurable bounds (`limits:` in the configuration).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory the process aims to stay within.
    pub memory_bytes: usize,
    /// Active series (log streams included): those with a point within [`Limits::idle`].
    pub series: usize,
    /// A series without a point for this long is idle: it is known still and no longer counted, and its labels leave the memory.
    pub idle: Duration,
    /// Labels of one series.
    pub labels: usize,
    /// Bytes of one label's value; its name may be as long.
    pub label_bytes: usize,
    /// How late a point may come and still correct an open window.
    pub late: Duration,
    /// How far ahead of the receiver's clock a point may claim to be.
    pub future: Duration,
    /// How old a point may be; the history's retention, since it would be deleted at once.
    pub past: Duration,
    /// Bytes of one request's body after decompression.
    pub body_bytes: usize,
    /// What one sender may bring.
    pub per_source: PerSource,
    /// The HTTP header (gRPC metadata included) whose value tells senders apart, in lower case: `x-scope-orgid`. Without it, or where a request
    /// has none, it is the peer's address, of IPv6 its /64. Only for receivers behind a proxy that sets it: who may choose its own value
    /// gets a fresh share with each.
    pub tenant_header: Option<String>,
}

/// What one sender may bring (`limits.per_source`); without a number, no limit. Over it a sender is throttled: it may send the same again
/// later. Each is a budget that refills at the given rate and may be overdrawn by one body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PerSource {
    /// Points, records and spans a second.
    pub points_per_second: Option<u64>,
    /// Bytes of bodies a second, as they come.
    pub bytes_per_second: Option<u64>,
    /// Series that nobody sent before, within each [`Limits::idle`]: so many at once, and in the long run.
    pub series: Option<u64>,
}

impl PerSource {
    /// Whether there is no limit at all.
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }
}

impl Limits {
    /// Bytes for bodies under way: read, waiting, decompressed, and what they become until they are answered.
    pub fn in_flight_bytes(&self) -> usize {
        self.memory_bytes / BODIES_SHARE
    }

    /// Bytes for what is known of series.
    pub fn registry_bytes(&self) -> usize {
        self.memory_bytes / 8 * 3
    }

    /// The longest body that is taken: [`Limits::body_bytes`], or what memory has room for where that is little.
    pub fn body_bytes_max(&self) -> usize {
        self.body_bytes.min(self.in_flight_bytes() / BODY_FORMS)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: MEMORY_BYTES_DEFAULT,
            series: 1_000_000,
            idle: Duration::from_secs(3600),
            labels: 64,
            label_bytes: 4096,
            late: Duration::from_secs(30),
            future: Duration::from_secs(600),
            past: Duration::from_secs(30 * 24 * 3600),
            body_bytes: BODY_BYTES_DEFAULT,
            per_source: PerSource::default(),
            tenant_header: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_no_longer_than_memory_has_room_for() {
        let limits = Limits::default();
        assert_eq!(limits.body_bytes_max(), BODY_BYTES_DEFAULT);
        let small = Limits { memory_bytes: 120, ..limits };
        assert_eq!((small.in_flight_bytes(), small.body_bytes_max()), (30, 10));
    }
}
