//! All stages together: what starts, what it is made of, and how it drains.

use std::sync::Arc;
use std::time::Duration;

use flyball_log::Durability;
use flyball_model::ports::{Backend, RecordKind, Sink};
use flyball_model::state::StateLog;
use flyball_model::{Clock, Limits, SteadyClock};
use flyball_remediation::ActionLimits;
use flyball_remediation::silence::Window;
use flyball_rules::definition::RuleSet;
use flyball_rules::query::{Database, QueryLimits};
use flyball_store::Store;
use flyball_twin::Twin;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::accounts::Books;
use crate::board::RuleBoard;
use crate::dispatch::{DispatchParts, Dispatcher};
use crate::exposition;
use crate::feed::Feed;
use crate::idle::IdleCores;
use crate::intake::Pipeline;
use crate::joining::join_history;
use crate::recording::Recordings;
use crate::recovery::{LogParts, Progress, RecoveryError, recover};
use crate::remember::{Restored, restore};
use crate::reminders::remind;
use crate::rules::{Budget, RuleControl, RuleStage};
use crate::silencing::release;
use crate::tables::TableSources;
use crate::tap::Tap;
use crate::urgent::Urgent;

/// How often the store is asked to move what is too old or too much into the history.
const MAINTAIN_EVERY: Duration = Duration::from_secs(1);

/// How long events that wait at the end may take to be delivered.
const DELIVERIES_DRAIN: Duration = Duration::from_secs(2);

/// What the runtime is made from.
pub struct Parts {
    /// The open data folder.
    pub store: Arc<Store>,
    /// An empty twin with its mapping.
    pub twin: Arc<Twin>,
    /// Bounds of what is taken in.
    pub limits: Limits,
    /// Bounds of one query.
    pub query_limits: QueryLimits,
    /// Bounds of what is asked of backends.
    pub action_limits: ActionLimits,
    /// Maintenance windows.
    pub windows: Vec<Window>,
    /// How often the twin goes to the sinks.
    pub snapshot_every: Duration,
    /// Who can be asked to act.
    pub backends: Vec<Arc<dyn Backend>>,
    /// Stores beside the embedded one.
    pub sinks: Vec<Arc<dyn Sink>>,
    /// Told to the backends when the drain begins: each event that waits then gets one try.
    pub stopping: CancellationToken,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Rules use a part of what the machine has to spare, and background work waits for it.
    pub idle_cores: IdleCores,
    /// Where the log is.
    pub log: LogParts,
    /// Told how far the start is.
    pub progress: Arc<Progress>,
}

/// The running pipeline.
pub struct Runtime {
    /// Where receivers hand bodies over.
    pub pipeline: Arc<Pipeline>,
    /// SQL.
    pub database: Database,
    /// What `flyball.*` is made from.
    pub tables: TableSources,
    /// Replaces the rules.
    pub rules: RuleControl,
    /// Changes of violations.
    pub feed: Arc<Feed>,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) steady: Arc<SteadyClock>,
    pub(crate) backends: Vec<Arc<dyn Backend>>,
    pub(crate) sinks: Vec<Arc<dyn Sink>>,
}

/// The runtime's tasks; [`Tasks::drain`] ends them.
pub struct Tasks {
    pipeline: Arc<Pipeline>,
    dispatcher: Dispatcher,
    stopping: CancellationToken,
    /// Ends the stages.
    cancel: CancellationToken,
    /// Ends deliveries that are still under way.
    give_up: CancellationToken,
    stages: JoinSet<()>,
    deliveries: JoinSet<()>,
    /// Where rules are evaluated and events delivered.
    urgent: Urgent,
}

