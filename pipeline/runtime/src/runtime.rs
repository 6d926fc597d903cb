//! All stages together: what starts, what it is made of, and how it drains.

use std::sync::Arc;
use std::time::Duration;

use flyball_model::ports::{Backend, RecordKind, Sink};
use flyball_model::{Clock, Limits};
use flyball_remediation::{ActionLimits, Planner, RemediationLog};
use flyball_rules::definition::RuleSet;
use flyball_rules::query::{Database, QueryLimits};
use flyball_store::Store;
use flyball_twin::Twin;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::board::RuleBoard;
use crate::dispatch::Dispatcher;
use crate::exposition;
use crate::history::ViolationHistory;
use crate::intake::Pipeline;
use crate::rules::{RuleControl, RuleStage};
use crate::tables::TableSources;

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
    pub(crate) dispatcher: Dispatcher,
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
}

impl Runtime {
    /// Starts every stage with these rules.
    pub async fn start(parts: Parts, rules: RuleSet) -> (Arc<Self>, Tasks) {
        let Parts {
            store,
            twin,
            limits,
            query_limits,
            action_limits,
            snapshot_every,
            backends,
            sinks,
            stopping,
            clock,
        } = parts;
        let cancel = CancellationToken::new();
        let pipeline =
            Arc::new(Pipeline::new(Arc::clone(&store), Arc::clone(&twin), limits, &sinks, Arc::clone(&clock)));
        let database = Database::new(Arc::clone(&store), query_limits);
        let tables = TableSources {
            store: Arc::clone(&store),
            twin: Arc::clone(&twin),
            ledger: Arc::clone(&pipeline.ledger),
            board: Arc::new(RuleBoard::default()),
            history: Arc::new(ViolationHistory::default()),
            remediations: Arc::new(RemediationLog::default()),
            stages: Arc::clone(&pipeline.stages),
        };
        tables.register(&database);
        let (dispatcher, deliveries) = Dispatcher::new(
            Planner::new(action_limits),
            backends.clone(),
            Arc::clone(&tables.remediations),
            Arc::clone(&tables.history),
            sinks.clone(),
            Arc::clone(&pipeline.stages),
            Arc::clone(&clock),
        );
        let (control, reload) = RuleControl::channel();
        let stage = RuleStage {
            database: database.clone(),
            clock: Arc::clone(&clock),
            wake: Arc::clone(&pipeline.wake),
            stages: Arc::clone(&pipeline.stages),
            board: Arc::clone(&tables.board),
            history: Arc::clone(&tables.history),
            dispatcher: dispatcher.clone(),
        };
        let (mut stages, mut delivering) = (JoinSet::new(), JoinSet::new());
        let give_up = CancellationToken::new();
        stages.spawn(stage.run(reload, cancel.clone()));
        stages.spawn(maintain(store, Arc::clone(&pipeline.crowded), Arc::clone(&clock), cancel.clone()));
        stages.spawn(snapshots(twin, sinks.clone(), snapshot_every, clock, cancel.clone()));
        delivering.spawn(deliveries.run(give_up.clone()));
        control.replace(rules).await;
        let tasks = Tasks {
            pipeline: Arc::clone(&pipeline),
            dispatcher: dispatcher.clone(),
            stopping,
            cancel,
            give_up,
            stages,
            deliveries: delivering,
        };
        (Arc::new(Self { pipeline, database, tables, rules: control, dispatcher, backends, sinks }), tasks)
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
    pub async fn drain(mut self) -> Result<(), flyball_store::StoreError> {
        self.cancel.cancel();
        join(&mut self.stages).await;
        self.dispatcher.close();
        self.stopping.cancel();
        if tokio::time::timeout(DELIVERIES_DRAIN, join(&mut self.deliveries)).await.is_err() {
            self.give_up.cancel();
            join(&mut self.deliveries).await;
        }
        let pipeline = self.pipeline;
        let flush = move || {
            pipeline.close();
            pipeline.store.flush()
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

async fn maintain(store: Arc<Store>, crowded: Arc<Notify>, clock: Arc<dyn Clock>, cancel: CancellationToken) {
    let mut tick = tokio::time::interval(MAINTAIN_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // After a failure only the tick tries again, however crowded it is.
    let mut failing = false;
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            _ = tick.tick() => {}
            () = crowded.notified(), if !failing => {}
        }
        let (store, now) = (Arc::clone(&store), clock.now());
        let maintained = tokio::task::spawn_blocking(move || store.maintain(now)).await;
        failing = match maintained {
            Ok(Ok(_)) => false,
            Ok(Err(error)) => {
                tracing::error!(%error, "the history can't be written; points stay in memory");
                true
            }
            Err(error) => {
                tracing::error!(%error, "maintenance of the store panicked");
                true
            }
        };
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
