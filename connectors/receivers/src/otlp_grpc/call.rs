//! One call: which method, read its message, hand it over, answer.

use bytes::Bytes;
use flyball_model::intake::Format;
use flyball_model::ledger::{Reason, Signal};
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;

use super::answer::{self, Reply};
use super::message;
use crate::desk::Desk;
use crate::error::RequestError;
use crate::gate::{Denied, DeniedKind, Gate};
use crate::headers::{MediaType, quoted};
use crate::pace::PACE;
use crate::rpc_status::Code;

/// Answers one request on an HTTP/2 connection, if its sender may come in. `connection` tells the connections of a peer apart.
pub(super) async fn answer<B>(
    desk: &Desk,
    gate: &dyn Gate,
    peer: &str,
    connection: u64,
    request: Request<B>,
) -> Response<Reply>
where
    B: Body<Data = Bytes, Error: std::error::Error> + Unpin,
{
    let (head, mut body) = request.into_parts();
    if head.method != Method::POST {
        let mut response = answer::text(StatusCode::METHOD_NOT_ALLOWED, "gRPC calls are made by POST");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let format = format_of(head.uri.path());
    if let Err(denied) = gate.may_write(&head.headers).await {
        return deny(desk, peer, format, denied);
    }
    let is_grpc = MediaType::of(&head.headers)
        .is_some_and(|media| media.is("application/grpc") || media.is("application/grpc+proto"));
    if !is_grpc {
        let found = quoted(&head.headers, CONTENT_TYPE);
        let error = RequestError::ContentType { found, expected: answer::GRPC_WANTED };
        desk.refuse(peer, format.map(Format::signal), &error);
        return answer::not_grpc(StatusCode::UNSUPPORTED_MEDIA_TYPE, &error);
    }
    let Some(format) = format else {
        let path = head.uri.path();
        return answer::failed(Code::Unimplemented, &format!("{path} is not known here; flyball takes {METHODS}"));
    };
    let read = async {
        // Its length stands in the message itself.
        let lease = desk.admit(peer, connection, &head.headers, 0)?;
        message::read(&head.headers, &mut body, desk.bounds(), lease).await
    };
    let outcome = desk.receive(peer, format, read).await;
    if outcome.as_ref().is_err_and(|refusal| refusal.kind.is_retryable()) {
        PACE.turn().await;
    }
    answer::wire(format, outcome)
}

/// Counts and answers a call whose sender may not come in.
fn deny(desk: &Desk, peer: &str, format: Option<Format>, denied: Denied) -> Response<Reply> {
    let signal = format.map(Format::signal);
    if denied.kind == DeniedKind::Unavailable {
        desk.refuse_for(peer, signal, Reason::Unavailable);
        return answer::wire(format.unwrap_or(Format::Otlp(Signal::Metrics)), Err(denied.into()));
    }
    desk.refuse_for(peer, signal, Reason::Unauthorized);
    answer::failed(denied.rpc_code(), &denied.message)
}

/// What an unknown method's answer names.
const METHODS: &str = "Export of opentelemetry.proto.collector.{metrics,logs,trace}.v1";

fn format_of(path: &str) -> Option<Format> {
    match path {
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Some(Format::Otlp(Signal::Metrics)),
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Some(Format::Otlp(Signal::Logs)),
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Some(Format::Otlp(Signal::Traces)),
        _ => None,
    }
}
