//! Changes of violations as they happen, for whoever looks on: one bounded buffer that all listeners read from.
//!
//! A view and no delivery: a listener that is too slow for the buffer is cut off, and a change may be shown that a crash then undoes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flyball_model::UnixNanos;
use flyball_model::event::{Acknowledgement, EventKind, Transition};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::watch;

/// Changes that are kept for those who come back and those who are slow.
const CHANGES_MAX: usize = 1024;

/// Bytes of changes that are kept.
const CHANGES_BYTES_MAX: usize = 4 << 20;

/// Listeners at once. Each is a connection and a task.
pub const LISTENERS_MAX: usize = 64;

/// A change of a violation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// One more than that of the change before, over restarts a larger one.
    pub number: u64,
    /// The event's type, as in events for backends; `flyball.violation.acknowledged` besides.
    pub kind: String,
    /// The violation, as a JSON object.
    pub json: Arc<str>,
}

/// Why a listener hears nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CutOff {
    /// It was too slow.
    #[error(
        "more than {CHANGES_MAX} changes came while this listener did not read; connect again with its last event id to hear from the oldest that is kept"
    )]
    TooSlow,
    /// flyball is stopping.
    #[error("flyball is stopping")]
    Stopping,
}

/// The latest changes.
#[derive(Debug)]
pub struct Feed {
    inner: Mutex<Inner>,
    /// The number of the newest change; listeners wait for it.
    newest: watch::Sender<u64>,
    listeners: AtomicUsize,
}

#[derive(Debug)]
struct Inner {
    changes: VecDeque<Change>,
    bytes: usize,
    next: u64,
    closed: bool,
}

impl Default for Feed {
    fn default() -> Self {
        Self::new(UnixNanos(1_000))
    }
}

impl Feed {
    /// A feed whose numbers go on from the microseconds of its start, so that they grow over restarts too.
    pub fn new(start: UnixNanos) -> Self {
        let next = u64::try_from(start.0 / 1_000).unwrap_or_default().max(1);
        let inner = Inner { changes: VecDeque::new(), bytes: 0, next, closed: false };
        Self { inner: Mutex::new(inner), newest: watch::Sender::new(next - 1), listeners: AtomicUsize::new(0) }
    }

    /// Shows a transition.
    pub(crate) fn publish(
        &self,
        transition: &Transition,
        acknowledged: Option<&Acknowledgement>,
        silenced_by: &[String],
        at: UnixNanos,
    ) {
        let kind = EventKind::Violation(transition.state).to_string();
        self.push(kind, transition, acknowledged, silenced_by, at);
    }

    /// Shows that somebody takes a violation on.
    pub(crate) fn acknowledged(&self, transition: &Transition, by: &Acknowledgement, silenced_by: &[String]) {
        self.push("flyball.violation.acknowledged".to_owned(), transition, Some(by), silenced_by, by.at);
    }

    fn push(
        &self,
        kind: String,
        transition: &Transition,
        acknowledged: Option<&Acknowledgement>,
        silenced_by: &[String],
        at: UnixNanos,
    ) {
        let time = |at: Option<UnixNanos>| at.map(|at| at.to_string());
        let acknowledged = acknowledged.map(|by| json!({"at": by.at.to_string(), "by": by.by, "comment": by.comment}));
        let document = json!({
            "id": transition.violation,
            "time": at.to_string(),
            "rule": transition.rule,
            "rule_version": transition.version,
            "identity": transition.identity,
            "labels": transition.labels,
            "state": transition.state.as_str(),
            "severity": transition.severity,
            "flapping": transition.flapping,
            "values": transition.values,
            "summary": transition.summary,
            "runbook": transition.runbook,
            "active_at": transition.active_at.to_string(),
            "fired_at": time(transition.fired_at),
            "resolved_at": time(transition.resolved_at),
            "acknowledged": acknowledged,
            "silenced_by": silenced_by,
        });
        let json: Arc<str> = document.to_string().into();
        let mut inner = self.inner.lock();
        let number = inner.next;
        inner.next += 1;
        inner.bytes += json.len();
        inner.changes.push_back(Change { number, kind, json });
        while inner.changes.len() > CHANGES_MAX || inner.bytes > CHANGES_BYTES_MAX && inner.changes.len() > 1 {
            let gone = inner.changes.pop_front().map_or(0, |change| change.json.len());
            inner.bytes -= gone;
        }
        self.newest.send_replace(number);
    }

    /// Ends every listener once it has heard of what was shown.
    pub(crate) fn close(&self) {
        self.inner.lock().closed = true;
        self.newest.send_modify(|_| {});
    }

