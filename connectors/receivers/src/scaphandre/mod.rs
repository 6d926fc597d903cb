//! Scaphandre's JSON reports: `POST /api/v1/import/scaphandre` with the stream that `scaphandre json` writes, or a piece of it.
//!
//! The reports do not say which machine they are of; `?host=NAME` does, as the label `host`. A stream larger than a body may
//! be comes in pieces of whole reports, as `flyball import scaphandre` sends it.

mod answer;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::post;
use flyball_model::intake::{Context, Format};
use flyball_model::{Clock, Intake};

use crate::desk::{Desk, only_post};
use crate::headers::gzip_or_none;

/// The path of the import. The peer comes from [`axum::extract::ConnectInfo`] of a `SocketAddr`, where the server sets it.
pub fn router(intake: Arc<dyn Intake>, clock: Arc<dyn Clock>) -> Router {
    let desk = Arc::new(Desk::new("scaphandre", intake, clock));
    let import = post(async move |request: Request| {
        let context = context(request.uri().query().unwrap_or_default());
        answer::wire(desk.receive_http_with(Format::Scaphandre, context, request, gzip_or_none).await)
    });
    Router::new().route("/api/v1/import/scaphandre", import.fallback(only_post))
}

fn context(query: &str) -> Option<Arc<Context>> {
    let (_, host) = form_urlencoded::parse(query.as_bytes()).find(|(key, host)| key == "host" && !host.is_empty())?;
    Some(Arc::new(Context { labels: vec![("host".to_owned(), host.into_owned())], ..Context::default() }))
}
