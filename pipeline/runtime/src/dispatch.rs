//! From transitions to backends and stores: history first, then events with their limits, then queues and tasks for each backend.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use flyball_model::Clock;
use flyball_model::event::{Event, State, Transition};
use flyball_model::ports::{Backend, Delivery, FieldValue, Record, RecordKind, Sink};
use flyball_model::stage::Stage;
use flyball_remediation::{BackendInfo, Planned, Planner, RemediationLog};
use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::history::ViolationHistory;
use crate::stages::Stages;

/// Deliveries under way at once to one backend. Events of one violation go the same lane, so they arrive in order; one that the
/// backend chokes on holds up its own lane only.
const LANES: usize = 4;

/// Events that wait in one lane. A backend that is down holds its events until they expire; at ten events a second and five
/// minutes to live that is 3,000 over all lanes.
const EVENTS_WAITING_MAX: usize = 1024;

/// An event, and when it was decided, on the monotonic clock.
type Queued = (Event, Duration);

/// Where the rules' transitions go. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Dispatcher {
    shared: Arc<Shared>,
}

struct Shared {
    planner: Mutex<Planner>,
    backends: Vec<BackendInfo>,
    /// The lanes of each backend; empty once the drain began.
    lanes: RwLock<Vec<(String, Vec<mpsc::Sender<Queued>>)>>,
    log: Arc<RemediationLog>,
    history: Arc<ViolationHistory>,
    sinks: Vec<Arc<dyn Sink>>,
    clock: Arc<dyn Clock>,
}

/// The tasks that deliver, some for each backend.
pub(crate) struct Deliveries {
    lanes: Vec<(Arc<dyn Backend>, mpsc::Receiver<Queued>)>,
    log: Arc<RemediationLog>,
    stages: Arc<Stages>,
    clock: Arc<dyn Clock>,
}

impl Dispatcher {
    /// A dispatcher, and the deliveries to be run.
    pub(crate) fn new(
        planner: Planner,
        backends: Vec<Arc<dyn Backend>>,
        log: Arc<RemediationLog>,
        history: Arc<ViolationHistory>,
        sinks: Vec<Arc<dyn Sink>>,
        stages: Arc<Stages>,
        clock: Arc<dyn Clock>,
    ) -> (Self, Deliveries) {
        let infos = backends.iter().map(|backend| BackendInfo::of(backend.as_ref())).collect();
        let mut senders = Vec::new();
        let mut receivers = Vec::new();
        for backend in backends {
            let (ins, outs): (Vec<_>, Vec<_>) = (0..LANES).map(|_| mpsc::channel(EVENTS_WAITING_MAX)).unzip();
            senders.push((backend.name().to_owned(), ins));
            receivers.extend(outs.into_iter().map(|out| (Arc::clone(&backend), out)));
        }
        let deliveries = Deliveries { lanes: receivers, log: Arc::clone(&log), stages, clock: Arc::clone(&clock) };
        let lanes = RwLock::new(senders);
        let shared = Shared { planner: Mutex::new(planner), backends: infos, lanes, log, history, sinks, clock };
        (Self { shared: Arc::new(shared) }, deliveries)
    }

    /// Writes transitions into the history and puts their events into the backends' lanes. Never waits.
    pub(crate) fn dispatch(&self, transitions: &[Transition]) {
        let shared = &*self.shared;
        for transition in transitions {
            tracing::info!(
                rule = transition.rule,
                instance = flyball_model::event::identity_text(&transition.identity),
                state = transition.state.as_str(),
                summary = transition.summary,
                "violation"
            );
            shared.history.record(transition);
            let planned = shared.planner.lock().plan(transition, &shared.backends, shared.clock.now());
            planned.into_iter().for_each(|planned| self.hand_over(planned));
        }
        self.copy_to_sinks(transitions);
    }

    fn hand_over(&self, planned: Planned) {
        let shared = &*self.shared;
        shared.log.record(planned.row());
        if planned.suppressed.is_some() {
            return;
        }
        let id = planned.event.id.clone();
        let lane = lane_of(&planned.event);
        let lanes = shared.lanes.read();
        let sent = match lanes.iter().find(|(name, _)| *name == planned.backend) {
            Some((_, lanes)) => {
                lanes[lane].try_send((planned.event, shared.clock.monotonic())).map_err(|error| match error {
                    TrySendError::Full(_) => format!("more than {EVENTS_WAITING_MAX} events wait for this backend"),
                    TrySendError::Closed(_) => STOPPED.to_owned(),
                })
            }
            None => Err(STOPPED.to_owned()),
        };
        if let Err(reason) = sent {
            shared.log.settle(&id, &Delivery::Failed { reason }, shared.clock.now());
        }
    }

