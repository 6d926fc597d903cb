//! A row of `flyball.remediations`.

use std::collections::BTreeMap;

use flyball_model::action::ActionKind;
use flyball_model::event::{Event, EventKind};
use flyball_model::ports::Delivery;
use flyball_model::time::UnixNanos;
use serde::{Deserialize, Serialize};

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemediationState {
    /// On its way to the backend, or being tried again.
    Queued,
    /// The backend took it.
    Delivered,
    /// The backend refused it for good.
    Failed,
    /// Its time ran out before the backend took it.
    Expired,
    /// The backend said before that it wants nothing any more.
    Disabled,
    /// Never sent; the reason says which limit or mistake held it back.
    Suppressed,
}

impl RemediationState {
    /// The word in `flyball.remediations` and in `/metrics`.
    pub const fn as_str(self) -> &'static str {
        match self {
            RemediationState::Queued => "queued",
            RemediationState::Delivered => "delivered",
            RemediationState::Failed => "failed",
            RemediationState::Expired => "expired",
            RemediationState::Disabled => "disabled",
            RemediationState::Suppressed => "suppressed",
        }
    }
}

/// An event and its fate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RemediationRow {
    /// The event's id, 32 hex digits.
    pub id: String,
    /// The violation's id.
    pub violation: String,
    /// The rule's name.
    pub rule: String,
    /// The event's type.
    pub event: EventKind,
    /// The place in the rule's `remediate`, from 0; none for the violation's own events.
    pub step: Option<u32>,
    /// From 1; none for the violation's own events.
    pub attempt: Option<u32>,
    /// Who is told or asked.
    pub backend: String,
    /// What is asked; [`ActionKind::Notify`] for the violation's own events.
    pub action: ActionKind,
    /// What it is to be done to; empty for the violation's own events.
    pub target: BTreeMap<String, String>,
    /// Where it stands.
    pub state: RemediationState,
    /// Why it stands there, where there is something to say.
    pub reason: Option<String>,
    /// When it was made.
    pub proposed_at: UnixNanos,
    /// When the backend took it.
    pub executed_at: Option<UnixNanos>,
    /// When its state became final.
    pub settled_at: Option<UnixNanos>,
}

impl RemediationRow {
    /// The row of an event that sets out at `now`.
    pub(crate) fn queued(event: &Event, backend: &str, now: UnixNanos) -> Self {
        let action = event.action.as_ref();
        Self {
            id: event.id.clone(),
            violation: event.transition.violation.clone(),
            rule: event.transition.rule.clone(),
            event: event.kind,
            step: action.map(|action| action.step),
            attempt: action.map(|action| action.attempt),
            backend: backend.to_owned(),
            action: action.map_or(ActionKind::Notify, |action| action.action),
            target: action.map(|action| action.target.clone()).unwrap_or_default(),
            state: RemediationState::Queued,
            reason: None,
            proposed_at: now,
            executed_at: None,
            settled_at: None,
        }
    }

    /// Writes down what became of the event. One that the end of the process cut off stays queued, for the next process.
    pub(crate) fn settle(&mut self, delivery: &Delivery, at: UnixNanos) {
        (self.state, self.reason) = match delivery {
            Delivery::Accepted { attempts: 0 | 1 } => (RemediationState::Delivered, None),
            Delivery::Accepted { attempts } => {
                (RemediationState::Delivered, Some(format!("taken after {attempts} tries")))
            }
            Delivery::Failed { reason } => (RemediationState::Failed, Some(reason.clone())),
            Delivery::Expired { reason } => (RemediationState::Expired, Some(reason.clone())),
            Delivery::Interrupted { reason } => {
                self.reason = Some(reason.clone());
                return;
            }
            Delivery::Disabled => (RemediationState::Disabled, Some("the backend answered 410 Gone".to_owned())),
        };
        self.executed_at = matches!(delivery, Delivery::Accepted { .. }).then_some(at);
        self.settled_at = Some(at);
    }
}
