//! From transitions to backends and stores: taken down first, then queues and tasks for each backend.

mod lanes;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use flyball_model::event::{Acknowledgement, Event, State, Transition};
use flyball_model::ports::{Backend, Delivery, FieldValue, Record, RecordKind, Sink};
use flyball_model::state::StateLog;
use flyball_model::{Clock, Reading};
use flyball_remediation::silence::Silences;
use flyball_remediation::{ActionLimits, BackendInfo, Planned, Planner, RemediationLog};
use flyball_rules::evaluate::Sample;
use flyball_rules::lifecycle::Changes;
use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};

pub(crate) use self::lanes::Deliveries;
use self::lanes::{EVENTS_WAITING_MAX, LANES, Lane, Queued, Settler, lane_of};
use crate::feed::Feed;
use crate::history::{Violation, ViolationHistory};
use crate::remember::Decisions;
use crate::stages::Stages;

/// Where the rules' transitions go. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Dispatcher {
    shared: Arc<Shared>,
}

struct Shared {
    decisions: Decisions,
    /// The lanes of each backend; empty once the drain began.
    lanes: RwLock<Vec<(String, Vec<mpsc::Sender<Queued>>)>>,
    /// How many times events were decided; the log of state is waited for whenever it grows.
    decided: watch::Sender<u64>,
    /// Held from the decision until its events are in their lanes: the stage dispatches, and silences that end do.
    turn: Mutex<()>,
    log: Arc<RemediationLog>,
    history: Arc<ViolationHistory>,
    silences: Arc<Silences>,
    feed: Arc<Feed>,
    sinks: Vec<Arc<dyn Sink>>,
    clock: Arc<dyn Clock>,
}

/// What a dispatcher is made from.
pub(crate) struct DispatchParts {
    pub(crate) planner: Planner,
    pub(crate) backends: Vec<Arc<dyn Backend>>,
    pub(crate) log: Arc<RemediationLog>,
    pub(crate) history: Arc<ViolationHistory>,
    pub(crate) silences: Arc<Silences>,
    pub(crate) feed: Arc<Feed>,
    /// Events that a process before did not settle, each with its backend, in their order.
    pub(crate) undelivered: Vec<(String, Event)>,
    pub(crate) state: Arc<dyn StateLog>,
    pub(crate) sinks: Vec<Arc<dyn Sink>>,
    pub(crate) stages: Arc<Stages>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Dispatcher {
    /// A dispatcher, and the deliveries to be run.
    pub(crate) fn new(parts: DispatchParts) -> (Self, Deliveries) {
        let DispatchParts { planner, backends, log, history, silences, feed, undelivered, state, sinks, stages, clock } =
            parts;
        let infos = backends.iter().map(|backend| BackendInfo::of(backend.as_ref())).collect();
        let mut senders = Vec::new();
        let mut lanes = Vec::new();
        for backend in backends {
            let (ins, outs): (Vec<_>, Vec<_>) = (0..LANES).map(|_| mpsc::channel(EVENTS_WAITING_MAX)).unzip();
            senders.push((backend.name().to_owned(), ins));
            lanes.extend(outs.into_iter().map(|queue| Lane {
                backend: Arc::clone(&backend),
                left: VecDeque::new(),
                queue,
            }));
        }
        for (backend, event) in undelivered {
            send_again(&mut lanes, &backend, event, &log, clock.as_ref());
        }
        let ((decided, waits_for), (settles, settled)) = (watch::channel(0), watch::channel(0));
        let deliveries = Deliveries {
            lanes,
            shared: lanes::Shared { log: Arc::clone(&log), stages, clock: Arc::clone(&clock), settled },
            settler: Settler { state, decided: waits_for, settled: settles },
        };
        let decisions = Decisions::new(planner, infos, Arc::clone(&history), Arc::clone(&log), Arc::clone(&silences));
        let (lanes, turn) = (RwLock::new(senders), Mutex::default());
        let shared = Shared { decisions, lanes, decided, turn, log, history, silences, feed, sinks, clock };
        (Self { shared: Arc::new(shared) }, deliveries)
    }

    /// Bounds actions in another way from here on.
    pub(crate) fn set_limits(&self, limits: ActionLimits) {
        self.shared.decisions.set_limits(limits);
    }

    /// Takes down an evaluation of `rule` as [`Decisions::take`] does, and puts its events into the backends' lanes. Never waits.
    pub(crate) fn dispatch<'a>(
        &self,
        rule: &str,
        transitions: &[Transition],
        changes: Changes,
        active: impl IntoIterator<Item = &'a str>,
        at: Reading,
    ) {
        for transition in transitions {
            tracing::info!(
                rule = transition.rule,
                instance = flyball_model::event::identity_text(&transition.identity),
                state = transition.state.as_str(),
                summary = transition.summary,
                "violation"
            );
        }
        let turn = self.shared.turn.lock();
        let outgoing = self.shared.decisions.take(rule, transitions, changes, active, at);
        self.send(outgoing);
        drop(turn);
        self.copy_to_sinks(transitions);
        for transition in transitions {
            let acknowledged = self.shared.history.acknowledged(&transition.violation);
            let silenced_by = self.shared.silences.silenced_by(transition, at.now);
            self.shared.feed.publish(transition, acknowledged.as_ref(), &silenced_by, at.now);
        }
    }

