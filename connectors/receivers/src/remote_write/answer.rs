//! The table of outcomes and wire answers of remote write 1.0.
//!
//! | outcome | status | body |
//! |---|---|---|
//! | all stored | 204 | none |
//! | some or all samples refused | 400 | counts and reasons; the other samples are stored |
//! | malformed | 400 | what is wrong |
//! | too large | 413 | what is wrong |
//! | another message or encoding | 415 | what is spoken here |
//! | not now | 503 and `Retry-After` | why |
//!
//! Version 1.0 has no partial success: 400 is how Prometheus itself says that it took what it could. A sender must not
//! send again after 4xx, and does so after 5xx.

use axum::response::{IntoResponse, Response};
use flyball_model::intake::RefusalKind;
use flyball_model::{Receipt, Refusal};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use crate::rpc_status;

/// An outcome in remote write's words.
pub(super) fn wire(outcome: Result<Receipt, Refusal>) -> Response {
    let refusal = match outcome {
        Ok(receipt) if receipt.rejected() == 0 => return StatusCode::NO_CONTENT.into_response(),
        Ok(receipt) => return (StatusCode::BAD_REQUEST, format!("{}\n", receipt.message())).into_response(),
        Err(refusal) => refusal,
    };
    let status = match refusal.kind {
        RefusalKind::Malformed => StatusCode::BAD_REQUEST,
        RefusalKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        RefusalKind::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = (status, format!("{}\n", refusal.message)).into_response();
    if let Some(delay) = rpc_status::retry_after(&refusal) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(rpc_status::retry_after_secs(delay)));
    }
    response
}
