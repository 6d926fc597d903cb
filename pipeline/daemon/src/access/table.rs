//! Which path needs which scope. A path that is served and has no row here is closed to everybody, and fails a test.

use std::collections::HashMap;
use std::sync::LazyLock;

use flyball_model::ledger::Signal;
use flyball_receivers::gate::Shape;
use http::Method;

use super::scope::Scope::{self, Act, Admin, Read, Write};

/// What a request must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing.
    Nothing,
    /// A token, whatever it allows: for paths that lead nowhere, so that who is not known can't find out which do.
    Known,
    /// A token with one of these.
    Any(&'static [Scope]),
}

/// A path's row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// The path as it stands in the router.
    pub(crate) path: &'static str,
    get: Need,
    other: Need,
    /// How errors look there.
    pub(crate) shape: Shape,
    /// Where telemetry comes in: the receiver, and what it receives. A refusal gets a line in the ledger.
    pub(crate) ingest: Option<(&'static str, Signal)>,
}

impl Row {
    pub(crate) fn need(&self, method: &Method) -> Need {
        if matches!(*method, Method::GET | Method::HEAD) { self.get } else { self.other }
    }
}

const OPEN: Need = Need::Nothing;
const READ: Need = Need::Any(&[Read]);
const WRITE: Need = Need::Any(&[Write]);
const ACT: Need = Need::Any(&[Act]);
const ADMIN: Need = Need::Any(&[Admin]);
/// `CREATE DATABASE`, which senders ask for before they write and which changes nothing, and `SHOW DATABASES`, which looks for
/// [`flyball_receivers::gate::MayRead`].
const EITHER: Need = Need::Any(&[Write, Read]);

/// The row of flyball's own path.
const fn own(path: &'static str, get: Need, other: Need) -> Row {
    Row { path, get, other, shape: Shape::Own, ingest: None }
}

/// The row of a path that takes telemetry.
const fn ingest(path: &'static str, shape: Shape, receiver: &'static str, signal: Signal) -> Row {
    Row { path, get: WRITE, other: WRITE, shape, ingest: Some((receiver, signal)) }
}

pub(crate) const ROWS: &[Row] = &[
    own("/healthz", OPEN, OPEN),
    own("/readyz", OPEN, OPEN),
    own("/", READ, READ),
    own("/openapi.json", READ, READ),
    own("/metrics", READ, READ),
    own("/api/v1/sql", READ, READ),
    Row { path: "/api/v3/query_sql", get: READ, other: READ, shape: Shape::Influx3, ingest: None },
    own("/api/v1/tap", READ, ADMIN),
    own("/api/v1/twin", READ, ADMIN),
    own("/api/v1/twin/{kind}/{*id}", READ, ADMIN),
    own("/api/v1/rules", READ, ADMIN),
    own("/api/v1/rules/check", READ, READ),
    own("/api/v1/rules/explain", READ, READ),
    own("/api/v1/alerts", READ, ADMIN),
    own("/api/v1/targets", READ, ADMIN),
    own("/api/v1/violations", READ, ADMIN),
    own("/api/v1/violations/changes", READ, ADMIN),
    own("/api/v1/violations/{id}", READ, ADMIN),
    own("/api/v1/violations/{id}/ack", ACT, ACT),
    own("/api/v1/silences", READ, ACT),
    own("/api/v1/silences/{id}", READ, ACT),
    own("/api/v1/silence/{id}", READ, ACT),
    own("/api/v2/silences", READ, ACT),
    own("/api/v2/silence/{id}", READ, ACT),
    own("/api/v2/alerts", READ, ADMIN),
    own("/api/v1/remediations", READ, ADMIN),
    own("/api/v1/ledger", READ, ADMIN),
    own("/api/v1/reload", ADMIN, ADMIN),
    ingest("/v1/metrics", Shape::Otlp, "otlp_http", Signal::Metrics),
    ingest("/v1/logs", Shape::Otlp, "otlp_http", Signal::Logs),
    ingest("/v1/traces", Shape::Otlp, "otlp_http", Signal::Traces),
    ingest("/api/v1/write", Shape::Text, "remote_write", Signal::Metrics),
    ingest("/write", Shape::Influx1, "influx", Signal::Metrics),
    ingest("/api/v2/write", Shape::Influx2, "influx", Signal::Metrics),
    ingest("/api/v3/write_lp", Shape::Influx3, "influx", Signal::Metrics),
    Row { path: "/query", get: EITHER, other: EITHER, shape: Shape::Influx1, ingest: None },
    // As open as with InfluxDB: clients look there before they have anything to show, and it is always the same answer.
    Row { path: "/ping", get: OPEN, other: OPEN, shape: Shape::Influx1, ingest: None },
    Row { path: "/health", get: OPEN, other: OPEN, shape: Shape::Influx2, ingest: None },
    ingest("/metrics/job/{*rest}", Shape::Text, "pushgateway", Signal::Metrics),
    ingest("/metrics/job@base64/{*rest}", Shape::Text, "pushgateway", Signal::Metrics),
    ingest("/api/v1/import/scaphandre", Shape::Own, "scaphandre", Signal::Metrics),
];

