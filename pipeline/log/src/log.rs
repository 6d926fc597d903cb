//! The log at work: one thread writes what all connections submit, a group at a time.
//!
//! While a group is written and synced the next one gathers, so that under load one sync serves many. A group is answered in the order of the
//! log: first its entries are posted to the ledger and its pieces of state taken over, then its submitters are told.
//!
//! When the disk refuses a group, its submitters are told so at once, and the group is tried again until it is taken: what it holds is in the
//! hot store already, and a sender that tries again must find it there *and* durable. Until then [`Log::trouble`] says why nothing more
//! should be taken in.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use flyball_model::Clock;
use flyball_model::ledger::{Entry, Ledger};
use flyball_model::state::{NotDurable, Piece, State, StateLog};
use parking_lot::{Mutex, RwLockReadGuard};
use tokio::sync::oneshot;

use crate::checkpoint::CheckpointWriter;
use crate::error::LogError;
use crate::group::{Group, Waiting};
use crate::position::Position;
use crate::record::{NewRecord, encode_entry, encode_piece};
use crate::recovery::Recovered;
use crate::shared::{LogStats, Shared};
use crate::storage::make_dir;
use crate::ticket::Ticket;
use crate::worker::{Before, Worker};
use crate::writer::Durability;

/// What is said while what a removed segment held is not in the history yet.
const LOST: &str = "segments of the log were removed; what is in memory is being written to the history";

/// The open log.
#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A body under way, from before anything of it is put anywhere until its record is submitted: that will stand in the log at
/// [`UnderWay::position`] or behind it.
#[derive(Debug)]
pub struct UnderWay<'a> {
    log: &'a Log,
    number: u64,
    position: Position,
}

/// A body that adds to running totals; see [`Log::add_to_totals`].
#[derive(Debug)]
pub struct Adding<'a>(#[expect(dead_code, reason = "held, not read")] RwLockReadGuard<'a, ()>);

impl UnderWay<'_> {
    /// No record of this body will stand before this position.
    pub fn position(&self) -> Position {
        self.position
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut bodies = self.log.shared.under_way.lock();
        bodies.positions.remove(&self.number);
        let all_in = bodies.positions.is_empty();
        drop(bodies);
        self.log.shared.ended.notify_all();
        if all_in {
            self.log.shared.all_in.notify_one();
        }
    }
}

impl Log {
    /// Goes on with a log that was read back, and gives the pieces of state.
    ///
    /// # Panics
    /// When the operating system gives no thread.
    pub fn start(recovered: Recovered, before: Before, clock: Arc<dyn Clock>) -> (Self, State) {
        let (log, worker, state) = Self::at_rest(recovered, before, clock);
        let thread = std::thread::Builder::new().name("log".into()).spawn(move || worker.run());
        *log.thread.lock() = Some(thread.expect("a process that starts has room for a thread"));
        (log, state)
    }

    /// The log and who works for it, to be run by hand.
    pub(crate) fn at_rest(recovered: Recovered, before: Before, clock: Arc<dyn Clock>) -> (Self, Worker, State) {
        let Recovered { ledger, state, writer, storage, dir, durability, .. } = recovered;
        let ledger = Arc::new(ledger);
        let shared = Arc::new(Shared::new(storage, dir, durability, clock, ledger, state.clone(), writer.end()));
        shared.count_segments(&writer);
        let log = Self { shared: Arc::clone(&shared), thread: Mutex::default() };
        (log, Worker::new(shared, writer, before), state)
    }

