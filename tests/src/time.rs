//! The machine's clock, and waiting with a deadline.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const POLL: Duration = Duration::from_millis(50);

/// Nanoseconds since the epoch.
///
/// # Panics
/// When the clock stands before 1970 or after 2262.
#[expect(
    clippy::disallowed_methods,
    reason = "the tests stand outside of flyball and share only the wall clock with it"
)]
pub fn now_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock stands after 1970");
    u64::try_from(since.as_nanos()).expect("the clock stands before 2262")
}

/// Measures how long something took.
#[expect(
    clippy::disallowed_methods,
    reason = "the tests stand outside of flyball and share only the wall clock with it"
)]
pub fn instant() -> Instant {
    Instant::now()
}

/// Looks again and again until there is an answer, and gives it.
///
/// # Panics
/// When there is none in time; the message has the last reason that `look` gave.
#[track_caller]
pub fn wait_until<T>(what: &str, timeout: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let start = instant();
    loop {
        match look() {
            Ok(found) => return found,
            Err(reason) if start.elapsed() >= timeout => panic!("waited {timeout:?} for {what}; last seen: {reason}"),
            Err(_) => std::thread::sleep(POLL),
        }
    }
}
