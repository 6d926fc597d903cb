//! The way of a body: admit → known already? → decompress → normalise → store → twin → wake the rules → log → answer.
//!
//! All of it runs on the task of the connection that brought the body, so work spreads over the cores by connection. What is stored is
//! answered when the log has it as durably as promised; the ledger has its lines then too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use flyball_decode::DecodeError;
use flyball_decode::decompress::decompress_within;
use flyball_log::{Durability, Log, LogError, NewBody, NewRecord, Ticket, Told, UnderWay};
use flyball_model::admission::{Lease, NotNow, Sender};
use flyball_model::intake::{Format, RefusalKind, Rejection, Submission};
use flyball_model::ledger::{Entry, Outcome, Reason, Signal};
use flyball_model::ports::{FieldValue, Record, RecordKind, Sink};
use flyball_model::stage::Stage;
use flyball_model::state::NotDurable;
use flyball_model::{Clock, Intake, Limits, PointBatch, Receipt, Refusal};
use flyball_normalize::{Normalized, Normalizer};
use flyball_store::{Appended, Store};
use flyball_twin::Twin;
use parking_lot::RwLock;
use tokio::sync::Notify;

use crate::admission::{Admission, Turn, new_series};
use crate::known::{self, KnownBodies};
use crate::stages::Stages;
use crate::tap::Tap;
use crate::wake::Wake;

/// What a refused sender is asked to wait while the store is over its budget or the disk refuses: the time a flush takes.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The pipeline behind all receivers.
pub struct Pipeline {
    pub(crate) store: Arc<Store>,
    pub(crate) twin: Arc<Twin>,
    pub(crate) log: Arc<Log>,
    pub(crate) stages: Arc<Stages>,
    pub(crate) wake: Arc<Wake>,
    /// Who looks on at what arrives.
    pub(crate) tap: Arc<Tap>,
    /// Told when the hot store is over its budget, so that maintenance need not wait for its tick.
    pub(crate) crowded: Arc<Notify>,
    pub(crate) counts: Counts,
    pub(crate) admission: Admission,
    pub(crate) normalizer: Normalizer,
    pub(crate) known: KnownBodies,
    pub(crate) clock: Arc<dyn Clock>,
    /// When the last checkpoint was begun, in seconds of the monotonic clock.
    pub(crate) checkpoint_at: AtomicU64,
    pub(crate) limits: Limits,
    sinks: Vec<Arc<dyn Sink>>,
    /// False once the last flush began: what came later would be acknowledged and lost. Held for reading while a body is stored.
    open: RwLock<bool>,
}

/// What a pipeline is made of: what it fills, as it was when the last process ended.
pub(crate) struct Filled {
    pub(crate) store: Arc<Store>,
    pub(crate) twin: Arc<Twin>,
    pub(crate) log: Arc<Log>,
    pub(crate) normalizer: Normalizer,
    pub(crate) known: KnownBodies,
}

/// Self-metrics of the intake, counted once a batch.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) batches: AtomicU64,
    pub(crate) body_bytes: AtomicU64,
    pub(crate) decompressed_bytes: AtomicU64,
}

/// A body that is stored and whose record is on its way into the log.
struct Submitted {
    receipt: Receipt,
    ticket: Ticket,
    /// Some of it was there already, maybe of a body that is under way itself.
    has_duplicates: bool,
}

impl Pipeline {
    /// A pipeline that goes on with what was filled before.
    pub(crate) fn new(filled: Filled, limits: Limits, sinks: &[Arc<dyn Sink>], clock: Arc<dyn Clock>) -> Self {
        let Filled { store, twin, log, normalizer, known } = filled;
        let sinks = sinks.iter().filter(|sink| sink.wants(RecordKind::Metrics)).cloned().collect();
        store.registry().bound(limits.series, limits.registry_bytes());
        Self {
            store,
            twin,
            log,
            stages: Arc::default(),
            wake: Arc::default(),
            tap: Arc::default(),
            crowded: Arc::default(),
            counts: Counts::default(),
            admission: Admission::new(&limits, Arc::clone(&clock)),
            normalizer,
            known,
            clock,
            checkpoint_at: AtomicU64::new(0),
            limits,
            sinks,
            open: RwLock::new(true),
        }
    }

