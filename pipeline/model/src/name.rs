//! Names in Prometheus form.

use std::borrow::Cow;

/// A metric name in Prometheus form: `[a-zA-Z_:][a-zA-Z0-9_:]*`; every other character becomes `_`, and a leading digit
/// gets a `_` before it. An empty name stays empty, for the caller to refuse.
pub fn metric_name(name: &str) -> Cow<'_, str> {
    sanitize(name, |byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':')
}

/// A label name in Prometheus form: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn label_name(name: &str) -> Cow<'_, str> {
    sanitize(name, |byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Appends [`label_name`] of `name` to `out`, for a caller that reuses its buffer.
pub fn append_label_name(out: &mut String, name: &str) {
    append(out, name, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
}

fn sanitize(name: &str, keep: impl Fn(u8) -> bool) -> Cow<'_, str> {
    let leading_digit = name.as_bytes().first().is_some_and(u8::is_ascii_digit);
    if !leading_digit && name.bytes().all(&keep) {
        return Cow::Borrowed(name);
    }
    let mut clean = String::with_capacity(name.len() + 1);
    append(&mut clean, name, keep);
    Cow::Owned(clean)
}

fn append(out: &mut String, name: &str, keep: impl Fn(u8) -> bool) {
    if name.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        out.push('_');
    }
    // A character, not a byte, becomes one underscore: `°C` is `_C`.
    out.extend(name.chars().map(|c| if c.is_ascii() && keep(c as u8) { c } else { '_' }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_characters_become_underscores() {
        for (given, metric, label) in [
            ("http.server.duration", "http_server_duration", "http_server_duration"),
            ("node:cpu", "node:cpu", "node_cpu"),
            ("5xx", "_5xx", "_5xx"),
            ("t°", "t_", "t_"),
            ("", "", ""),
        ] {
            assert_eq!(metric_name(given), metric);
            assert_eq!(label_name(given), label);
            let mut appended = "x".to_owned();
            append_label_name(&mut appended, given);
            assert_eq!(appended.strip_prefix('x'), Some(label));
        }
    }
}
