//! What a rule may ask of a backend.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The vocabulary of remediation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Tell, change nothing: the violation's events alone.
    Notify,
    /// More replicas.
    ScaleOut,
    /// Fewer replicas.
    ScaleIn,
}

impl ActionKind {
    /// All of them.
    pub const ALL: [ActionKind; 3] = [ActionKind::Notify, ActionKind::ScaleOut, ActionKind::ScaleIn];

    /// The word in rule files, events and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            ActionKind::Notify => "notify",
            ActionKind::ScaleOut => "scale_out",
            ActionKind::ScaleIn => "scale_in",
        }
    }
}

/// One step of a rule's `remediate`, with its target rendered for one violation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionStep {
    /// The backend's name in the configuration.
    pub backend: String,
    /// What to do.
    pub action: ActionKind,
    /// What to do it to: `kind`, `namespace`, `name`, …; empty for `notify`.
    pub target: BTreeMap<String, String>,
    /// How much: `factor` or `by`, `min`, `max`.
    pub params: BTreeMap<String, Value>,
    /// How long to wait before judging whether it helped.
    pub settle: Duration,
    /// How often to try before the next step.
    pub attempts: u32,
}
