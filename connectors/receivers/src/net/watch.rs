//! What a connection does, and when it has done nothing for too long.
//!
//! hyper's own timeout for headers runs while a connection waits for its next request, too; a sender that exports once a minute
//! would find its connection closed, or closing, each time. So the bytes are watched here: a head that has begun must come to its
//! end soon, and a connection that waits may wait for long. Answers are watched beside the bytes: over HTTP/2 one can be left here by a
//! peer that goes on to take bytes, but opens no window for it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::answer::Answer;
use super::listener::Seats;

/// How long a connection may do what.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// From the opening to the end of the first request's head.
    pub first: Duration,
    /// From the first byte of a later head to its end (HTTP/1).
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// The same while the port is [crowded](Seats::crowded).
    pub idle_crowded: Duration,
    /// Without taking a byte of what is being sent to it, or over HTTP/2 the next piece of one of its answers.
    pub stalled: Duration,
}

impl Times {
    /// Those of production. Senders export every 10 to 60 s over one connection, and load balancers give up idle ones after a minute
    /// or more, so five minutes let the client be the one who closes.
    pub const DEFAULT: Self = Self {
        first: Duration::from_secs(15),
        head: Duration::from_secs(10),
        idle: Duration::from_secs(300),
        idle_crowded: Duration::from_secs(10),
        stalled: Duration::from_secs(30),
    };

    /// How often a connection is looked at: a crowd may have come meanwhile.
    fn tick(&self) -> Duration {
        self.idle_crowded
    }
}

/// Sees what one connection does.
#[derive(Debug, Clone)]
pub struct Watch(Arc<Seen>);

/// Times are nanoseconds after `start`; 0 is never.
#[derive(Debug)]
struct Seen {
    start: Instant,
    times: Times,
    seats: Arc<Seats>,
    calls: AtomicUsize,
    asked: AtomicBool,
    multiplexed: bool,
    head_since: AtomicU64,
    stalled_since: AtomicU64,
    active_at: AtomicU64,
    call_next: AtomicU64,
    /// Calls whose answers wait for window, and since when (HTTP/2). At most as many as there are streams.
    waiting: Mutex<Vec<(u64, u64)>>,
}

impl Watch {
    /// Begins to watch. `http2`: several requests share the connection, and frames that are no part of one come at any time.
    pub fn new(seats: &Arc<Seats>, http2: bool, times: Times) -> Self {
        Self(Arc::new(Seen {
            start: Instant::now(),
            times,
            seats: Arc::clone(seats),
            calls: AtomicUsize::new(0),
            asked: AtomicBool::new(false),
            multiplexed: http2,
            head_since: AtomicU64::new(0),
            stalled_since: AtomicU64::new(0),
            active_at: AtomicU64::new(0),
            call_next: AtomicU64::new(0),
            waiting: Mutex::default(),
        }))
    }

    /// The connection's bytes, watched.
    pub fn over<S>(&self, stream: S) -> Watched<S> {
        Watched { stream, seen: Arc::clone(&self.0) }
    }

    /// A request's head is there; it is under way until the value is dropped, or its [`Answer`].
    pub fn call(&self) -> Call {
        let seen = Arc::clone(&self.0);
        let number = seen.call_next.fetch_add(1, Ordering::Relaxed);
        seen.calls.fetch_add(1, Ordering::Relaxed);
        seen.asked.store(true, Ordering::Relaxed);
        seen.head_since.store(0, Ordering::Relaxed);
        Call { seen, number, waits: false }
    }

    /// Waits until the connection is to be closed, and tells why.
    pub async fn expired(&self) -> &'static str {
        loop {
            let (deadline, why) = self.0.deadline();
            let now = Instant::now();
            match deadline {
                Some(deadline) if deadline <= now => return why,
                deadline => {
                    let look = now + self.0.times.tick();
                    tokio::time::sleep_until(deadline.map_or(look, |deadline| deadline.min(look))).await;
                }
            }
        }
    }
}

impl Seen {
    /// Now, as it is kept; never 0.
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
    }

    fn deadline(&self) -> (Option<Instant>, &'static str) {
        let after = |since: u64, time: Duration| Some(self.start + Duration::from_nanos(since) + time);
        let stalled = Some(self.stalled_since.load(Ordering::Relaxed)).filter(|&since| since > 0);
        let waiting = self.waiting.lock().iter().map(|&(_, since)| since).min();
        if let Some(since) = stalled.into_iter().chain(waiting).min() {
            return (after(since, self.times.stalled), "it does not take its answer");
        }
        if self.calls.load(Ordering::Relaxed) > 0 {
            return (None, "");
        }
        if !self.asked.load(Ordering::Relaxed) {
            return (after(0, self.times.first), "its first request did not come");
        }
        let head = self.head_since.load(Ordering::Relaxed);
        if head > 0 && !self.multiplexed {
            return (after(head, self.times.head), "the head of its request did not come to an end");
        }
        let idle = if self.seats.crowded() { self.times.idle_crowded } else { self.times.idle };
        (after(self.active_at.load(Ordering::Relaxed), idle), "it was idle")
    }
}

/// A request under way.
#[derive(Debug)]
pub struct Call {
    seen: Arc<Seen>,
    number: u64,
    /// Whether it is among those that wait.
    waits: bool,
}

impl Call {
    /// The body of its answer, with which it ends.
    pub fn answer<B>(self, body: B) -> Answer<B> {
        Answer::new(body, self)
    }

    /// Whether others share the connection.
    pub(super) fn is_multiplexed(&self) -> bool {
        self.seen.multiplexed
    }

    /// A piece of the answer was handed over, and may have to wait for window.
    pub(super) fn handed_over(&mut self) {
        self.waits = true;
        self.seen.waiting.lock().push((self.number, self.seen.now()));
    }

    /// The piece before was taken.
    pub(super) fn asked_for_more(&mut self) {
        if std::mem::take(&mut self.waits) {
            self.seen.waiting.lock().retain(|&(number, _)| number != self.number);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.asked_for_more();
        self.seen.active_at.store(self.seen.now(), Ordering::Relaxed);
        self.seen.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection's bytes.
#[derive(Debug)]
pub struct Watched<S> {
    stream: S,
    seen: Arc<Seen>,
}

impl<S> Watched<S> {
    /// Takes note of whether the peer takes what it is sent.
    fn wrote<T>(&self, poll: &Poll<io::Result<T>>) {
        match poll {
            Poll::Pending => {
                // The first moment counts, so a later one does not replace it.
                let _ =
                    self.seen.stalled_since.compare_exchange(0, self.seen.now(), Ordering::Relaxed, Ordering::Relaxed);
            }
            Poll::Ready(_) => {
                self.seen.stalled_since.store(0, Ordering::Relaxed);
                self.seen.active_at.store(self.seen.now(), Ordering::Relaxed);
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        let seen = &self.seen;
        // During a call it is the body that comes, or already the next head, which counts from its next byte.
        if buf.filled().len() > before
            && seen.calls.load(Ordering::Relaxed) == 0
            && seen.head_since.load(Ordering::Relaxed) == 0
        {
            seen.head_since.store(seen.now(), Ordering::Relaxed);
        }
        poll
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(&poll);
        poll
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(&poll);
        poll
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A flush with nothing to send is no sign of life.
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