/// The row of a path as it stands in the router.
pub(crate) fn row(path: &str) -> Option<&'static Row> {
    static BY_PATH: LazyLock<HashMap<&str, &Row>> = LazyLock::new(|| ROWS.iter().map(|row| (row.path, row)).collect());
    BY_PATH.get(path).copied()
}

/// The receiver that takes telemetry at a path, whether or not it is switched on.
pub(crate) fn receiver_at(path: &str) -> Option<&'static str> {
    let is_at = |row: &Row| match row.path.split_once("{*") {
        Some((before, _)) => path.starts_with(before),
        None => path == row.path,
    };
    ROWS.iter().filter(|row| is_at(row)).find_map(|row| Some(row.ingest?.0))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use axum::Router;
    use flyball_model::intake::{Receipt, Refusal};
    use flyball_model::ledger::Reason;
    use flyball_model::{Intake, ManualClock, Submission, UnixNanos};

    use super::*;
    use crate::config::Config;
    use crate::{api, routes};

    struct Nobody;

    #[async_trait::async_trait]
    impl Intake for Nobody {
        async fn take(&self, _: Submission) -> Result<Receipt, Refusal> {
            Ok(Receipt::default())
        }

        fn body_bytes_max(&self) -> usize {
            1
        }

        fn refused(&self, _: &'static str, _: &str, _: Option<Signal>, _: Reason) {}
    }

    /// The paths of a router. It has no way to tell them but its `Debug`: `paths: {RouteId(0): "/", …}`.
    fn paths<S>(router: &Router<S>) -> BTreeSet<String> {
        let shown = format!("{router:?}");
        let list = shown.split_once("paths: {").map_or("", |(_, list)| list);
        let list = list.split_once("}, ").map_or(list, |(list, _)| list);
        list.split('"').skip(1).step_by(2).filter(|path| path.starts_with('/')).map(str::to_owned).collect()
    }

    #[test]
    fn every_path_that_is_served_has_a_row_and_every_row_a_path() {
        let clock = Arc::new(ManualClock::new(UnixNanos(0)));
        let receivers = routes::receivers(&Config::default().receivers, &(Arc::new(Nobody) as _), &(clock as _));
        let targets = flyball_receivers::scrape::router(Arc::default());
        let served: BTreeSet<_> =
            [paths(&api::routes()), paths(&receivers), paths(&targets)].into_iter().flatten().collect();
        assert!(served.len() > 20 && served.contains("/api/v1/twin/{kind}/{*id}"), "{served:?}");
        let rows: BTreeSet<_> = ROWS.iter().map(|row| row.path.to_owned()).collect();
        assert_eq!(rows.len(), ROWS.len(), "each path has one row");
        assert_eq!(served, rows, "give a new path its row in access/table.rs");
    }

    #[test]
    fn only_probes_are_open_and_only_admins_change_things() {
        for row in ROWS {
            let open = matches!(row.path, "/healthz" | "/readyz" | "/ping" | "/health");
            for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
                assert_eq!(row.need(&method) == Need::Nothing, open, "{method} {}", row.path);
            }
            if row.ingest.is_some() {
                assert_eq!(row.need(&Method::POST), WRITE, "{}", row.path);
            }
        }
        for (method, path, need) in [
            (Method::GET, "/api/v1/reload", ADMIN),
            (Method::POST, "/api/v1/reload", ADMIN),
            (Method::PUT, "/api/v1/twin/{kind}/{*id}", ADMIN),
            (Method::POST, "/api/v1/sql", READ),
            (Method::POST, "/api/v1/silences", ACT),
            (Method::DELETE, "/api/v2/silence/{id}", ACT),
            (Method::GET, "/api/v2/silences", READ),
            (Method::POST, "/api/v1/violations/{id}/ack", ACT),
            (Method::GET, "/metrics", READ),
            (Method::HEAD, "/", READ),
        ] {
            assert_eq!(row(path).map(|row| row.need(&method)), Some(need), "{method} {path}");
        }
        assert!(row("/nowhere").is_none());
        for (path, receiver) in [
            ("/api/v1/write", Some("remote_write")),
            ("/metrics/job/a/b/c", Some("pushgateway")),
            ("/metrics", None),
            ("/nowhere", None),
        ] {
            assert_eq!(receiver_at(path), receiver, "{path}");
        }
    }
}