    /// Takes nothing any more. Returns when no body is being stored.
    pub(crate) fn close(&self) {
        *self.open.write() = false;
    }

    /// Takes in what flyball itself made of points that are stored: as [`Intake::take`], but on the spot and without waiting for the log. Nobody
    /// is answered, and whatever follows from these points stands behind them in the log.
    ///
    /// # Errors
    /// As [`Intake::take`].
    pub(crate) fn take_own(&self, submission: &Submission) -> Result<Receipt, Refusal> {
        self.counts.body_bytes.fetch_add(submission.body.len() as u64, Ordering::Relaxed);
        let taken = match self.log.trouble() {
            Some(trouble) => Err(not_now(format!("what is taken in can't be made durable: {trouble}"))),
            None => self.work(submission, known::hash(submission), &Turn::free()),
        };
        taken.map(|submitted| submitted.receipt).map_err(|not_taken| self.note_refusal(submission, not_taken))
    }

    fn note_refusal(&self, submission: &Submission, NotTaken { reason, refusal }: NotTaken) -> Refusal {
        tracing::debug!(
            receiver = submission.receiver,
            peer = submission.peer,
            reason = reason.as_str(),
            message = refusal.message,
            "body refused"
        );
        // Nobody waits for it: it goes into the log with the next group.
        self.log.note(request(submission).refused(reason));
        refusal
    }

    async fn process(&self, submission: &Submission) -> Result<Receipt, NotTaken> {
        if let Some(trouble) = self.log.trouble() {
            return Err(not_now(format!("what is taken in can't be made durable: {trouble}")));
        }
        let hash = known::hash(submission);
        let alone = self.known.alone(hash).await;
        let turn = self.admission.enter(submission).await?;
        let Submitted { receipt, ticket, has_duplicates } = match self.known.find(hash) {
            Some(told) => self.tell_again(submission, told),
            None => self.work(submission, hash, &turn)?,
        };
        let unanswered = turn.done(self.log.write_time());
        drop(alone);
        // What it was decompressed to and became is no more; only the log is waited for.
        submission.lease.shrink_to(submission.body.len());
        let not_durable = |why| not_now(format!("it can't be made durable: {why}"));
        ticket.durable().await.map_err(|NotDurable(why)| not_durable(why))?;
        drop(unanswered);
        if has_duplicates {
            let log = Arc::clone(&self.log);
            let waited = tokio::task::spawn_blocking(move || log.wait_for_bodies()).await;
            let waited = waited.unwrap_or_else(|_| Err(LogError::Before("flyball is stopping".to_owned())));
            waited.map_err(|error| not_durable(error.to_string()))?;
        }
        let took = self.clock.now().since(submission.received_at);
        self.stages.record(Stage::ReceiveToAck, took);
        Ok(receipt)
    }

    /// The answer to a body that is stored already, when that is durable.
    fn tell_again(&self, submission: &Submission, told: Told) -> Submitted {
        let mut entry = request(submission);
        let Told { stored, written, rejected } = told;
        let (lost, rejected): (Vec<_>, Vec<_>) = rejected.into_iter().partition(|(reason, _)| is_beside(*reason));
        entry.received = stored + rejected.iter().map(|(_, points)| points).sum::<u64>();
        entry.add(Outcome::Dropped, Reason::Duplicate, stored);
        rejected.iter().for_each(|&(reason, points)| entry.add(Outcome::Rejected, reason, points));
        let again = |(reason, points)| Rejection { reason, points, detail: "as when it was sent before".to_owned() };
        let (rejections, warnings) = (rejected.into_iter().map(again).collect(), lost.into_iter().map(again).collect());
        let receipt = Receipt { stored, written, rejections, warnings, ..Receipt::default() };
        Submitted { receipt, ticket: self.log.post(entry), has_duplicates: false }
    }

