//! The run: what arrives, when rules are evaluated, what is forgotten.

use std::sync::Arc;
use std::time::Duration;

use flyball_model::UnixNanos;
use flyball_rules::definition::Rule;
use flyball_store::{LogPressure, Store, StoreOptions};
use flyball_twin::Twin;

use super::arrivals::Arrivals;
use super::catalog;
use super::source::Source;
use super::spells::Outcomes;
use super::wanted::{SERIES_MAX, Wants};
use super::{BacktestError, Options, Progress, Report, STEPS_MAX, Versions};
use crate::run::{Keep, Open, Pace, Stage};

/// Memory for the points that rules look back on; beyond it they go to a temporary folder.
const HOT_BYTES: usize = 256 << 20;

/// Points that are older than the rules look back stay for a while: chunks are dropped whole.
const FORGET_EVERY: u32 = 16;

/// Longer than any history: what is in memory leaves by its size alone.
const AGES: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Progress is told after so many steps.
const TOLD_EVERY: u64 = 20;

pub(super) async fn run(
    source: &impl Source,
    versions: Versions<'_>,
    options: &Options,
    open: Open<'_>,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Report, BacktestError> {
    check(versions, options)?;
    let wants = Wants::of(source, versions, options, open).await?;
    let folder = tempfile::tempdir()?;
    let keep_for = longest(&wants.look_back);
    let (dir, store_options) = (folder.path().to_owned(), store_options(keep_for));
    let opening = tokio::task::spawn_blocking(move || Store::open(&dir, store_options));
    let store = opening.await.map_err(std::io::Error::other)??;
    let twin = Arc::new(Twin::new(options.mapping.clone()));
    let database = open(&store, &twin);
    let mut looks = wants.look_back.iter().copied();
    let mut stage = |rules: &[Arc<Rule>]| {
        let paced = rules
            .iter()
            .zip(looks.by_ref())
            .map(|(rule, look_back)| (pace(rule, options, look_back), Arc::clone(rule)));
        Stage::new(paced.collect(), database.clone(), Arc::clone(&twin), options.from, Keep::News)
    };
    let mut new = Outcomes::new(versions.new, stage(versions.new), options.from);
    let mut old = versions.old.map(|rules| Outcomes::new(rules, stage(rules), options.from));
    let mut arrivals = Arrivals::new(source, wants.tables, wants.start, options.to);
    arrivals.remember(wants.start, &store)?;
    let twin = wants.twin.then_some(&*twin);
    let end = options.to.since(options.from);
    let (mut now, mut steps) = (Duration::ZERO, 0_u64);
    loop {
        let time = options.from.plus(now);
        let woken = arrivals.arrive(time, &store, twin).await?;
        for outcomes in [Some(&mut new), old.as_mut()].into_iter().flatten() {
            outcomes.step(now, &woken).await;
        }
        if steps.is_multiple_of(u64::from(FORGET_EVERY)) {
            forget(&store, keep_for, time).await?;
        }
        if steps.is_multiple_of(TOLD_EVERY) {
            let evaluations = new.evaluations() + old.as_ref().map_or(0, Outcomes::evaluations);
            progress(Progress { at: time, evaluations, points: arrivals.arrived });
        }
        steps += 1;
        let next = [new.next_due(), old.as_ref().and_then(Outcomes::next_due)].into_iter().flatten().min();
        match next.filter(|&next| next <= end) {
            // At least a nanosecond: a step that goes nowhere would never end.
            Some(next) => now = next.max(now + Duration::from_nanos(1)),
            None => break,
        }
    }
    if arrivals.arrived == 0 {
        return Err(no_data(source, &arrivals, wants.start, options).await?);
    }
    Ok(Report {
        from: options.from,
        to: options.to,
        every: options.every,
        evaluations: new.evaluations() + old.as_ref().map_or(0, Outcomes::evaluations),
        points: arrivals.arrived,
        rules: new.finish(options.to),
        old: old.map(|old| old.finish(options.to)),
        took: Duration::ZERO,
        notes: wants.notes,
    })
}

fn check(versions: Versions<'_>, options: &Options) -> Result<(), BacktestError> {
    let Options { from, to, every, .. } = *options;
    if from >= to {
        return Err(BacktestError::NoTime { from, to });
    }
    let rules = versions.new.iter().chain(versions.old.into_iter().flatten());
    let every = rules.map(|rule| step(rule, every)).min().unwrap_or(every);
    let steps = u64::try_from(to.since(from).as_nanos() / every.as_nanos().max(1)).unwrap_or(u64::MAX);
    if steps > STEPS_MAX { Err(BacktestError::TooLong { from, to, every, steps }) } else { Ok(()) }
}

/// The time from one evaluation of a rule to the next: what it waits for must not pass unseen between two.
fn step(rule: &Rule, every: Duration) -> Duration {
    let silence = rule.no_data.map_or(Duration::ZERO, |no_data| no_data.after);
    let waits = [rule.for_, rule.keep_firing_for, rule.error_for, silence].into_iter().filter(|wait| !wait.is_zero());
    waits.fold(every, Duration::min).max(flyball_rules::evaluate::EVALUATION_EVERY_MIN)
}

fn pace(rule: &Rule, options: &Options, look_back: Option<Duration>) -> Pace {
    let every = step(rule, options.every);
    Pace { tick: every, rest: every, look_back }
}

/// The furthest that any rule looks back; `None` without bound.
fn longest(look_back: &[Option<Duration>]) -> Option<Duration> {
    look_back.iter().copied().try_fold(Duration::ZERO, |longest, back| Some(longest.max(back?)))
}

fn store_options(keep_for: Option<Duration>) -> StoreOptions {
    let retention = keep_for.map_or(AGES, |back| back + Duration::from_secs(3600));
    StoreOptions { series_cap: SERIES_MAX, hot_bytes: HOT_BYTES, hot_age: AGES, retention, ..StoreOptions::default() }
}

/// Drops what no rule looks at any more, and moves what is too much for the memory into the folder.
async fn forget(store: &Arc<Store>, keep_for: Option<Duration>, now: UnixNanos) -> Result<(), BacktestError> {
    if let Some(back) = keep_for {
        // A little more than is looked back, so that no bound is missed by a nanosecond.
        store.forget(now.minus(back + Duration::from_secs(1)));
    }
    if store.needs_maintenance() {
        let store = Arc::clone(store);
        let maintaining = tokio::task::spawn_blocking(move || store.maintain(now, LogPressure::default()));
        maintaining.await.map_err(std::io::Error::other)??;
    }
    Ok(())
}

/// Says which times the history has, since none of those asked for is among them.
async fn no_data<S: Source>(
    source: &S,
    arrivals: &Arrivals<'_, S>,
    from: UnixNanos,
    options: &Options,
) -> Result<BacktestError, BacktestError> {
    let mut has: Option<(i64, i64)> = None;
    for table in arrivals.tables() {
        if let Some((oldest, newest)) = catalog::extent(source, &table.name).await? {
            has = Some(has.map_or((oldest, newest), |has| (has.0.min(oldest), has.1.max(newest))));
        }
    }
    Ok(match has {
        Some((oldest, newest)) => {
            BacktestError::NoData { from, to: options.to, has_from: UnixNanos(oldest), has_to: UnixNanos(newest) }
        }
        None => BacktestError::Empty,
    })
}
