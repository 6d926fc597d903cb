//! One evaluation of one rule.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use flyball_model::event::Transition;
use flyball_model::{Clock, Reading, UnixNanos};
use flyball_rules::definition::Rule;
use flyball_rules::evaluate::{GroupsLook, Look, Outcome, Reads, RuleEvaluator};
use flyball_rules::lifecycle::{Changes, Evaluation, GroupsSeen, Inhibitors, RuleState};
use flyball_rules::query::Database;
use futures::FutureExt;

use crate::board::RuleEntry;
use crate::recording::{Recording, Recordings};

/// A rule with what it takes to evaluate it.
pub(super) struct Unit {
    pub(super) rule: Arc<Rule>,
    /// Its group's tick.
    pub(super) every: Duration,
    pub(super) evaluator: RuleEvaluator,
    pub(super) state: RuleState,
    /// Of a recording rule.
    pub(super) recording: Option<Recording>,
}

/// What an evaluation is to know besides the data.
pub(super) struct Asked {
    pub(super) at: Reading,
    /// What the rules that hold it back have found, if it names any.
    pub(super) inhibitors: Option<Inhibitors>,
}

/// A unit that comes back, and what it found.
pub(super) struct Finished {
    pub(super) slot: usize,
    pub(super) unit: Unit,
    /// `None` when it has joined the groups that it is kept in, and is to be evaluated still.
    pub(super) found: Option<Found>,
    pub(super) at: Reading,
    pub(super) woken_by: Option<Duration>,
    /// The whole of it, what is shown to queries included.
    pub(super) took: Duration,
}

/// What an evaluation found.
pub(super) struct Found {
    pub(super) transitions: Vec<Transition>,
    pub(super) changes: Changes,
    pub(super) entry: Arc<RuleEntry>,
    pub(super) reads: Reads,
}

/// Evaluates a rule as of `asked.at` and takes its state on; one that joins the groups of others is told so, and has its turn after those that join them
/// too.
pub(super) async fn evaluate(
    mut unit: Unit,
    slot: usize,
    woken_by: Option<Duration>,
    asked: Asked,
    database: Database,
    clock: Arc<dyn Clock>,
    recordings: Arc<Recordings>,
) -> Finished {
    let started = clock.monotonic();
    // A panic of the engine is an error of the rule that brought it about, and no reason to lose the rule.
    let looked = async {
        match unit.evaluator.joins(&database).await {
            true => None,
            false => Some(look(&mut unit, &asked, &database, &recordings, clock.as_ref(), started).await),
        }
    };
    let looked = AssertUnwindSafe(looked).catch_unwind().await;
    let found = looked.unwrap_or_else(|_| {
        unit.evaluator = RuleEvaluator::new(&unit.rule);
        let outcome = Outcome::Error(
            "the query or a template made the engine panic; please report it together with the rule".to_owned(),
        );
        let evaluation = asked.evaluation(&outcome, None);
        Some(take_on(&mut unit, evaluation, Reads::Any, clock.monotonic().saturating_sub(started)))
    });
    let took = clock.monotonic().saturating_sub(started);
    Finished { slot, unit, found, at: asked.at, woken_by, took }
}

impl Asked {
    fn evaluation<'a>(&'a self, outcome: &'a Outcome, sample_at: Option<UnixNanos>) -> Evaluation<'a> {
        let inhibitors = self.inhibitors.as_ref();
        Evaluation { outcome, at: self.at, sample_at, groups: GroupsSeen::NotLooked, inhibitors }
    }
}

async fn look(
    unit: &mut Unit,
    asked: &Asked,
    database: &Database,
    recordings: &Recordings,
    clock: &dyn Clock,
    started: Duration,
) -> Found {
    let now = asked.at.now;
    let Look { outcome, reads, sample_at } = match &mut unit.recording {
        Some(recording) => recordings.look(&unit.rule, &mut unit.evaluator, recording, database, now).await,
        None => unit.evaluator.look(database, now).await,
    };
    if let Outcome::Error(error) = &outcome {
        tracing::debug!(rule = unit.rule.name, error, "rule can't be evaluated");
    }
    let groups = if unit.state.asks_for_groups(&unit.rule, &outcome, asked.at) {
        unit.evaluator.groups(database, asked.at.now).await
    } else {
        GroupsLook::Failed
    };
    let evaluation = Evaluation { groups: groups.seen(), ..asked.evaluation(&outcome, sample_at) };
    take_on(unit, evaluation, reads, clock.monotonic().saturating_sub(started))
}

fn take_on(unit: &mut Unit, evaluation: Evaluation<'_>, reads: Reads, took: Duration) -> Found {
    let transitions = unit.state.step(&unit.rule, evaluation);
    unit.state.took(took);
    let changes = unit.state.take_changes(&unit.rule);
    let recorded = unit.recording.as_ref().map(Recording::recorded);
    let entry = RuleEntry::new(&unit.rule, unit.every, &unit.state, unit.evaluator.way(), recorded);
    Found { transitions, changes, entry, reads }
}