    /// Everything but waiting for the log.
    fn work(&self, submission: &Submission, hash: u128, _turn: &Turn) -> Result<Submitted, NotTaken> {
        let open = self.open.read();
        if !*open {
            return Err(not_now("flyball is stopping".to_owned()));
        }
        if self.store.over_budget() {
            return Err(not_now(
                "the hot store is full and the history can't take more yet; try again, or raise limits.memory"
                    .to_owned(),
            ));
        }
        let mut crowded = None;
        let room = |bytes| self.admission.make_room(submission, bytes).map_err(|no| crowded = Some(no)).is_ok();
        let body = decompress_within(submission.encoding, &submission.body, self.limits.body_bytes_max(), room)
            .map_err(|error| crowded.take().map_or_else(|| refuse(&error), NotTaken::from))?;
        self.counts.decompressed_bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
        self.admission.make_room(submission, body.len())?;
        let context = submission.context.as_deref();
        let under_way = self.log.begin();
        let series_before = self.store.registry().len();
        let mut adding = None;
        let add = || adding = Some(self.log.add_to_totals());
        let normalized = self.normalizer.normalize_then(submission.format, &body, context, submission.received_at, add);
        let normalized = normalized.map_err(|error| {
            // Those that came before the error stay.
            let brought = || self.store.registry().len().saturating_sub(series_before) as u64;
            self.admission.charge(submission, 0, brought);
            refuse(&error)
        })?;
        let brought = || new_series(normalized.points.series().iter().copied(), series_before);
        self.admission.charge(submission, normalized.received, brought);
        let submitted = self.keep(normalized, submission, hash, &under_way);
        drop(adding);
        submitted
    }

    /// Stores what is good, and submits its record. Points are stored all or not at all.
    ///
    /// # Errors
    /// When the record is longer than any can be, which the bounds on what a body becomes prevent. Its points are in memory then, and answered
    /// for to nobody.
    fn keep(
        &self,
        normalized: Normalized,
        submission: &Submission,
        hash: u128,
        under_way: &UnderWay<'_>,
    ) -> Result<Submitted, NotTaken> {
        let count = normalized.count();
        let Normalized {
            points,
            rows,
            parts,
            not_finite,
            written,
            rejections,
            warnings,
            lines,
            received,
            totals,
            starts,
        } = normalized;
        let has_own_times = known::has_own_times(&points, &rows, submission.received_at);
        let sent = points.len() as u64;
        let Appended { mut touched, points, runs, duplicates, duplicates_not_finite, late } =
            self.store.append(points, under_way.position());
        if !points.is_empty() {
            if let Err(error) = self.twin.observe(self.store.registry(), &points) {
                tracing::error!(%error, "the twin does not know of a series that came back; it is told with the next point");
            }
            self.copy_to_sinks(&points);
            self.tap.points(&points);
        }
        let mut ordered = Vec::with_capacity(rows.len());
        for rows in rows {
            let appended = self.store.append_rows(rows.clone(), under_way.position());
            touched.extend(appended.touched);
            self.tap.rows(&rows);
            ordered.push((rows, appended.ordinal));
        }
        if self.store.needs_maintenance() {
            self.crowded.notify_one();
        }

        let mut entry = request(submission);
        entry.received = received;
        // Further numbers of a summary, and staleness markers made here, are no points of the sender's.
        let counted = duplicates.min(sent.saturating_sub(parts)).min(count);
        let not_finite = not_finite.saturating_sub(duplicates_not_finite).min(count - counted);
        let mut plain = count - counted - not_finite;
        entry.add(Outcome::Dropped, Reason::Duplicate, counted);
        entry.add(Outcome::Stored, Reason::NotFinite, not_finite);
        // Warnings about stored points say how they are stored; those about exemplars are no points.
        let stored_so = |reason| matches!(reason, Reason::Rounded | Reason::Late | Reason::EndBeforeStart);
        for warning in warnings.iter().filter(|warning| stored_so(warning.reason)) {
            let points = warning.points.min(plain);
            plain -= points;
            entry.add(Outcome::Stored, warning.reason, points);
        }
        // Further numbers of summaries may be among them, and are no points of the sender's.
        let late = late.saturating_sub(parts).min(plain);
        entry.add(Outcome::Stored, Reason::Late, late);
        entry.add(Outcome::Stored, Reason::None, plain - late);
        for rejection in &rejections {
            entry.add(Outcome::Rejected, rejection.reason, rejection.points);
        }

        // What a line's answer says of bad lines is not kept; its points are told apart by themselves.
        let is_repeatable = rejections.is_empty() || !matches!(submission.format, Format::LineProtocol { .. });
        let lost = warnings.iter().filter(|warning| is_beside(warning.reason));
        let rejected = rejections.iter().chain(lost).map(|rejection| (rejection.reason, rejection.points)).collect();
        let told = Told { stored: count, written, rejected };
        let fingerprint = (has_own_times && count > 0 && is_repeatable).then_some((hash, told));
        let record = if self.log.durability() == Durability::Memory {
            NewRecord::from(Vec::new())
        } else {
            let (entry, totals, starts, points, runs, rows) = (&entry, &totals, &starts, &points, &runs, &ordered);
            let fingerprint = fingerprint.as_ref();
            NewBody { entry, fingerprint, totals, starts, points, runs, rows }.encode()
        };
        Log::check(&record).map_err(|error| NotTaken {
            reason: Reason::BodyTooLarge,
            refusal: Refusal::new(RefusalKind::TooLarge, error.to_string()),
        })?;
        let ticket = self.log.submit(record, entry);
        if let Some((hash, told)) = fingerprint {
            self.known.learn(hash, told);
        }
        self.counts.batches.fetch_add(1, Ordering::Relaxed);
        let took = self.clock.now().since(submission.received_at);
        self.wake.tell(&touched, self.clock.monotonic().saturating_sub(took));
        let receipt = Receipt { stored: count, written, rejections, warnings, lines };
        Ok(Submitted { receipt, ticket, has_duplicates: duplicates > 0 })
    }

