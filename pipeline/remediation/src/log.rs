//! The history behind `flyball.remediations`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use flyball_model::event::Event;
use flyball_model::ports::Delivery;
use flyball_model::state::{ForgetfulLog, Piece, StateLog};
use flyball_model::time::UnixNanos;
use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::account::{BackendAccount, accounts};
use crate::planner::Planned;
use crate::row::{RemediationRow, RemediationState};
use crate::written::{WrittenAccount, WrittenRow, account_piece, forget_row, row_piece};

/// Rows kept; the oldest settled one makes room for a new one. At about half a kilobyte a row this is 5 MB, and at the default
/// limits more than a day of requests of a busy backend.
pub const ROWS_MAX: usize = 10_000;

/// How many events of a backend came to a state, rows that made room included.
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
///
/// Rows, counts, and the events that are not settled are put into the log of state whenever they change.
pub struct RemediationLog {
    /// One lock for all, since a row and its count belong together; it is held for a push or a scan, and while pieces are put so that they
    /// are in the log in the order in which they came about; never over a wait.
    inner: Mutex<Inner>,
    state: Arc<dyn StateLog>,
}

/// By backend and state.
pub(crate) type Counts = BTreeMap<(String, RemediationState), u64>;

#[derive(Debug, Default)]
struct Inner {
    /// By number, in the order in which they were made.
    rows: BTreeMap<u64, RemediationRow>,
    number_of: HashMap<String, u64>,
    /// The numbers of rows that are settled: they make room first.
    settled: BTreeSet<u64>,
    next: u64,
    counts: Counts,
    /// Backends whose counts are not put yet.
    touched: BTreeSet<String>,
}

impl Inner {
    fn count(&mut self, backend: &str, state: RemediationState) {
        *self.counts.entry((backend.to_owned(), state)).or_default() += 1;
        self.touched.insert(backend.to_owned());
    }

    /// Adds a row. One whose id is known already is not added again: an event is made once, whatever happens.
    fn add(&mut self, row: RemediationRow, event: Option<&Event>, at: UnixNanos, pieces: &mut Vec<Piece>) -> bool {
        if self.number_of.contains_key(&row.id) {
            return false;
        }
        self.make_room(at, pieces);
        let number = self.next;
        self.next += 1;
        pieces.push(row_piece(number, &row, event));
        self.count(&row.backend, row.state);
        self.insert(number, row);
        true
    }

    fn insert(&mut self, number: u64, row: RemediationRow) {
        if row.settled_at.is_some() {
            self.settled.insert(number);
        }
        self.number_of.insert(row.id.clone(), number);
        self.rows.insert(number, row);
    }

    /// Takes a row away when there are as many as may be. That all of them wait takes several backends that are down; the oldest is given
    /// up then.
    fn make_room(&mut self, at: UnixNanos, pieces: &mut Vec<Piece>) {
        if self.rows.len() < ROWS_MAX {
            return;
        }
        let Some(number) = self.settled.first().or_else(|| self.rows.keys().next()).copied() else { return };
        if let Some(id) = self.rows.get(&number).map(|row| row.id.clone()) {
            self.settle(&id, &Delivery::Failed { reason: format!("more than {ROWS_MAX} events wait") }, at);
            pieces.push(forget_row(&id));
            self.number_of.remove(&id);
        }
        self.rows.remove(&number);
        self.settled.remove(&number);
    }

    /// Settles a row that is still under way; its piece.
    fn settle(&mut self, id: &str, delivery: &Delivery, at: UnixNanos) -> Option<Piece> {
        let number = *self.number_of.get(id)?;
        let row = self.rows.get_mut(&number).filter(|row| row.settled_at.is_none())?;
        row.settle(delivery, at);
        // An event that was cut off stays in the log as it is, for the next process.
        row.settled_at?;
        let (backend, state, piece) = (row.backend.clone(), row.state, row_piece(number, row, None));
        self.settled.insert(number);
        self.count(&backend, state);
        Some(piece)
    }

    fn account_pieces(&mut self, pieces: &mut Vec<Piece>) {
        let touched = std::mem::take(&mut self.touched);
        pieces.extend(touched.iter().map(|backend| account_piece(backend, &self.counts)));
    }
}

