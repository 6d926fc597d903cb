//! A test as it was read, and what came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use flyball_model::UnixNanos;
use flyball_model::action::ActionKind;
use flyball_model::event::State;
use flyball_twin::Mapping;
use flyball_yaml::{Place, Text};

use crate::compare::Failure;
use crate::notation::Values;
use crate::run::Timeline;

/// When a test begins unless it says so itself: 2026-01-01T00:00:00Z.
pub(crate) const START: UnixNanos = UnixNanos::from_secs(1_767_225_600);

/// A test beside rules.
#[derive(Debug, Clone)]
pub struct Test {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// The time of day at which it begins. All its other times count from here.
    pub start: UnixNanos,
    /// The rules that take part; empty for all in scope.
    pub rules: Vec<String>,
    pub(crate) inputs: Vec<Input>,
    /// The twin's own rules, and one for each input that speaks of an entity.
    pub(crate) mapping: Mapping,
    /// Sorted by time.
    pub(crate) expectations: Vec<Expectation>,
}

impl Test {
    /// The rules that it expects to fire at some time.
    pub fn fires(&self) -> impl Iterator<Item = &str> {
        let alerts = self.expectations.iter().flat_map(|expectation| expectation.alerts.iter().flatten());
        alerts.filter(|alert| alert.state == State::Firing).map(|alert| alert.rule.as_str())
    }
}

/// What comes in, step by step.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    /// The time of the first step.
    pub(crate) from: Duration,
    /// The time from step to step.
    pub(crate) every: Duration,
    pub(crate) values: Values,
    pub(crate) signal: Signal,
}

impl Input {
    /// Each time at which something comes, and its value.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (Duration, f64)> {
        let steps = (0_u32..).zip(self.values.iter());
        steps.filter_map(|(step, value)| Some((self.from + self.every * step, value?)))
    }
}

/// What a step's value stands for.
#[derive(Debug, Clone)]
pub(crate) enum Signal {
    /// A point of a series: the value times `scale`.
    Point { metric: String, labels: BTreeMap<String, String>, scale: f64 },
    /// The same, seen by the twin alone: no table has it.
    Twin { metric: String, labels: BTreeMap<String, String> },
    /// So many records of one stream.
    Logs(Box<Log>),
}

/// A log record to be repeated.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    /// The resource's labels.
    pub(crate) resource: BTreeMap<String, String>,
    pub(crate) severity: String,
    pub(crate) severity_number: u8,
    pub(crate) body: Option<String>,
    pub(crate) event_name: String,
    pub(crate) attributes: Vec<(String, String)>,
}

/// What must hold at a time.
#[derive(Debug, Clone)]
pub(crate) struct Expectation {
    pub(crate) at: Duration,
    /// All that is pending, firing or in error then; and what has resolved, as far as it is named.
    pub(crate) alerts: Option<Vec<Alert>>,
    /// All that was asked of backends since the expectation before that says so; and what they were told, as far as it is named.
    pub(crate) actions: Option<Vec<Action>>,
    pub(crate) values: Vec<Query>,
}

/// An alert that is expected.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Alert {
    pub(crate) rule: String,
    /// Labels that it must have; it may have others.
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) state: State,
    pub(crate) values: BTreeMap<String, f64>,
    pub(crate) summary: Option<String>,
    pub(crate) severity: Option<String>,
}

/// An action that is expected.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Action {
    pub(crate) backend: String,
    pub(crate) action: ActionKind,
    pub(crate) rule: Option<String>,
    /// What must stand in its target; there may be more.
    pub(crate) target: BTreeMap<String, String>,
    /// `factor`, `by`, `min`, `max`, as far as they matter.
    pub(crate) params: BTreeMap<String, f64>,
    /// Of what a backend is told: of which state. For [`ActionKind::Notify`] only.
    pub(crate) state: State,
}

/// A query whose rows are expected.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) sql: Text,
    pub(crate) rows: Vec<Cells>,
}

/// Columns of a row by name; there may be more.
pub(crate) type Cells = BTreeMap<String, Cell>;

/// What a column must be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Text(String),
    Number(f64),
}

/// What came of a test.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The test's name.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// What came of it.
    pub outcome: Outcome,
    /// How often rules were evaluated.
    pub evaluations: usize,
    /// How long it took; not simulated.
    pub took: Duration,
}

/// How a test ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Everything was as expected.
    Passed,
    /// Something was not.
    Failed {
        /// What, in the order of time.
        failures: Vec<Failure>,
        /// How the rules went that this is about.
        timelines: Vec<Timeline>,
    },
    /// It could not be run; why.
    Broken(String),
}

impl Verdict {
    /// Whether everything was as expected.
    pub fn is_good(&self) -> bool {
        matches!(self.outcome, Outcome::Passed)
    }
}
