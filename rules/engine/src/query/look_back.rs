//! How far back a query looks: what a replay has to keep.

use std::sync::Arc;
use std::time::Duration;

use datafusion::catalog::Session;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::ExecutionPlan;
use flyball_model::UnixNanos;

use super::database::{Database, Prepared};
use super::diagnose::during_planning;
use super::error::QueryError;
use super::limits::QueryLimits;
use super::session::RunSession;
use crate::catalog::TableRead;
use crate::functions::range_reads_from;

/// Leaves of a plan that look at no point: nothing, a row of literals, a table that was made for this run.
const POINTLESS: [&str; 3] = ["EmptyExec", "PlaceholderRowExec", "DataSourceExec"];

impl Database {
    /// How long before the evaluation's time the oldest point lies that a query looks at, as its plan says it. Bounds may depend on the
    /// time of day, so it is judged at several instants; `None` where they differ, or where there is no bound.
    ///
    /// # Errors
    /// When the query can't be planned.
    pub async fn look_back(&self, prepared: &Prepared, at: &[UnixNanos]) -> Result<Option<Duration>, QueryError> {
        let mut found: Option<i64> = None;
        for &now in at {
            let Some(from) = self.reads_from(prepared, now).await? else { return Ok(None) };
            let back = now.0.saturating_sub(from).max(0);
            if found.is_some_and(|found| found != back) {
                return Ok(None);
            }
            found = Some(back);
        }
        Ok(found.map(|back| Duration::from_nanos(back.unsigned_abs())))
    }

    /// The earliest time that a run at `now` looks at; `None` where it has no bound. It is `i64::MAX` where it looks at no point.
    async fn reads_from(&self, prepared: &Prepared, now: UnixNanos) -> Result<Option<i64>, QueryError> {
        let failed = |error: DataFusionError| during_planning(error, None);
        let bound = self.bind(prepared.plan.as_ref().clone(), now)?;
        let session =
            RunSession::new(Arc::clone(&self.state), now, QueryLimits::default().memory_bytes).map_err(failed)?;
        let plan = session.create_physical_plan(&bound).await.map_err(failed)?;
        let mut leaves = Leaves { oldest: Some(i64::MAX), scans: 0 };
        leaves.visit(&plan);
        // What a plan reads beside its own nodes (in a subquery that is run apart) is not seen: then there is no bound either.
        let tables = prepared.tables().iter().filter(|read| !matches!(read, TableRead::System { .. })).count();
        Ok(leaves.oldest.filter(|&oldest| oldest != i64::MIN && leaves.scans >= tables))
    }
}

struct Leaves {
    oldest: Option<i64>,
    scans: usize,
}

impl Leaves {
    fn visit(&mut self, plan: &Arc<dyn ExecutionPlan>) {
        let children = plan.children();
        if !children.is_empty() {
            children.into_iter().for_each(|child| self.visit(child));
            return;
        }
        if POINTLESS.contains(&plan.name()) {
            return;
        }
        self.scans += 1;
        let from = flyball_store::reads_from(plan.as_ref()).or_else(|| range_reads_from(plan.as_ref()));
        self.oldest = self.oldest.zip(from).map(|(oldest, from)| oldest.min(from));
    }
}

#[cfg(test)]
mod tests {
    use flyball_model::Shape;
    use flyball_store::{Store, StoreOptions};

    use super::*;

    async fn look_back(sql: &str) -> Option<Duration> {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), StoreOptions::default()).expect("an empty store");
        let labels = [("host", "a")];
        for metric in ["cpu", "up", "scaph_host_power_microwatts"] {
            store.registry().resolve(metric, Shape::Numbers, &labels, UnixNanos(0)).expect("below the cap");
        }
        let database = Database::new(store, QueryLimits::default());
        let prepared = database.prepare(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let at = [1_767_225_600, 1_767_271_234, 1_767_999_999].map(UnixNanos::from_secs);
        database.look_back(&prepared, &at).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    #[tokio::test]
    async fn the_oldest_point_that_any_part_of_a_query_looks_at_counts() {
        let minutes = |minutes: u64| Some(Duration::from_secs(60 * minutes));
        for (sql, expected) in [
            ("SELECT host FROM cpu WHERE time >= now() - INTERVAL '1 minute'", minutes(1)),
            ("SELECT host FROM cpu WHERE value > 3", None),
            ("SELECT host FROM cpu WHERE time >= date_trunc('day', now())", None),
            ("SELECT host FROM rate(cpu, INTERVAL '5 minutes') WHERE value > 1", minutes(5)),
            ("SELECT c.host FROM latest(cpu) c JOIN rate(up, INTERVAL '7 minutes') u ON u.host = c.host", minutes(7)),
            (
                "SELECT host FROM cpu WHERE time >= now() - INTERVAL '1 minute' AND value > (SELECT avg(value) FROM up WHERE time >= now() - INTERVAL '2 hours')",
                minutes(120),
            ),
            ("SELECT host FROM power WHERE time >= now() - INTERVAL '1 minute'", minutes(11)),
            // It looks at no point.
            ("SELECT 1 AS one", minutes(0)),
        ] {
            assert_eq!(look_back(sql).await, expected, "{sql}");
        }
    }
}
