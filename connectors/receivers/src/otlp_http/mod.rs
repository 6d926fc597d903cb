//! OTLP over HTTP: `POST /v1/metrics`, `/v1/logs` and `/v1/traces` with bodies in protobuf or JSON, plain or
//! gzipped.
//!
//! Source: OpenTelemetry Protocol specification 1.x, section OTLP/HTTP.

mod answer;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::{MethodRouter, post};
use flyball_model::intake::{Encoding, Format};
use flyball_model::ledger::Signal;
use flyball_model::{Clock, Intake};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::desk::{Desk, only_post};
use crate::error::RequestError;
use crate::headers::{MediaType, gzip_or_none, quoted};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// The paths of OTLP/HTTP. The peer comes from [`axum::extract::ConnectInfo`] of a `SocketAddr`, where the server sets it.
///
/// The router bounds bodies; connections and the time for headers are bounded by the server that it runs in.
pub fn router(intake: Arc<dyn Intake>, clock: Arc<dyn Clock>) -> Router {
    let desk = Arc::new(Desk::new("otlp_http", intake, clock));
    Router::new()
        .route("/v1/metrics", export(&desk, Signal::Metrics))
        .route("/v1/logs", export(&desk, Signal::Logs))
        .route("/v1/traces", export(&desk, Signal::Traces))
}

fn export(desk: &Arc<Desk>, signal: Signal) -> MethodRouter {
    let desk = Arc::clone(desk);
    let receive = async move |request: Request| {
        // What is neither is refused by `encoding`, and must be answered in one of the two all the same.
        let format = format(request.headers(), signal).unwrap_or(Format::Otlp(signal));
        answer::wire(format, desk.receive_http(format, request, encoding).await)
    };
    post(receive).fallback(only_post)
}

/// The format that the content type announces. Its parameters say nothing: JSON is always in UTF-8 (RFC 8259, 8.1), and
/// `charset` is not even defined for it (section 11).
fn format(headers: &HeaderMap, signal: Signal) -> Option<Format> {
    let media = MediaType::of(headers)?;
    if media.is(JSON) {
        return Some(Format::OtlpJson(signal));
    }
    media.is(PROTOBUF).then_some(Format::Otlp(signal))
}

/// Checks that the headers announce protobuf or JSON, and tells how the body is compressed.
fn encoding(headers: &HeaderMap) -> Result<Encoding, RequestError> {
    if format(headers, Signal::Metrics).is_none() {
        let found = quoted(headers, CONTENT_TYPE);
        return Err(RequestError::ContentType { found, expected: "application/x-protobuf or application/json" });
    }
    gzip_or_none(headers)
}