    /// The ledger, in which an entry stands from when it is durable.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.shared.ledger
    }

    /// What an acknowledgement promises.
    pub fn durability(&self) -> Durability {
        self.shared.durability
    }

    /// Why nothing should be taken in at the moment.
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.shared.trouble.read().clone();
        let is_full = || self.shared.pending.lock().group.is_full();
        trouble
            .or_else(|| self.is_lost().then(|| LOST.to_owned()))
            .or_else(|| is_full().then(|| LogError::Full.to_string()))
    }

    /// Whether segments were removed by somebody else: all that is in memory must get into the history, and a checkpoint be written, before
    /// anything more is taken in.
    pub fn is_lost(&self) -> bool {
        self.shared.lost_before.load(Ordering::Acquire) > 0
    }

    /// Begins a body, before its points and totals are put anywhere.
    pub fn begin(&self) -> UnderWay<'_> {
        // Under the lock, so that `needed_from` can't look between the two.
        let mut bodies = self.shared.under_way.lock();
        let position = Position(self.shared.end.load(Ordering::Acquire));
        let number = bodies.next;
        bodies.next += 1;
        bodies.positions.insert(number, position);
        UnderWay { log: self, number, position }
    }

    /// Waits until all bodies that have begun are durable. Blocks for as long as they take to be read, and a sync.
    ///
    /// Whoever writes down what was made of bodies (a history file, totals) waits before that file gets its name: else a crash could leave
    /// there what was never acknowledged, and what its sender brings again would count twice.
    ///
    /// # Errors
    /// When the disk refuses the log.
    pub fn wait_for_bodies(&self) -> Result<(), LogError> {
        let mut bodies = self.shared.under_way.lock();
        let next = bodies.next;
        while bodies.positions.first_key_value().is_some_and(|(&number, _)| number < next) {
            self.shared.ended.wait(&mut bodies);
        }
        drop(bodies);
        self.so_far().wait().map_err(|NotDurable(why)| LogError::Before(why))
    }

    /// To be called before a body adds to running totals, and held until its record is submitted. A total that another body adds to meanwhile holds
    /// what this one added: the records of both are in one group then, which is durable as a whole or not at all. Else a crash could
    /// leave the other's record alone, and what this one's sender brings again would count twice.
    pub fn add_to_totals(&self) -> Adding<'_> {
        Adding(self.shared.adding.read())
    }

    /// Whether a record can be written at all.
    ///
    /// # Errors
    /// When it is longer than the log takes at once, for good. The bounds on what a body may become keep every record far below that, so that
    /// this is met only where they are wrong.
    pub fn check(record: &NewRecord) -> Result<(), LogError> {
        Group::default().has_room(record.len())
    }

    /// Submits a body's record and its entry in the ledger. The body may be dropped from what is under way then.
    ///
    /// A record that a frame has no room for is not taken, nor is its entry, and its ticket says so at once: it could not be read back. Its
    /// maker looks first, by [`Log::check`] and [`Log::trouble`].
    pub fn submit(&self, record: NewRecord, entry: Entry) -> Ticket {
        let (told, receiver) = oneshot::channel();
        let mut pending = self.shared.pending.lock();
        if pending.stopped {
            // Its sender is dropped, which tells it.
            return Ticket(receiver);
        }
        if let Err(error) = pending.group.has_room(record.len()) {
            // The receiver is here.
            let _ = told.send(Err(NotDurable(error.to_string())));
            return Ticket(receiver);
        }
        pending.group.push(record);
        pending.group.entries.push(entry);
        pending.submitted += 1;
        pending.group.waiting.push(Waiting { told, patient: false });
        drop(pending);
        self.shared.wake.notify_one();
        Ticket(receiver)
    }

    /// Submits an entry of the ledger that belongs to no record.
    pub fn post(&self, entry: Entry) -> Ticket {
        let mut record = Vec::new();
        encode_entry(&entry, &mut record);
        self.submit(record.into(), entry)
    }

    /// The same where nobody waits for it: it goes with the next group, together with all of its source.
    pub fn note(&self, entry: Entry) {
        let mut pending = self.shared.pending.lock();
        pending.submitted += u64::from(pending.group.note(entry));
        drop(pending);
        self.shared.wake.notify_one();
    }

    /// Waits until the ledger has every entry that was submitted before, for so long at the most: entries of refused bodies are answered
    /// before they are written.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn catch_up(&self, within: Duration) {
        let submitted = self.shared.pending.lock().submitted;
        let caught_up = async {
            loop {
                // Made before the look, or what comes between the two would be missed.
                let further = self.shared.further.notified();
                if self.shared.applied.lock().entries >= submitted || self.trouble().is_some() {
                    return;
                }
                further.await;
            }
        };
        // What is missing after that long is missing because of the disk, which is told elsewhere.
        let _ = tokio::time::timeout(within, caught_up).await;
    }

    /// A ticket for all that was submitted up to now.
    pub fn so_far(&self) -> Ticket {
        self.wait(false)
    }

    /// The same, for who waits through trouble.
    pub(crate) fn settlement(&self) -> Ticket {
        self.wait(true)
    }

    fn wait(&self, patient: bool) -> Ticket {
        let (told, receiver) = oneshot::channel();
        let mut pending = self.shared.pending.lock();
        if !pending.stopped {
            pending.group.waiting.push(Waiting { told, patient });
        }
        drop(pending);
        self.shared.wake.notify_one();
        Ticket(receiver)
    }

    /// The log is needed from here on by bodies that are under way; its end, if there is none.
    pub fn needed_from(&self) -> Position {
        let bodies = self.shared.under_way.lock();
        let end = Position(self.shared.end.load(Ordering::Acquire));
        bodies.positions.first_key_value().map_or(end, |(_, &position)| position.min(end))
    }

    /// Where the next frame goes, or a place before it.
    pub fn end(&self) -> Position {
        Position(self.shared.end.load(Ordering::Acquire))
    }

    /// Whether a segment could be removed if nothing before this position were needed.
    pub fn has_surplus(&self, before: Position) -> bool {
        let start = self.shared.counts.start.load(Ordering::Relaxed);
        before.0.saturating_sub(start) >= crate::segment::SEGMENT_BYTES
    }

    /// Writes a checkpoint, to which `more` adds what is not known here, and has the segments removed that
    /// hold nothing at or behind `before`. Blocks.
    ///
    /// # Errors
    /// When the disk says no. The checkpoint before it stands then, and nothing is removed.
    pub fn checkpoint(
        &self,
        before: Position,
        more: impl FnOnce(&mut CheckpointWriter<'_>) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        let shared = &*self.shared;
        let (position, entries, state) = {
            let applied = shared.applied.lock();
            (applied.position, shared.ledger.entries(), applied.state.clone())
        };
        let before = before.min(position);
        make_dir(&*shared.storage, &shared.dir).map_err(LogError::io("create", &shared.dir))?;
        let mut writer = CheckpointWriter::create(&*shared.storage, &shared.dir, position, before)?;
        for entry in &entries {
            writer.add(|out| encode_entry(entry, out))?;
        }
        for (section, key, value) in state.iter() {
            writer.add(|out| encode_piece(section, key, Some(value), out))?;
        }
        more(&mut writer)?;
        writer.finish()?;
        shared.counts.checkpoints.fetch_add(1, Ordering::Relaxed);
        let lost = shared.lost_before.load(Ordering::Acquire);
        if before.0.max(1) >= lost {
            // Nothing before it is needed, be it there or not. Segments that were removed since are a loss of their own.
            let _ = shared.lost_before.compare_exchange(lost, 0, Ordering::AcqRel, Ordering::Acquire);
        }
        shared.pending.lock().remove_before = Some(before);
        shared.wake.notify_one();
        Ok(())
    }

    /// How long the disk takes lately to write what is there and make it durable.
    pub fn write_time(&self) -> Duration {
        Duration::from_nanos(self.shared.counts.write_mean_nanos.load(Ordering::Relaxed))
    }

    /// What the log says of itself.
    pub fn stats(&self) -> LogStats {
        self.shared.stats()
    }

    /// Writes what waits, tried once, and ends. Blocks. What is submitted later is not written.
    pub fn stop(&self) {
        self.shared.pending.lock().stopping = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the log's thread panicked");
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.stop();
    }
}

#[async_trait]
impl StateLog for Log {
    fn put_all(&self, pieces: Vec<Piece>) {
        // Under one lock, so that they are in one group, and a group is in the log or not.
        let mut pending = self.shared.pending.lock();
        pending.group.pieces.extend(pieces.into_iter().map(|piece| ((piece.section, piece.key), piece.value)));
        drop(pending);
        self.shared.wake.notify_one();
    }

    async fn settled(&self) -> Result<(), NotDurable> {
        let ticket = self.settlement();
        // Behind the ticket: whoever sees it writes what the ticket is for.
        self.shared.under_way.lock().hurried = true;
        self.shared.all_in.notify_one();
        ticket.durable().await
    }
}
