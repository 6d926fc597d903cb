//! A test happens: data arrives, rules are evaluated, expectations are looked at, each at its simulated time.

mod arrivals;
mod recording;
mod stage;
mod timeline;

#[cfg(test)]
mod tests;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use flyball_model::{Clock, ManualClock, UnixNanos};
use flyball_rules::definition::{Group, Rule, format_duration};
use flyball_rules::query::Database;
use flyball_store::{Store, StoreError, StoreOptions};
use flyball_twin::Twin;
use futures::FutureExt;

use self::arrivals::Arrivals;
pub use self::arrivals::take_in_samples;
pub(crate) use self::stage::{Asked, Keep, Pace, Stage};
pub use self::timeline::Timeline;
use crate::compare::compare;
use crate::test::{Outcome, Test, Verdict};

/// The most evaluations of one test, over all its rules. A thousand take about a second.
pub const EVALUATIONS_MAX: u64 = 1_000_000;

/// Makes the database of a test's store and twin, with the tables of flyball itself: they are the runtime's.
pub type Open<'a> = &'a (dyn Fn(&Arc<Store>, &Arc<Twin>) -> Database + Sync);

/// Why a test can't be run.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("no temporary folder could be made: {0}")]
    Folder(#[from] std::io::Error),
    #[error("the store of the test can't be opened: {0}")]
    Store(#[from] StoreError),
    #[error(
        "the test would take up to {evaluations} evaluations until {until}, and {EVALUATIONS_MAX} are the most; make 'every' of its groups longer, let fewer 'rules' take part, or make it shorter"
    )]
    TooLong { evaluations: u64, until: String },
    #[error("an input can't be taken in: {0}")]
    Input(String),
}

/// Lets a test happen. `rules` are those in scope; the test may name some of them.
pub async fn run(test: &Test, rules: &[(&Group, &Rule)], open: Open<'_>, clock: &dyn Clock) -> Verdict {
    let started = clock.monotonic();
    let rules: Vec<_> = rules
        .iter()
        .filter(|(_, rule)| test.rules.is_empty() || test.rules.contains(&rule.name))
        .map(|(group, rule)| (group.every, Arc::new((*rule).clone())))
        .collect();
    let played = AssertUnwindSafe(play(test, rules, open)).catch_unwind().await;
    let (outcome, evaluations) = match played {
        Ok(Ok(played)) => played,
        Ok(Err(error)) => (Outcome::Broken(error.to_string()), 0),
        Err(_) => {
            let why = "a query or a template made the engine panic; please report it together with the rules";
            (Outcome::Broken(why.to_owned()), 0)
        }
    };
    let took = clock.monotonic().saturating_sub(started);
    Verdict { name: test.name.clone(), place: test.place.clone(), outcome, evaluations, took }
}

async fn play(test: &Test, rules: Vec<(Duration, Arc<Rule>)>, open: Open<'_>) -> Result<(Outcome, usize), Error> {
    let mut arrivals = Arrivals::of(test);
    let end = test.expectations.last().map_or(Duration::ZERO, |expectation| expectation.at);
    let evaluations = evaluations_max(&rules, arrivals.times_until(end), end);
    if evaluations > EVALUATIONS_MAX {
        return Err(Error::TooLong { evaluations, until: format_duration(end) });
    }
    let folder = tempfile::tempdir()?;
    let dir = folder.path().to_owned();
    let opening = tokio::task::spawn_blocking(move || Store::open(&dir, StoreOptions::default()));
    let store = opening.await.map_err(std::io::Error::other)??;
    let twin = Arc::new(Twin::new(test.mapping.clone()));
    let database = open(&store, &twin);
    let paced = rules.into_iter().map(|(every, rule)| (Pace::live(every), rule)).collect();
    let mut stage = Stage::new(paced, database, Arc::clone(&twin), test.start, Keep::Charts);
    let mut failures = Vec::new();
    let mut expectations = test.expectations.iter().peekable();
    let mut since = 0;
    while let Some(expected_at) = expectations.peek().map(|expectation| expectation.at) {
        let now = [arrivals.next_at(), stage.next_due()].into_iter().flatten().fold(expected_at, Duration::min);
        stage.advance_to(now);
        let woken = arrivals.arrive(now, test.start, &store, &twin).map_err(Error::Input)?;
        stage.wake(&woken);
        stage.evaluate_due().await;
        while let Some(expectation) = expectations.next_if(|expectation| expectation.at <= now) {
            failures.extend(compare(expectation, &stage, &stage.asked()[since..]).await);
            if expectation.actions.is_some() {
                since = stage.asked().len();
            }
        }
    }
    let evaluations = stage.evaluations();
    if failures.is_empty() {
        return Ok((Outcome::Passed, evaluations));
    }
    let about = |rule: &str| failures.iter().any(|failure| failure.is_about(rule));
    let timelines = stage.into_timelines().into_iter().filter(|timeline| about(&timeline.rule)).collect();
    Ok((Outcome::Failed { failures, timelines }, evaluations))
}

/// How often the rules can be evaluated at the most: on each tick, and whenever something arrives.
fn evaluations_max(rules: &[(Duration, Arc<Rule>)], arrivals: usize, end: Duration) -> u64 {
    let ticks = |every: &Duration| u64::try_from(end.as_nanos() / every.as_nanos().max(1)).unwrap_or(u64::MAX);
    let each = |every: &Duration| ticks(every).saturating_add(1).saturating_add(arrivals as u64);
    rules.iter().fold(0, |sum: u64, (every, _)| sum.saturating_add(each(every)))
}

/// A clock that begins at a time of day.
fn clock_at(start: UnixNanos) -> Arc<ManualClock> {
    Arc::new(ManualClock::new(start))
}
