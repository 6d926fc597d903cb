//! What a consumer's answer means for the event.

use std::time::Duration;

use flyball_model::time::UnixNanos;
use http::StatusCode;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::metrics::RequestOutcome;

/// What one request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The consumer has the event.
    Accepted,
    /// The consumer wants nothing any more.
    Gone,
    /// Another try won't help.
    Refused {
        /// What it said.
        reason: String,
    },
    /// Another try may help.
    Retry {
        /// Why, as a counter's label.
        outcome: RequestOutcome,
        /// What it said.
        reason: String,
        /// How long the consumer wants to be left alone.
        after: Option<Duration>,
    },
}

/// The family an answer belongs to, by its status alone. Redirects are refused: following one would carry a signed event
/// to a place nobody configured.
pub(crate) fn outcome_of(status: StatusCode) -> RequestOutcome {
    match status.as_u16() {
        200..=299 => RequestOutcome::Accepted,
        410 => RequestOutcome::Gone,
        429 => RequestOutcome::Throttled,
        500..=599 => RequestOutcome::ServerError,
        _ => RequestOutcome::Refused,
    }
}

/// Reads `Retry-After` (RFC 9110, 10.2.3): seconds, or a date in any of HTTP's three formats. A date that has passed asks
/// for no wait.
pub(crate) fn retry_after(value: &str, now: UnixNanos) -> Option<Duration> {
    const FORMATS: [&str; 3] = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = FORMATS.iter().find_map(|format| DateTime::strptime(format, value).ok())?;
    let at = TimeZone::UTC.to_timestamp(date).ok()?;
    Some(UnixNanos::from_secs(at.as_second()).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_means_what_interface_md_says() {
        use RequestOutcome::{Accepted, Gone, Refused, ServerError, Throttled};
        for (codes, expected) in [
            (&[200, 201, 202, 204, 299][..], Accepted),
            (&[410], Gone),
            (&[429], Throttled),
            (&[500, 501, 502, 503, 504, 599], ServerError),
            (&[301, 302, 303, 307, 308, 304, 400, 401, 403, 404, 408, 409, 413, 422, 425, 499, 600, 999], Refused),
        ] {
            for &code in codes {
                let status = StatusCode::from_u16(code).expect("three digits");
                assert_eq!(outcome_of(status), expected, "{code}");
            }
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: UnixNanos = "1994-11-06T08:49:07Z".parse().expect("RFC 3339");
        for (value, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(30)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(30)),
            ("Sun Nov  6 08:49:37 1994", Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(retry_after(value, now), expected.map(Duration::from_secs), "{value}");
        }
    }
}
