//! `GET /api/v1/tap`: points as they arrive, a JSON object a line.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flyball_rules::query::{Predicate, QueryResult, output};
use flyball_runtime::tap::{Arrived, LISTENERS_MAX, Listener, TapTable};
use serde::Deserialize;
use serde_json::json;

use super::Shared;
use super::error::ApiError;

/// An empty line is sent when nothing came for so long, so that who has gone away is noticed, and so is the drain.
const QUIET_MAX: Duration = Duration::from_secs(1);

/// `?table=node_load1&where=value > 3`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    table: Option<String>,
    r#where: Option<String>,
}

pub(crate) async fn tap(
    State(shared): State<Shared>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(Wanted { table, r#where }) = wanted?;
    let store = &shared.runtime.tables.store;
    let table = TapTable::named(table.as_deref(), store).map_err(|error| {
        ApiError::not_found(error.to_string()).hint("SELECT metric FROM flyball.metric_info lists the metrics")
    })?;
    let database = &shared.runtime.database;
    let predicate = match r#where {
        Some(sql) => Some(database.predicate(&sql, &table.columns(store))?),
        None => None,
    };
    let Some(listener) = shared.runtime.tap().listen() else {
        let message = format!("{LISTENERS_MAX} look on already");
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).hint("end one of them first"));
    };
    let lines = Lines { shared, table, predicate, listener };
    let stream = futures::stream::unfold(Some(lines), |lines| async move { lines?.next().await });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(stream)).into_response())
}

struct Lines {
    shared: Shared,
    table: TapTable,
    predicate: Option<Predicate>,
    listener: Listener,
}

/// What is sent next, and what goes on after it.
type Step = (Result<Bytes, std::io::Error>, Option<Lines>);

impl Lines {
    async fn next(mut self) -> Option<Step> {
        loop {
            if self.shared.draining.load(Ordering::Relaxed) {
                return None;
            }
            let Ok(next) = tokio::time::timeout(QUIET_MAX, self.listener.next()).await else {
                return Some((Ok(Bytes::from_static(b"\n")), Some(self)));
            };
            let (arrived, lost) = next?;
            match self.lines(&arrived, lost) {
                Err(line) => return Some((Ok(line), None)),
                Ok(lines) if lines.is_empty() => tokio::task::consume_budget().await,
                Ok(lines) => return Some((Ok(lines), Some(self))),
            }
        }
    }

    /// The lines of a batch; the last line, when it can't be shown.
    fn lines(&mut self, arrived: &Arc<Arrived>, lost: u64) -> Result<Bytes, Bytes> {
        let mut lines = String::new();
        if lost > 0 {
            lines.push_str(&format!("{}\n", json!({"dropped": lost})));
        }
        let failed = |error: &dyn std::fmt::Display| Bytes::from(format!("{}\n", json!({"error": error.to_string()})));
        let rows = self.table.rows(arrived, &self.shared.runtime.tables.store).map_err(|error| failed(&error))?;
        if let Some(mut rows) = rows {
            if let Some(predicate) = &mut self.predicate {
                rows = predicate.keep(&rows, self.shared.clock.now()).map_err(|error| failed(&error))?;
            }
            let result = QueryResult { schema: rows.schema(), batches: vec![rows], elapsed: Duration::ZERO };
            for object in output::objects(&result) {
                lines.push_str(&object.to_string());
                lines.push('\n');
            }
        }
        Ok(lines.into())
    }
}
