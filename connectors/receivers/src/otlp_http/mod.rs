//! OTLP over HTTP: `POST /v1/metrics`, `/v1/logs` and `/v1/traces` with protobuf bodies, plain or gzipped.
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
use flyball_model::{Clock, Intake};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use crate::desk::{Desk, only_post};
use crate::error::RequestError;
use crate::headers::{MediaType, content_coding, quoted};

/// The paths of OTLP/HTTP. The peer comes from [`axum::extract::ConnectInfo`] of a `SocketAddr`, where the server sets it.
///
/// The router bounds bodies; connections and the time for headers are bounded by the server that it runs in.
pub fn router(intake: Arc<dyn Intake>, clock: Arc<dyn Clock>) -> Router {
    let desk = Arc::new(Desk::new("otlp_http", intake, clock));
    Router::new()
        .route("/v1/metrics", export(&desk, Format::OtlpMetrics))
        .route("/v1/logs", export(&desk, Format::OtlpLogs))
        .route("/v1/traces", export(&desk, Format::OtlpTraces))
}

fn export(desk: &Arc<Desk>, format: Format) -> MethodRouter {
    let desk = Arc::clone(desk);
    post(async move |request: Request| answer::wire(format, desk.receive_http(format, request, encoding).await))
        .fallback(only_post)
}

/// Checks that the headers announce protobuf, and tells how it is compressed.
fn encoding(headers: &HeaderMap) -> Result<Encoding, RequestError> {
    if !MediaType::of(headers).is_some_and(|media| media.is("application/x-protobuf")) {
        let found = quoted(headers, CONTENT_TYPE);
        return Err(RequestError::ContentType {
            found,
            expected: "application/x-protobuf (OTLP in JSON is not taken yet)",
        });
    }
    match content_coding(headers) {
        Ok(None) => Ok(Encoding::Identity),
        Ok(Some(coding)) if coding.eq_ignore_ascii_case("gzip") => Ok(Encoding::Gzip),
        _ => Err(RequestError::ContentEncoding {
            found: quoted(headers, CONTENT_ENCODING),
            expected: "gzip, or none at all",
        }),
    }
}
