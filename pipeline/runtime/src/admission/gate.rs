//! The turnstile before decoding: so many bodies are worked on at once, a few more wait for their turn, the rest is told to come again.
//!
//! Work that is let in must not wait long, or the sender's time runs out and the work was for nothing. So the queue is bounded by time: by
//! how long it will take, as far as that can be told from the bodies before, and by how long a body has waited.
//!
//! Work holds its thread until it is done, so that bodies which were read would never meet here but wait unseen in the queue of the scheduler.
//! Therefore whoever comes while others work, or are about to, steps back once behind all tasks that are ready; then all that can be read has
//! been read, and whose turn it is, and who comes too late, is decided among all of them. Where there is one thread that is the only way in
//! which bodies ever meet. The step takes as long as everybody has to wait for the scheduler now, which is thereby known.

use std::sync::Arc;
use std::time::Duration;

use flyball_model::Clock;
use flyball_model::admission::Sender;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::queue::{Body, FairQueue};
use super::share::Shares;

/// The longest wait for a turn. With the time until its head is read, its own work and the sync of the log the answer is there within 250 ms.
const WAIT_MAX: Duration = Duration::from_millis(100);

/// What is let in should be answered within this, as far as the gate can know: what is before it is the time until its head is read.
const ANSWER_MAX: Duration = Duration::from_millis(150);

/// The time to an answer from which on bodies are refused before they are read, where their connection had its part. Reading is work too,
/// and what is read waits where the queue does not see it. Below the other, so that mostly nothing is read in vain.
const CROWDED: Duration = Duration::from_millis(100);

const _: () = assert!(CROWDED.as_millis() < ANSWER_MAX.as_millis() && WAIT_MAX.as_millis() < ANSWER_MAX.as_millis());

/// Bodies that wait, whatever their size; each is a task that is parked.
const WAITING_MAX: usize = 4096;

/// What the smallest body counts as: the cost of a request that is not in its bytes.
const BODY_BYTES_MIN: usize = 1024;

/// A body that announces more than so many mean ones counts as so many, until its bytes are there.
const ANNOUNCED_MEANS: usize = 4;

/// The guess at what a byte takes before the first body was worked on: an eighth of what remote write takes.
const NANOS_PER_BYTE_FIRST: f64 = 1.0;

/// The guess at how long a body is before the first one.
const MEAN_BYTES_FIRST: f64 = 64.0 * 1024.0;

/// How much of the new is in the averages: of bodies' length, and of the time that a byte takes.
const SMOOTHING: f64 = 0.05;

/// A body that took so many times as long a byte as those before counts as this.
const OUTLIER: f64 = 8.0;

/// While nothing came back from the log for this long, beyond what the disk needs, nobody gets a turn. What is done is answered only when the
/// log has it, and on a machine with little CPU time workers could take all of it from the log's thread.
const LOG_PATIENCE: Duration = Duration::from_millis(30);

/// A body waits for the write that is under way and for its own. That long it waits for the disk, and letting fewer in would not change it.
const WRITES: u32 = 2;

/// How much of the new is in what is known of waits, and how fast that is forgotten while nobody measures it.
const LAG_SMOOTHING: f64 = 0.2;
const LAG_DECAY: Duration = Duration::from_millis(200);

/// A wait that took longer is one over which the machine slept.
const LAG_MAX: Duration = Duration::from_secs(1);

/// The turnstile: one body for each core. Cheap where nobody waits: a lock that is held for some nanoseconds when a body comes, and when it
/// is done.
#[derive(Debug)]
pub(crate) struct Gate {
    clock: Arc<dyn Clock>,
    cores: usize,
    wait_max: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    working: usize,
    queue: FairQueue<Caller>,
    shares: Shares,
    /// The time that a byte takes of one core, with all that is done meanwhile.
    nanos_per_byte: f64,
    /// When the last body left while others waited: from then on there is always somebody to work for.
    busy_since: Option<Duration>,
    /// The wait of tasks that are ready for a thread, and that of bodies that are done for the log.
    lag: Lag,
    log: Lag,
    /// How long the log takes to write and sync what it has.
    write: Duration,
    /// Bodies that are done and wait for the log.
    unanswered: usize,
    /// When the log last had one, or the first of these came.
    answered_at: Duration,
    /// The mean length of bodies, for those that don't say theirs.
    mean_bytes: f64,
    next_ticket: u64,
}

