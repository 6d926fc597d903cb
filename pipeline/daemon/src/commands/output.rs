//! How commands say what they found.

use std::borrow::Cow;
use std::io::Write;

use anyhow::Context;

/// Writes to stdout at once, so that what comes next on stderr stands behind it.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(harmless(text).as_bytes()).and_then(|()| stdout.flush()).context("stdout is closed")
}

/// A text whose control characters are written out but for the ends of lines and tabs: senders choose the values of labels, and a terminal obeys some.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    let is_obeyed = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut harmless = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_obeyed(c) { harmless.extend(c.escape_debug()) } else { harmless.push(c) }
    }
    Cow::Owned(harmless)
}

/// `1 rule`, `2 rules`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        assert_eq!(harmless("ä\tb\nc"), "ä\tb\nc");
        assert_eq!(harmless("a\u{1b}[31mb\u{9b}c\r"), "a\\u{1b}[31mb\\u{9b}c\\r");
    }
}
