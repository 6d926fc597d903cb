//! `flyball rules backtest`: rules over a stored history.
//!
//! ```text
//! rules ─► wanted: which tables, how far back ─┐
//! Source (a server, a data folder) ─► slabs ───┴─► replay: a store that holds what the rules look back on ─► Stage ─► spells ─► report
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `source` | what is asked: SQL, of a server or of a data folder |
//! | `catalog` | the metrics and series that a history has |
//! | `wanted` | what of it the rules read, and how far back they look |
//! | `label_sets` | from a row's label columns to its series |
//! | `slab` | a stretch of history, in the order of time |
//! | `arrivals` | slab after slab, and what of them has arrived |
//! | `replay` | the run: what arrives, when rules are evaluated, what is forgotten |
//! | `spells` | transitions as stretches of time |
//! | `difference` | what two versions of rules do otherwise |
//! | [`report`] | for people, for programs, for CI servers, as a picture |
//!
//! Rules are evaluated, taken through their states and their requests planned by the [`Stage`](crate::run) that runs tests, which is to say
//! by the code of a server. What is newer than the simulated time is not in the store yet, nor are the names and labels that it brings.

mod arrivals;
mod catalog;
mod difference;
mod label_sets;
mod replay;
pub mod report;
mod slab;
mod source;
mod spells;
#[cfg(test)]
mod tests;
mod wanted;

use std::sync::Arc;
use std::time::Duration;

use flyball_model::{Clock, UnixNanos};
use flyball_rules::definition::Rule;
use flyball_store::StoreError;
use flyball_twin::Mapping;

pub use difference::{Change, RuleDifference, differences};
pub use source::{Source, SourceError};
pub use spells::{Failing, Request, RuleOutcome, Spell};

use crate::run::Open;

/// How often rules are evaluated unless said otherwise: as often as most exporters are scraped.
pub const EVERY: Duration = Duration::from_secs(15);

/// The most steps of one backtest.
pub const STEPS_MAX: u64 = 10_000_000;

/// What is played back, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The first evaluation. Points before it are played back as far as the rules look back.
    pub from: UnixNanos,
    /// The last one is at this time or before it.
    pub to: UnixNanos,
    /// The time from one evaluation of a rule to the next; a rule whose `for` or `keep_firing_for` is shorter takes that instead.
    pub every: Duration,
    /// The twin's own rules.
    pub mapping: Mapping,
}

/// Rules, and those that they are compared with.
#[derive(Debug, Clone, Copy)]
pub struct Versions<'a> {
    /// Those that the report is about.
    pub new: &'a [Arc<Rule>],
    /// Their older version.
    pub old: Option<&'a [Arc<Rule>]>,
}

/// How far it is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// The simulated time.
    pub at: UnixNanos,
    /// Evaluations so far.
    pub evaluations: usize,
    /// Points and records so far.
    pub points: u64,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Report {
    /// The first evaluation.
    pub from: UnixNanos,
    /// The end of the time that was looked at.
    pub to: UnixNanos,
    /// The time from evaluation to evaluation.
    pub every: Duration,
    /// A rule each, in the order of their definition.
    pub rules: Vec<RuleOutcome>,
    /// The same of the older version.
    pub old: Option<Vec<RuleOutcome>>,
    /// Evaluations of all rules, of both versions.
    pub evaluations: usize,
    /// Points and records that were played back, those before `from` included.
    pub points: u64,
    /// How long it took; not simulated.
    pub took: Duration,
    /// What a reader should know: rules that wait for a table, rules without a bound on time.
    pub notes: Vec<String>,
}

impl Report {
    /// How many times faster than the time that was looked at.
    pub fn speed(&self) -> f64 {
        self.to.since(self.from).as_secs_f64() / self.took.as_secs_f64().max(1e-9)
    }

    /// What the two versions do otherwise; empty where there is one.
    pub fn differences(&self) -> Vec<RuleDifference> {
        self.old.as_ref().map_or_else(Vec::new, |old| differences(old, &self.rules))
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    /// The times make no range.
    #[error("--from {from} is not before --to {to}; give an earlier --from")]
    NoTime {
        /// As given.
        from: UnixNanos,
        /// As given.
        to: UnixNanos,
    },
    /// It would never end.
    #[error(
        "a backtest has at most {STEPS_MAX} steps, and from {from} to {to} every {every:?} makes {steps}; take a longer --every or less time"
    )]
    TooLong {
        /// As given.
        from: UnixNanos,
        /// As given.
        to: UnixNanos,
        /// As given.
        every: Duration,
        /// How many there would be.
        steps: u64,
    },
    /// None of the tables that the rules read is in the history.
    #[error(
        "the history has none of the tables that these rules read ({tables}); `flyball query 'SELECT metric FROM flyball.metric_info'` lists those it has"
    )]
    NoTables {
        /// As the rules write them.
        tables: String,
    },
    /// Nothing is stored from that time.
    #[error(
        "the history has no point between {from} and {to} of what these rules read; it has them from {has_from} to {has_to}: set --from and --to within that"
    )]
    NoData {
        /// As given, and as far back as the rules look.
        from: UnixNanos,
        /// As given.
        to: UnixNanos,
        /// The oldest point that there is.
        has_from: UnixNanos,
        /// The newest one.
        has_to: UnixNanos,
    },
    /// Nothing is stored at all.
    #[error("the history has no point of what these rules read: all have expired, or were never sent")]
    Empty,
    /// The history can't be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The history has what it can't have.
    #[error("the history's answer can't be read: {0}")]
    Answer(String),
    /// The store of the replay.
    #[error("the store of the backtest: {0}")]
    Store(#[from] StoreError),
    /// There is no room for it.
    #[error("no temporary folder could be made: {0}")]
    Folder(#[from] std::io::Error),
    /// A bug.
    #[error("a query or a template made the engine panic; please report it together with the rules")]
    Panicked,
}

/// Plays a history back, and tells what the rules would have done.
///
/// # Errors
/// See [`BacktestError`]. What is wrong with a rule is no error of this: it is in the report.
pub async fn run(
    source: &impl Source,
    versions: Versions<'_>,
    options: &Options,
    open: Open<'_>,
    clock: &dyn Clock,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Report, BacktestError> {
    use futures::FutureExt;
    let started = clock.monotonic();
    let run = replay::run(source, versions, options, open, progress);
    let played = std::panic::AssertUnwindSafe(run).catch_unwind().await;
    let mut report = played.unwrap_or(Err(BacktestError::Panicked))?;
    report.took = clock.monotonic().saturating_sub(started);
    Ok(report)
}
