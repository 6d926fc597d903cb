//! Everything that waits, as one queue: the open batch, a few sealed ones in memory, the spool.
//!
//! While the store keeps up, a batch is sealed when the one before is delivered, so that under load batches grow by
//! themselves and at rest nothing waits. What does not fit memory goes to the spool, and so does all of memory at the first
//! failure and where the store is slow to answer; from then on what comes joins the spool, about once a second, until it is
//! empty again. Each batch has a number, and the lowest goes first wherever it is.

use std::collections::VecDeque;

use flyball_model::UnixNanos;
use flyball_model::ports::Record;

use crate::batch::{Batch, OpenBatch};
use crate::options::MEMORY_BATCHES;
use crate::spool::{Position, Spool};

/// The queue. Its methods touch the disk: they are called where blocking is allowed.
#[derive(Debug)]
pub(crate) struct Backlog {
    open: OpenBatch,
    memory: VecDeque<(u64, Batch)>,
    spool: Spool,
    next: u64,
    /// The oldest batch in memory when it was looked at last whether the store is slow.
    looked_at: Option<u64>,
}

/// What was lost in a call, and why.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Records that had been written, or were about to be.
    pub(crate) records: u64,
    /// Records that can't be written in line protocol.
    pub(crate) unwritable: u64,
    /// The last thing that went wrong on disk.
    pub(crate) error: Option<String>,
}

impl Lost {
    /// Adds what was lost in a later call.
    pub(crate) fn add(&mut self, later: Lost) {
        self.records += later.records;
        self.unwritable += later.unwritable;
        self.error = later.error.or(self.error.take());
    }
}

impl Backlog {
    pub(crate) fn new(spool: Spool) -> Backlog {
        let next = spool.len();
        Backlog { open: OpenBatch::default(), memory: VecDeque::new(), spool, next, looked_at: None }
    }

    /// Takes records in.
    pub(crate) fn add(&mut self, records: &[Record], now: UnixNanos) -> Lost {
        let mut lost = Lost::default();
        for record in records {
            if !self.open.add(record, now) {
                lost.unwritable += 1;
            }
            if self.open.is_full() {
                self.seal(&mut lost);
            }
        }
        lost
    }

    /// The oldest batch with its number; seals the open one when there is no other.
    pub(crate) fn front(&mut self) -> (Option<(u64, Batch)>, Lost) {
        let mut lost = Lost::default();
        loop {
            let memory = self.memory.front().map(|(number, _)| *number);
            let spool = self.spool.head_number();
            let from_spool = spool.is_some_and(|spool| memory.is_none_or(|memory| spool < memory));
            if from_spool {
                match self.spool.front() {
                    Some(Ok(front)) => return (Some(front), lost),
                    Some(Err(unreadable)) => {
                        lost.records += unreadable.records;
                        lost.error = Some(unreadable.to_string());
                    }
                    None => return (None, lost),
                }
            } else if let Some(front) = self.memory.front() {
                return (Some(front.clone()), lost);
            } else if self.open.is_empty() {
                return (None, lost);
            } else {
                self.seal(&mut lost);
            }
        }
    }

    /// Forgets a batch. Returns whether it still waited: it may have been dropped meanwhile.
    pub(crate) fn done(&mut self, number: u64) -> bool {
        match self.memory.front() {
            Some((front, _)) if *front == number => self.memory.pop_front().is_some(),
            _ => self.spool.pop(number),
        }
    }

    /// Writes down what is in memory, the open batch too: the store failed. Syncs twice at most.
    pub(crate) fn spill(&mut self) -> Lost {
        let mut lost = Lost::default();
        self.spill_memory(&mut lost);
        // While nothing can be written the open batch stays open: memory holds few batches, and small ones would push others out.
        if self.memory.is_empty() && !self.open.is_empty() {
            self.seal(&mut lost);
            self.spill_memory(&mut lost);
        }
        lost
    }

    /// Writes down what is in memory if it won't be gone soon: what is in the spool goes first, or the oldest batch in memory is
    /// still the one that it was at the last look. Returns whether something is left in memory. A spool that fails is told of
    /// where a batch can't be delivered, not here each time.
    pub(crate) fn spill_if_slow(&mut self) -> (bool, Lost) {
        let oldest = self.memory.front().map(|(number, _)| *number);
        let slow = !self.spool.is_empty() || (oldest.is_some() && oldest == self.looked_at);
        self.looked_at = oldest;
        let lost = if slow { Lost { error: None, ..self.spill() } } else { Lost::default() };
        (!self.memory.is_empty() || !self.open.is_empty(), lost)
    }

    /// Writes everything down, for a later process. What cannot be written is lost.
    pub(crate) fn close(&mut self) -> Lost {
        let mut lost = Lost::default();
        if !self.open.is_empty() {
            self.seal(&mut lost);
        }
        self.spill_memory(&mut lost);
        lost.records += self.memory.drain(..).map(|(_, batch)| batch.records).sum::<u64>();
        lost
    }

    /// Where the spool's oldest batch stands.
    pub(crate) fn position(&self) -> Position {
        self.spool.position()
    }

    /// Changes whenever what is in the spool does.
    pub(crate) fn mark(&self) -> (Position, u64) {
        (self.spool.position(), self.spool.len())
    }

    /// Bytes on disk.
    pub(crate) fn spool_bytes(&self) -> u64 {
        self.spool.bytes()
    }

    /// When the oldest waiting record was taken in.
    pub(crate) fn oldest_at(&self) -> Option<UnixNanos> {
        let open = (!self.open.is_empty()).then(|| self.open.made_at());
        let memory = self.memory.front().map(|(_, batch)| batch.made_at);
        [open, memory, self.spool.oldest_at()].into_iter().flatten().min()
    }

    fn seal(&mut self, lost: &mut Lost) {
        let batch = self.open.seal();
        self.memory.push_back((self.next, batch));
        self.next += 1;
        if self.memory.len() > MEMORY_BATCHES || !self.spool.is_empty() {
            self.spill_memory(lost);
        }
    }

    /// Moves batches from memory to the spool, oldest first, until one fails; those that stay are bounded.
    fn spill_memory(&mut self, lost: &mut Lost) {
        if self.memory.is_empty() {
            return;
        }
        while let Some((number, batch)) = self.memory.front() {
            if let Err(error) = self.spool.push(*number, batch, &mut lost.records) {
                lost.error = Some(format!("the spool cannot be written: {error}"));
                break;
            }
            self.memory.pop_front();
        }
        if let Err(error) = self.spool.sync() {
            lost.error = Some(format!("the spool cannot be synced: {error}"));
        }
        while self.memory.len() > MEMORY_BATCHES {
            lost.records += self.memory.pop_front().map_or(0, |(_, batch)| batch.records);
        }
    }
}

#[cfg(test)]
mod tests;
