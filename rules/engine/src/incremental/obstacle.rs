//! Why a rule is run as a plan.

use std::fmt;

use datafusion::error::DataFusionError;

/// The first thing in a rule that keeps it from being kept incrementally, and what would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// What it is, to be read behind "since".
    pub reason: String,
    /// What to write instead, where there is something.
    pub hint: Option<String>,
}

impl Obstacle {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), hint: None }
    }

    /// Of a rule that is evaluated as of moments that are past.
    pub(crate) fn by_steps() -> Self {
        Self::new("it is evaluated as of whole multiples of a step")
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hint {
            Some(hint) => write!(f, "{}; {hint}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

impl From<DataFusionError> for Obstacle {
    fn from(error: DataFusionError) -> Self {
        Self::new(format!("the engine can't take it apart: {}", error.find_root()))
    }
}
