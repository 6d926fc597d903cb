//! Bringing the groups of rules that are kept incrementally up to date: when points of their metric have arrived, and once a second,
//! so that what leaves a window is noticed too. Tables whose rules look rows of the twin up are brought up to date with points of any metric, since
//! any may change the twin.
//!
//! It is done for all tables whose metrics have new points at once, apart from the evaluations, and gives the rules that find others than
//! before. While it is done, more points come together: the faster they come, the larger the steps. In between it rests, but not while that
//! lets points leave memory before they were looked at.

use std::time::Duration;

use flyball_model::{MetricRef, UnixNanos};
use flyball_rules::incremental::{Incoming, Shared};
use flyball_rules::query::Database;
use hashbrown::{HashMap, HashSet};
use tokio::task::{JoinError, JoinSet};

/// Windows move on this often although nothing has arrived.
const ALL_EVERY: Duration = Duration::from_secs(1);

/// After it took 1 ms nothing is brought up to date for so many, so that it uses a fifth of a core at the most.
const REST_FACTOR: u32 = 4;

/// It rests at least this long: what arrives together is looked at together …
const REST_MIN: Duration = Duration::from_millis(1);

/// … and at most this long.
const REST_MAX: Duration = Duration::from_millis(250);

/// For so long after points had left memory before they were looked at it rests no longer than it must: who is late reads all stored points
/// of the window again, which costs many times what the new ones would have.
const HURRY: Duration = Duration::from_secs(5);

/// What has been brought up to date.
#[derive(Debug)]
pub(super) struct Advanced {
    /// Rules, by their tokens, that find others than before, and when the first byte of the points that did it was received.
    pub(super) touched: Vec<(u64, Option<Duration>)>,
    /// How long it took.
    took: Duration,
    /// Whether points had left memory before they were looked at.
    fell_behind: bool,
}

/// What is to be brought up to date, and the task that does it.
#[derive(Debug, Default)]
pub(super) struct GroupKeeper {
    /// Metrics with new points, and when the first byte of the oldest was received.
    woken: HashMap<MetricRef, Duration>,
    all_at: Duration,
    rest_until: Duration,
    hurries_until: Duration,
    task: JoinSet<Advanced>,
}

impl GroupKeeper {
    /// These metrics have new points.
    pub(super) fn wake(&mut self, metrics: &HashMap<MetricRef, Duration>) {
        for (&metric, &received) in metrics {
            self.woken.entry(metric).or_insert(received);
        }
    }

    /// Begins if there is something to do, and says how long until there is.
    pub(super) fn start_due(&mut self, now: Duration, at: UnixNanos, database: &Database) -> Duration {
        if !self.task.is_empty() {
            return ALL_EVERY;
        }
        let due = if self.woken.is_empty() { self.all_at } else { self.rest_until };
        if let Some(wait) = due.checked_sub(now).filter(|wait| !wait.is_zero()) {
            return wait;
        }
        let mut metrics: Vec<_> =
            std::mem::take(&mut self.woken).into_iter().map(|(metric, received)| (metric, Some(received))).collect();
        if self.all_at <= now {
            self.all_at = now + ALL_EVERY;
            let known = metrics.iter().map(|&(metric, _)| metric).collect::<HashSet<_>>();
            let others = database.incremental().metrics().into_iter().filter(|metric| !known.contains(metric));
            metrics.extend(others.map(|metric| (metric, None)));
        }
        let database = database.clone();
        self.task.spawn_blocking(move || advance(&metrics, at, &database));
        ALL_EVERY
    }

    /// Waits until what was begun is done; for ever if nothing was.
    ///
    /// # Cancel safety
    /// Safe: what is done is given once.
    pub(super) async fn done(&mut self) -> Option<Result<Advanced, JoinError>> {
        self.task.join_next().await
    }

    /// Takes note of what was done.
    pub(super) fn rest(&mut self, now: Duration, advanced: &Advanced) {
        if advanced.fell_behind {
            self.hurries_until = now + HURRY;
        }
        let factor = if now < self.hurries_until { 0 } else { REST_FACTOR };
        self.rest_until = now + (advanced.took * factor).clamp(REST_MIN, REST_MAX);
    }
}

fn advance(metrics: &[(MetricRef, Option<Duration>)], at: UnixNanos, database: &Database) -> Advanced {
    let started = tokio::time::Instant::now();
    let (mut touched, mut fell_behind) = (Vec::new(), false);
    let mut bring = |table: &Shared, incoming: &mut Incoming, received| {
        let before = tokio::time::Instant::now();
        let advanced = table.advance(incoming, database.store(), at);
        table.took(before.elapsed());
        fell_behind |= table.take_fell_behind();
        match advanced {
            Ok(tokens) => touched.extend(tokens.into_iter().map(|token| (token, received))),
            // Its rules find out for themselves, and tell.
            Err(error) => tracing::debug!(error, "groups of rules can't be brought up to date"),
        }
    };
    for &(metric, received) in metrics {
        let mut incoming = Incoming::default();
        for table in database.incremental().tables_of(metric) {
            bring(&table, &mut incoming, received);
        }
    }
    // Points of any metric may change the twin.
    let received = metrics.iter().filter_map(|&(_, received)| received).min();
    let brought: HashSet<MetricRef> = metrics.iter().map(|&(metric, _)| metric).collect();
    for table in database.incremental().tables_with_joins() {
        if !brought.contains(&table.metric()) && table.is_outdated() {
            bring(&table, &mut Incoming::default(), received);
        }
    }
    Advanced { touched, took: started.elapsed(), fell_behind }
}
