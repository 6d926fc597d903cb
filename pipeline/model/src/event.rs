//! Violations and the events that tell of them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::{ActionKind, ActionStep};
use crate::time::UnixNanos;

/// Where an instance of a rule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The row is there, and `for` has not passed yet.
    Pending,
    /// The promise is broken.
    Firing,
    /// It was firing, and holds again.
    Resolved,
    /// What the rule reads went silent.
    NoData,
    /// The rule could not be evaluated.
    Error,
}

impl State {
    /// All of them.
    pub const ALL: [State; 5] = [State::Pending, State::Firing, State::Resolved, State::NoData, State::Error];

    /// The word in tables and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Firing => "firing",
            State::Resolved => "resolved",
            State::NoData => "no_data",
            State::Error => "error",
        }
    }
}

/// An identity: the string columns of a row, by name.
pub type Identity = BTreeMap<String, String>;

/// `cluster=a,deployment=web`; `,`, `=` and `\` inside a name or value are escaped with `\`, so that two identities never print alike.
pub fn identity_text(identity: &Identity) -> String {
    let mut text = String::new();
    for (name, value) in identity {
        if !text.is_empty() {
            text.push(',');
        }
        escape_into(&mut text, name);
        text.push('=');
        escape_into(&mut text, value);
    }
    text
}

fn escape_into(text: &mut String, part: &str) {
    for c in part.chars() {
        if matches!(c, ',' | '=' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
}

/// One instance of a rule changed its state. Made by the rules' state machine; everything downstream follows from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// The violation's id: 32 hex digits derived from (rule version, identity, active_at).
    pub violation: String,
    /// The rule's name.
    pub rule: String,
    /// The rule's version: 8 hex digits of a hash over everything that changes its meaning.
    pub version: String,
    /// The row's string columns.
    pub identity: Identity,
    /// Identity and the rule's own `labels` together; the rule's win.
    pub labels: BTreeMap<String, String>,
    /// The new state.
    pub state: State,
    /// How often this violation was told to be in this state before: a change of severity, flapping, and data that is back tell it anew.
    #[serde(default)]
    pub before: u32,
    /// Whether it changes between firing and resolved so often that it is kept firing.
    #[serde(default)]
    pub flapping: bool,
    /// Whether it tells of the rule itself, which can't be evaluated or can be again, and of none of its rows.
    #[serde(default)]
    pub failure: bool,
    /// The row's `severity`, or else the rule's.
    pub severity: String,
    /// The row's numeric columns; the last known ones once it resolved.
    #[serde(with = "crate::exact")]
    pub values: BTreeMap<String, f64>,
    /// The rendered `summary`; the error's text for [`State::Error`].
    pub summary: String,
    /// The rule's `runbook`: what to do, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// When the row first appeared.
    pub active_at: UnixNanos,
    /// When `for` had passed.
    pub fired_at: Option<UnixNanos>,
    /// When it held again.
    pub resolved_at: Option<UnixNanos>,
    /// The evaluation's time.
    pub evaluated_at: UnixNanos,
    /// The newest point of the tables that the rule reads, at the evaluation.
    pub sample_at: Option<UnixNanos>,
    /// The rule's `remediate`, targets rendered for this row.
    pub steps: Vec<ActionStep>,
}

impl Transition {
    /// A transition of which nothing else is known: severity `warning`, no labels, no values, begun at the evaluation.
    pub fn bare(violation: impl Into<String>, rule: impl Into<String>, state: State, evaluated_at: UnixNanos) -> Self {
        Self {
            violation: violation.into(),
            rule: rule.into(),
            version: String::new(),
            identity: Identity::new(),
            labels: BTreeMap::new(),
            state,
            before: 0,
            flapping: false,
            failure: false,
            severity: "warning".to_owned(),
            values: BTreeMap::new(),
            summary: String::new(),
            runbook: None,
            active_at: evaluated_at,
            fired_at: None,
            resolved_at: None,
            evaluated_at,
            sample_at: None,
            steps: Vec::new(),
        }
    }

    /// What Prometheus and Alertmanager show beside the labels: `summary`, and the [runbook](runbook_annotation) where there is one.
    pub fn annotations(&self) -> BTreeMap<&'static str, &str> {
        let summary = std::iter::once(("summary", self.summary.as_str()));
        summary.chain(self.runbook.as_deref().map(runbook_annotation)).collect()
    }
}

