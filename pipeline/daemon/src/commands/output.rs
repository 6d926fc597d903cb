//! How commands say what they found.

use std::io::Write;

use anyhow::Context;

/// Writes to stdout at once, so that what comes next on stderr stands behind it.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).context("stdout is closed")
}

/// `1 rule`, `2 rules`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