/// Calls one that waits, and when it came.
type Caller = (oneshot::Sender<Turn>, Duration);

/// How long somebody waits lately.
#[derive(Debug, Clone, Copy, Default)]
struct Lag {
    seconds: f64,
    at: Duration,
}

/// A body's turn; the next one comes when it is dropped. Holding it means to work on the body: it is no place to wait in.
#[derive(Debug)]
pub(crate) struct Turn {
    /// `None` once it was taken back.
    gate: Option<Arc<Gate>>,
    bytes: usize,
    /// When the work began, once it did.
    started: Option<Duration>,
}

/// A body that is done, and waits for the log until this is dropped.
#[derive(Debug)]
pub(crate) struct Unanswered {
    gate: Option<Arc<Gate>>,
    /// Since when.
    since: Duration,
}

/// There is too much to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy {
    /// How long the sender should wait at least, to be fair to others.
    pub(crate) wait: Duration,
}

/// How things stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GateStatus {
    /// Bodies worked on.
    pub(crate) working: usize,
    /// Bodies that wait for their turn.
    pub(crate) waiting: usize,
    /// Their bytes.
    pub(crate) waiting_bytes: usize,
    /// How long one that comes now waits for its answer.
    pub(crate) wait: Duration,
}

impl Gate {
    /// A gate for a machine of so many cores.
    pub(crate) fn new(cores: usize, clock: Arc<dyn Clock>) -> Arc<Self> {
        Self::with_wait(cores, WAIT_MAX, clock)
    }

    fn with_wait(cores: usize, wait_max: Duration, clock: Arc<dyn Clock>) -> Arc<Self> {
        let state = State {
            working: 0,
            queue: FairQueue::default(),
            shares: Shares::default(),
            nanos_per_byte: NANOS_PER_BYTE_FIRST,
            busy_since: None,
            lag: Lag::default(),
            log: Lag::default(),
            write: Duration::ZERO,
            unanswered: 0,
            answered_at: Duration::ZERO,
            mean_bytes: MEAN_BYTES_FIRST,
            next_ticket: 0,
        };
        Arc::new(Self { clock, cores: cores.max(1), wait_max, state: Mutex::new(state) })
    }

    /// Asks before a body of `announced` bytes (0: it did not say) is read whether there is any sense in it.
    ///
    /// What is under way are bodies that wait for their turn, and those that were let in lately and are not there yet. The room that bodies
    /// hold says nothing of it: one whose sender stalls has room, and nothing is to be done for it.
    ///
    /// # Errors
    /// When there is much to do and the sender's connection had its part, or too much and the sender had.
    pub(crate) fn look(&self, sender: &Sender, announced: usize) -> Result<(), Busy> {
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        let wait = state.shares.wants(sender, now);
        let under_way = state.queue.bytes() + state.shares.arriving(now);
        let answer = self.cost(&state, under_way) + state.lag.at(now) + state.log_wait(now);
        let had_its_part = !wait.is_zero() && answer >= CROWDED;
        if had_its_part || answer >= ANSWER_MAX && state.shares.has_its_part(sender, now) {
            return Err(Busy { wait });
        }
        let mean = state.mean_bytes as usize;
        let bytes = match (announced, state.shares.last_bytes(sender)) {
            (0, 0) => mean,
            (0, last) => last,
            // Announcing much must not keep others out: it counts as far as the connection has ever kept its word.
            (announced, 0) => announced.min(mean),
            (announced, _) => announced.min(ANNOUNCED_MEANS * mean),
        };
        let bytes = bytes.max(BODY_BYTES_MIN);
        let cost = self.cost(&state, bytes);
        state.shares.got(sender, bytes, cost, now);
        Ok(())
    }

