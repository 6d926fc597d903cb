//! `/healthz`, `/readyz`, `/metrics`, and the answer for paths that lead nowhere.

use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::IntoResponse;

use super::Shared;
use super::error::ApiError;
use crate::access;

/// Prometheus' text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) async fn alive() -> &'static str {
    "alive\n"
}

pub(crate) async fn ready(State(shared): State<Shared>) -> impl IntoResponse {
    if shared.draining.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned())
    } else if let Some(trouble) = shared.runtime.log_trouble() {
        (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: nothing can be made durable: {trouble}\n"))
    } else {
        let durability = shared.runtime.durability();
        (StatusCode::OK, format!("ready; durability is {}: {}\n", durability.as_str(), durability.promise()))
    }
}

pub(crate) async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, TEXT_FORMAT)], shared.runtime.metrics() + &shared.entrance.render())
}

pub(crate) async fn nothing_here(uri: Uri) -> ApiError {
    let error = ApiError::not_found(format!("nothing is served at {}", uri.path()));
    match access::receiver_at(uri.path()) {
        Some(receiver) => error.hint(format!("receivers.{receiver}.enabled: true in the configuration has it served")),
        None => error.hint("GET /openapi.json lists what is"),
    }
}

pub(crate) async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{} does not take {method}", uri.path()),
    )
    .hint("GET /openapi.json lists what it takes")
}
