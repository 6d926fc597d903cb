//! Filters that write numbers for people, as the templates of Prometheus have them: four digits, with a prefix or a unit.
//!
//! | filter | 1234567 | 0.0125 |
//! |---|---|---|
//! | `humanize` | `1.235M` | `12.5m` |
//! | `humanize1024` | `1.177Mi` | `0.0125` |
//! | `humanize_duration` (seconds) | `14d 6h 56m 7s` | `12.5ms` |
//! | `humanize_percentage` (a ratio) | `1.235e+08%` | `1.25%` |

use minijinja::{Environment, Value};

/// Adds them all. What is no number stays as it is.
pub(super) fn add_filters(environment: &mut Environment<'static>) {
    let filter = |write: fn(f64) -> String| {
        move |value: Value| f64::try_from(value.clone()).map_or_else(|_| value.to_string(), write)
    };
    environment.add_filter("humanize", filter(metric));
    environment.add_filter("humanize1024", filter(binary));
    environment.add_filter("humanize_duration", filter(duration));
    environment.add_filter("humanize_percentage", filter(|ratio| format!("{}%", digits(ratio * 100.0))));
}

fn is_plain(value: f64) -> bool {
    value == 0.0 || !value.is_finite()
}

fn metric(mut value: f64) -> String {
    if is_plain(value) {
        return digits(value);
    }
    let mut prefix = "";
    if value.abs() >= 1.0 {
        for larger in ["k", "M", "G", "T", "P", "E", "Z", "Y"] {
            if value.abs() < 1000.0 {
                break;
            }
            (prefix, value) = (larger, value / 1000.0);
        }
    } else {
        for smaller in ["m", "u", "n", "p", "f", "a", "z", "y"] {
            if value.abs() >= 1.0 {
                break;
            }
            (prefix, value) = (smaller, value * 1000.0);
        }
    }
    format!("{}{prefix}", digits(value))
}

fn binary(mut value: f64) -> String {
    if is_plain(value) || value.abs() <= 1.0 {
        return digits(value);
    }
    let mut prefix = "";
    for larger in ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"] {
        if value.abs() < 1024.0 {
            break;
        }
        (prefix, value) = (larger, value / 1024.0);
    }
    format!("{}{prefix}", digits(value))
}

fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return digits(seconds);
    }
    if seconds == 0.0 {
        return "0s".to_owned();
    }
    if seconds.abs() < 1.0 {
        return format!("{}s", metric(seconds));
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let whole = seconds.abs() as u64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", digits(seconds.abs())),
        (0, 0, _) => format!("{sign}{minutes}m {}s", whole % 60),
        (0, ..) => format!("{sign}{hours}h {minutes}m {}s", whole % 60),
        _ => format!("{sign}{days}d {hours}h {minutes}m {}s", whole % 60),
    }
}

/// Four significant digits, without zeros behind them; very large and small ones as powers of ten.
fn digits(value: f64) -> String {
    const DIGITS: i32 = 4;
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{value:.3e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let bare = |text: &str| {
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
    };
    if !(-4..DIGITS).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", bare(mantissa), exponent.abs());
    }
    bare(&format!("{value:.*}", (DIGITS - 1 - exponent).max(0) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        for (write, value, expected) in [
            (metric as fn(f64) -> String, 1_234_567.0, "1.235M"),
            (metric, 0.0125, "12.5m"),
            (metric, 999.0, "999"),
            (metric, -1500.0, "-1.5k"),
            (metric, 0.0, "0"),
            (binary, 1_234_567.0, "1.177Mi"),
            (binary, 0.5, "0.5"),
            (duration, 1_234_567.0, "14d 6h 56m 7s"),
            (duration, 3_725.0, "1h 2m 5s"),
            (duration, 62.0, "1m 2s"),
            (duration, 5.25, "5.25s"),
            (duration, 0.0125, "12.5ms"),
            (digits, 123_456_789.0, "1.235e+08"),
            (digits, 1.25, "1.25"),
            (digits, 0.000_012, "1.2e-05"),
        ] {
            assert_eq!(write(value), expected, "{value}");
        }
    }
}
