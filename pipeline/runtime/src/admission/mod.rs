//! Who may bring what, when: memory, turns and limits, before anything is decoded.
//!
//! | module | bounds |
//! |---|---|
//! | [`flyball_model::admission`] | bytes of bodies under way, over all receivers, by sender |
//! | `gate` | bodies worked on at once, and how long others wait for their turn |
//! | `queue` | whose turn it is: fair between senders by bytes, between a sender's connections by bodies |
//! | `share` | what each connection got lately, for refusals before a body is read |
//! | `throttle` | `limits.per_source`: points, bytes and new series of one sender |
//!
//! The way of a body: [`Admission::admit`] when its head was read → its lease grows with its bytes → [`Admission::enter`] waits for its turn
//! → [`Admission::make_room`] for what comes out and what it becomes → the turn is dropped when the work is done and only the
//! log is waited for → [`Admission::charge`] → the lease goes with the submission when it is answered.

mod gate;
mod queue;
mod share;
mod throttle;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flyball_model::admission::{Budget, Crowded, Lease, NotNow, Sender};
use flyball_model::intake::RefusalKind;
use flyball_model::ledger::Reason;
use flyball_model::{Clock, Limits, Refusal, Submission};

pub(crate) use self::gate::Turn;
use self::gate::{Busy, Gate};
use self::throttle::{Over, Throttle};

/// The shortest hint to a sender that came at a busy time; the hints are spread up to three times this, so that not all come back at once.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Decides what may come in now. Shared by all receivers.
#[derive(Debug)]
pub(crate) struct Admission {
    budget: Arc<Budget>,
    gate: Arc<Gate>,
    throttle: Throttle,
    clock: Arc<dyn Clock>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    crowded: AtomicU64,
    busy: AtomicU64,
    throttled: AtomicU64,
}

/// How things stand, for `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AdmissionStatus {
    /// Bytes of bodies under way, and of what they become.
    pub(crate) in_flight_bytes: usize,
    /// The most of them.
    pub(crate) in_flight_bytes_max: usize,
    /// Bodies worked on.
    pub(crate) working: usize,
    /// Bodies that wait for their turn.
    pub(crate) waiting: usize,
    /// Their bytes.
    pub(crate) waiting_bytes: usize,
    /// How long a body that comes now waits for its answer.
    pub(crate) wait: Duration,
    /// Bodies refused since memory was used up.
    pub(crate) refused_crowded: u64,
    /// Bodies refused since there was too much to do.
    pub(crate) refused_busy: u64,
    /// Bodies refused since their sender was over its own limit.
    pub(crate) refused_throttled: u64,
}

impl Admission {
    /// Admission within these limits, on this machine.
    pub(crate) fn new(limits: &Limits, clock: Arc<dyn Clock>) -> Self {
        // One that can't tell its cores has at least one.
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            budget: Budget::new(limits.in_flight_bytes()),
            gate: Gate::new(cores, Arc::clone(&clock)),
            throttle: Throttle::new(limits),
            clock,
            counts: Counts::default(),
        }
    }

    /// Asks whether a body may be read: see [`flyball_model::Intake::admit`].
    ///
    /// # Errors
    /// When the sender is over its limit, there is too much to do, or memory for bodies is used up.
    pub(crate) fn admit(&self, sender: Sender, announced: usize) -> Result<Lease, NotNow> {
        self.throttle.check(&sender.name, self.clock.monotonic()).map_err(|over| self.throttled(over))?;
        if sender.connection != 0 {
            self.gate.look(&sender, announced).map_err(|busy| self.busy(busy))?;
        }
        self.budget.lease(sender, announced).map_err(|crowded| self.crowded(crowded))
    }

    /// Waits for the turn of a body that was read, and charges its bytes to its sender.
    ///
    /// # Errors
    /// When its turn would come too late.
    ///
    /// # Cancel safety
    /// Dropped, it gives up its place.
    pub(crate) async fn enter(&self, submission: &Submission) -> Result<Turn, NotNow> {
        let bytes = submission.body.len();
        let sender = sender_of(submission);
        // What flyball fetched itself can't be sent again: it does not wait. There are never more of them than scrapes at once.
        let turn = match sender.connection {
            0 => Turn::free(),
            _ => self.gate.enter(&sender, bytes).await.map_err(|busy| self.busy(busy))?,
        };
        self.throttle.charge_bytes(&sender.name, bytes, self.clock.monotonic());
        Ok(turn)
    }

    /// Makes room for `bytes` more that come out of a body, before they are allocated: to be asked by the decompressor as its output grows,
    /// and once with the whole length for what the points become.
    ///
    /// # Errors
    /// When memory for bodies is used up.
    pub(crate) fn make_room(&self, submission: &Submission, bytes: usize) -> Result<(), NotNow> {
        submission.lease.grow(bytes).map_err(|crowded| self.crowded(crowded))
    }

    /// Charges what was in a body to its sender. New series are counted only where there is a limit.
    pub(crate) fn charge(&self, submission: &Submission, points: u64, new_series: impl FnOnce() -> u64) {
        if !self.throttle.is_off() {
            self.throttle.charge_points(&sender_of(submission).name, points, new_series(), self.clock.monotonic());
        }
    }

    /// How things stand.
    pub(crate) fn status(&self) -> AdmissionStatus {
        let gate = self.gate.status();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        AdmissionStatus {
            in_flight_bytes: self.budget.bytes(),
            in_flight_bytes_max: self.budget.bytes_max(),
            working: gate.working,
            waiting: gate.waiting,
            waiting_bytes: gate.waiting_bytes,
            wait: gate.wait,
            refused_crowded: count(&self.counts.crowded),
            refused_busy: count(&self.counts.busy),
            refused_throttled: count(&self.counts.throttled),
        }
    }

    fn crowded(&self, crowded: Crowded) -> NotNow {
        let count = self.counts.crowded.fetch_add(1, Ordering::Relaxed);
        let mut not_now = NotNow::from(crowded);
        not_now.refusal.retry_after = Some(spread(count));
        not_now
    }

    fn busy(&self, Busy { wait }: Busy) -> NotNow {
        let count = self.counts.busy.fetch_add(1, Ordering::Relaxed);
        let message = "flyball has more to do than it can do now; send this one again later";
        not_now(RefusalKind::Unavailable, Reason::Unavailable, message.to_owned(), wait.max(spread(count)))
    }

    fn throttled(&self, Over { message, retry_after }: Over) -> NotNow {
        self.counts.throttled.fetch_add(1, Ordering::Relaxed);
        not_now(RefusalKind::Throttled, Reason::Throttled, message, retry_after)
    }
}

/// How many series of a body are new: those with a number from `known` on, which was the count of series before the body was read. One that
/// another body brought at the same time counts for both.
pub(crate) fn new_series(series: impl IntoIterator<Item = u32>, known: usize) -> u64 {
    let mut new: Vec<u32> = series.into_iter().filter(|&series| series as usize >= known).collect();
    new.sort_unstable();
    new.dedup();
    new.len() as u64
}

/// Whose a submission is.
fn sender_of(submission: &Submission) -> Sender {
    match submission.lease.sender() {
        Some(sender) => sender.clone(),
        None => Sender { name: submission.peer.as_str().into(), connection: 0 },
    }
}

fn spread(count: u64) -> Duration {
    RETRY_AFTER * (1 + (count % 3) as u32)
}

fn not_now(kind: RefusalKind, reason: Reason, message: String, retry_after: Duration) -> NotNow {
    NotNow { reason, refusal: Refusal { kind, message, retry_after: Some(retry_after) } }
}

#[cfg(test)]
mod tests;
