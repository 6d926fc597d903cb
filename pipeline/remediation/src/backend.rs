//! What the planner knows of a backend.

use flyball_model::action::ActionKind;
use flyball_model::event::EventKind;
use flyball_model::ports::Backend;

/// A configured backend, as data: planning needs its words, not its socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendInfo {
    /// Its name in the configuration, by which rules address it.
    pub name: String,
    /// What it can do.
    pub actions: Vec<ActionKind>,
    /// What it wants to hear of.
    pub events: Vec<EventKind>,
}

impl BackendInfo {
    /// Asks a backend for all it can do and wants.
    pub fn of(backend: &dyn Backend) -> Self {
        Self {
            name: backend.name().to_owned(),
            actions: ActionKind::ALL.into_iter().filter(|&action| backend.can(action)).collect(),
            events: EventKind::ALL.into_iter().filter(|&kind| backend.wants(kind)).collect(),
        }
    }
}
