//! How far a backtest is, on a terminal.

use std::io::{IsTerminal, Write};

use flyball_model::UnixNanos;
use flyball_rules_testing::backtest::Progress;

/// What is shown while it runs: one line that is written over.
pub(super) struct Told {
    from: UnixNanos,
    to: UnixNanos,
    is_terminal: bool,
    percent: Option<u64>,
}

impl Told {
    pub(super) fn new(from: UnixNanos, to: UnixNanos) -> Self {
        Self { from, to, is_terminal: std::io::stderr().is_terminal(), percent: None }
    }

    pub(super) fn tell(&mut self, Progress { at, evaluations, points }: Progress) {
        let whole = self.to.since(self.from).as_secs_f64().max(1e-9);
        let percent = (at.since(self.from).as_secs_f64() / whole * 100.0) as u64;
        if self.is_terminal && self.percent.replace(percent) != Some(percent) {
            self.write(&format!("\r\x1b[K{percent} %: {at}, {evaluations} evaluations, {points} points"));
        }
    }

    pub(super) fn clear(&mut self) {
        if self.is_terminal && self.percent.take().is_some() {
            self.write("\r\x1b[K");
        }
    }

    fn write(&self, text: &str) {
        let mut stderr = std::io::stderr().lock();
        // Nobody misses a line of progress.
        let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    }
}
