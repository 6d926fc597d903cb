//! What is wrong with a file, and where.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A place in a file; lines and columns (in characters) count from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The file as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl Place {
    /// The first character of a file.
    pub fn start_of(file: impl Into<String>) -> Self {
        Self { file: file.into(), line: 1, column: 1 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// How bad a [`Problem`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What was written can't be used as it is.
    Error,
    /// It can be used, but perhaps not as meant.
    Warning,
}

/// One thing that is wrong, as the checks print it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// How bad.
    pub level: Level,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
    /// A stable word for programs, such as `FB101`, where the check that found it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Cow<'static, str>>,
}

impl Problem {
    /// An error without a hint.
    pub fn error(place: Place, message: impl Into<String>) -> Self {
        Self { place, level: Level::Error, message: message.into(), hint: None, code: None }
    }

    /// A warning without a hint.
    pub fn warning(place: Place, message: impl Into<String>) -> Self {
        Self { place, level: Level::Warning, message: message.into(), hint: None, code: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with a code, unless it has one.
    #[must_use]
    pub fn code(mut self, code: &'static str) -> Self {
        self.code.get_or_insert(Cow::Borrowed(code));
        self
    }

    /// Whether what was written can't be used.
    pub fn is_error(&self) -> bool {
        self.level == Level::Error
    }
}

/// By place, those of one place as they were found, each once.
pub fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    let mut seen = HashSet::new();
    problems.retain(|problem| seen.insert(problem.clone()));
    problems.sort_by(|a, b| a.place.cmp(&b.place));
    problems
}

impl fmt::Display for Problem {
    /// `file:line:column: message (hint) [code]`; a warning's message begins with `warning: `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = if self.is_error() { "" } else { "warning: " };
        write!(f, "{}: {level}{}", self.place, self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, " ({hint})")?;
        }
        match &self.code {
            Some(code) => write!(f, " [{code}]"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_another_is_dropped_also_behind_a_third() {
        let at = |line, message: &str| Problem::error(Place { line, ..Place::start_of("f") }, message);
        let found = vec![at(2, "c"), at(1, "b"), at(1, "a"), at(1, "b")];
        assert_eq!(in_order(found), [at(1, "b"), at(1, "a"), at(2, "c")]);
    }
}
