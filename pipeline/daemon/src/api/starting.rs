//! What the main port answers while the log is read back: that flyball lives, how far it is, and "come again" for the rest.

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flyball_runtime::Progress;

use super::error::ApiError;
use super::health;

/// When a sender should come again, in seconds.
const RETRY_AFTER_S: &str = "1";

/// The paths of a start.
pub(crate) fn router(progress: Arc<Progress>) -> Router {
    let says = {
        let progress = Arc::clone(&progress);
        move || async move { again(format!("{}\n", sentence(&progress))) }
    };
    let rest =
        move || async move { again(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "starting", sentence(&progress))) };
    Router::new().route("/healthz", get(health::alive)).route("/readyz", get(says)).fallback(rest)
}

fn sentence(progress: &Progress) -> String {
    format!("starting: {:.0} % of the log is read back", progress.share() * 100.0)
}

fn again(body: impl IntoResponse) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, RETRY_AFTER_S)], body).into_response()
}