    fn copy_to_sinks(&self, transitions: &[Transition]) {
        let wanting: Vec<_> = self.shared.sinks.iter().filter(|sink| sink.wants(RecordKind::Violations)).collect();
        if wanting.is_empty() || transitions.is_empty() {
            return;
        }
        let records: Arc<[Record]> = transitions.iter().map(violation_record).collect();
        for sink in wanting {
            sink.enqueue(RecordKind::Violations, Arc::clone(&records));
        }
    }

    /// Takes no more events; the lanes end when they are empty.
    pub(crate) fn close(&self) {
        self.shared.lanes.write().clear();
    }

    /// Events that wait, by backend.
    pub(crate) fn queue_depths(&self) -> Vec<(String, usize)> {
        let waiting = |lane: &mpsc::Sender<Queued>| lane.max_capacity() - lane.capacity();
        let lanes = self.shared.lanes.read();
        lanes.iter().map(|(name, lanes)| (name.clone(), lanes.iter().map(waiting).sum())).collect()
    }
}

/// What stands in the log of remediations for an event that the end of the process cut off.
const STOPPED: &str = "flyball stopped before it was delivered";

fn lane_of(event: &Event) -> usize {
    let mut hasher = DefaultHasher::new();
    event.transition.violation.hash(&mut hasher);
    (hasher.finish() % LANES as u64) as usize
}

/// A transition as a line of the measurement `flyball_violation`.
fn violation_record(transition: &Transition) -> Record {
    let mut tags: Vec<(String, String)> =
        transition.labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    tags.retain(|(name, _)| name != "rule" && name != "severity");
    tags.push(("rule".to_owned(), transition.rule.clone()));
    tags.push(("severity".to_owned(), transition.severity.clone()));
    tags.sort();
    let mut fields = vec![
        ("state".to_owned(), FieldValue::Text(transition.state.as_str().to_owned())),
        ("firing".to_owned(), FieldValue::Boolean(transition.state == State::Firing)),
        ("id".to_owned(), FieldValue::Text(transition.violation.clone())),
        ("summary".to_owned(), FieldValue::Text(transition.summary.clone())),
    ];
    fields.extend(transition.values.iter().map(|(name, &value)| (format!("value_{name}"), FieldValue::Float(value))));
    Record { measurement: "flyball_violation".to_owned(), tags, fields, time: transition.evaluated_at }
}

impl Deliveries {
    /// Delivers until the dispatcher is closed and every lane is empty. From `give_up` on, what still waits is settled as failed.
    pub(crate) async fn run(self, give_up: CancellationToken) {
        let mut tasks = JoinSet::new();
        for (backend, lane) in self.lanes {
            let (log, stages, clock) = (Arc::clone(&self.log), Arc::clone(&self.stages), Arc::clone(&self.clock));
            tasks.spawn(deliver(backend, lane, log, stages, clock, give_up.clone()));
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a lane of a backend panicked; its events are lost until the next start");
            }
        }
    }
}

async fn deliver(
    backend: Arc<dyn Backend>,
    mut lane: mpsc::Receiver<Queued>,
    log: Arc<RemediationLog>,
    stages: Arc<Stages>,
    clock: Arc<dyn Clock>,
    give_up: CancellationToken,
) {
    while let Some((event, decided)) = lane.recv().await {
        let delivery = tokio::select! {
            biased;
            () = give_up.cancelled() => Delivery::Failed { reason: STOPPED.to_owned() },
            delivery = backend.deliver(&event) => delivery,
        };
        if matches!(delivery, Delivery::Accepted { .. }) {
            stages.record(Stage::DecisionToDelivered, clock.monotonic().saturating_sub(decided));
        } else {
            tracing::warn!(backend = backend.name(), event = event.id, ?delivery, "event not delivered");
        }
        log.settle(&event.id, &delivery, clock.now());
    }
}
