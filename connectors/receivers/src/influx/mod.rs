//! Influx line protocol, taken as InfluxDB 1.x, 2.x and 3 take it, each at its own path.
//!
//! | path | as | parameters |
//! |---|---|---|
//! | `POST /write` | 1.8 | `db`; `precision` n, u, ms, s, m, h; `rp`, `u` and `p` are passed over |
//! | `POST /api/v2/write` | 2.7 | `bucket`; `precision` ns, us, ms, s; `org` is passed over |
//! | `POST /api/v3/write_lp` | 3 Core | `db`; `precision` auto, nanosecond … second; `accept_partial`; `no_sync` is passed over |
//! | `GET /ping`, `/health` | 1.8 | that there is something here, and what it can be taken for |
//! | `/query` | 1.x | `CREATE DATABASE`, which does nothing, and `SHOW DATABASES`, for who may read; clients send them before they write |
//!
//! A database or bucket is a label: every series gets it as `db`, unless it has a tag of that name. None has to be made
//! first. Content types are passed over, as InfluxDB does.
//!
//! | file | holds |
//! |---|---|
//! | `parameters` | what the URL says |
//! | `answer` | the table of outcomes and wire answers |
//! | `databases` | the names that were seen |
//! | `query` | statements |
//! | `probe` | `/ping` and `/health` |
//!
//! Source: InfluxDB's API documentation, and the answers of InfluxDB 1.6.7 and 2.7 to bad requests.

pub(crate) mod answer;
mod databases;
mod parameters;
mod probe;
mod query;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use flyball_model::ledger::Signal;
use flyball_model::{Clock, Intake};

use self::answer::Api;
use self::databases::Databases;
use crate::desk::{Desk, only_post};
use crate::error::RequestError;
use crate::headers::gzip_or_none;

/// The paths of InfluxDB. The peer comes from [`axum::extract::ConnectInfo`] of a `SocketAddr`, where the server sets it.
pub fn router(intake: Arc<dyn Intake>, clock: Arc<dyn Clock>) -> Router {
    let desk = Arc::new(Desk::new("influx", intake, clock));
    let databases = Arc::new(Databases::default());
    let write = |api| write(api, &desk, &databases);
    let asked = Arc::clone(&databases);
    let query = async move |request: Request| query::answer(&asked, request).await;
    Router::new()
        .route("/write", write(Api::V1))
        .route("/api/v2/write", write(Api::V2))
        .route("/api/v3/write_lp", write(Api::V3))
        .route("/query", get(query.clone()).post(query))
        .route("/ping", get(probe::ping).post(probe::ping))
        .route("/health", get(probe::health))
}

fn write(api: Api, desk: &Arc<Desk>, databases: &Arc<Databases>) -> MethodRouter {
    let (desk, databases) = (Arc::clone(desk), Arc::clone(databases));
    post(async move |request: Request| take(api, &desk, &databases, request).await).fallback(only_post)
}

async fn take(api: Api, desk: &Desk, databases: &Databases, request: Request) -> Response {
    match parameters::read(api, request.uri().query().unwrap_or_default()) {
        Ok(parameters) => {
            let context = databases.context(&parameters.database);
            let outcome = desk.receive_http_with(parameters.format(), Some(context), request, gzip_or_none).await;
            answer::wire(api, parameters.whole, outcome)
        }
        Err(wrong) => {
            desk.refuse_http(request, Signal::Metrics, &RequestError::Parameter(wrong.message.clone())).await;
            answer::error(api, wrong.status, &wrong.message)
        }
    }
}
