//! A refusal over HTTP: the status and `Retry-After` are the same in every protocol, the body is the protocol's own.

use axum::response::{IntoResponse, Response};
use flyball_model::Refusal;
use flyball_model::intake::RefusalKind;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use crate::rpc_status;

/// The status of a refusal. "Not now" is 503 and never 429: after that some senders drop the body instead of sending it again.
pub(crate) fn status(kind: RefusalKind) -> StatusCode {
    match kind {
        RefusalKind::Malformed => StatusCode::BAD_REQUEST,
        RefusalKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        RefusalKind::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// A refusal with this body.
pub(crate) fn wire(refusal: &Refusal, body: impl IntoResponse) -> Response {
    let mut response = (status(refusal.kind), body).into_response();
    if let Some(delay) = rpc_status::retry_after(refusal) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(rpc_status::retry_after_secs(delay)));
    }
    response
}

/// A refusal as a line of text.
pub(crate) fn text(refusal: &Refusal) -> Response {
    wire(refusal, format!("{}\n", refusal.message))
}
