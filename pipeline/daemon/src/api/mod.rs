//! The HTTP API on the main port.

mod alertmanager;
mod error;
mod health;
pub(crate) mod ledger;
mod page;
mod query_sql;
mod rules;
mod silences;
mod sql;
pub(crate) mod starting;
mod state;
mod tap;
mod twin;
mod violations;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::{get, post};
use flyball_model::Clock;
use flyball_rules::QueryResult;
use flyball_runtime::Runtime;
use tokio::sync::Semaphore;

pub(crate) use self::error::ApiError;
pub(crate) use self::page::PAGE;
use crate::listen::Entrance;
use crate::reload::Reloader;

/// How long a query waits for its turn.
const QUERY_WAIT: Duration = Duration::from_secs(10);

/// Queries of this API that run at once; each may take a quarter of `limits.memory`.
const QUERIES_AT_ONCE: usize = 4;

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Shared {
    runtime: Arc<Runtime>,
    reloader: Arc<Reloader>,
    clock: Arc<dyn Clock>,
    /// Set when the drain begins; `/readyz` answers 503 from then on.
    pub(crate) draining: Arc<AtomicBool>,
    /// The ports, for `/metrics`.
    entrance: Arc<Entrance>,
    queries: Arc<Semaphore>,
}

impl Shared {
    pub(crate) fn new(
        runtime: &Arc<Runtime>,
        reloader: &Arc<Reloader>,
        clock: &Arc<dyn Clock>,
        draining: &Arc<AtomicBool>,
        entrance: Arc<Entrance>,
    ) -> Self {
        Self {
            runtime: Arc::clone(runtime),
            reloader: Arc::clone(reloader),
            clock: Arc::clone(clock),
            draining: Arc::clone(draining),
            entrance,
            queries: Arc::new(Semaphore::new(QUERIES_AT_ONCE)),
        }
    }

    /// Runs a query when it is its turn.
    async fn query(&self, sql: &str) -> Result<QueryResult, ApiError> {
        let turn = tokio::time::timeout(QUERY_WAIT, self.queries.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            let message = format!("{QUERIES_AT_ONCE} queries run already, and none ended within {QUERY_WAIT:?}");
            return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
                .hint("ask again, or ask for less at once"));
        };
        Ok(self.runtime.database.query(sql, self.clock.now()).await?)
    }
}

/// Everything on the main port but the receivers.
pub(crate) fn router(shared: Shared) -> Router {
    routes().with_state(shared)
}

/// The paths. Each needs its row in `access/table.rs`.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/", get(page::page))
        .route("/openapi.json", get(page::openapi))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/api/v1/sql", post(sql::run))
        .route("/api/v3/query_sql", get(query_sql::by_query).post(query_sql::by_body))
        .route("/api/v1/tap", get(tap::tap))
        .route("/api/v1/twin", get(twin::document))
        .route("/api/v1/twin/{kind}/{*id}", get(twin::entity))
        .route("/api/v1/rules", get(rules::rules))
        .route("/api/v1/alerts", get(rules::alerts))
        // What stands before them bounds their bodies.
        .route("/api/v1/rules/check", post(rules::check).layer(DefaultBodyLimit::disable()))
        .route("/api/v1/rules/explain", post(rules::explain).layer(DefaultBodyLimit::disable()))
        .route("/api/v1/violations", get(state::violations))
        .route("/api/v1/violations/changes", get(violations::changes))
        .route("/api/v1/violations/{id}", get(violations::violation))
        .route("/api/v1/violations/{id}/ack", post(violations::acknowledge))
        .route("/api/v1/silences", get(silences::list).post(silences::make).delete(silences::expire_named))
        .route("/api/v1/silences/{id}", get(silences::one).delete(silences::expire))
        .route("/api/v1/silence/{id}", get(silences::one).delete(silences::expire))
        .route("/api/v2/silences", get(alertmanager::silences).post(alertmanager::make))
        .route("/api/v2/silence/{id}", get(alertmanager::silence).delete(alertmanager::expire))
        .route("/api/v2/alerts", get(alertmanager::alerts))
        .route("/api/v1/remediations", get(state::remediations))
        .route("/api/v1/ledger", get(ledger::ledger))
        .route("/api/v1/reload", post(rules::reload))
        .fallback(health::nothing_here)
        .method_not_allowed_fallback(health::wrong_method)
}