    /// A listener to what changes from now on, or after the change `since`. The second part says whether changes since then are lost:
    /// the number is older than the buffer, or not of this server. `None`, when there are [`LISTENERS_MAX`] already.
    pub fn listen(self: &Arc<Self>, since: Option<u64>) -> Option<(Listener, bool)> {
        if self.listeners.fetch_add(1, Ordering::Relaxed) >= LISTENERS_MAX {
            self.listeners.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let inner = self.inner.lock();
        let newest = inner.next - 1;
        let before_oldest = inner.changes.front().map_or(newest, |change| change.number - 1);
        let (heard, lost) = match since {
            None => (newest, false),
            Some(since) if since > newest => (newest, true),
            Some(since) => (since.max(before_oldest), since < before_oldest),
        };
        drop(inner);
        Some((Listener { waits: self.newest.subscribe(), feed: Arc::clone(self), heard }, lost))
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.listeners.load(Ordering::Relaxed)
    }
}

/// One who listens.
#[derive(Debug)]
pub struct Listener {
    feed: Arc<Feed>,
    waits: watch::Receiver<u64>,
    /// The number of the last change that it heard of.
    heard: u64,
}

impl Listener {
    /// The next change; waits for it.
    ///
    /// # Errors
    /// When there are no more for this listener.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn next(&mut self) -> Result<Change, CutOff> {
        loop {
            self.waits.borrow_and_update();
            if let Some(found) = self.look() {
                return found;
            }
            // The feed can't go away: this listener holds it.
            if self.waits.changed().await.is_err() {
                return Err(CutOff::Stopping);
            }
        }
    }

    fn look(&mut self) -> Option<Result<Change, CutOff>> {
        let inner = self.feed.inner.lock();
        let oldest = inner.changes.front().map_or(inner.next, |change| change.number);
        if self.heard + 1 < oldest {
            return Some(Err(CutOff::TooSlow));
        }
        let place = usize::try_from(self.heard + 1 - oldest).unwrap_or(usize::MAX);
        match inner.changes.get(place) {
            Some(change) => {
                self.heard = change.number;
                Some(Ok(change.clone()))
            }
            None => inner.closed.then_some(Err(CutOff::Stopping)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.feed.listeners.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use flyball_model::event::State;

    use super::*;

    fn transition(summary: &str) -> Transition {
        Transition {
            values: BTreeMap::from([("x".into(), f64::NAN)]),
            summary: summary.into(),
            ..Transition::bare("v", "r", State::Firing, UnixNanos(0))
        }
    }

    fn publish(feed: &Feed, count: usize) {
        for n in 0..count {
            feed.publish(&transition(&n.to_string()), None, &[], UnixNanos(0));
        }
    }

    #[tokio::test]
    async fn a_listener_hears_every_change_from_where_it_left() {
        let feed = Arc::new(Feed::default());
        publish(&feed, 3);
        let (mut fresh, lost) = feed.listen(None).expect("there is room");
        let (mut back, lost_back) = feed.listen(Some(2)).expect("there is room");
        assert!(!lost && !lost_back);
        let heard = back.next().await.expect("the third");
        assert_eq!((heard.number, heard.kind.as_str()), (3, "flyball.violation.firing"));
        assert!(
            heard.json.contains(r#""summary":"2""#) && heard.json.contains(r#""values":{"x":null}"#),
            "{}",
            heard.json
        );
        let (next, ()) = tokio::join!(fresh.next(), async { publish(&feed, 1) });
        assert_eq!(next.map(|change| change.number), Ok(4));
        feed.close();
        assert_eq!(back.next().await.map(|change| change.number), Ok(4), "what was shown is still heard");
        assert_eq!(back.next().await, Err(CutOff::Stopping));
    }

    #[tokio::test]
    async fn who_is_too_slow_is_cut_off_and_who_was_away_too_long_is_told() {
        let feed = Arc::new(Feed::default());
        let (mut slow, _) = feed.listen(None).expect("there is room");
        publish(&feed, CHANGES_MAX + 1);
        assert_eq!(slow.next().await, Err(CutOff::TooSlow));
        for (since, lost, next) in [(0, true, 2), (1, false, 2), (CHANGES_MAX as u64, false, CHANGES_MAX as u64 + 1)] {
            let (mut back, was_lost) = feed.listen(Some(since)).expect("there is room");
            assert_eq!((was_lost, back.next().await.map(|change| change.number)), (lost, Ok(next)), "{since}");
        }
        let (_, lost) = feed.listen(Some(u64::MAX)).expect("there is room");
        assert!(lost, "a number of another server");

        let large = "x".repeat(CHANGES_BYTES_MAX / 2);
        for _ in 0..5 {
            feed.publish(&transition(&large), None, &[], UnixNanos(0));
        }
        assert!(feed.inner.lock().bytes <= CHANGES_BYTES_MAX);
    }

    #[test]
    fn only_so_many_listen_and_who_leaves_makes_room() {
        let feed = Arc::new(Feed::new(UnixNanos::from_secs(1_767_225_600)));
        let mut all: Vec<_> = (0..LISTENERS_MAX).map(|_| feed.listen(None).expect("there is room")).collect();
        assert!(feed.listen(None).is_none());
        all.pop();
        assert!(feed.listen(None).is_some());
        assert_eq!(feed.listeners(), LISTENERS_MAX - 1);
    }
}