impl Runtime {
    /// Reads the log back, and starts every stage with these rules.
    ///
    /// # Errors
    /// When the data folder can't be gone on with.
    pub async fn start(parts: Parts, rules: RuleSet) -> Result<(Arc<Self>, Tasks), RecoveryError> {
        let Parts {
            store,
            twin,
            limits,
            query_limits,
            action_limits,
            windows,
            snapshot_every,
            backends,
            sinks,
            stopping,
            clock,
            idle_cores,
            log,
            progress,
        } = parts;
        let cancel = CancellationToken::new();
        let recovering = {
            let (store, twin, sinks, clock) =
                (Arc::clone(&store), Arc::clone(&twin), sinks.clone(), Arc::clone(&clock));
            move || {
                let (filled, damages, state) = recover(&log, store, twin, &limits, &clock, &progress)?;
                let pipeline = Pipeline::new(filled, limits, &sinks, clock);
                // Before anything is taken in: until then all series of the journal count as active, and few labels are in memory.
                pipeline.sweep(pipeline.clock.now());
                pipeline.report(&damages)?;
                Ok::<_, RecoveryError>((Arc::new(pipeline), state))
            }
        };
        let recovered = tokio::task::spawn_blocking(recovering).await;
        let (pipeline, mut state) = recovered.expect("reading the log back does not panic")?;
        let state_log: Arc<dyn StateLog> = Arc::clone(&pipeline.log) as Arc<dyn StateLog>;
        let database = Database::new(Arc::clone(&store), query_limits);
        let Restored { steady, rules: memory, history, remediations, planner, silences, undelivered } =
            restore(&mut state, &state_log, action_limits, &clock);
        let tables = TableSources {
            store: Arc::clone(&store),
            twin: Arc::clone(&twin),
            ledger: Books::Kept(Arc::clone(&pipeline.log)),
            board: Arc::new(RuleBoard::default()),
            history,
            remediations,
            silences: Arc::new(silences),
            stages: Arc::clone(&pipeline.stages),
        };
        tables.silences.set_windows(windows);
        let feed = Arc::new(Feed::new(clock.now()));
        tables.register(&database);
        let (dispatcher, deliveries) = Dispatcher::new(DispatchParts {
            planner,
            backends: backends.clone(),
            log: Arc::clone(&tables.remediations),
            history: Arc::clone(&tables.history),
            silences: Arc::clone(&tables.silences),
            feed: Arc::clone(&feed),
            undelivered,
            state: Arc::clone(&state_log),
            sinks: sinks.clone(),
            stages: Arc::clone(&pipeline.stages),
            clock: Arc::clone(&clock),
        });
        let (control, reload) = RuleControl::channel();
        let stage = RuleStage {
            database: database.clone(),
            clock: Arc::clone(&clock),
            wake: Arc::clone(&pipeline.wake),
            stages: Arc::clone(&pipeline.stages),
            board: Arc::clone(&tables.board),
            dispatcher: dispatcher.clone(),
            steady: Arc::clone(&steady),
            state: Arc::clone(&state_log),
            memory,
            budget: Budget::new(Arc::clone(&idle_cores)),
            recordings: Recordings::new(Arc::<Pipeline>::clone(&pipeline), Arc::clone(&store), Arc::clone(&state_log)),
        };
        let urgent = Urgent::start();
        let (mut stages, mut delivering) = (JoinSet::new(), JoinSet::new());
        let give_up = CancellationToken::new();
        stages.spawn_on(stage.run(reload, cancel.clone()), urgent.handle());
        stages.spawn(maintain(Arc::clone(&pipeline), Arc::clone(&clock), cancel.clone()));
        stages.spawn(join_history(Arc::clone(&store), idle_cores, cancel.clone()));
        stages.spawn(snapshots(twin, sinks.clone(), snapshot_every, clock, cancel.clone()));
        delivering.spawn_on(deliveries.run(give_up.clone()), urgent.handle());
        control.replace(rules).await;
        let (board, history) = (&tables.board, &tables.history);
        let silences = Arc::clone(&tables.silences);
        stages.spawn(release(silences, dispatcher.clone(), Arc::clone(board), Arc::clone(&steady), cancel.clone()));
        for backend in &backends {
            if let Some(every) = backend.reminded_every() {
                let backend = Arc::clone(backend);
                stages.spawn(remind(backend, every, Arc::clone(board), Arc::clone(history), cancel.clone()));
            }
        }
        let tasks = Tasks {
            pipeline: Arc::clone(&pipeline),
            dispatcher: dispatcher.clone(),
            stopping,
            cancel,
            give_up,
            stages,
            deliveries: delivering,
            urgent,
        };
        Ok((
            Arc::new(Self { pipeline, database, tables, rules: control, feed, dispatcher, steady, backends, sinks }),
            tasks,
        ))
    }

