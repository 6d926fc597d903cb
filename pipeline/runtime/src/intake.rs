//! The way of a body: decompress → normalise → store → twin → account → wake the rules → answer.
//!
//! All of it runs on the task of the connection that brought the body, so work spreads over the cores by connection and
//! no queue stands between a sender and its answer. The write-ahead log takes its place between normalise and store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use flyball_decode::DecodeError;
use flyball_decode::decompress::decompress;
use flyball_model::intake::{RefusalKind, Submission};
use flyball_model::ledger::{Account, Ledger, Outcome, Reason, Signal};
use flyball_model::ports::{FieldValue, Record, RecordKind, Sink};
use flyball_model::stage::Stage;
use flyball_model::{Clock, Intake, Limits, PointBatch, Receipt, Refusal};
use flyball_normalize::{Normalized, Normalizer};
use flyball_store::Store;
use flyball_twin::Twin;
use parking_lot::RwLock;
use tokio::sync::Notify;

use crate::stages::Stages;
use crate::wake::Wake;

/// What a refused sender is asked to wait while the store is over its budget: the time a flush takes.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The pipeline behind all receivers.
pub struct Pipeline {
    pub(crate) store: Arc<Store>,
    pub(crate) twin: Arc<Twin>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) stages: Arc<Stages>,
    pub(crate) wake: Arc<Wake>,
    /// Told when the hot store is over its budget, so that maintenance need not wait for its tick.
    pub(crate) crowded: Arc<Notify>,
    pub(crate) counts: Counts,
    normalizer: Normalizer,
    limits: Limits,
    clock: Arc<dyn Clock>,
    sinks: Vec<Arc<dyn Sink>>,
    /// False once the last flush began: what came later would be acknowledged and lost. Held for reading while a body is stored.
    open: RwLock<bool>,
}

/// Self-metrics of the intake, counted once a batch.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) batches: AtomicU64,
    pub(crate) body_bytes: AtomicU64,
    pub(crate) decompressed_bytes: AtomicU64,
}

impl Pipeline {
    /// A pipeline that fills `store` and `twin`.
    pub fn new(
        store: Arc<Store>,
        twin: Arc<Twin>,
        limits: Limits,
        sinks: &[Arc<dyn Sink>],
        clock: Arc<dyn Clock>,
    ) -> Self {
        let sinks = sinks.iter().filter(|sink| sink.wants(RecordKind::Metrics)).cloned().collect();
        let normalizer = Normalizer::new(Arc::clone(store.registry()), limits.clone());
        Self {
            store,
            twin,
            ledger: Arc::default(),
            stages: Arc::default(),
            wake: Arc::default(),
            crowded: Arc::default(),
            counts: Counts::default(),
            normalizer,
            limits,
            clock,
            sinks,
            open: RwLock::new(true),
        }
    }

    /// Takes nothing any more. Returns when no body is being stored.
    pub(crate) fn close(&self) {
        *self.open.write() = false;
    }

    fn process(&self, submission: &Submission, account: &Account) -> Result<Receipt, (Reason, Refusal)> {
        let open = self.open.read();
        if !*open {
            return Err(not_now("flyball is stopping"));
        }
        if self.store.over_budget() {
            return Err(not_now(
                "the hot store is full and the history can't take more yet; try again, or raise limits.memory",
            ));
        }
        let body = decompress(submission.encoding, &submission.body, self.limits.body_bytes).map_err(refuse)?;
        self.counts.decompressed_bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
        let context = submission.context.as_deref();
        let normalized =
            self.normalizer.normalize(submission.format, &body, context, submission.received_at).map_err(refuse)?;
        Ok(self.keep(normalized, submission, account))
    }

    /// Stores what is good and writes the account. Nothing in here can fail, so points are stored all or not at all.
    fn keep(&self, normalized: Normalized, submission: &Submission, account: &Account) -> Receipt {
        let stored = normalized.count();
        let Normalized { points, rows, not_finite, written, rejections, warnings, lines, .. } = normalized;
        let at = submission.received_at;
        let signal = submission.format.signal();
        let mut touched = self.store.append(&points);
        if !points.is_empty() {
            self.twin.observe(&self.store.registry().read(), &points);
            self.copy_to_sinks(&points);
        }
        for rows in rows {
            touched.extend(self.store.append_rows(rows));
        }
        if self.store.needs_maintenance() {
            self.crowded.notify_one();
        }
        let mut plain = stored - not_finite;
        account.add(signal, Outcome::Stored, Reason::NotFinite, not_finite, at);
        // Warnings about stored points say how they are stored; those about exemplars are no points.
        let stored_so = |reason| matches!(reason, Reason::Rounded | Reason::Late | Reason::EndBeforeStart);
        for warning in warnings.iter().filter(|warning| stored_so(warning.reason)) {
            let points = warning.points.min(plain);
            plain -= points;
            account.add(signal, Outcome::Stored, warning.reason, points, at);
        }
        account.add(signal, Outcome::Stored, Reason::None, plain, at);
        for rejection in &rejections {
            account.add(signal, Outcome::Rejected, rejection.reason, rejection.points, at);
        }
        self.counts.batches.fetch_add(1, Ordering::Relaxed);
        let took = self.clock.now().since(at);
        self.wake.tell(&touched, self.clock.monotonic().saturating_sub(took));
        self.stages.record(Stage::ReceiveToAck, took);
        Receipt { stored, written, rejections, warnings, lines }
    }

    fn copy_to_sinks(&self, points: &PointBatch) {
        if self.sinks.is_empty() {
            return;
        }
        let view = self.store.registry().read();
        let records: Arc<[Record]> = points
            .iter()
            .map(|(series, time, value)| Record {
                measurement: view.metric_name(view.metric_of(series)).to_string(),
                tags: view.labels(series).map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
                fields: vec![("value".to_owned(), FieldValue::Float(value))],
                time,
            })
            .collect();
        for sink in &self.sinks {
            sink.enqueue(RecordKind::Metrics, Arc::clone(&records));
        }
    }
}

#[async_trait]
impl Intake for Pipeline {
    async fn take(&self, submission: Submission) -> Result<Receipt, Refusal> {
        let account = self.ledger.account(submission.receiver, &submission.peer);
        account.request(submission.body.len(), submission.received_at);
        self.counts.body_bytes.fetch_add(submission.body.len() as u64, Ordering::Relaxed);
        self.process(&submission, &account).map_err(|(reason, refusal)| {
            account.add(submission.format.signal(), Outcome::Rejected, reason, 1, submission.received_at);
            tracing::debug!(
                source = account.name(),
                reason = reason.as_str(),
                message = refusal.message,
                "body refused"
            );
            refusal
        })
    }

    fn body_bytes_max(&self) -> usize {
        self.limits.body_bytes
    }

    fn refused(&self, receiver: &'static str, peer: &str, signal: Option<Signal>, reason: Reason) {
        let now = self.clock.now();
        let account = self.ledger.account(receiver, peer);
        account.request(0, now);
        account.add(signal.unwrap_or(Signal::Metrics), Outcome::Rejected, reason, 1, now);
    }
}

fn not_now(message: &str) -> (Reason, Refusal) {
    let mut refusal = Refusal::new(RefusalKind::Unavailable, message);
    refusal.retry_after = Some(RETRY_AFTER);
    (Reason::Unavailable, refusal)
}

fn refuse(error: DecodeError) -> (Reason, Refusal) {
    (error.reason(), Refusal::new(error.refusal_kind(), error.to_string()))
}
