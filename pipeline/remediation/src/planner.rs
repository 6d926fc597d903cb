//! From a transition to the events it causes.
//!
//! `remediate` is two lists in one. Its backends, each named once, are *told*: they get the violation's events. Its
//! steps other than `notify` are a *ladder*: the first is requested when the violation fires, the next one only when
//! the one before did not help. Whether it helped is not judged yet, so the first rung is all that is requested.

use flyball_model::action::{ActionKind, ActionStep};
use flyball_model::event::{Action, Event, EventKind, State, Transition, identity_text};
use flyball_model::state::Piece;
use flyball_model::time::{Reading, UnixNanos};

use crate::backend::BackendInfo;
use crate::guard::{Guard, WrittenLimit};
use crate::id::event_id;
use crate::limits::ActionLimits;
use crate::row::{RemediationRow, RemediationState};
use crate::suppression::Suppression;

/// An event that a transition caused, for one backend.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Who is told or asked: the backend's name in the configuration.
    pub backend: String,
    /// What to deliver.
    pub event: Event,
    /// Why it must not be delivered, if so.
    pub suppressed: Option<Suppression>,
    /// When it was planned.
    pub proposed_at: UnixNanos,
}

impl Planned {
    /// Its first row in `flyball.remediations`.
    pub fn row(&self) -> RemediationRow {
        let mut row = RemediationRow::queued(&self.event, &self.backend, self.proposed_at);
        if let Some(why) = &self.suppressed {
            row.state = RemediationState::Suppressed;
            row.reason = Some(why.to_string());
            row.settled_at = Some(self.proposed_at);
        }
        row
    }
}

/// Plans events, and remembers as much of the requests it let through as the limits look back.
#[derive(Debug)]
pub struct Planner {
    limits: ActionLimits,
    guard: Guard,
}

impl Planner {
    /// A planner that has asked for nothing yet.
    pub fn new(limits: ActionLimits) -> Self {
        Self { limits, guard: Guard::default() }
    }

    /// A planner that goes on from what the process before had asked for.
    pub fn recover(limits: ActionLimits, pieces: impl IntoIterator<Item = WrittenLimit>) -> Self {
        Self { limits, guard: Guard::recover(pieces) }
    }

    /// Plans within other limits from here on.
    pub fn set_limits(&mut self, limits: ActionLimits) {
        self.limits = limits;
    }

    /// What the limits have to remember since the last call; to be put together with the events.
    pub fn take_changes(&mut self) -> Vec<Piece> {
        self.guard.take_changes()
    }

    /// The events that a transition causes, in the order in which each backend must get them: the violation's own
    /// first, then the request.
    ///
    /// What a backend does not want to hear of is no event and gives nothing. What a limit or a mistake in the rule holds
    /// back is in the answer, with [`Planned::suppressed`] set. A request that is let through counts against the limits,
    /// whatever becomes of its delivery: the backend may have acted before it failed to say so. Limits count in steady time, so that a
    /// clock that is set forwards allows no more.
    pub fn plan(&mut self, transition: &Transition, backends: &[BackendInfo], at: Reading) -> Vec<Planned> {
        let mut planned = self.notifications(transition, backends, at.now);
        // What is told anew was asked for already.
        if transition.state == State::Firing
            && transition.before == 0
            && let Some((place, step)) =
                (0..).zip(&transition.steps).find(|(_, step)| step.action != ActionKind::Notify)
        {
            planned.push(self.request(transition, place, step, backends, at));
        }
        planned
    }

    fn notifications(&self, transition: &Transition, backends: &[BackendInfo], now: UnixNanos) -> Vec<Planned> {
        let kind = EventKind::Violation(transition.state);
        let mut planned: Vec<Planned> = Vec::new();
        for (place, step) in transition.steps.iter().enumerate() {
            if transition.steps[..place].iter().any(|earlier| earlier.backend == step.backend) {
                continue;
            }
            let suppressed = match find(backends, &step.backend) {
                Ok(backend) if !backend.events.contains(&kind) => continue,
                Ok(_) => None,
                Err(why) => Some(why),
            };
            let id = event_id(&transition.violation, kind, &step.backend, None, transition.before);
            planned.push(Planned {
                backend: step.backend.clone(),
                event: self.event(id, kind, transition, None, now),
                suppressed,
                proposed_at: now,
            });
        }
        planned
    }

    fn request(
        &mut self,
        transition: &Transition,
        place: u32,
        step: &ActionStep,
        backends: &[BackendInfo],
        at: Reading,
    ) -> Planned {
        let attempt = 1;
        let id =
            event_id(&transition.violation, EventKind::RemediationRequested, &step.backend, Some((place, attempt)), 0);
        let action = Action {
            id: id.clone(),
            step: place,
            attempt,
            action: step.action,
            backend: step.backend.clone(),
            target: step.target.clone(),
            params: step.params.clone(),
        };
        Planned {
            backend: step.backend.clone(),
            event: self.event(id, EventKind::RemediationRequested, transition, Some(action), at.now),
            suppressed: self.admit(step, backends, at.steady).err(),
            proposed_at: at.now,
        }
    }

    fn admit(&mut self, step: &ActionStep, backends: &[BackendInfo], now: UnixNanos) -> Result<(), Suppression> {
        let backend = find(backends, &step.backend)?;
        if !backend.actions.contains(&step.action) {
            return Err(Suppression::Incapable { backend: step.backend.clone(), action: step.action });
        }
        if !backend.events.contains(&EventKind::RemediationRequested) {
            return Err(Suppression::Unwanted { backend: step.backend.clone() });
        }
        self.guard.admit(&self.limits, &step.backend, &identity_text(&step.target), now)
    }

    fn event(
        &self,
        id: String,
        kind: EventKind,
        transition: &Transition,
        action: Option<Action>,
        now: UnixNanos,
    ) -> Event {
        let expires_at = now.plus(self.limits.event_ttl);
        Event { id, kind, transition: transition.clone(), action, expires_at, acknowledged: None }
    }
}

fn find<'a>(backends: &'a [BackendInfo], name: &str) -> Result<&'a BackendInfo, Suppression> {
    backends.iter().find(|backend| backend.name == name).ok_or_else(|| Suppression::UnknownBackend {
        backend: name.to_owned(),
        known: backends.iter().map(|backend| backend.name.clone()).collect(),
    })
}

#[cfg(test)]
mod tests;