    /// Waits for a turn to work on a body.
    ///
    /// # Errors
    /// When the turn would come, or did come, too late; or when others that had less need the place.
    ///
    /// # Cancel safety
    /// Dropped, it gives up its place or its turn.
    pub(crate) async fn enter(self: &Arc<Self>, sender: &Sender, bytes: usize) -> Result<Turn, Busy> {
        let bytes = bytes.max(BODY_BYTES_MIN);
        let mut place = match self.line_up(sender, bytes) {
            Ok(turn) => return Ok(turn),
            Err(place) => place,
        };
        let stepped_back = self.clock.monotonic();
        tokio::task::yield_now().await;
        self.call_next(stepped_back);
        // Mostly it is there already, and a timer would cost more than asking.
        let turn = match place.turn.try_recv() {
            Err(TryRecvError::Empty) => {
                tokio::time::timeout(self.wait_max, &mut place.turn).await.ok().and_then(Result::ok)
            }
            decided => decided.ok(),
        };
        let mut turn = turn.ok_or(Busy { wait: Duration::ZERO })?;
        turn.started = Some(self.clock.monotonic());
        Ok(turn)
    }

    /// A turn at once, or a place in the queue.
    fn line_up(self: &Arc<Self>, sender: &Sender, bytes: usize) -> Result<Turn, Place> {
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        state.shares.arrived(sender, bytes, now);
        state.mean_bytes += SMOOTHING * (bytes as f64 - state.mean_bytes);
        let is_alone = state.working == 0 && state.queue.is_empty() && state.shares.arriving(now) < BODY_BYTES_MIN;
        if is_alone && !state.log_is_behind(now) {
            state.working += 1;
            return Ok(Turn { gate: Some(Arc::clone(self)), bytes, started: Some(now) });
        }
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        let (caller, turn) = oneshot::channel();
        state.queue.push(sender, Body { ticket, bytes, item: (caller, now) });
        // One that is alone may be as large as it likes: there is nobody whom it keeps waiting.
        while state.queue.len() > 1 && (self.wait(&state) > self.wait_max || state.queue.len() > WAITING_MAX) {
            // Its caller is dropped, which it hears.
            drop(state.queue.shed());
        }
        Err(Place { gate: Arc::clone(self), sender: sender.clone(), ticket, turn })
    }

    /// A body was worked on, or its turn was not used: the next ones come in. One that is `unanswered` waits for the log, whose writes take so
    /// long.
    fn leave(self: &Arc<Self>, bytes: usize, started: Option<Duration>, unanswered: Option<Duration>) {
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        if let Some(write) = unanswered {
            if state.unanswered == 0 {
                state.answered_at = now;
            }
            state.unanswered += 1;
            state.write = write;
        }
        if let Some(started) = started {
            // While others wait, whatever is done between two bodies is what bodies cost: reading, answers, refusals, and the time that this
            // process may not run.
            let took = match state.busy_since {
                Some(since) => now.saturating_sub(since).mul_f64(self.cores as f64),
                None => now.saturating_sub(started),
            };
            let nanos = took.as_nanos() as f64 / bytes as f64;
            // One that stood still for a while, or is small, says little of the others.
            let nanos = nanos.min(state.nanos_per_byte * OUTLIER);
            state.nanos_per_byte += SMOOTHING * (nanos - state.nanos_per_byte);
            state.busy_since = Some(now);
        }
        if state.queue.is_empty() {
            state.busy_since = None;
        }
        state.working -= 1;
        self.call(&mut state, now);
    }

    /// The log has a body, or never will.
    fn answered(self: &Arc<Self>, since: Duration) {
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        state.unanswered -= 1;
        state.log.took(now.saturating_sub(since), now);
        state.answered_at = now;
        self.call(&mut state, now);
    }

    /// Lets the next ones in, if there is room for them, for somebody who stepped back at this time.
    fn call_next(self: &Arc<Self>, stepped_back: Duration) {
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        state.lag.took(now.saturating_sub(stepped_back), now);
        self.call(&mut state, now);
    }

