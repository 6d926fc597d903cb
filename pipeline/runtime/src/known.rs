//! Bodies that were stored already: a sender that missed the answer sends the very same bytes again.
//!
//! Points are told apart by series, time and value, in the store. Log records, spans, histograms and deltas have nothing to be told apart
//! by; a whole body has: its bytes. Only bodies whose times all come from their sender are known again: without a time of its own, the same
//! text sent twice means two points.

use std::sync::Arc;

use flyball_log::Told;
use flyball_model::{PointBatch, Rows, Submission, UnixNanos};
use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;
use twox_hash::XxHash3_128;

/// Bodies of a generation; between one and two generations are known. A retry comes within seconds; at 500 bodies a second this is half a
/// minute and more. About 100 bytes each.
const GENERATION: usize = 16 * 1024;

/// The bodies that are known, and those under way.
#[derive(Debug, Default)]
pub(crate) struct KnownBodies {
    bodies: Mutex<Generations>,
    under_way: Mutex<HashMap<u128, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<u128, Told>,
    old: HashMap<u128, Told>,
}

/// Keeps others with the same bytes waiting until it is dropped.
#[derive(Debug)]
pub(crate) struct Alone<'a> {
    known: &'a KnownBodies,
    hash: u128,
    mutex: Arc<tokio::sync::Mutex<()>>,
    /// `None` while it waits itself.
    guard: Option<OwnedMutexGuard<()>>,
}

/// The hash of a body: of its bytes as they came, of how they are to be read, and of whose they are.
pub(crate) fn hash(submission: &Submission) -> u128 {
    let mut hasher = XxHash3_128::with_seed(submission.body.len() as u64);
    hasher.write(&submission.body);
    hasher.write(
        format!("{}\0{}\0{:?}{:?}", submission.receiver, submission.peer, submission.format, submission.encoding)
            .as_bytes(),
    );
    if let Some(context) = &submission.context {
        for (name, value) in &context.labels {
            hasher.write(name.as_bytes());
            hasher.write(&[0]);
            hasher.write(value.as_bytes());
            hasher.write(&[0]);
        }
    }
    hasher.finish_128()
}

/// Whether all times of a body are its sender's. Those that it left out became the time of receipt, to the nanosecond.
pub(crate) fn has_own_times(points: &PointBatch, rows: &[Rows], received_at: UnixNanos) -> bool {
    !points.times().contains(&received_at.0) && rows.iter().all(|rows| !rows.times().contains(&received_at.0))
}

impl KnownBodies {
    /// Waits until no other body of the same bytes is under way.
    ///
    /// # Cancel safety
    /// Safe.
    pub(crate) async fn alone(&self, hash: u128) -> Alone<'_> {
        let mutex = Arc::clone(self.under_way.lock().entry(hash).or_default());
        // Made before it waits, so that one that is given up leaves nothing behind.
        let mut alone = Alone { known: self, hash, mutex, guard: None };
        alone.guard = Some(Arc::clone(&alone.mutex).lock_owned().await);
        alone
    }

    /// What was told when the body was stored.
    pub(crate) fn find(&self, hash: u128) -> Option<Told> {
        let bodies = self.bodies.lock();
        bodies.young.get(&hash).or_else(|| bodies.old.get(&hash)).cloned()
    }

    /// Remembers a body.
    pub(crate) fn learn(&self, hash: u128, told: Told) {
        let mut bodies = self.bodies.lock();
        if bodies.young.len() >= GENERATION {
            let Generations { young, old } = &mut *bodies;
            // The room of the forgotten ones is used again: it is megabytes that would grow anew piece by piece, between all that lives on.
            std::mem::swap(young, old);
            young.clear();
        }
        bodies.young.insert(hash, told);
    }

    /// All of them, the oldest generation first.
    pub(crate) fn all(&self) -> Vec<(u128, Told)> {
        let bodies = self.bodies.lock();
        bodies.old.iter().chain(&bodies.young).map(|(&hash, told)| (hash, told.clone())).collect()
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.guard = None;
        let mut under_way = self.known.under_way.lock();
        // Held by the map and by this one only: nobody waits.
        if Arc::strong_count(&self.mutex) <= 2 {
            under_way.remove(&self.hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(stored: u64) -> Told {
        Told { stored, ..Told::default() }
    }

    #[tokio::test]
    async fn the_second_of_two_equal_bodies_waits_and_leaves_nothing_behind() {
        let known = Arc::new(KnownBodies::default());
        let first = known.alone(7).await;
        let other = known.alone(8).await;
        let second = tokio::spawn({
            let known = Arc::clone(&known);
            async move {
                let _alone = known.alone(7).await;
                known.find(7)
            }
        });
        tokio::task::yield_now().await;
        known.learn(7, told(3));
        drop((first, other));
        assert_eq!(second.await.expect("it does not panic"), Some(told(3)));
        assert!(known.under_way.lock().is_empty());
    }

    #[tokio::test]
    async fn one_that_gives_up_waiting_leaves_nothing_behind() {
        let known = KnownBodies::default();
        let first = known.alone(7).await;
        let mut second = Box::pin(known.alone(7));
        assert!(futures::poll!(&mut second).is_pending());
        drop(first);
        drop(second);
        assert!(known.under_way.lock().is_empty());
    }

    #[test]
    fn old_bodies_are_forgotten() {
        let known = KnownBodies::default();
        for number in 0..3 * GENERATION as u128 {
            known.learn(number, told(number as u64));
        }
        assert_eq!((known.find(0), known.all().len()), (None, 2 * GENERATION));
        let last = 3 * GENERATION as u128 - 1;
        assert_eq!(known.find(last), Some(told(last as u64)));
    }
}
