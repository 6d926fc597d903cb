//! The lanes of a backend: queues and the tasks that deliver from them.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use flyball_model::Clock;
use flyball_model::event::Event;
use flyball_model::ports::{Backend, Delivery};
use flyball_model::stage::Stage;
use flyball_model::state::StateLog;
use flyball_remediation::RemediationLog;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::stages::Stages;

/// Deliveries under way at once to one backend. Events of one violation go the same lane, so they arrive in order; one that the
/// backend chokes on holds up its own lane only.
pub(super) const LANES: usize = 4;

/// Events that wait in one lane. A backend that is down holds its events until they expire; at ten events a second and five
/// minutes to live that is 3,000 over all lanes.
pub(super) const EVENTS_WAITING_MAX: usize = 1024;

/// An event on its way.
pub(super) struct Queued {
    pub(super) event: Event,
    /// When it was decided, on the monotonic clock; `None` when a process before decided it.
    pub(super) decided: Option<Duration>,
    /// It may go out when the log of state has settled this often.
    pub(super) after: u64,
}

/// Which lane an event takes: always the same for one violation.
pub(super) fn lane_of(event: &Event) -> usize {
    let mut hasher = DefaultHasher::new();
    event.transition.violation.hash(&mut hasher);
    (hasher.finish() % LANES as u64) as usize
}

/// A lane's far end.
pub(super) struct Lane {
    pub(super) backend: Arc<dyn Backend>,
    /// What a process before left undelivered goes out first.
    pub(super) left: VecDeque<Queued>,
    pub(super) queue: mpsc::Receiver<Queued>,
}

/// What all lanes share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) log: Arc<RemediationLog>,
    pub(super) stages: Arc<Stages>,
    pub(super) clock: Arc<dyn Clock>,
    /// How far the log of state has settled.
    pub(super) settled: watch::Receiver<u64>,
}

/// The tasks that deliver, some for each backend.
pub(crate) struct Deliveries {
    pub(super) lanes: Vec<Lane>,
    pub(super) shared: Shared,
    pub(super) settler: Settler,
}

/// Waits for the log of state on behalf of all lanes: once for all that was decided meanwhile.
pub(super) struct Settler {
    pub(super) state: Arc<dyn StateLog>,
    pub(super) decided: watch::Receiver<u64>,
    pub(super) settled: watch::Sender<u64>,
}

impl Settler {
    /// Runs until nothing can be decided any more. While the disk takes nothing, so long do events wait.
    async fn run(mut self) {
        while self.decided.changed().await.is_ok() {
            let decided = *self.decided.borrow_and_update();
            if let Err(error) = self.state.settled().await {
                tracing::warn!(%error, "what was decided last is told by the next process, if it is not lost");
                return;
            }
            self.settled.send_replace(decided);
        }
    }
}

impl Deliveries {
    /// Delivers until the dispatcher is closed and every lane is empty. From `give_up` on, what still waits is left to the next process.
    pub(crate) async fn run(self, give_up: CancellationToken) {
        let mut tasks = JoinSet::new();
        for lane in self.lanes {
            tasks.spawn(deliver(lane, self.shared.clone(), give_up.clone()));
        }
        let mut settler = JoinSet::new();
        settler.spawn(self.settler.run());
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a lane of a backend panicked; its events are delivered after the next start");
            }
        }
        settler.shutdown().await;
    }
}

async fn deliver(mut lane: Lane, mut shared: Shared, give_up: CancellationToken) {
    loop {
        let next = match lane.left.pop_front() {
            Some(queued) => Some(queued),
            None => lane.queue.recv().await,
        };
        let Some(Queued { event, decided, after }) = next else { return };
        let backend = &lane.backend;
        let delivering = async {
            // An error: nobody waits for the log any more.
            shared.settled.wait_for(|&settled| settled >= after).await.ok()?;
            Some(backend.deliver(&event).await)
        };
        let delivery = tokio::select! {
            biased;
            () = give_up.cancelled() => None,
            delivery = delivering => delivery,
        };
        let Some(delivery) = delivery else { return };
        if !matches!(delivery, Delivery::Accepted { .. }) {
            tracing::warn!(backend = backend.name(), event = event.id, ?delivery, "event not delivered");
        } else if let Some(decided) = decided {
            shared.stages.record(Stage::DecisionToDelivered, shared.clock.monotonic().saturating_sub(decided));
        }
        shared.log.settle(&event.id, &delivery, shared.clock.now());
        if matches!(delivery, Delivery::Interrupted { .. }) {
            // What follows in this lane must not overtake it.
            return;
        }
    }
}
