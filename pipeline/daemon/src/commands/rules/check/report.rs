//! What was found, for people and for programs.

use flyball_rules::definition::{Problem, RuleSet, in_order};
use serde_json::{Value, json};

use crate::commands::output::counted;

/// The findings of a check.
pub(super) struct Report {
    /// Sorted by place, each once.
    pub(super) problems: Vec<Problem>,
    rules: usize,
    files: usize,
}

impl Report {
    pub(super) fn new(problems: Vec<Problem>, rules: &RuleSet) -> Self {
        Self { problems: in_order(problems), rules: rules.rules().count(), files: rules.files.len() }
    }

    fn errors(&self) -> usize {
        self.problems.iter().filter(|problem| problem.is_error()).count()
    }

    /// A line a finding, and a summary.
    pub(super) fn text(&self) -> String {
        let mut text: String = self.problems.iter().map(|problem| format!("{problem}\n")).collect();
        let errors = self.errors();
        let counted = |count: usize, noun| counted(count as u64, noun);
        text.push_str(&format!(
            "{} in {}: {}, {}\n",
            counted(self.rules, "rule"),
            counted(self.files, "file"),
            counted(errors, "error"),
            counted(self.problems.len() - errors, "warning"),
        ));
        text
    }

    /// The same as a document.
    pub(super) fn json(&self) -> Value {
        let errors = self.errors();
        json!({
            "problems": self.problems,
            "rules": self.rules,
            "files": self.files,
            "errors": errors,
            "warnings": self.problems.len() - errors,
        })
    }
}
