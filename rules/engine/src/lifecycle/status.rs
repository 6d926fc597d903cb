//! A rule's row in `flyball.rules`.

use std::time::Duration;

use flyball_model::UnixNanos;
use flyball_model::event::State;
use serde::Serialize;

use super::state::RuleState;
use crate::definition::Rule;

/// How a rule fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It was not evaluated yet.
    Unknown,
    /// It is evaluated.
    Ok,
    /// A table that it reads has no point yet.
    Waiting {
        /// The table.
        table: String,
    },
    /// Its latest evaluation failed.
    Error {
        /// What it said.
        message: String,
    },
}

/// What is known of a rule, as `flyball.rules` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleStatus {
    /// The rule's name.
    pub rule: String,
    /// Its group.
    pub group: String,
    /// Its version.
    pub version: String,
    /// How often it was evaluated, failures included.
    pub evaluations: u64,
    /// How often that failed.
    pub errors: u64,
    /// Why the latest evaluation failed; `None` when it did not.
    pub last_error: Option<String>,
    /// How long the latest evaluation took.
    pub last_duration: Duration,
    /// When the latest evaluation was.
    pub evaluated_at: Option<UnixNanos>,
    /// Instances that are pending, firing or without data; those that are held back too.
    pub instances: usize,
    /// Firing instances.
    pub firing: usize,
    /// Instances without data.
    pub silent: usize,
    /// Instances of which nothing was told since another rule's hold them back.
    pub held_back: usize,
    /// How it fares.
    pub health: Health,
}

impl RuleState {
    /// The rule's row in `flyball.rules`.
    pub fn status(&self, rule: &Rule) -> RuleStatus {
        RuleStatus {
            rule: rule.name.clone(),
            group: rule.group.clone(),
            version: rule.version.clone(),
            evaluations: self.evaluations,
            errors: self.errors,
            last_error: self.error.as_ref().map(|failing| failing.message.clone()),
            last_duration: self.last_duration,
            evaluated_at: self.evaluated_at,
            instances: self.instances().len(),
            firing: self.in_state(State::Firing),
            silent: self.in_state(State::NoData),
            held_back: self.instances().filter(|(_, instance)| instance.told.is_none()).count(),
            health: self.health(),
        }
    }

    fn in_state(&self, state: State) -> usize {
        self.instances().filter(|(_, instance)| instance.state() == state).count()
    }

    /// How the rule fares.
    pub fn health(&self) -> Health {
        match (&self.error, &self.waiting_for, self.evaluated_at) {
            (Some(failing), _, _) => Health::Error { message: failing.message.clone() },
            (None, Some(table), _) => Health::Waiting { table: table.clone() },
            (None, None, Some(_)) => Health::Ok,
            (None, None, None) => Health::Unknown,
        }
    }
}