    /// Bounds actions in another way from here on.
    pub fn set_action_limits(&self, limits: ActionLimits) {
        self.dispatcher.set_limits(limits);
    }

    /// What an acknowledgement promises.
    pub fn durability(&self) -> Durability {
        self.pipeline.log.durability()
    }

    /// Why nothing can be made durable at the moment; `None` when it can.
    pub fn log_trouble(&self) -> Option<String> {
        self.pipeline.log.trouble()
    }

    /// Where arriving points are shown.
    pub fn tap(&self) -> &Arc<Tap> {
        &self.pipeline.tap
    }

    /// flyball's own metrics in Prometheus' text format 0.0.4.
    pub fn metrics(&self) -> String {
        exposition::render(self)
    }
}

impl Tasks {
    /// Waits until a stage has ended although nobody asked it to: it panicked.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn failed(&mut self) {
        if let Some(Err(error)) = self.stages.join_next().await {
            tracing::error!(%error, "a stage panicked");
        }
    }

    /// Ends the stages, gives each event that waits one try, and writes what is in memory into the history. Whoever sends something
    /// from the last of these on is told to try again.
    ///
    /// # Errors
    /// When the history can't be written.
    pub async fn drain(mut self) -> Result<(), RecoveryError> {
        self.cancel.cancel();
        join(&mut self.stages).await;
        self.dispatcher.close();
        self.stopping.cancel();
        if tokio::time::timeout(DELIVERIES_DRAIN, join(&mut self.deliveries)).await.is_err() {
            self.give_up.cancel();
            join(&mut self.deliveries).await;
        }
        drop(self.urgent);
        let pipeline = self.pipeline;
        let flush = move || {
            pipeline.close();
            // Each is tried whatever became of the others: what is not in the history is in the log.
            let flushed = pipeline.store.flush();
            let checkpointed = pipeline.checkpoint();
            pipeline.log.stop();
            flushed.map_err(RecoveryError::from).and(checkpointed.map_err(RecoveryError::from))
        };
        tokio::task::spawn_blocking(flush).await.expect("flushing does not panic")
    }
}

/// Waits for all of them, whatever became of each: one that panicked must not keep the rest from being drained.
async fn join(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a stage panicked");
        }
    }
}

async fn maintain(pipeline: Arc<Pipeline>, clock: Arc<dyn Clock>, cancel: CancellationToken) {
    let mut tick = tokio::time::interval(MAINTAIN_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // After a failure only the tick tries again, however crowded it is. Each trouble is told once.
    let mut failing: Option<String> = None;
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            _ = tick.tick() => {}
            () = pipeline.crowded.notified(), if failing.is_none() => {}
        }
        let (pipeline, now) = (Arc::clone(&pipeline), clock.now());
        let maintained = tokio::task::spawn_blocking(move || pipeline.maintain(now)).await;
        let trouble = match maintained {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("the history can't be written; points stay in memory: {error}")),
            Err(error) => Some(format!("maintenance of the store panicked: {error}")),
        };
        match &trouble {
            Some(problem) if trouble != failing => tracing::error!("{problem}"),
            None if failing.is_some() => tracing::info!("the history is written again"),
            _ => {}
        }
        failing = trouble;
    }
}

async fn snapshots(
    twin: Arc<Twin>,
    sinks: Vec<Arc<dyn Sink>>,
    every: Duration,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
) {
    let sinks: Vec<_> = sinks.into_iter().filter(|sink| sink.wants(RecordKind::Twin)).collect();
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            _ = tick.tick() => {}
        }
        if sinks.is_empty() {
            continue;
        }
        let records: Arc<[_]> = twin.records(clock.now()).into();
        if !records.is_empty() {
            for sink in &sinks {
                sink.enqueue(RecordKind::Twin, Arc::clone(&records));
            }
        }
    }
}