    fn copy_to_sinks(&self, points: &PointBatch) {
        if self.sinks.is_empty() {
            return;
        }
        let registry = self.store.registry();
        let series: Vec<_> = points.iter().map(|(series, ..)| series).collect();
        let view = registry.labels_of(&series).unwrap_or_else(|error| {
            tracing::error!(%error, "points of series that came back don't go to the stores beside the embedded one");
            registry.labels_in_memory()
        });
        let records: Arc<[Record]> = points
            .iter()
            .filter(|(series, ..)| view.has(*series))
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
        self.counts.body_bytes.fetch_add(submission.body.len() as u64, Ordering::Relaxed);
        self.process(&submission).await.map_err(|not_taken| self.note_refusal(&submission, not_taken))
    }

    fn admit(&self, sender: Sender, announced: usize) -> Result<Lease, NotNow> {
        self.admission.admit(sender, announced)
    }

    fn tenant_header(&self) -> Option<&str> {
        self.limits.tenant_header.as_deref()
    }

    fn body_bytes_max(&self) -> usize {
        self.limits.body_bytes_max()
    }

    fn refused(&self, receiver: &'static str, peer: &str, signal: Option<Signal>, reason: Reason) {
        let signal = signal.unwrap_or(Signal::Metrics);
        self.log.note(Entry::request(receiver, peer, signal, 0, self.clock.now()).refused(reason));
    }
}

/// Whether what is lost so is no point, but something beside one: its sender is told, and it is in no account of points.
fn is_beside(reason: Reason) -> bool {
    reason == Reason::BadExemplar
}

/// A body that was refused whole.
struct NotTaken {
    reason: Reason,
    refusal: Refusal,
}

impl From<NotNow> for NotTaken {
    fn from(NotNow { reason, refusal }: NotNow) -> Self {
        Self { reason, refusal }
    }
}

fn request(submission: &Submission) -> Entry {
    let Submission { receiver, peer, format, body, received_at, .. } = submission;
    Entry::request(receiver, peer, format.signal(), body.len(), *received_at)
}

fn not_now(message: String) -> NotTaken {
    let mut refusal = Refusal::new(RefusalKind::Unavailable, message);
    refusal.retry_after = Some(RETRY_AFTER);
    NotTaken { reason: Reason::Unavailable, refusal }
}

fn refuse(error: &DecodeError) -> NotTaken {
    NotTaken { reason: error.reason(), refusal: Refusal::new(error.refusal_kind(), error.to_string()) }
}
