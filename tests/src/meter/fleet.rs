//! Senders that go on through every crash.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::courier::Courier;
use super::{Author, Book, Kind};
use crate::Http;
use crate::time::{instant, now_nanos, wait_until};

/// How long a sender waits before it sends something again.
const BACKOFF: Duration = Duration::from_millis(60);

/// How many requests may overtake one that has to be sent again.
const OVERTAKING_MAX: usize = 8;

/// What is sent at the same time.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Connections of each kind.
    pub connections: usize,
    /// Series of a request.
    pub lanes: u64,
    /// Points of each series in a request. Every series has a point a millisecond, so this is the milliseconds between requests, too.
    pub samples: u64,
    /// Random bytes in each log record's body.
    pub ballast: usize,
}

/// Senders at work.
#[derive(Debug)]
pub struct Fleet {
    senders: Vec<Sender>,
    shared: Arc<Shared>,
    runtime: Runtime,
}

/// One sender.
#[derive(Debug)]
pub struct Sender {
    /// What it writes.
    pub author: Author,
    book: Arc<Mutex<Book>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    life: AtomicU32,
}

impl Fleet {
    /// Starts `load` against a server: half of the connections of each kind keep the order of their requests whatever happens, as
    /// Prometheus does; of the others a request that must be sent again is overtaken, as in the Collector's queue. Deltas keep it.
    ///
    /// # Panics
    /// When no runtime can be started.
    #[track_caller]
    pub fn start(http: &Http, load: Load) -> Self {
        let kinds = Kind::ALL.into_iter().flat_map(|kind| (0..load.connections).map(move |number| (kind, number)));
        let authors = kinds.map(|(kind, number)| Author {
            ballast: load.ballast,
            ..Author::new(kind, number, load.lanes, load.samples)
        });
        Self::of(http, authors.collect())
    }

    /// Starts senders of the test's own.
    ///
    /// # Panics
    /// When no runtime can be started.
    #[track_caller]
    pub fn of(http: &Http, authors: Vec<Author>) -> Self {
        // Its own, so that the test's questions never wait behind bodies that are written.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        let shared = Arc::new(Shared::default());
        let start = |(index, author): (usize, Author)| {
            let book = Arc::<Mutex<Book>>::default();
            let overtaking = if index % 2 == 1 && author.kind != Kind::Deltas { OVERTAKING_MAX } else { 0 };
            let courier = Courier::new(http, author.kind);
            let work = work(author.clone(), courier, Arc::clone(&book), Arc::clone(&shared), overtaking);
            Sender { author, book, task: runtime.spawn(work) }
        };
        Self { senders: authors.into_iter().enumerate().map(start).collect(), shared, runtime }
    }

    /// Tells the books that another life of the receiver begins, from 1.
    pub fn life(&self, life: u32) {
        self.shared.life.store(life, Ordering::Relaxed);
    }

    /// Each sender with its book as it is now.
    pub fn books(&self) -> Vec<(&Author, Book)> {
        let copy = |book: &Mutex<Book>| book.lock().expect("nobody panics with it").clone();
        self.senders.iter().map(|sender| (&sender.author, copy(&sender.book))).collect()
    }

    /// Points that were acknowledged until now.
    pub fn acked_points(&self) -> u64 {
        self.books().iter().map(|(author, book)| book.acked() * author.points()).sum()
    }

    /// Ends the senders once all that they have begun is acknowledged.
    ///
    /// # Panics
    /// When that takes longer than `timeout`.
    #[track_caller]
    pub fn finish(&mut self, timeout: Duration) {
        self.shared.stop.store(true, Ordering::Relaxed);
        wait_until("every request to be acknowledged", timeout, || {
            let at_work = self.senders.iter().filter(|sender| !sender.task.is_finished());
            let waiting: Vec<_> = at_work.map(Sender::progress).collect();
            if waiting.is_empty() { Ok(()) } else { Err(waiting.join("; ")) }
        });
        for sender in &mut self.senders {
            self.runtime.block_on(&mut sender.task).expect("senders do not panic");
        }
    }
}

impl Sender {
    /// What it tells of itself when it does not come to an end.
    fn progress(&self) -> String {
        let book = self.book.lock().expect("nobody panics with it");
        let Book { fates, refusals, faults, .. } = &*book;
        let (sender, acked) = (&self.author.sender, book.acked());
        format!(
            "{sender} still tries: {acked} of {} requests acknowledged, refused {refusals:?}, {faults:?}",
            fates.len()
        )
    }
}

/// Sends request after request, each until it is acknowledged.
async fn work(author: Author, courier: Courier, book: Arc<Mutex<Book>>, shared: Arc<Shared>, overtaking: usize) {
    let mut again: VecDeque<(Instant, u64)> = VecDeque::new();
    let mut next = 0;
    loop {
        let stopping = shared.stop.load(Ordering::Relaxed);
        let due = again.front().map(|(due, _)| *due);
        let is_due = due.is_some_and(|due| due <= instant());
        let must_wait = stopping || again.len() > overtaking;
        let request = match due {
            None if stopping => return,
            Some(due) if is_due || must_wait => {
                tokio::time::sleep_until(due.into()).await;
                again.pop_front().map_or(next, |(_, request)| request)
            }
            _ => {
                // A point is never from the future, so a request waits until its last point's time has come.
                let wait = author.millis(next + 1).saturating_sub(now_nanos() / 1_000_000);
                if wait > 0 {
                    tokio::time::sleep(Duration::from_millis(wait.min(BACKOFF.as_millis() as u64))).await;
                    continue;
                }
                next += 1;
                next - 1
            }
        };
        let life = shared.life.load(Ordering::Relaxed);
        if !courier.attempt(author.body(request), request, life, &book).await {
            again.push_back((instant() + BACKOFF, request));
        }
    }
}
