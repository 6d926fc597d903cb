//! Prometheus remote write 1.0: `POST /api/v1/write` with a snappy-compressed `prometheus.WriteRequest`.
//!
//! Source: Prometheus Remote-Write 1.0 specification; where old senders leave headers out, what Prometheus itself takes.

mod answer;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::post;
use flyball_model::intake::{Encoding, Format};
use flyball_model::{Clock, Intake};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use crate::desk::{Desk, only_post};
use crate::error::RequestError;
use crate::headers::{MediaType, content_coding, quoted};

/// The message of version 1.0, as the `proto` parameter of the content type names it.
const MESSAGE: &str = "prometheus.WriteRequest";

/// The path of remote write. The peer comes from [`axum::extract::ConnectInfo`] of a `SocketAddr`, where the server sets it.
///
/// `X-Prometheus-Remote-Write-Version` is not looked at: the content type says which message is in the body.
pub fn router(intake: Arc<dyn Intake>, clock: Arc<dyn Clock>) -> Router {
    let desk = Arc::new(Desk::new("remote_write", intake, clock));
    let write = post(async move |request: Request| {
        answer::wire(desk.receive_http(Format::RemoteWrite1, request, encoding).await)
    });
    Router::new().route("/api/v1/write", write.fallback(only_post))
}

/// Checks that the headers announce version 1.0 in snappy. Either header may be missing, as in Prometheus.
fn encoding(headers: &HeaderMap) -> Result<Encoding, RequestError> {
    if headers.contains_key(CONTENT_TYPE) {
        let spoken = MediaType::of(headers).is_some_and(|media| {
            media.is("application/x-protobuf") && media.parameter("proto").is_none_or(|message| message == MESSAGE)
        });
        if !spoken {
            return Err(RequestError::ContentType {
                found: quoted(headers, CONTENT_TYPE),
                expected: "application/x-protobuf;proto=prometheus.WriteRequest (remote write 1.0; in Prometheus: \
                           `protobuf_message: prometheus.WriteRequest`)",
            });
        }
    }
    match (headers.contains_key(CONTENT_ENCODING), content_coding(headers)) {
        (false, _) => Ok(Encoding::Snappy),
        (true, Ok(Some(coding))) if coding.eq_ignore_ascii_case("snappy") => Ok(Encoding::Snappy),
        _ => Err(RequestError::ContentEncoding { found: quoted(headers, CONTENT_ENCODING), expected: "snappy" }),
    }
}
