//! What the process before remembered, put back in its place.

use std::sync::Arc;
use std::time::Duration;

use flyball_model::event::Event;
use flyball_model::state::{Piece, Section, State, StateLog};
use flyball_model::{Clock, Reading, SteadyClock};
use flyball_remediation::silence::{Silence, Silences};
use flyball_remediation::{ActionLimits, Planner, RemediationLog};
use flyball_rules::lifecycle::{Recovered, recover};
use hashbrown::HashSet;
use serde::de::DeserializeOwned;

use crate::history::ViolationHistory;
use crate::recording::RecordedSeries;

/// Where the latest [`Reading`] of both clocks stands in [`Section::Instances`]. No violation's id is like it.
pub(crate) const CLOCK_KEY: &str = "clock";

/// After a start a row that is gone ends nothing for as long as nobody looked, and at most for this long: windows are empty until senders, which come
/// at least once a minute, have come back. A short absence matters too: a window of ten seconds is empty after ten.
const HELD_MAX: Duration = Duration::from_secs(60);

/// What the rule stage goes on from.
pub(crate) struct RuleMemory {
    /// States of rules of which it is not known yet whether they are still there.
    pub(crate) states: Vec<Recovered>,
    /// For how long what is gone ends nothing.
    pub(crate) hold: Duration,
    /// The series that recording rules recorded, by the rule's name.
    pub(crate) recorded: RecordedSeries,
}

/// Everything that was remembered.
pub(crate) struct Restored {
    pub(crate) steady: Arc<SteadyClock>,
    pub(crate) rules: RuleMemory,
    pub(crate) history: Arc<ViolationHistory>,
    pub(crate) remediations: Arc<RemediationLog>,
    pub(crate) planner: Planner,
    /// Without the maintenance windows of the configuration.
    pub(crate) silences: Silences,
    /// Events that were not settled, each with its backend, in the order in which they were made.
    pub(crate) undelivered: Vec<(String, Event)>,
}

/// Takes its sections out of the state. What can't be read is left out, and said.
pub(crate) fn restore(
    state: &mut State,
    log: &Arc<dyn StateLog>,
    limits: ActionLimits,
    clock: &Arc<dyn Clock>,
) -> Restored {
    let last = state.get(Section::Instances, CLOCK_KEY).and_then(|value| serde_json::from_slice::<Reading>(value).ok());
    state.put(Section::Instances, CLOCK_KEY, None);
    let steady = Arc::new(SteadyClock::new(Arc::clone(clock), last));
    let states = recover(read(state, Section::Instances));
    let history = ViolationHistory::recover(values(state, Section::Violations));
    let (rows, accounts) = (values(state, Section::Remediations), values(state, Section::Accounts));
    let (remediations, undelivered) = RemediationLog::recover(Arc::clone(log), rows, accounts);
    let planner = Planner::recover(limits, values(state, Section::Limits));
    let silences = Silences::recover(Arc::clone(log), values::<Silence>(state, Section::Silences));
    finish_what_ended(&history, &states, log.as_ref());
    log.put_all(vec![Piece::json(Section::Instances, CLOCK_KEY, &steady.read())]);
    let away = steady.away();
    let hold = away.min(HELD_MAX);
    if last.is_some() {
        tracing::info!(
            rules = states.len(),
            violations = states.iter().map(|state| state.violations().count()).sum::<usize>(),
            undelivered = undelivered.len(),
            ?away,
            "state of the process before taken over"
        );
    }
    Restored {
        steady,
        rules: RuleMemory { states, hold, recorded: RecordedSeries::recover(values(state, Section::Recordings)) },
        history: Arc::new(history),
        remediations: Arc::new(remediations),
        planner,
        silences,
        undelivered,
    }
}

/// A crash between two groups of an evaluation may leave a pending violation whose instance has ended already.
fn finish_what_ended(history: &ViolationHistory, states: &[Recovered], log: &dyn StateLog) {
    let active: HashSet<String> = states.iter().flat_map(Recovered::violations).collect();
    let ended: Vec<Piece> = history
        .rules_pending()
        .iter()
        .flat_map(|rule| history.keep_pending(rule, active.iter().map(String::as_str)))
        .collect();
    if !ended.is_empty() {
        log.put_all(ended);
    }
}

fn read<T: DeserializeOwned>(state: &mut State, section: Section) -> Vec<(String, T)> {
    let (pieces, faults) = state.take_json(section);
    for fault in faults {
        tracing::error!("{fault}; it is left out");
    }
    pieces
}

fn values<T: DeserializeOwned>(state: &mut State, section: Section) -> Vec<T> {
    read(state, section).into_iter().map(|(_, value)| value).collect()
}
