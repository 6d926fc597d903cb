//! What came of tests: for people, for programs, for the pages of a CI.

mod json;
pub(crate) mod junit;
mod text;

#[cfg(test)]
mod tests;

pub use json::json;
pub use junit::junit;
pub use text::{summary, text};

use std::time::Duration;

use crate::test::{Outcome, Verdict};

/// The times at which something was not as expected, each once.
fn times_of(verdict: &Verdict) -> Vec<Duration> {
    match &verdict.outcome {
        Outcome::Failed { failures, .. } => {
            let mut times: Vec<_> = failures.iter().map(|failure| failure.at).collect();
            times.dedup();
            times
        }
        Outcome::Passed | Outcome::Broken(_) => Vec::new(),
    }
}

/// How many are good, failed, and could not be run.
fn counts(verdicts: &[Verdict]) -> (usize, usize, usize) {
    let good = verdicts.iter().filter(|verdict| verdict.is_good()).count();
    let broken = verdicts.iter().filter(|verdict| matches!(verdict.outcome, Outcome::Broken(_))).count();
    (good, verdicts.len() - good - broken, broken)
}

/// `1 rule`, `2 rules`
pub(crate) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
