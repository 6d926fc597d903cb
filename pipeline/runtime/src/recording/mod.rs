//! What recording rules record, on its way into the store.
//!
//! [`flyball_rules::recording`] says which points an evaluation gives; here they become a body like any sender's (OTLP), of the receiver `rule`
//! and the rule's name as its peer, and go through the intake: into the log, the store, the twin and the stores beside, and onto the ledger;
//! and they wake the rules that read them.
//!
//! Which series have a row outlives the process, as pieces of [`Section::Recordings`]: each is put before the first point of its series, and
//! forgotten after its staleness marker, so that one whose row went while nobody looked is ended by the next process.

mod encode;
mod remembered;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use flyball_model::admission::Lease;
use flyball_model::intake::{Encoding, Format};
use flyball_model::ledger::Signal;
use flyball_model::state::{Piece, Section, StateLog};
use flyball_model::time::duration_nanos;
use flyball_model::{Intake, Receipt, Refusal, Submission, UnixNanos};
use flyball_rules::definition::{Record, Rule};
use flyball_rules::evaluate::{Look, Outcome, Reads, Row, RuleEvaluator};
use flyball_rules::query::Database;
use flyball_rules::recording::{CATCH_UP_MAX, Labels, Owners, RecordedPoint, Recorder, moments, newest};
use flyball_store::Store;
use parking_lot::Mutex;

pub(crate) use self::remembered::RecordedSeries;
use self::remembered::{pieces_of, put};
use crate::intake::Pipeline;

/// The receiver of the ledger's sources `rule/NAME`.
const RECEIVER: &str = "rule";

/// A body has at most about so many bytes, and at most half of what the intake takes.
const BODY_BYTES_MAX: usize = 256 << 10;

/// Where recorded points go.
pub(crate) trait OwnIntake: Send + Sync + 'static {
    /// Takes a body in, on the spot; its points are seen by whoever looks next.
    fn take_own(&self, submission: &Submission) -> Result<Receipt, Refusal>;

    /// The longest body.
    fn body_bytes_max(&self) -> usize;
}

impl OwnIntake for Pipeline {
    fn take_own(&self, submission: &Submission) -> Result<Receipt, Refusal> {
        Pipeline::take_own(self, submission)
    }

    fn body_bytes_max(&self) -> usize {
        Intake::body_bytes_max(self)
    }
}

/// What all recording rules share.
pub(crate) struct Recordings {
    intake: Arc<dyn OwnIntake>,
    store: Arc<Store>,
    state: Arc<dyn StateLog>,
    owners: Mutex<Owners>,
}

/// One rule's.
#[derive(Debug)]
pub(crate) struct Recording {
    /// The rule's name.
    rule: Arc<str>,
    record: Record,
    recorder: Recorder,
    points: u64,
    /// The rows of the latest evaluation, where they are burn rates.
    rows: Arc<[Row]>,
    /// What the latest evaluation came to, for a tick on which there is nothing to evaluate.
    outcome: Outcome,
}

/// What a rule has recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Points stored since the process started, staleness markers included.
    pub points: u64,
    /// Series that have a row.
    pub series: usize,
    /// The rows of the latest evaluation, where they are the burn rates of an objective.
    pub rows: Arc<[Row]>,
}

impl Recording {
    /// Finds the latest moment that the process before recorded, so that those since are made up for.
    fn find_last(&mut self, store: &Store, now: UnixNanos) {
        let Recording { record, recorder, .. } = self;
        let Some(step) = record.step.filter(|_| recorder.at().is_none() && recorder.series().len() > 0) else { return };
        let from = UnixNanos(now.0.saturating_sub(duration_nanos(step * CATCH_UP_MAX as u32)));
        let series: Vec<_> = recorder.series().map(|labels| (labels, from)).collect();
        match newest(store, &record.metric, &series) {
            Ok(times) => times.into_iter().flatten().max().into_iter().for_each(|last| recorder.go_on_from(last)),
            Err(error) => {
                tracing::warn!(rule = &*self.rule, error, "moments since the last process are not made up for")
            }
        }
    }

    pub(crate) fn recorded(&self) -> Recorded {
        Recorded { points: self.points, series: self.recorder.series().len(), rows: Arc::clone(&self.rows) }
    }
}

impl Recordings {
    pub(crate) fn new(intake: Arc<dyn OwnIntake>, store: Arc<Store>, state: Arc<dyn StateLog>) -> Arc<Self> {
        Arc::new(Self { intake, store, state, owners: Mutex::default() })
    }

    /// What a rule goes on with: what it was `carried` over a reload with, or what the process before left. `None` for a rule that fires.
    pub(crate) fn begin(
        &self,
        rule: &Rule,
        carried: Option<Recording>,
        remembered: &mut RecordedSeries,
    ) -> Option<Recording> {
        let record = rule.record.clone()?;
        let left = remembered.take(&rule.name);
        if let Some(carried) = carried {
            return Some(Recording { record, ..carried });
        }
        let name: Arc<str> = rule.name.as_str().into();
        // One rule owned them then, and the others don't own them yet.
        let claimed = self.owners.lock().claim(&name, &record.metric, left.iter());
        let left = if claimed.is_ok() { left } else { Vec::new() };
        let recorder = Recorder::resume(left);
        Some(Recording {
            rule: name,
            record,
            recorder,
            points: 0,
            rows: Arc::default(),
            outcome: Outcome::Rows(Vec::new()),
        })
    }