impl Default for RemediationLog {
    /// A log that is forgotten with the process.
    fn default() -> Self {
        Self::new(Arc::new(ForgetfulLog))
    }
}

impl fmt::Debug for RemediationLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemediationLog").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl RemediationLog {
    /// An empty log that is kept in `state`.
    pub fn new(state: Arc<dyn StateLog>) -> Self {
        Self { inner: Mutex::default(), state }
    }

    /// Goes on from what the process before wrote down. Also gives the events that were not settled, in the order in which they were made,
    /// each with its backend.
    pub fn recover(
        state: Arc<dyn StateLog>,
        rows: impl IntoIterator<Item = WrittenRow>,
        accounts: impl IntoIterator<Item = WrittenAccount>,
    ) -> (Self, Vec<(String, Event)>) {
        let mut inner = Inner { counts: WrittenAccount::counts(accounts), ..Inner::default() };
        let mut waiting = Vec::new();
        let mut rows: Vec<WrittenRow> = rows.into_iter().collect();
        rows.sort_by_key(|written| written.number);
        for WrittenRow { number, row, event } in rows {
            inner.next = number + 1;
            if let (Some(event), None) = (event, row.settled_at) {
                waiting.push((row.backend.clone(), event));
            }
            inner.insert(number, row);
        }
        (Self { inner: Mutex::new(inner), state }, waiting)
    }

    /// Adds what was planned and puts it into the log of state, with `pieces` before it and as one; gives back what is to be delivered, once
    /// the log of state has settled.
    pub fn plan(&self, planned: Vec<Planned>, mut pieces: Vec<Piece>) -> Vec<Planned> {
        let mut inner = self.inner.lock();
        let mut outgoing = Vec::new();
        for planned in planned {
            let event = planned.suppressed.is_none().then_some(&planned.event);
            if inner.add(planned.row(), event, planned.proposed_at, &mut pieces) && event.is_some() {
                outgoing.push(planned);
            }
        }
        inner.account_pieces(&mut pieces);
        if !pieces.is_empty() {
            self.state.put_all(pieces);
        }
        outgoing
    }

    /// Adds a row that nothing is delivered for.
    pub fn record(&self, row: RemediationRow) {
        let (mut inner, mut pieces) = (self.inner.lock(), Vec::new());
        let at = row.proposed_at;
        inner.add(row, None, at, &mut pieces);
        inner.account_pieces(&mut pieces);
        self.state.put_all(pieces);
    }

    /// Writes down what became of an event. One that had to make room in the meantime is forgotten.
    pub fn settle(&self, id: &str, delivery: &Delivery, at: UnixNanos) {
        let mut inner = self.inner.lock();
        let Some(piece) = inner.settle(id, delivery, at) else { return };
        let mut pieces = vec![piece];
        inner.account_pieces(&mut pieces);
        self.state.put_all(pieces);
    }

    /// All rows, the newest first.
    pub fn rows(&self) -> Vec<RemediationRow> {
        self.inner.lock().rows.values().rev().cloned().collect()
    }

    /// The totals since the data folder was made, sorted by backend and state.
    pub fn counts(&self) -> Vec<RemediationCount> {
        let inner = self.inner.lock();
        inner
            .counts
            .iter()
            .map(|((backend, state), &events)| RemediationCount { backend: backend.clone(), state: *state, events })
            .collect()
    }

    /// The account of every backend that an event was addressed to, sorted by name.
    pub fn accounts(&self) -> Vec<BackendAccount> {
        let inner = self.inner.lock();
        accounts(&inner.counts, inner.rows.values())
    }
}

#[cfg(test)]
mod tests {
    use flyball_model::action::ActionKind;
    use flyball_model::event::{EventKind, State, Transition};
    use flyball_model::state::{MemoryLog, Section};

