//! The history behind `flyball.remediations`.

use std::collections::{BTreeMap, VecDeque};

use flyball_model::ports::Delivery;
use flyball_model::time::UnixNanos;
use parking_lot::Mutex;

use crate::row::{RemediationRow, RemediationState};

/// Rows kept; the oldest one makes room for a new one. At about half a kilobyte a row this is 5 MB, and at the default
/// limits more than a day of requests of a busy backend.
pub const ROWS_MAX: usize = 10_000;

/// How many events of a backend came to a state since the start, rows that made room included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemediationCount {
    /// The backend's name, as the rule has it.
    pub backend: String,
    /// The state; [`RemediationState::Queued`] counts every event that set out.
    pub state: RemediationState,
    /// How many.
    pub events: u64,
}

/// Every event and its fate, as far back as [`ROWS_MAX`] reaches. Shared between the planner, the deliveries and queries.
#[derive(Debug, Default)]
pub struct RemediationLog {
    /// One lock for both, since a row and its count belong together; it is held for a push or a scan, never over a wait.
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The newest first.
    rows: VecDeque<RemediationRow>,
    counts: BTreeMap<(String, RemediationState), u64>,
}

impl Inner {
    fn count(&mut self, backend: &str, state: RemediationState) {
        *self.counts.entry((backend.to_owned(), state)).or_default() += 1;
    }
}

impl RemediationLog {
    /// Adds a row.
    pub fn record(&self, row: RemediationRow) {
        let mut inner = self.inner.lock();
        inner.count(&row.backend, row.state);
        inner.rows.truncate(ROWS_MAX - 1);
        inner.rows.push_front(row);
    }

    /// Writes down what became of an event: of the newest row with this id that is still under way. One that had to make
    /// room in the meantime is forgotten.
    pub fn settle(&self, id: &str, delivery: &Delivery, at: UnixNanos) {
        let mut inner = self.inner.lock();
        let Some(row) = inner.rows.iter_mut().find(|row| row.id == id && row.settled_at.is_none()) else { return };
        row.settle(delivery, at);
        let (backend, state) = (row.backend.clone(), row.state);
        inner.count(&backend, state);
    }

    /// All rows, the newest first.
    pub fn rows(&self) -> Vec<RemediationRow> {
        self.inner.lock().rows.iter().cloned().collect()
    }

    /// The totals since the start, sorted by backend and state.
    pub fn counts(&self) -> Vec<RemediationCount> {
        let inner = self.inner.lock();
        inner
            .counts
            .iter()
            .map(|((backend, state), &events)| RemediationCount { backend: backend.clone(), state: *state, events })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use flyball_model::action::ActionKind;
    use flyball_model::event::{EventKind, State};

    use super::*;

    fn row(id: &str) -> RemediationRow {
        RemediationRow {
            id: id.into(),
            violation: "v".into(),
            rule: "r".into(),
            event: EventKind::Violation(State::Firing),
            step: None,
            attempt: None,
            backend: "ops".into(),
            action: ActionKind::Notify,
            target: BTreeMap::new(),
            state: RemediationState::Queued,
            reason: None,
            proposed_at: UnixNanos(0),
            executed_at: None,
            settled_at: None,
        }
    }

    #[test]
    fn a_delivery_settles_its_row() {
        let at = UnixNanos(7);
        for (delivery, state, reason, executed_at) in [
            (Delivery::Accepted { attempts: 1 }, RemediationState::Delivered, None, Some(at)),
            (Delivery::Accepted { attempts: 3 }, RemediationState::Delivered, Some("taken after 3 tries"), Some(at)),
            (Delivery::Failed { reason: "400".into() }, RemediationState::Failed, Some("400"), None),
            (Delivery::Expired { reason: "503".into() }, RemediationState::Expired, Some("503"), None),
            (Delivery::Disabled, RemediationState::Disabled, Some("the backend answered 410 Gone"), None),
        ] {
            let log = RemediationLog::default();
            log.record(row("a"));
            log.record(row("b"));
            log.settle("a", &delivery, at);
            let rows = log.rows();
            assert_eq!(rows[0], row("b"), "the newest first, and untouched");
            assert_eq!((rows[1].state, rows[1].reason.as_deref()), (state, reason));
            assert_eq!((rows[1].executed_at, rows[1].settled_at), (executed_at, Some(at)));
        }
    }

    #[test]
    fn a_row_settles_once_and_an_unknown_id_settles_nothing() {
        let log = RemediationLog::default();
        log.record(row("a"));
        log.settle("a", &Delivery::Disabled, UnixNanos(1));
        log.settle("a", &Delivery::Accepted { attempts: 1 }, UnixNanos(2));
        log.settle("b", &Delivery::Disabled, UnixNanos(2));
        assert_eq!(log.rows()[0].settled_at, Some(UnixNanos(1)));
        let count = |state, events| RemediationCount { backend: "ops".into(), state, events };
        assert_eq!(log.counts(), [count(RemediationState::Queued, 1), count(RemediationState::Disabled, 1)]);
    }

    #[test]
    fn the_oldest_row_makes_room_and_stays_counted() {
        let log = RemediationLog::default();
        for i in 0..ROWS_MAX + 5 {
            log.record(row(&i.to_string()));
        }
        let rows = log.rows();
        assert_eq!((rows.len(), rows[0].id.as_str()), (ROWS_MAX, "10004"));
        assert_eq!(rows[ROWS_MAX - 1].id, "5");
        assert_eq!(log.counts()[0].events, 10_005);
    }
}
