//! Where an error is: line, column and the path of fields.

use std::fmt::{self, Display, Formatter};

use serde_json::Error;

use super::schema::Message;
use crate::error::DecodeError;
use crate::shown::shown;

/// Characters of a problem that are told: what was found may be a string of any length.
const PROBLEM_CHARS_MAX: usize = 300;

/// Steps of a path that are told, the innermost ones.
const STEPS_TOLD_MAX: usize = 16;

/// The way from the request to where an error is, collected on the way back and so from the innermost step on.
#[derive(Debug, Default)]
pub(super) struct Path(Vec<Step>);

/// One step of a path.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Field(&'static str),
    Item(usize),
}

impl Path {
    /// Adds the next outer step.
    #[cold]
    pub(super) fn push(&mut self, step: Step) {
        self.0.push(step);
    }
}

impl Display for Path {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let told = &self.0[..self.0.len().min(STEPS_TOLD_MAX)];
        if told.len() < self.0.len() {
            f.write_str("…")?;
        }
        for (place, step) in told.iter().rev().enumerate() {
            match step {
                Step::Field(name) if place == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Item(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// An error of the JSON, with its place.
pub(super) fn located(error: &Error, path: &Path) -> DecodeError {
    let (line, column) = (error.line(), error.column());
    let told = error.to_string();
    let problem = told.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&told);
    DecodeError::Json { line, column, path: path.to_string(), problem: shown(problem, PROBLEM_CHARS_MAX) }
}

/// The error for a body of nothing.
pub(super) fn empty(request: &Message) -> DecodeError {
    let problem = format!("the body is empty; an {} without telemetry is {{}}", request.name);
    DecodeError::Json { line: 1, column: 1, path: String::new(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_the_outside_and_not_without_end() {
        let mut path = Path::default();
        assert_eq!(path.to_string(), "");
        for step in [Step::Field("key"), Step::Item(17), Step::Field("attributes"), Step::Field("resource")] {
            path.push(step);
        }
        assert_eq!(path.to_string(), "resource.attributes[17].key");
        for _ in 0..STEPS_TOLD_MAX {
            path.push(Step::Field("value"));
        }
        assert!(path.to_string().starts_with("…value.value."), "{path}");
        assert!(path.to_string().ends_with(".resource.attributes[17].key"), "{path}");
    }
}
