//! Values and times.

use flyball_model::UnixNanos;

/// Digits that surely fit an `i64`.
const SHORT_DIGITS: usize = 15;

/// A value as Go's `ParseFloat` takes it, without hexadecimal floats and underscores. What is too large is no value: it would
/// be stored as an infinity that nobody sent.
#[inline]
pub(super) fn value(text: &str) -> Option<f64> {
    if text.len() <= SHORT_DIGITS && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let whole = text.bytes().fold(0_i64, |number, byte| number * 10 + i64::from(byte - b'0'));
        return Some(whole as f64);
    }
    let number: f64 = text.parse().ok()?;
    if number.is_finite() {
        return Some(number);
    }
    let unsigned = text.trim_start_matches(['+', '-']);
    let named = if number.is_nan() {
        // No sign before it, and never the bits of a staleness marker.
        text.eq_ignore_ascii_case("nan")
    } else {
        unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity")
    };
    named.then_some(number)
}

/// A time of text 0.0.4: whole milliseconds since the epoch.
pub(super) fn millis(text: &str) -> Option<UnixNanos> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole { text.parse().ok().map(UnixNanos::from_millis) } else { None }
}

/// A time of OpenMetrics: seconds since the epoch. Plain decimals are exact to the nanosecond, which a float would not be.
pub(super) fn seconds(text: &str) -> Option<UnixNanos> {
    exact_seconds(text).or_else(|| {
        let seconds = value(text).filter(|seconds| seconds.is_finite())?;
        Some(UnixNanos((seconds * 1e9) as i64))
    })
}

fn exact_seconds(text: &str) -> Option<UnixNanos> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let decimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !decimal(whole) || !decimal(fraction) {
        return None;
    }
    let nanos = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let nanos = nanos.fold(0_i64, |number, byte| number * 10 + i64::from(byte - b'0'));
    let seconds: i64 = whole.parse().unwrap_or(i64::MAX);
    let time = seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
    Some(UnixNanos(if negative { time.saturating_neg() } else { time }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_that_go_parses_but_for_hexadecimal_ones() {
        for (text, expected) in [
            ("0", Some(0.0)),
            ("42", Some(42.0)),
            ("123456789012345", Some(123_456_789_012_345.0)),
            ("9007199254740993", Some(9_007_199_254_740_992.0)),
            ("-1.5", Some(-1.5)),
            ("+1", Some(1.0)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("1e-3", Some(1e-3)),
            ("1.7560473e+07", Some(17_560_473.0)),
            ("4.9e-324", Some(5e-324)),
            ("Inf", Some(f64::INFINITY)),
            ("+Inf", Some(f64::INFINITY)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("+INFINITY", Some(f64::INFINITY)),
            ("1e309", None),
            ("0x1p-2", None),
            ("0x10", None),
            ("1_000", None),
            ("-NaN", None),
            ("", None),
            ("-", None),
            (".", None),
            ("1e", None),
            ("ten", None),
            ("1\r", None),
            ("1,5", None),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
        assert!(["NaN", "nan", "NAN"].iter().all(|text| value(text).is_some_and(f64::is_nan)));
    }

    #[test]
    fn times_are_exact() {
        for (text, expected) in [
            ("1395066363000", Some(1_395_066_363_000_000_000)),
            ("-3982045", Some(-3_982_045_000_000)),
            ("99999999999999999", Some(i64::MAX)),
            ("99999999999999999999", None),
            ("1.5", None),
            ("+1", None),
            ("-", None),
        ] {
            assert_eq!(millis(text).map(|time| time.0), expected, "{text}");
        }
        for (text, expected) in [
            ("1520879607.789", Some(1_520_879_607_789_000_000)),
            ("1520879607.123456789", Some(1_520_879_607_123_456_789)),
            ("1520879607.1234567899", Some(1_520_879_607_123_456_789)),
            ("0", Some(0)),
            ("-1.5", Some(-1_500_000_000)),
            ("1e3", Some(1_000_000_000_000)),
            (".5", Some(500_000_000)),
            ("99999999999999999999", Some(i64::MAX)),
            ("NaN", None),
            ("+Inf", None),
            ("now", None),
        ] {
            assert_eq!(seconds(text).map(|time| time.0), expected, "{text}");
        }
    }
}
