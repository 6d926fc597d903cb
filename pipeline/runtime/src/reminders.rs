//! Backends that forget what they do not hear of again are reminded.

use std::sync::Arc;
use std::time::Duration;

use flyball_model::event::{EventKind, State, Transition};
use flyball_model::ports::Backend;
use flyball_rules::lifecycle::Told;
use tokio_util::sync::CancellationToken;

use crate::board::RuleBoard;
use crate::history::ViolationHistory;

/// Reminds a backend until `cancel`: at once, since nobody did while no process was there, and then every so often.
pub(crate) async fn remind(
    backend: Arc<dyn Backend>,
    every: Duration,
    board: Arc<RuleBoard>,
    history: Arc<ViolationHistory>,
    cancel: CancellationToken,
) {
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            _ = tick.tick() => {}
        }
        let firing = firing(backend.as_ref(), &board, &history);
        if firing.is_empty() {
            continue;
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = backend.remind(&firing) => {}
        }
    }
}

/// What the backend was told of and what still is so, in the state and of the severity that it was told: a silence may hold back others.
fn firing(backend: &dyn Backend, board: &RuleBoard, history: &ViolationHistory) -> Vec<Transition> {
    let as_told = |active: &Transition| {
        let Told { state, severity, flapping } = history.told(&active.violation)?;
        let concerns = !matches!(state, State::Pending | State::Resolved)
            && backend.wants(EventKind::Violation(state))
            && active.steps.iter().any(|step| step.backend == backend.name());
        concerns.then(|| Transition { state, severity, flapping, ..active.clone() })
    };
    board.rows().iter().flat_map(|entry| entry.active.iter().filter_map(as_told).collect::<Vec<_>>()).collect()
}
