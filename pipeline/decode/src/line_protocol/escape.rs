//! Backslashes. Most names have none, and then nothing is copied.

use std::borrow::Cow;

use memchr::memchr;

/// A measurement without its escapes: `\,` and `\ ` become the character, any other backslash stands for itself.
pub fn unescape_measurement(raw: &[u8]) -> Cow<'_, [u8]> {
    unescape(raw, |byte| matches!(byte, b',' | b' '))
}

/// A tag's key or value or a field's key without its escapes: `\,`, `\=` and `\ `.
pub fn unescape_name(raw: &[u8]) -> Cow<'_, [u8]> {
    unescape(raw, |byte| matches!(byte, b',' | b'=' | b' '))
}

/// A text value without its escapes: `\"` and `\\`.
pub fn unescape_text(raw: &[u8]) -> Cow<'_, [u8]> {
    unescape(raw, |byte| matches!(byte, b'"' | b'\\'))
}

#[inline]
fn unescape(raw: &[u8], escaped: impl Fn(u8) -> bool) -> Cow<'_, [u8]> {
    let Some(first) = memchr(b'\\', raw) else { return Cow::Borrowed(raw) };
    let mut plain = Vec::with_capacity(raw.len());
    plain.extend_from_slice(&raw[..first]);
    let mut rest = &raw[first..];
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (byte, tail) {
            (b'\\', [next, tail @ ..]) if escaped(*next) => {
                plain.push(*next);
                rest = tail;
            }
            _ => plain.push(*byte),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_a_backslash_loses_it() {
        type Unescape = fn(&[u8]) -> Cow<'_, [u8]>;
        let cases: [(Unescape, &str, &str); 12] = [
            (unescape_measurement, "cpu", "cpu"),
            (unescape_measurement, r"my\ cpu\,load", "my cpu,load"),
            (unescape_measurement, r"a\=b", r"a\=b"),
            (unescape_name, r"a\=b\,c\ d", "a=b,c d"),
            (unescape_name, r"C:\Windows", r"C:\Windows"),
            (unescape_name, r"a\\ b", r"a\ b"),
            (unescape_name, "end\\", "end\\"),
            (unescape_text, r#"say \"hi\""#, r#"say "hi""#),
            (unescape_text, r"a\\b\nc", r"a\b\nc"),
            (unescape_text, r"\\\\", r"\\"),
            (unescape_text, "", ""),
            (unescape_text, "a,b = c", "a,b = c"),
        ];
        for (unescape, raw, plain) in cases {
            assert_eq!(String::from_utf8_lossy(&unescape(raw.as_bytes())), plain, "{raw}");
        }
        assert!(matches!(unescape_name(b"plain"), Cow::Borrowed(_)));
    }
}