    /// One evaluation of a recording rule: as of each moment that is due, recorded. What it comes to is that it can be evaluated, or why not.
    ///
    /// # Cancel safety
    /// Safe: what was not recorded is recorded by the next evaluation.
    pub(crate) async fn look(
        &self,
        rule: &Rule,
        evaluator: &mut RuleEvaluator,
        recording: &mut Recording,
        database: &Database,
        now: UnixNanos,
    ) -> Look {
        recording.find_last(&self.store, now);
        for at in moments(rule, recording.recorder.at(), now) {
            let Look { outcome, .. } = evaluator.look(database, at).await;
            recording.outcome = match outcome {
                Outcome::Rows(rows) => {
                    let unit = evaluator.unit(recording.record.value).map(str::to_owned);
                    match self.record(rule, recording, &rows, unit.as_deref(), at) {
                        Ok(()) => Outcome::Rows(Vec::new()),
                        Err(error) => Outcome::Error(error),
                    }
                }
                other => other,
            };
            if !matches!(recording.outcome, Outcome::Rows(_)) {
                break;
            }
        }
        Look { outcome: recording.outcome.clone(), reads: Reads::nothing(), sample_at: None }
    }

    fn record(
        &self,
        rule: &Rule,
        recording: &mut Recording,
        rows: &[Row],
        unit: Option<&str>,
        at: UnixNanos,
    ) -> Result<(), String> {
        let Recording { rule: name, record, recorder, points: count, .. } = recording;
        let metric = record.metric.as_str();
        let taken = recorder.take(rule, record, rows, at, |series| newest(&self.store, metric, series))?;
        self.owners.lock().claim(name, metric, taken.begun())?;
        put(self.state.as_ref(), pieces_of(name, metric, taken.begun()));
        let stored = self.store_points(name, metric, unit, &taken.points, at);
        let receipts = match stored {
            Ok(receipts) => receipts,
            Err(error) => {
                // They begin again with the next evaluation.
                self.forget(metric, taken.begun());
                return Err(error);
            }
        };
        *count += receipts.iter().map(|receipt| receipt.stored).sum::<u64>();
        self.forget(metric, taken.ended());
        recorder.commit(taken);
        if rule.is_burn_rate() {
            recording.rows = rows.into();
        }
        match receipts.iter().find(|receipt| receipt.rejected() > 0) {
            Some(receipt) => Err(format!("not all that it records could be stored: {}", receipt.message())),
            None => Ok(()),
        }
    }

    /// Ends all series of a rule that is gone.
    pub(crate) fn end(&self, recording: &Recording, at: UnixNanos) {
        let Recording { rule, record, recorder, .. } = recording;
        if let Err(error) = self.store_points(rule, &record.metric, None, &recorder.end(at), at) {
            tracing::warn!(rule = &**rule, error, "series of a recording rule that is gone can't be ended");
        }
        self.forget(&record.metric, recorder.series());
    }

    /// The same of rules that went while no process was there.
    pub(crate) fn end_remembered(&self, remembered: RecordedSeries, at: UnixNanos) {
        for (rule, metric, series) in remembered.into_rules() {
            let recorder = Recorder::resume(series);
            if let Err(error) = self.store_points(&rule, &metric, None, &recorder.end(at), at) {
                tracing::warn!(rule, error, "series of a recording rule that is gone can't be ended");
            }
            self.forget(&metric, recorder.series());
        }
    }

    fn forget<'a>(&self, metric: &str, series: impl Iterator<Item = &'a Labels> + Clone) {
        self.owners.lock().release(metric, series.clone());
        put(
            self.state.as_ref(),
            series.map(|labels| Piece::forget(Section::Recordings, remembered::key(metric, labels))),
        );
    }

    fn store_points(
        &self,
        rule: &str,
        metric: &str,
        unit: Option<&str>,
        points: &[RecordedPoint],
        at: UnixNanos,
    ) -> Result<Vec<Receipt>, String> {
        let bytes_max = BODY_BYTES_MAX.min(self.intake.body_bytes_max() / 2);
        let bodies = encode::bodies(metric, unit, points, bytes_max).into_iter().map(|body| {
            let submission = Submission {
                receiver: RECEIVER,
                peer: rule.to_owned(),
                format: Format::Otlp(Signal::Metrics),
                encoding: Encoding::Identity,
                body,
                received_at: at,
                context: None,
                lease: Lease::default(),
            };
            let taken = self.intake.take_own(&submission);
            taken.map_err(|refusal| format!("what it records can't be stored: {}", refusal.message))
        });
        bodies.collect()
    }
}
