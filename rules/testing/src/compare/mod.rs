//! What was expected beside what was found.

mod actions;
mod alerts;
mod pair;
mod values;
mod words;

pub(crate) use words::numbers;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::run::{Asked, Stage};
use crate::test::Expectation;

/// An expectation that was not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The time of the test.
    pub at: Duration,
    /// What was not as expected: `alerts`, `actions`, or `values`.
    pub what: &'static str,
    /// Expected and found side by side.
    pub lines: Vec<Line>,
    /// What else may help.
    pub notes: Vec<String>,
    rules: BTreeSet<String>,
}

impl Failure {
    /// Whether it has to do with the rule, so that its timeline says something.
    pub fn is_about(&self, rule: &str) -> bool {
        self.rules.contains(rule)
    }
}

/// One thing that was expected, found, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How they compare.
    pub mark: Mark,
    /// What was expected; empty where nothing was.
    pub expected: String,
    /// What was found; empty where nothing was.
    pub found: String,
}

/// How what was expected compares with what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// As expected.
    Same,
    /// Not as expected.
    Differs,
    /// Expected, and nothing like it was found.
    Missing,
    /// Found, and not expected.
    Unexpected,
}

impl Mark {
    /// The mark before the line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Mark::Same => " ",
            Mark::Differs => "!",
            Mark::Missing => "-",
            Mark::Unexpected => "+",
        }
    }
}

/// Holds an expectation against the stage as it is now; `asked` is what was asked since this was looked at last.
pub(crate) async fn compare(expectation: &Expectation, stage: &Stage, asked: &[Asked]) -> Vec<Failure> {
    let mut failures = Vec::new();
    if let Some(wanted) = &expectation.alerts {
        failures.extend(alerts::compare(expectation.at, wanted, stage));
    }
    if let Some(wanted) = &expectation.actions {
        failures.extend(actions::compare(expectation.at, wanted, asked));
    }
    for query in &expectation.values {
        failures.extend(values::compare(expectation.at, query, stage).await);
    }
    failures
}

/// Makes a failure of lines, unless all is as expected.
fn failure(
    at: Duration,
    what: &'static str,
    lines: Vec<Line>,
    rules: BTreeSet<String>,
    notes: Vec<String>,
) -> Option<Failure> {
    let failed = lines.iter().any(|line| line.mark != Mark::Same);
    failed.then_some(Failure { at, what, lines, notes, rules })
}
