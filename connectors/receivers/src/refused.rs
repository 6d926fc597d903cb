//! A refusal over HTTP: the status and `Retry-After` are the same in every protocol, the body is the protocol's own.

use axum::response::{IntoResponse, Response};
use flyball_model::Refusal;
use flyball_model::intake::RefusalKind;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use crate::rpc_status;

/// The status of a refusal. "Not now" is 503 and not 429: after that some senders drop the body instead of sending it again.
///
/// A sender over its own limit is told 429, the throttle of OTLP/HTTP and of InfluxDB, which their senders honour. Remote write is the
/// exception, and says 503 for that too: Prometheus drops what is answered 429 unless `retry_on_http_429` is set, and it is not by default.
pub(crate) fn status(kind: RefusalKind) -> StatusCode {
    match kind {
        RefusalKind::Malformed => StatusCode::BAD_REQUEST,
        RefusalKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        RefusalKind::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        RefusalKind::Throttled => StatusCode::TOO_MANY_REQUESTS,
    }
}

/// A refusal with this body.
pub(crate) fn wire(refusal: &Refusal, body: impl IntoResponse) -> Response {
    let mut response = (status(refusal.kind), body).into_response();
    ask_again(&mut response, refusal);
    response
}

/// Tells when to try again, where that makes sense.
pub(crate) fn ask_again(response: &mut Response, refusal: &Refusal) {
    if let Some(delay) = rpc_status::retry_after(refusal) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(rpc_status::retry_after_secs(delay)));
    }
}

/// A refusal as a line of text.
pub(crate) fn text(refusal: &Refusal) -> Response {
    wire(refusal, format!("{}\n", refusal.message))
}
