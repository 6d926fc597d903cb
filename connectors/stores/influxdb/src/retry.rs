//! How long to wait before the next attempt.

use std::time::Duration;

use flyball_model::UnixNanos;
use jiff::fmt::rfc2822::DateTimeParser;
use rand::RngExt;

use crate::options::Pace;

/// The pause after `failures` failures in a row, at least one: doubled each time, and somewhere between half and the whole of
/// it, so that many senders do not come back at once.
pub(crate) fn backoff(pace: &Pace, failures: u32) -> Duration {
    let doubled = pace.backoff_min.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    jitter(doubled.min(pace.backoff_max))
}

/// Between half and the whole of a pause.
pub(crate) fn jitter(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.5..=1.0))
}

/// What `Retry-After` asks for: seconds, or a date (RFC 9110, section 10.2.3). Capped; `None` when it says neither.
pub(crate) fn retry_after(header: &str, now: UnixNanos, max: Duration) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(max));
    }
    let date = DateTimeParser::new().parse_timestamp(header).ok()?;
    let at = UnixNanos(i64::try_from(date.as_nanosecond()).ok()?);
    Some(at.since(now).min(max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_understood_and_capped() {
        let now = UnixNanos::from_secs(784_111_777 - 30);
        let max = Duration::from_secs(600);
        for (header, expected) in [
            ("5", Some(5)),
            (" 0 ", Some(0)),
            ("86400", Some(600)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("Mon, 07 Nov 1994 08:49:37 GMT", Some(600)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(retry_after(header, now, max), expected.map(Duration::from_secs), "{header}");
        }
    }

    #[test]
    fn pauses_double_with_jitter_up_to_a_bound() {
        let pace = Pace::default();
        for (failures, whole) in [(1, 500), (2, 1_000), (4, 4_000), (7, 30_000), (40, 30_000), (u32::MAX, 30_000)] {
            let (pause, whole) = (backoff(&pace, failures), Duration::from_millis(whole));
            assert!(pause >= whole / 2 && pause <= whole, "{failures}: {pause:?}");
        }
    }
}
