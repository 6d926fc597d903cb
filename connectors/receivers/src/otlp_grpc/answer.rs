//! The table of outcomes and wire answers of OTLP/gRPC.
//!
//! | outcome | `grpc-status` | besides |
//! |---|---|---|
//! | all stored | 0 OK | empty `Export…ServiceResponse` |
//! | some or all refused, or a warning | 0 OK | the same with `partial_success` |
//! | malformed | 3 INVALID_ARGUMENT | |
//! | too large | 8 RESOURCE_EXHAUSTED | no `RetryInfo`: the same body will never fit |
//! | unknown compression, unknown method | 12 UNIMPLEMENTED | `grpc-accept-encoding` |
//! | not now | 14 UNAVAILABLE | `RetryInfo` in `grpc-status-details-bin` |
//! | over the sender's own limit | 8 RESOURCE_EXHAUSTED | the same |
//! | no token, or none that is known | 16 UNAUTHENTICATED | |
//! | a token that may not write | 7 PERMISSION_DENIED | |
//!
//! What is not gRPC at all gets an HTTP status and a sentence.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{BufMut, Bytes, BytesMut};
use flyball_model::intake::Format;
use flyball_model::{Receipt, Refusal};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};

use crate::error::RequestError;
use crate::rpc_status::Code;
use crate::{otlp, rpc_status};

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_STATUS_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// What a client that came to the wrong port hears.
pub(super) const GRPC_WANTED: &str =
    "application/grpc over HTTP/2 (OTLP over HTTP has a port of its own, 4318 by default)";

/// Bytes of `grpc-message` before it is encoded. Clients bound the headers that they take, often to 8 KiB, and encoding
/// may triple it.
const MESSAGE_BYTES_MAX: usize = 2048;

/// An outcome in OTLP/gRPC's words.
pub(super) fn wire(format: Format, outcome: Result<Receipt, Refusal>) -> Response<Reply> {
    let refusal = match outcome {
        Ok(receipt) => return succeeded(&otlp::response(format.signal(), &receipt)),
        Err(refusal) => refusal,
    };
    let code = Code::from(refusal.kind);
    let mut response = failed(code, &refusal.message);
    if refusal.kind.is_retryable() {
        let details = STANDARD_NO_PAD
            .encode(rpc_status::encode(&Refusal { message: shortened(&refusal.message).to_owned(), ..refusal }));
        if let Ok(details) = HeaderValue::try_from(details) {
            response.headers_mut().insert(GRPC_STATUS_DETAILS, details);
        }
    }
    response
}

/// A message and the status OK after it.
fn succeeded(message: &[u8]) -> Response<Reply> {
    let mut data = BytesMut::with_capacity(5 + message.len());
    data.put_u8(0);
    // The response counts and explains; it is never near 4 GiB.
    data.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    data.put_slice(message);
    let trailers = HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from(Code::Ok as i32))]);
    let mut response = Response::new(Reply { data: Some(data.freeze()), trailers: Some(trailers) });
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}

/// A status without a message, in one header block ("Trailers-Only").
pub(super) fn failed(code: Code, message: &str) -> Response<Reply> {
    let mut response = Response::new(Reply { data: None, trailers: None });
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, GRPC);
    headers.insert(GRPC_STATUS, HeaderValue::from(code as i32));
    if let Ok(message) = HeaderValue::try_from(percent_encoded(shortened(message))) {
        headers.insert(GRPC_MESSAGE, message);
    }
    if code == Code::Unimplemented {
        headers.insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static("identity,gzip"));
    }
    response
}

/// The answer to a request that is not gRPC.
pub(super) fn not_grpc(status: StatusCode, error: &RequestError) -> Response<Reply> {
    text(status, &error.to_string())
}

/// A plain HTTP answer.
pub(super) fn text(status: StatusCode, sentence: &str) -> Response<Reply> {
    let mut response = Response::new(Reply { data: Some(format!("{sentence}\n").into()), trailers: None });
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn shortened(message: &str) -> &str {
    &message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)]
}

/// `grpc-message` as gRPC encodes it: what is not printable ASCII, and `%` itself, as `%XX`.
fn percent_encoded(message: &str) -> String {
    let mut encoded = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// A response's body: at most one chunk, then at most one block of trailers.
#[derive(Debug)]
pub(super) struct Reply {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = self.data.take().map(Frame::data).or_else(|| self.trailers.take().map(Frame::trailers));
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        // An exact hint becomes a `content-length`, which has no place in a gRPC response.
        match (&self.data, &self.trailers) {
            (Some(data), None) => SizeHint::with_exact(data.len() as u64),
            _ => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_percent_encoded_and_short() {
        assert_eq!(percent_encoded("5 % of 'a'\n"), "5 %25 of 'a'%0A");
        assert_eq!(percent_encoded("é"), "%C3%A9");
        assert_eq!(shortened(&"é".repeat(2000)).len(), MESSAGE_BYTES_MAX);
    }
}
