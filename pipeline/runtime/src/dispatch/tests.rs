use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use flyball_model::action::{ActionKind, ActionStep};
use flyball_model::event::EventKind;
use flyball_model::state::{MemoryLog, Section, State as Kept};
use flyball_model::{ManualClock, UnixNanos};
use flyball_remediation::{ActionLimits, RemediationState};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::remember::{Restored, restore};

const START: UnixNanos = UnixNanos::from_secs(1_767_225_600);

/// A backend that answers what it is told to, and says what it got.
struct Scripted {
    got: mpsc::Sender<String>,
    answers: Mutex<VecDeque<Delivery>>,
}

#[async_trait]
impl Backend for Scripted {
    fn name(&self) -> &str {
        "ops"
    }

    fn can(&self, _: ActionKind) -> bool {
        true
    }

    fn wants(&self, _: EventKind) -> bool {
        true
    }

    async fn deliver(&self, event: &Event) -> Delivery {
        self.got.send(event.transition.summary.clone()).await.expect("the test listens");
        let answer = self.answers.lock().pop_front();
        match answer {
            Some(answer) => answer,
            // It never answers.
            None => std::future::pending().await,
        }
    }
}

fn transition(violation: &str, state: State) -> Transition {
    Transition {
        summary: format!("{violation} {}", state.as_str()),
        steps: vec![ActionStep {
            backend: "ops".into(),
            action: ActionKind::Notify,
            target: BTreeMap::new(),
            params: BTreeMap::new(),
            settle: Duration::ZERO,
            attempts: 1,
        }],
        ..Transition::bare(violation, "r", state, START)
    }
}

struct Process {
    memory: Arc<MemoryLog>,
    log: Arc<RemediationLog>,
    dispatcher: Dispatcher,
    deliveries: Deliveries,
    got: mpsc::Receiver<String>,
}

impl Process {
    /// With this many seconds since [`START`], and a backend that gives these answers and then none.
    fn start(mut found: Kept, seconds: u64, answers: impl IntoIterator<Item = Delivery>, backends: bool) -> Self {
        let memory = Arc::new(MemoryLog::with(found.clone()));
        let state: Arc<dyn StateLog> = Arc::<MemoryLog>::clone(&memory);
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(START.plus(Duration::from_secs(seconds))));
        let Restored { history, remediations: log, planner, silences, undelivered, .. } =
            restore(&mut found, &state, ActionLimits::default(), &clock);
        let (sender, got) = mpsc::channel(64);
        let backend: Arc<dyn Backend> =
            Arc::new(Scripted { got: sender, answers: Mutex::new(answers.into_iter().collect()) });
        let (dispatcher, deliveries) = Dispatcher::new(DispatchParts {
            planner,
            backends: backends.then_some(backend).into_iter().collect(),
            log: Arc::clone(&log),
            history,
            silences: Arc::new(silences),
            feed: Arc::default(),
            undelivered,
            state,
            sinks: Vec::new(),
            stages: Arc::default(),
            clock,
        });
        Self { memory, log, dispatcher, deliveries, got }
    }

    fn tell(&self, violation: &str, state: State) {
        let transitions = [transition(violation, state)];
        self.dispatcher.dispatch("r", &transitions, Changes::default(), [], Reading::at(START));
    }

    fn fates(&self) -> Vec<RemediationState> {
        self.log.rows().iter().rev().map(|row| row.state).collect()
    }
}

fn accepted() -> Delivery {
    Delivery::Accepted { attempts: 1 }
}

#[tokio::test]
async fn nothing_is_delivered_before_the_log_has_settled() {
    let mut process = Process::start(Kept::default(), 0, [accepted(), accepted()], true);
    process.memory.hold(true);
    process.tell("a", State::Firing);
    let give_up = CancellationToken::new();
    let running = tokio::spawn(process.deliveries.run(give_up.clone()));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(process.got.try_recv().is_err(), "the disk takes nothing");
    process.memory.hold(false);
    assert_eq!(process.got.recv().await.as_deref(), Some("a firing"));
    process.dispatcher.close();
    running.await.expect("it ends when the lanes are empty");
}

#[tokio::test]
async fn what_is_not_delivered_at_the_end_goes_out_again_in_order() {
    let interrupted = Delivery::Interrupted { reason: "503".into() };
    let mut process = Process::start(Kept::default(), 0, [accepted(), interrupted], true);
    for (violation, state) in [("a", State::Pending), ("a", State::Firing), ("a", State::Resolved)] {
        process.tell(violation, state);
    }
    process.dispatcher.close();
    process.tell("a", State::Error);
    process.deliveries.run(CancellationToken::new()).await;
    let queued = RemediationState::Queued;
    process.got.close();
    let mut got = Vec::new();
    while let Some(told) = process.got.recv().await {
        got.push(told);
    }
    assert_eq!(got, ["a pending", "a firing"], "what follows does not overtake");
    let fates = process.log.rows().iter().rev().map(|row| row.state).collect::<Vec<_>>();
    assert_eq!(fates, [RemediationState::Delivered, queued, queued, queued]);

    // The next one is cut off while the backend does not answer.
    let mut process = Process::start(process.memory.after_crash(usize::MAX), 10, [accepted()], true);
    let give_up = CancellationToken::new();
    let running = tokio::spawn(process.deliveries.run(give_up.clone()));
    assert_eq!(process.got.recv().await.as_deref(), Some("a firing"));
    assert_eq!(process.got.recv().await.as_deref(), Some("a resolved"));
    process.dispatcher.close();
    give_up.cancel();
    running.await.expect("it gives up");

    let mut process = Process::start(process.memory.after_crash(usize::MAX), 20, [accepted(), accepted()], true);
    process.dispatcher.close();
    process.deliveries.run(CancellationToken::new()).await;
    assert_eq!(process.got.recv().await.as_deref(), Some("a resolved"));
    assert_eq!(process.got.recv().await.as_deref(), Some("a error"));
    let account = &process.log.accounts()[0];
    assert_eq!((account.received, account.delivered, account.is_even()), (4, 4, true));
    let left = process.memory.after_crash(usize::MAX);
    let events = left.iter().filter(|(section, ..)| *section == Section::Remediations);
    assert!(events.into_iter().all(|(_, _, row)| String::from_utf8_lossy(row).contains("\"event\":null")));
}

#[tokio::test]
async fn what_expired_or_lost_its_backend_while_flyball_was_down_is_settled() {
    for (seconds, backends, fate) in [(301, true, RemediationState::Expired), (1, false, RemediationState::Failed)] {
        let process = Process::start(Kept::default(), 0, [], true);
        process.tell("a", State::Firing);
        let process = Process::start(process.memory.after_crash(usize::MAX), seconds, [], backends);
        assert_eq!(process.fates(), [fate]);
        process.dispatcher.close();
        process.deliveries.run(CancellationToken::new()).await;
    }
}
