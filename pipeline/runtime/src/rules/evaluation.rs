//! One evaluation of one rule.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use flyball_model::event::Transition;
use flyball_model::{Clock, Reading, UnixNanos};
use flyball_rules::definition::Rule;
use flyball_rules::evaluate::{Look, Outcome, Reads, RuleEvaluator};
use flyball_rules::lifecycle::{Changes, RuleState};
use flyball_rules::query::Database;
use futures::FutureExt;

use crate::board::RuleEntry;

/// A rule with what it takes to evaluate it.
pub(super) struct Unit {
    pub(super) rule: Arc<Rule>,
    /// Its group's tick.
    pub(super) every: Duration,
    pub(super) evaluator: RuleEvaluator,
    pub(super) state: RuleState,
}

/// A unit that comes back, and what it found.
pub(super) struct Finished {
    pub(super) slot: usize,
    pub(super) unit: Unit,
    pub(super) entry: Arc<RuleEntry>,
    pub(super) transitions: Vec<Transition>,
    pub(super) changes: Changes,
    pub(super) at: Reading,
    pub(super) woken_by: Option<Duration>,
    /// The whole of it, what is shown to queries included.
    pub(super) took: Duration,
    pub(super) reads: Reads,
}

/// What an evaluation found.
struct Found {
    transitions: Vec<Transition>,
    changes: Changes,
    entry: Arc<RuleEntry>,
    reads: Reads,
}

/// Evaluates a rule as of `at` and takes its state on.
pub(super) async fn evaluate(
    mut unit: Unit,
    slot: usize,
    woken_by: Option<Duration>,
    at: Reading,
    database: Database,
    clock: Arc<dyn Clock>,
) -> Finished {
    let started = clock.monotonic();
    // A panic of the engine is an error of the rule that brought it about, and no reason to lose the rule.
    let looked = AssertUnwindSafe(look(&mut unit, at, &database, clock.as_ref(), started)).catch_unwind().await;
    let Found { transitions, changes, entry, reads } = looked.unwrap_or_else(|_| {
        unit.evaluator = RuleEvaluator::new(&unit.rule);
        let outcome = Outcome::Error(
            "the query or a template made the engine panic; please report it together with the rule".to_owned(),
        );
        take_on(&mut unit, &outcome, at, None, Reads::Any, clock.monotonic().saturating_sub(started))
    });
    let took = clock.monotonic().saturating_sub(started);
    Finished { slot, unit, entry, transitions, changes, at, woken_by, took, reads }
}

async fn look(unit: &mut Unit, at: Reading, database: &Database, clock: &dyn Clock, started: Duration) -> Found {
    let Look { outcome, reads, sample_at } = unit.evaluator.look(database, at.now).await;
    if let Outcome::Error(error) = &outcome {
        tracing::debug!(rule = unit.rule.name, error, "rule can't be evaluated");
    }
    take_on(unit, &outcome, at, sample_at, reads, clock.monotonic().saturating_sub(started))
}

fn take_on(
    unit: &mut Unit,
    outcome: &Outcome,
    at: Reading,
    sample_at: Option<UnixNanos>,
    reads: Reads,
    took: Duration,
) -> Found {
    let transitions = unit.state.step(&unit.rule, outcome, at, sample_at);
    unit.state.took(took);
    let changes = unit.state.take_changes(&unit.rule);
    let entry = RuleEntry::new(&unit.rule, unit.every, &unit.state, unit.evaluator.way());
    Found { transitions, changes, entry, reads }
}
