//! The table of outcomes and wire answers of OTLP/HTTP.
//!
//! | outcome | status | body |
//! |---|---|---|
//! | all stored | 200 | empty `Export…ServiceResponse` |
//! | some or all points refused | 200 | the same with `partial_success` |
//! | malformed | 400 | `google.rpc.Status` |
//! | too large | 413 | `google.rpc.Status` |
//! | traces | 404 | `google.rpc.Status` |
//! | another type or encoding | 415 and `Accept-Encoding` | `google.rpc.Status` |
//! | not now | 503 and `Retry-After` | `google.rpc.Status` |
//!
//! OTLP clients send again after 429, 502, 503 and 504 only, so nothing else may stand for "not now".

use axum::response::{IntoResponse, Response};
use flyball_model::intake::{Format, RefusalKind};
use flyball_model::ledger::Signal;
use flyball_model::{Receipt, Refusal};
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

use crate::{otlp, rpc_status};

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

/// An outcome in OTLP/HTTP's words.
pub(super) fn wire(format: Format, outcome: Result<Receipt, Refusal>) -> Response {
    let refusal = match otlp::judged(format, outcome) {
        Ok(receipt) => return ([(CONTENT_TYPE, PROTOBUF)], otlp::response(format, &receipt)).into_response(),
        Err(refusal) => refusal,
    };
    let status = match refusal.kind {
        RefusalKind::Malformed => StatusCode::BAD_REQUEST,
        RefusalKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        RefusalKind::Unsupported if format.signal() == Signal::Traces => StatusCode::NOT_FOUND,
        RefusalKind::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = (status, [(CONTENT_TYPE, PROTOBUF)], rpc_status::encode(&refusal)).into_response();
    let headers = response.headers_mut();
    if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, identity"));
    }
    if let Some(delay) = rpc_status::retry_after(&refusal) {
        headers.insert(RETRY_AFTER, HeaderValue::from(rpc_status::retry_after_secs(delay)));
    }
    response
}
