//! The table of outcomes and wire answers of OTLP/HTTP.
//!
//! | outcome | status | body |
//! |---|---|---|
//! | all stored | 200 | empty `Export…ServiceResponse` |
//! | some or all refused, or a warning | 200 | the same with `partial_success` |
//! | malformed | 400 | `google.rpc.Status` |
//! | too large | 413 | `google.rpc.Status` |
//! | another type or encoding | 415, `Accept` and `Accept-Encoding` | `google.rpc.Status` |
//! | not now | 503 and `Retry-After` | `google.rpc.Status` |
//!
//! The answer to JSON is JSON and to protobuf protobuf, also where the request is refused; to a type that is neither,
//! protobuf.
//!
//! OTLP clients send again after 429, 502, 503 and 504 only, so nothing else may stand for "not now".

use axum::response::{IntoResponse, Response};
use flyball_model::intake::{Format, RefusalKind};
use flyball_model::{Receipt, Refusal};
use http::HeaderValue;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE};

use super::{JSON, PROTOBUF};
use crate::{otlp, refused, rpc_status};

/// An outcome in OTLP/HTTP's words.
pub(super) fn wire(format: Format, outcome: Result<Receipt, Refusal>) -> Response {
    let json = matches!(format, Format::OtlpJson(_));
    let content_type = [(CONTENT_TYPE, HeaderValue::from_static(if json { JSON } else { PROTOBUF }))];
    let refusal = match outcome {
        Ok(receipt) => {
            let encode = if json { otlp::response_json } else { otlp::response };
            return (content_type, encode(format.signal(), &receipt)).into_response();
        }
        Err(refusal) => refusal,
    };
    let body = if json { rpc_status::encode_json(&refusal) } else { rpc_status::encode(&refusal) };
    let mut response = refused::wire(&refusal, (content_type, body));
    if refusal.kind == RefusalKind::Unsupported {
        let headers = response.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/x-protobuf, application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, identity"));
    }
    response
}
