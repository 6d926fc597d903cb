//! The machine's clock, and notes on the way.

use std::io::Write;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

#[expect(clippy::disallowed_methods, reason = "the generator measures time; no part of flyball runs here")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "the generator stamps its points; no part of flyball runs here")]
pub(crate) fn unix_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock stands after 1970");
    i64::try_from(since.as_millis()).expect("the clock stands before the year 292 million")
}

/// Nanoseconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "the generator stamps its points; no part of flyball runs here")]
pub(crate) fn unix_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock stands after 1970");
    u64::try_from(since.as_nanos()).expect("the clock stands before the year 2554")
}

/// A line on stderr, so that stdout holds the table alone.
pub(crate) fn note(text: &str) {
    // Where nobody reads the notes, nobody misses them.
    let _ = writeln!(std::io::stderr(), "{text}");
}