    fn call(self: &Arc<Self>, state: &mut State, now: Duration) {
        while state.working < self.cores
            && !state.log_is_behind(now)
            && let Some(next) = state.queue.pop()
        {
            let (caller, came_at) = next.item;
            // When nobody could work for a while, all who waited are late: better some are told so than all are answered late. The last one
            // has its turn, or nobody would where it is always so.
            let waited = now.saturating_sub(came_at);
            let is_late = waited > self.wait_max || waited + state.log_wait(now) > ANSWER_MAX;
            if is_late && !state.queue.is_empty() {
                continue;
            }
            let turn = Turn { gate: Some(Arc::clone(self)), bytes: next.bytes, started: None };
            match caller.send(turn) {
                Ok(()) => state.working += 1,
                // It went away in this moment. Dropping its turn would come back here, under the lock.
                Err(mut turn) => turn.gate = None,
            }
        }
    }

    /// How things stand.
    pub(crate) fn status(&self) -> GateStatus {
        let now = self.clock.monotonic();
        let state = self.state.lock();
        GateStatus {
            working: state.working,
            waiting: state.queue.len(),
            waiting_bytes: state.queue.bytes(),
            wait: self.wait(&state) + state.lag.at(now) + state.log_wait(now),
        }
    }

    /// The time that a body takes of all cores.
    fn cost(&self, state: &State, bytes: usize) -> Duration {
        Duration::from_nanos((bytes as f64 * state.nanos_per_byte / self.cores as f64) as u64)
    }

    /// How long all that waits will take.
    fn wait(&self, state: &State) -> Duration {
        self.cost(state, state.queue.bytes())
    }
}

impl State {
    /// How long one that is done waits for the log, beyond what the disk needs.
    fn log_wait(&self, now: Duration) -> Duration {
        self.log.at(now).max(self.log_silence(now)).saturating_sub(WRITES * self.write)
    }

    /// How long nothing came back from the log that waits for it.
    fn log_silence(&self, now: Duration) -> Duration {
        if self.unanswered == 0 { Duration::ZERO } else { now.saturating_sub(self.answered_at) }
    }

    fn log_is_behind(&self, now: Duration) -> bool {
        self.log_silence(now) >= LOG_PATIENCE + WRITES * self.write
    }
}

impl Lag {
    /// What it is now.
    fn at(&self, now: Duration) -> Duration {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        Duration::from_secs_f64(self.seconds * (-passed / LAG_DECAY.as_secs_f64()).exp())
    }

    /// A wait took so long.
    fn took(&mut self, time: Duration, now: Duration) {
        let before = self.at(now).as_secs_f64();
        let time = time.min(LAG_MAX).as_secs_f64();
        *self = Self { seconds: before + LAG_SMOOTHING * (time - before), at: now };
    }
}

impl Turn {
    /// A turn that nobody gave.
    pub(crate) fn free() -> Self {
        Self { gate: None, bytes: 0, started: None }
    }

    /// The work is done, and the log is waited for, whose writes take so long.
    pub(crate) fn done(mut self, write: Duration) -> Unanswered {
        let gate = self.gate.take();
        if let Some(gate) = &gate {
            gate.leave(self.bytes, self.started, Some(write));
        }
        let since = gate.as_ref().map_or(Duration::ZERO, |gate| gate.clock.monotonic());
        Unanswered { gate, since }
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.answered(self.since);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.leave(self.bytes, self.started, None);
        }
    }
}

/// A place in the queue, given up when dropped.
struct Place {
    gate: Arc<Gate>,
    sender: Sender,
    ticket: u64,
    turn: oneshot::Receiver<Turn>,
}

impl Drop for Place {
    fn drop(&mut self) {
        // A turn that was given and not taken is dropped with the receiver, which passes it on.
        let given_up = self.gate.state.lock().queue.remove(&self.sender, self.ticket);
        drop(given_up);
    }
}

#[cfg(test)]
mod tests;