/// A rule's `runbook` as an annotation: `runbook_url` where it is an address, as dashboards look for it, or else `runbook`.
pub fn runbook_annotation(runbook: &str) -> (&'static str, &str) {
    let is_address = (runbook.starts_with("https://") || runbook.starts_with("http://"))
        && !runbook.contains(|c: char| c.is_whitespace());
    (if is_address { "runbook_url" } else { "runbook" }, runbook)
}

/// A type of event, as CloudEvents names it. In JSON it is its short word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum EventKind {
    /// `flyball.violation.<state>`.
    Violation(State),
    /// `flyball.remediation.requested`.
    RemediationRequested,
}

impl EventKind {
    /// All of them.
    pub const ALL: [EventKind; 6] = [
        EventKind::Violation(State::Pending),
        EventKind::Violation(State::Firing),
        EventKind::Violation(State::Resolved),
        EventKind::Violation(State::NoData),
        EventKind::Violation(State::Error),
        EventKind::RemediationRequested,
    ];

    /// The kind that a word of `events:` names, the inverse of [`EventKind::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The short word of `events:` on a backend: `firing`, `requested`, ….
    pub const fn as_str(self) -> &'static str {
        match self {
            EventKind::Violation(state) => state.as_str(),
            EventKind::RemediationRequested => "requested",
        }
    }
}

impl From<EventKind> for &'static str {
    fn from(kind: EventKind) -> Self {
        kind.as_str()
    }
}

impl TryFrom<String> for EventKind {
    type Error = String;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        Self::from_word(&word).ok_or_else(|| format!("'{word}' is no kind of event"))
    }
}

impl fmt::Display for EventKind {
    /// CloudEvents' `type`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventKind::Violation(state) => write!(f, "flyball.violation.{}", state.as_str()),
            EventKind::RemediationRequested => f.write_str("flyball.remediation.requested"),
        }
    }
}

/// The `action` of an event's data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// The remediation's id; the event's id too when the event asks for it.
    pub id: String,
    /// The place in the rule's `remediate`, from 0.
    pub step: u32,
    /// From 1.
    pub attempt: u32,
    /// What to do.
    pub action: ActionKind,
    /// Who is asked.
    pub backend: String,
    /// What to do it to.
    pub target: BTreeMap<String, String>,
    /// How much.
    pub params: BTreeMap<String, Value>,
}

/// An event for one backend. Delivery may repeat; the id stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// 32 hex digits derived from (violation, kind, backend, step, attempt).
    pub id: String,
    /// What it tells.
    pub kind: EventKind,
    /// What happened.
    pub transition: Transition,
    /// What is asked, for [`EventKind::RemediationRequested`].
    pub action: Option<Action>,
    /// When delivery gives up.
    pub expires_at: UnixNanos,
    /// Who has taken the violation on, when somebody had by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledgement>,
}

/// Somebody has seen a violation and takes it on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// When.
    pub at: UnixNanos,
    /// Who.
    pub by: String,
    /// What they say.
    pub comment: String,
}

impl Event {
    /// CloudEvents' `subject`: `HighLatency/cluster=a,deployment=web`.
    pub fn subject(&self) -> String {
        format!("{}/{}", self.transition.rule, identity_text(&self.transition.identity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_that_differ_never_print_alike() {
        let one = Identity::from([("a".into(), "1,b=2".into())]);
        let two = Identity::from([("a".into(), "1".into()), ("b".into(), "2".into())]);
        assert_eq!(identity_text(&two), "a=1,b=2");
        assert_eq!(identity_text(&one), r"a=1\,b\=2");
    }

    #[test]
    fn a_runbook_is_an_annotation_and_an_address_is_one_that_dashboards_link() {
        let mut transition = Transition::bare("v", "r", State::Firing, UnixNanos(0));
        assert_eq!(transition.annotations(), BTreeMap::from([("summary", "")]));
        for (runbook, name) in [
            ("https://runbooks.example/latency", "runbook_url"),
            ("https://runbooks.example/latency has it", "runbook"),
            ("Restart it.", "runbook"),
        ] {
            transition.runbook = Some(runbook.to_owned());
            assert_eq!(transition.annotations().get(name), Some(&runbook), "{runbook}");
        }
    }

    #[test]
    fn words_name_their_kinds() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_word(kind.as_str()), Some(kind));
        }
        assert_eq!(EventKind::from_word("fired"), None);
    }
}