    /// Tells what was held back by silences that are over, with today's values where `today` knows them.
    pub(crate) fn release(&self, at: Reading, today: impl Fn(&Transition) -> Option<Transition>) {
        let _turn = self.shared.turn.lock();
        let outgoing = self.shared.decisions.release(at, today);
        self.send(outgoing);
    }

    /// Writes down who takes a violation on; the violation, if there is one of this id.
    pub(crate) fn acknowledge(&self, violation: &str, by: Acknowledgement, state: &dyn StateLog) -> Option<Violation> {
        // In one turn, so that no transition is put between the look and the piece.
        let _turn = self.shared.turn.lock();
        let (piece, violation) = self.shared.history.acknowledge(violation, by)?;
        state.put_all(vec![piece]);
        Some(violation)
    }

    /// Writes down the samples that made a violation fire.
    pub(crate) fn note_samples(&self, violation: &str, samples: Vec<Sample>, state: &dyn StateLog) {
        // In one turn, as above.
        let _turn = self.shared.turn.lock();
        state.put_all(self.shared.history.note_samples(violation, samples).into_iter().collect());
    }

    /// Puts what was decided into the lanes, in one turn with the decision.
    fn send(&self, outgoing: Vec<Planned>) {
        if outgoing.is_empty() {
            return;
        }
        let after = *self.shared.decided.borrow() + 1;
        outgoing.into_iter().for_each(|planned| self.hand_over(planned, after));
        // All of them are put and in their lanes, and nobody counts in between.
        self.shared.decided.send_replace(after);
    }

    fn hand_over(&self, planned: Planned, after: u64) {
        let shared = &*self.shared;
        let id = planned.event.id.clone();
        let lane = lane_of(&planned.event);
        let lanes = shared.lanes.read();
        // Without lanes the drain has begun: the event is put, and the next process delivers it.
        let Some((_, lanes)) = lanes.iter().find(|(name, _)| *name == planned.backend) else { return };
        let queued = Queued { event: planned.event, decided: Some(shared.clock.monotonic()), after };
        if let Err(TrySendError::Full(_)) = lanes[lane].try_send(queued) {
            let reason = format!("more than {EVENTS_WAITING_MAX} events wait for this backend");
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
        self.shared.feed.close();
    }

    /// Events that wait, by backend.
    pub(crate) fn queue_depths(&self) -> Vec<(String, usize)> {
        let waiting = |lane: &mpsc::Sender<Queued>| lane.max_capacity() - lane.capacity();
        let lanes = self.shared.lanes.read();
        lanes.iter().map(|(name, lanes)| (name.clone(), lanes.iter().map(waiting).sum())).collect()
    }
}

/// Puts an event that a process before left undelivered back into its lane, or settles it, if it came too late or its backend is gone.
fn send_again(lanes: &mut [Lane], backend: &str, event: Event, log: &RemediationLog, clock: &dyn Clock) {
    let now = clock.now();
    if event.expires_at <= now {
        let reason = "it expired while flyball was down".to_owned();
        return log.settle(&event.id, &Delivery::Expired { reason }, now);
    }
    match lanes.iter_mut().filter(|lane| lane.backend.name() == backend).nth(lane_of(&event)) {
        Some(lane) => lane.left.push_back(Queued { event, decided: None, after: 0 }),
        None => {
            let reason = format!("no backend '{backend}' is configured any more");
            log.settle(&event.id, &Delivery::Failed { reason }, now);
        }
    }
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
