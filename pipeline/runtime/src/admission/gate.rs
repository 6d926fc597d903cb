//! The turnstile before decoding: so many bodies are worked on at once, a few more wait for their turn, the rest is told to come again.
//!
//! Work that is let in must not wait long, or the sender's time runs out and the work was for nothing. So the queue is bounded by time: by
//! how long it will take, as far as that can be told from the bodies before, and by how long a body has waited.
//!
//! Work holds its thread until it is done, so that bodies which were read would never meet here but wait unseen in the queue of the scheduler.
//! Therefore whoever comes while others work steps back once behind all tasks that are ready; then all that can be read has been read, and
//! whose turn it is, and who comes too late, is decided among all of them.

use std::sync::Arc;
use std::time::Duration;

use flyball_model::Clock;
use flyball_model::admission::Sender;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::queue::{Body, FairQueue};
use super::share::Shares;

/// The longest wait for a turn. With a body's own work and the sync of the log the answer is there within 250 ms.
const WAIT_MAX: Duration = Duration::from_millis(120);

/// The work under way from which on bodies are refused before they are read, where their connection had its part. Reading is work too, and
/// what is read waits where the queue does not see it. Below the other, so that mostly nothing is read in vain.
const CROWDED_WAIT: Duration = Duration::from_millis(80);

const _: () = assert!(CROWDED_WAIT.as_millis() < WAIT_MAX.as_millis());

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
    queue: FairQueue<oneshot::Sender<Turn>>,
    shares: Shares,
    nanos_per_byte: f64,
    /// The mean length of bodies, for those that don't say theirs.
    mean_bytes: f64,
    next_ticket: u64,
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
    /// How long they will take.
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
            mean_bytes: MEAN_BYTES_FIRST,
            next_ticket: 0,
        };
        Arc::new(Self { clock, cores: cores.max(1), wait_max, state: Mutex::new(state) })
    }

    /// Asks before a body of `announced` bytes (0: it did not say) is read whether there is any sense in it. `under_way` are the bytes of all
    /// bodies and of what they become.
    ///
    /// # Errors
    /// When there is much to do and the sender's connection had its part, or too much and the sender had.
    pub(crate) fn look(&self, sender: &Sender, announced: usize, under_way: usize) -> Result<(), Busy> {
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        let wait = state.shares.wants(sender, now);
        let to_do = self.cost(&state, under_way.max(state.queue.bytes() + state.shares.arriving(now)));
        let had_its_part = !wait.is_zero() && to_do >= CROWDED_WAIT;
        if had_its_part || to_do >= self.wait_max && state.shares.has_its_part(sender, now) {
            return Err(Busy { wait });
        }
        let bytes = match (announced, state.shares.last_bytes(sender)) {
            (0, 0) => state.mean_bytes as usize,
            (0, last) => last,
            // Announcing much must not keep others out: beyond some usual bodies, what counts is what has come.
            (announced, _) => announced.min(ANNOUNCED_MEANS * state.mean_bytes as usize),
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
        tokio::task::yield_now().await;
        self.call_next();
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
        if state.working == 0 && state.queue.is_empty() {
            state.working += 1;
            return Ok(Turn { gate: Some(Arc::clone(self)), bytes, started: Some(now) });
        }
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        let (caller, turn) = oneshot::channel();
        state.queue.push(sender, Body { ticket, bytes, item: caller });
        // One that is alone may be as large as it likes: there is nobody whom it keeps waiting.
        while state.queue.len() > 1 && (self.wait(&state) > self.wait_max || state.queue.len() > WAITING_MAX) {
            // Its caller is dropped, which it hears.
            drop(state.queue.shed());
        }
        Err(Place { gate: Arc::clone(self), sender: sender.clone(), ticket, turn })
    }

    /// A body was worked on, or its turn was not used: the next ones come in.
    fn leave(self: &Arc<Self>, bytes: usize, started: Option<Duration>) {
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        if let Some(started) = started {
            let nanos = now.saturating_sub(started).as_nanos() as f64 / bytes as f64;
            // One that stood still for a while, or is small, says little of the others.
            let nanos = nanos.min(state.nanos_per_byte * OUTLIER);
            state.nanos_per_byte += SMOOTHING * (nanos - state.nanos_per_byte);
        }
        state.working -= 1;
        self.call(&mut state);
    }

    /// Lets the next ones in, if there is room for them.
    fn call_next(self: &Arc<Self>) {
        self.call(&mut self.state.lock());
    }

    fn call(self: &Arc<Self>, state: &mut State) {
        while state.working < self.cores
            && let Some(next) = state.queue.pop()
        {
            let turn = Turn { gate: Some(Arc::clone(self)), bytes: next.bytes, started: None };
            match next.item.send(turn) {
                Ok(()) => state.working += 1,
                // It went away in this moment. Dropping its turn would come back here, under the lock.
                Err(mut turn) => turn.gate = None,
            }
        }
    }

    /// How things stand.
    pub(crate) fn status(&self) -> GateStatus {
        let state = self.state.lock();
        GateStatus {
            working: state.working,
            waiting: state.queue.len(),
            waiting_bytes: state.queue.bytes(),
            wait: self.wait(&state),
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

impl Turn {
    /// A turn that nobody gave.
    pub(crate) fn free() -> Self {
        Self { gate: None, bytes: 0, started: None }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.leave(self.bytes, self.started);
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
