//! Durations as people write them: `10s`, `1m30s`, `1h`.

use std::time::Duration;

/// The units, the longest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a duration: whole numbers, each with a unit of `d`, `h`, `m`, `s`, `ms`, the longest unit first and each once.
/// `0` needs no unit.
///
/// # Errors
/// A sentence that says what is wrong and how to write it.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let wrong = || format!("'{text}' is not a duration; write 500ms, 10s, 1m30s, 1h or 2d");
    let mut rest = text;
    let mut units = UNITS.as_slice();
    let mut millis: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        if !number.is_empty() && after.is_empty() {
            return Err(format!("'{text}' has no unit; write {number}s for seconds (units are ms, s, m, h, d)"));
        }
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let at = units.iter().position(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        millis = number
            .checked_mul(units[at].1)
            .and_then(|part| millis.checked_add(part))
            .filter(|&millis| millis <= DURATION_MILLIS_MAX)
            .ok_or_else(|| format!("'{text}' is too long; the longest duration is 36500d"))?;
        units = &units[at + 1..];
        rest = after;
    }
    if text.is_empty() { Err(wrong()) } else { Ok(Duration::from_millis(millis)) }
}

/// A hundred years: far beyond any use, and far below what nanoseconds in an `i64` can hold.
const DURATION_MILLIS_MAX: u64 = 36_500 * 86_400_000;
const _: () = assert!(DURATION_MILLIS_MAX < i64::MAX as u64 / 1_000_000);

/// Writes a duration so that [`parse_duration`] reads it back; less than a millisecond is cut off.
pub fn format_duration(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (name, unit) in UNITS {
        if millis >= unit {
            text.push_str(&format!("{}{name}", millis / unit));
            millis %= unit;
        }
    }
    if text.is_empty() { "0".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_read_as_written_or_say_how_to_write_them() {
        for (text, millis) in [
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("1h", 3_600_000),
            ("500ms", 500),
            ("2d", 172_800_000),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "1x", "1.5s", "-1s", "1s1m", "1s2s", "1 s", "99999999999999999999s", "40000d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert_eq!(
            parse_duration("10"),
            Err("'10' has no unit; write 10s for seconds (units are ms, s, m, h, d)".to_owned())
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(millis in 0..DURATION_MILLIS_MAX) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
    }
}