    use super::*;
    use crate::suppression::Suppression;

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
    fn every_event_that_set_out_stands_in_the_account_of_its_backend() {
        let log = RemediationLog::default();
        for (id, at) in [("a", 5), ("b", 3), ("c", 4), ("d", 6), ("e", 7)] {
            log.record(RemediationRow { proposed_at: UnixNanos(at), ..row(id) });
        }
        log.record(RemediationRow { state: RemediationState::Suppressed, ..row("s") });
        log.settle("b", &Delivery::Accepted { attempts: 1 }, UnixNanos(9));
        log.settle("c", &Delivery::Expired { reason: "503".into() }, UnixNanos(9));
        log.settle("d", &Delivery::Failed { reason: "400".into() }, UnixNanos(9));
        let mut expected = BackendAccount {
            backend: "ops".into(),
            received: 5,
            queued: 2,
            delivered: 1,
            failed: 1,
            expired: 1,
            suppressed: 1,
            oldest_at: Some(UnixNanos(5)),
            ..BackendAccount::default()
        };
        assert_eq!(log.accounts(), [expected.clone()]);
        assert!(expected.is_even());
        expected.queued = 1;
        assert!(!expected.is_even());
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

    fn planned(id: &str, suppressed: bool) -> Planned {
        let transition = Transition {
            values: BTreeMap::from([("x".into(), 0.1)]),
            ..Transition::bare("v", "r", State::Firing, UnixNanos(0))
        };
        let kind = EventKind::Violation(State::Firing);
        Planned {
            backend: "ops".into(),
            event: Event {
                id: id.into(),
                kind,
                transition,
                action: None,
                expires_at: UnixNanos(9),
                acknowledged: None,
            },
            suppressed: suppressed.then(|| Suppression::Unwanted { backend: "ops".into() }),
            proposed_at: UnixNanos(0),
        }
    }

    fn restart(memory: &MemoryLog) -> (RemediationLog, Vec<(String, Event)>) {
        let mut state = memory.after_crash(usize::MAX);
        let (rows, accounts) = (state.take_json(Section::Remediations), state.take_json(Section::Accounts));
        assert_eq!((rows.1.len(), accounts.1.len()), (0, 0), "all can be read");
        let values = |(_, row)| row;
        RemediationLog::recover(
            Arc::new(ForgetfulLog),
            rows.0.into_iter().map(values),
            accounts.0.into_iter().map(|(_, account)| account),
        )
    }

    #[test]
    fn after_a_restart_there_are_the_same_rows_and_accounts_and_what_was_not_settled_goes_out_again() {
        let memory = Arc::new(MemoryLog::default());
        let log = RemediationLog::new(Arc::<MemoryLog>::clone(&memory));
        let plans: Vec<_> = ["d", "c", "b", "a"].into_iter().map(|id| planned(id, id == "c")).collect();
        let outgoing = log.plan(plans.clone(), Vec::new());
        assert_eq!(outgoing.iter().map(|planned| planned.event.id.as_str()).collect::<String>(), "dba");
        assert_eq!(log.plan(plans.clone(), Vec::new()), [], "an event is made once");
        log.settle("b", &Delivery::Accepted { attempts: 2 }, UnixNanos(5));
        log.settle("a", &Delivery::Interrupted { reason: "503".into() }, UnixNanos(6));
        let (restarted, waiting) = restart(&memory);
        let ids: String = waiting.iter().map(|(_, event)| event.id.as_str()).collect();
        assert_eq!((ids.as_str(), &waiting[0].1), ("da", &plans[0].event));
        let mut rows = log.rows();
        rows[0].reason = None;
        assert_eq!((restarted.rows(), restarted.accounts()), (rows, log.accounts()));
        assert_eq!(restarted.plan(plans, Vec::new()), [], "an event is made once, over restarts too");
    }

    #[test]
    fn what_waits_is_not_forgotten_for_what_is_settled() {
        let memory = Arc::new(MemoryLog::default());
        let log = RemediationLog::new(Arc::<MemoryLog>::clone(&memory));
        log.plan(vec![planned("waits", false)], Vec::new());
        for i in 0..ROWS_MAX {
            log.record(RemediationRow { settled_at: Some(UnixNanos(1)), ..row(&i.to_string()) });
        }
        let (restarted, waiting) = restart(&memory);
        assert_eq!(
            (waiting.len(), restarted.rows().len(), restarted.rows()[ROWS_MAX - 1].id.as_str()),
            (1, ROWS_MAX, "waits")
        );
    }
}
