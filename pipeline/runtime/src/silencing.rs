//! What people say of violations: silences that end, and acknowledgements.

use std::sync::Arc;
use std::time::Duration;

use flyball_model::event::{Acknowledgement, State, Transition};
use flyball_model::state::{NotDurable, StateLog};
use flyball_model::{SteadyClock, UnixNanos};
use flyball_remediation::silence::Silences;
use tokio_util::sync::CancellationToken;

use crate::board::RuleBoard;
use crate::dispatch::Dispatcher;
use crate::history::{Violation, gist};
use crate::runtime::Runtime;

/// How soon after the end of a silence people hear of what still fires.
const RELEASE_EVERY: Duration = Duration::from_secs(1);

/// How long whoever silences or acknowledges waits for the disk. What they said holds at once, whatever the disk says.
const DURABLE_WITHIN: Duration = Duration::from_secs(5);

/// Tells what was held back when its silence is over, until `cancel`.
pub(crate) async fn release(
    silences: Arc<Silences>,
    dispatcher: Dispatcher,
    board: Arc<RuleBoard>,
    steady: Arc<SteadyClock>,
    cancel: CancellationToken,
) {
    let mut tick = tokio::time::interval(RELEASE_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            _ = tick.tick() => {}
        }
        let at = steady.read();
        silences.tidy(at.now);
        dispatcher.release(at, |held| today(&board, held));
    }
}

/// A violation with its latest values.
fn today(board: &RuleBoard, held: &Transition) -> Option<Transition> {
    let entry = board.of(&held.rule)?;
    entry.active.iter().find(|active| active.violation == held.violation).cloned()
}

/// Why a violation can't be acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// There is none.
    #[error("there is no violation '{0}'")]
    NotFound(String),
    /// It is over.
    #[error("the violation '{0}' is resolved")]
    Resolved(String),
}

/// What is firing, without data or in error, and what people say of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// With today's values.
    pub transition: Transition,
    /// Who takes it on.
    pub acknowledged: Option<Acknowledgement>,
    /// The silences that hold it back.
    pub silenced_by: Vec<String>,
}

impl Runtime {
    /// Somebody takes a violation on; the last one counts. Later events tell of it.
    ///
    /// # Errors
    /// When there is none of this id, or it is over.
    pub fn acknowledge(&self, violation: &str, by: Acknowledgement) -> Result<Violation, AckError> {
        let history = &self.tables.history;
        let unknown = || AckError::NotFound(violation.to_owned());
        if history.get(violation).ok_or_else(unknown)?.latest.state == State::Resolved {
            return Err(AckError::Resolved(violation.to_owned()));
        }
        let violation = self.dispatcher.acknowledge(violation, by, &*self.pipeline.log).ok_or_else(unknown)?;
        if let Some(by) = &violation.acknowledged {
            let latest = &violation.latest;
            let silenced_by = self.tables.silences.silenced_by(latest, by.at);
            let today = today(&self.tables.board, latest).filter(|today| gist(today) == gist(latest));
            self.feed.acknowledged(today.as_ref().unwrap_or(latest), by, &silenced_by);
        }
        Ok(violation)
    }

    /// Waits until what people said is durable.
    ///
    /// # Errors
    /// When the disk takes it not in time, or the process ends. It holds all the same, and is written when the disk takes it again.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn durable(&self) -> Result<(), NotDurable> {
        match tokio::time::timeout(DURABLE_WITHIN, self.pipeline.log.settled()).await {
            Ok(settled) => settled,
            Err(_) => Err(NotDurable(self.log_trouble().unwrap_or_else(|| "the disk is slow".to_owned()))),
        }
    }

    /// What is firing, without data or in error.
    pub fn alerts(&self, now: UnixNanos) -> Vec<Alert> {
        let rows = self.tables.board.rows();
        let active = rows.iter().flat_map(|entry| &entry.active);
        active
            .filter(|transition| !matches!(transition.state, State::Pending | State::Resolved))
            .map(|transition| Alert {
                acknowledged: self.tables.history.acknowledged(&transition.violation),
                silenced_by: self.tables.silences.silenced_by(transition, now),
                transition: transition.clone(),
            })
            .collect()
    }
}
