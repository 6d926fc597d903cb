//! The log's thread: takes what is pending, writes it, and tells.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use flyball_model::state::NotDurable;

use crate::error::LogError;
use crate::group::Group;
use crate::position::Position;
use crate::record::{encode_entry, encode_piece};
use crate::shared::{Bodies, Shared};
use crate::writer::{Durability, Writer};

/// The pause before a group that the disk refused is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(250);

/// How long the first record of a group waits for others that are being made.
const GATHER_MAX: Duration = Duration::from_millis(1);

/// What must be durable before any group that was submitted up to now: the names of the series that it speaks of.
pub type Before = Box<dyn FnMut() -> Result<(), String> + Send>;

/// What the log's thread works with.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    writer: Writer,
    before: Before,
    /// What is being written; kept as it is while the disk refuses it.
    group: Group,
    refused: bool,
}

/// The end of the log's thread.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        let mut pending = self.0.pending.lock();
        pending.stopped = true;
        // Dropped senders tell their receivers that the log has ended.
        pending.group.waiting.clear();
        let is_expected = pending.stopping;
        drop(pending);
        if !is_expected {
            *self.0.trouble.write() = Some("its thread ended by a panic; restart flyball".to_owned());
        }
    }
}

impl Worker {
    /// Works for what is shared.
    pub(crate) fn new(shared: Arc<Shared>, writer: Writer, before: Before) -> Self {
        Self { shared, writer, before, group: Group::default(), refused: false }
    }

    /// Works until the log is stopped.
    pub(crate) fn run(mut self) {
        // However it ends, by a panic too: who waits is told, and who comes later.
        let _end = End(Arc::clone(&self.shared));
        loop {
            self.wait();
            if !self.turn() {
                return;
            }
        }
    }

    /// Waits for something to do. While the disk refuses, lets some time pass instead.
    fn wait(&self) {
        let mut pending = self.shared.pending.lock();
        if self.refused {
            if !pending.stopping {
                self.shared.wake.wait_for(&mut pending, RETRY_EVERY);
            }
            return;
        }
        while pending.group.is_empty() && !pending.stopping && pending.remove_before.is_none() {
            self.shared.wake.wait(&mut pending);
        }
        let is_urgent = pending.stopping;
        drop(pending);
        if !is_urgent && self.shared.durability == Durability::Fsync {
            // A sync costs as much for one record as for many, so those that are nearly there are waited for; alone, nobody is, nor while an
            // event waits to be told.
            let mut bodies = self.shared.under_way.lock();
            let others = |bodies: &mut Bodies| !bodies.positions.is_empty() && !bodies.hurried;
            // Either way it is time.
            let _ = self.shared.all_in.wait_while_for(&mut bodies, others, GATHER_MAX);
            bodies.hurried = false;
        }
    }

    /// Does what there is to do; false when it was the last turn.
    pub(crate) fn turn(&mut self) -> bool {
        let (stopping, remove_before) = if self.refused { self.look() } else { self.gather() };
        let written = self.write();
        match &written {
            Ok(()) => self.apply(),
            Err(error) => self.shared.refuse(error),
        }
        self.refused = written.is_err();
        self.group.tell(&written.map_err(|error| NotDurable(error.to_string())));
        if let Some(before) = remove_before
            && let Err(error) = self.writer.remove(before)
        {
            tracing::warn!(%error, "a segment of the log could not be removed; it is tried again with the next one");
        }
        self.shared.count_segments(&self.writer);
        if !stopping || (!self.refused && !self.shared.pending.lock().group.is_empty()) {
            return true;
        }
        if let Err(error) = self.writer.sync() {
            tracing::error!(%error, "the end of the log could not be synced");
        }
        false
    }

    /// Takes what is pending.
    fn gather(&mut self) -> (bool, Option<Position>) {
        let complete = self.shared.adding.write();
        let mut pending = self.shared.pending.lock();
        self.group = std::mem::take(&mut pending.group);
        let asked = (pending.stopping, pending.remove_before.take());
        drop((pending, complete));
        let Group { entries, notes, pieces, .. } = &mut self.group;
        let mut more = Vec::new();
        for (_, entry) in notes.drain() {
            encode_entry(&entry, &mut more);
            entries.push(entry);
        }
        for ((section, key), value) in pieces.iter() {
            encode_piece(*section, key, value.as_deref(), &mut more);
        }
        if !more.is_empty() {
            self.group.push(more.into());
        }
        asked
    }

    /// Leaves what is pending where it is. Who came meanwhile with a record is told of the trouble.
    fn look(&self) -> (bool, Option<Position>) {
        let mut pending = self.shared.pending.lock();
        let reason = self.shared.trouble.read().clone().unwrap_or_default();
        pending.group.tell(&Err(NotDurable(reason)));
        (pending.stopping, pending.remove_before.take())
    }

    fn write(&mut self) -> Result<(), LogError> {
        let Self { shared, writer, before, group, .. } = self;
        if group.records.is_empty() {
            return Ok(());
        }
        let begun = shared.clock.monotonic();
        before().map_err(LogError::Before)?;
        writer.write(&group.records)?;
        let took = shared.clock.monotonic().saturating_sub(begun);
        shared.counts.wrote(took);
        shared.counts.bytes.fetch_add(group.frame_bytes() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn apply(&mut self) {
        let Self { shared, writer, group, .. } = self;
        // What was written is not kept until the next group comes.
        group.records = Vec::new();
        let mut applied = shared.applied.lock();
        for entry in group.entries.drain(..) {
            shared.ledger.post(&entry);
            applied.entries += 1;
            shared.counts.records.fetch_add(1, Ordering::Relaxed);
        }
        for ((section, key), value) in std::mem::take(&mut group.pieces) {
            applied.state.put(section, &key, value);
        }
        applied.position = writer.end();
        drop(applied);
        shared.further.notify_waiters();
        shared.end.store(writer.end().0, Ordering::Release);
        shared.counts.groups.fetch_add(1, Ordering::Relaxed);
        if shared.trouble.read().is_some() && shared.trouble.write().take().is_some() {
            tracing::info!("the log is written again");
        }
    }
}
