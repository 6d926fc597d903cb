//! Times as people say them.

use flyball_model::{Clock, UnixNanos, WallClock};
use flyball_yaml::parse_duration;

/// RFC 3339, seconds since 1970, `now`, or `-24h`.
pub(super) fn instant(text: &str) -> Result<UnixNanos, String> {
    instant_at(text, WallClock::default().now())
}

/// The same of what was said at `now`.
fn instant_at(text: &str, now: UnixNanos) -> Result<UnixNanos, String> {
    let text = text.trim();
    if text == "now" {
        return Ok(now);
    }
    // A number alone is seconds since 1970, as in Prometheus' API, and none of those lies before it.
    match text.strip_prefix('-').map(parse_duration) {
        Some(Ok(back)) => Ok(now.minus(back)),
        Some(Err(error)) => Err(format!("'{text}' is no time before now: {error}")),
        None => text.parse().map_err(|error: String| format!("{error}, 'now', or a time before it like -24h")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_absolute_or_before_now() {
        let now = UnixNanos::from_secs(100_000);
        for (text, expected) in [
            ("now", Some(100_000)),
            ("-24h", Some(13_600)),
            ("-1h30m", Some(94_600)),
            ("1970-01-01T00:01:00Z", Some(60)),
            ("1970-01-01T01:01:00+01:00", Some(60)),
            ("60", Some(60)),
            ("-", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(instant_at(text, now).ok(), expected.map(UnixNanos::from_secs), "{text}");
        }
    }
}
