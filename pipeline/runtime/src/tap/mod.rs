//! Points as they arrive, for whoever looks on.
//!
//! Intake asks one number whether anybody does; only then a batch is copied, once, and offered to all. Who is slow loses what has no room
//! and is told how much: intake never waits.

mod rows;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use flyball_model::{PointBatch, Rows};
use parking_lot::RwLock;
use tokio::sync::mpsc;

pub use self::rows::{TapError, TapTable};

/// Who may look on at once.
pub const LISTENERS_MAX: usize = 16;

/// Batches that wait for one listener …
const BATCHES_WAITING_MAX: usize = 1024;

/// … and points and records in them: some 4 MB of points.
const POINTS_WAITING_MAX: usize = 200_000;

/// What arrived with one body.
#[derive(Debug)]
pub enum Arrived {
    /// Numbers.
    Points(PointBatch),
    /// Records of one kind.
    Rows(Rows),
}

impl Arrived {
    fn len(&self) -> usize {
        match self {
            Arrived::Points(points) => points.len(),
            Arrived::Rows(rows) => rows.len(),
        }
    }
}

/// Where intake shows what it has stored.
#[derive(Debug, Default)]
pub struct Tap {
    /// How many listen: all that intake looks at when nobody does.
    listening: AtomicUsize,
    channels: RwLock<Vec<Arc<Channel>>>,
}

#[derive(Debug)]
struct Channel {
    sender: mpsc::Sender<Arc<Arrived>>,
    waiting: AtomicUsize,
    dropped: AtomicU64,
}

/// One who looks on; it is gone when this is dropped.
#[derive(Debug)]
pub struct Listener {
    tap: Arc<Tap>,
    channel: Arc<Channel>,
    receiver: mpsc::Receiver<Arc<Arrived>>,
}

impl Tap {
    /// Somebody looks on from here on; `None` when [`LISTENERS_MAX`] do already.
    pub fn listen(self: &Arc<Self>) -> Option<Listener> {
        let mut channels = self.channels.write();
        if channels.len() >= LISTENERS_MAX {
            return None;
        }
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING_MAX);
        let channel = Arc::new(Channel { sender, waiting: AtomicUsize::new(0), dropped: AtomicU64::new(0) });
        channels.push(Arc::clone(&channel));
        self.listening.store(channels.len(), Ordering::Relaxed);
        Some(Listener { tap: Arc::clone(self), channel, receiver })
    }

    /// Shows points that were stored.
    pub(crate) fn points(&self, points: &PointBatch) {
        if self.listening.load(Ordering::Relaxed) > 0 && !points.is_empty() {
            self.offer(&Arc::new(Arrived::Points(points.clone())));
        }
    }

    /// Shows records that were stored.
    pub(crate) fn rows(&self, rows: &Rows) {
        if self.listening.load(Ordering::Relaxed) > 0 && !rows.is_empty() {
            self.offer(&Arc::new(Arrived::Rows(rows.clone())));
        }
    }

    fn offer(&self, arrived: &Arc<Arrived>) {
        let count = arrived.len();
        for channel in self.channels.read().iter() {
            let waiting = channel.waiting.fetch_add(count, Ordering::Relaxed);
            // A batch that is larger than all room goes through when nothing waits.
            let fits = waiting == 0 || waiting + count <= POINTS_WAITING_MAX;
            if !fits || channel.sender.try_send(Arc::clone(arrived)).is_err() {
                channel.waiting.fetch_sub(count, Ordering::Relaxed);
                channel.dropped.fetch_add(count as u64, Ordering::Relaxed);
            }
        }
    }
}

impl Listener {
    /// The next batch, and how many points and records were lost before it.
    ///
    /// # Cancel safety
    /// Safe: nothing is lost.
    pub async fn next(&mut self) -> Option<(Arc<Arrived>, u64)> {
        let arrived = self.receiver.recv().await?;
        self.channel.waiting.fetch_sub(arrived.len(), Ordering::Relaxed);
        Some((arrived, self.channel.dropped.swap(0, Ordering::Relaxed)))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut channels = self.tap.channels.write();
        channels.retain(|channel| !Arc::ptr_eq(channel, &self.channel));
        self.tap.listening.store(channels.len(), Ordering::Relaxed);
    }
}
