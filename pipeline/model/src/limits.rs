//! Bounds on what one sender may make flyball hold.

use std::time::Duration;

/// A request body after decompression may be at most this long unless configured otherwise (`receivers.otlp.max_body`).
pub const BODY_BYTES_DEFAULT: usize = 64 * 1024 * 1024;

/// Label sets larger than this in total are refused whatever is configured: a record in the series journal holds one.
pub const LABEL_SET_BYTES_MAX: usize = 1024 * 1024;

/// Senders beyond this many share one account named `other`, so that addresses can't fill the memory.
pub const SOURCES_MAX: usize = 10_000;

/// The configurable bounds (`limits:` in the configuration).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory the process aims to stay within.
    pub memory_bytes: usize,
    /// Distinct series (log streams included).
    pub series: usize,
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
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 1024 * 1024 * 1024,
            series: 1_000_000,
            labels: 64,
            label_bytes: 4096,
            late: Duration::from_secs(30),
            future: Duration::from_secs(600),
            past: Duration::from_secs(30 * 24 * 3600),
            body_bytes: BODY_BYTES_DEFAULT,
        }
    }
}
