//! The messages of OTLP's answers, the same over gRPC and HTTP.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tonic_types::pb::{RetryInfo, Status};

use super::case::{Case, Expected, Protocol, Request, Signal, Verdict};
use super::content::Content;

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// A request of this content, and what must become of it.
pub(super) fn case(rule: &'static str, protocol: Protocol, request: Request, content: Content, id: &str) -> Case {
    let signal = protocol.signal();
    let remark = if signal == Signal::Metrics { "rounded" } else { "end_before_start" };
    let expected = match content {
        Content { old: 0, odd: 0, .. } => Expected::Whole,
        Content { old: 0, .. } => Expected::Warned(remark),
        Content { old, .. } => Expected::Partial(old, "too_old"),
    };
    let tally = content.tally(signal);
    Case { rule, protocol, id: id.to_owned(), request, expected, rows: tally.stored, tally, written: None }
}

/// The rules of what is in a request. Of logs nothing is stored with a remark.
pub(super) fn contents(signal: Signal) -> impl Iterator<Item = (&'static str, Content)> {
    const ROWS: [(&str, Content); 6] = [
        ("Full Success: partial_success is unset", Content { good: 3, old: 0, odd: 0 }),
        ("Partial Success: the number of those refused, and why", Content { good: 2, old: 3, odd: 0 }),
        ("Partial Success: also if all are refused", Content { good: 0, old: 3, odd: 0 }),
        ("Partial Success: a warning has 0 rejected", Content { good: 2, old: 0, odd: 1 }),
        ("Partial Success: a warning beside refusals is not counted", Content { good: 1, old: 2, odd: 1 }),
        ("OTLP Request: an empty one is a success", Content { good: 0, old: 0, odd: 0 }),
    ];
    ROWS.into_iter().filter(move |(_, content)| content.odd == 0 || signal != Signal::Logs)
}

/// What an `Export…ServiceResponse` says.
#[track_caller]
pub(super) fn taken(what: &str, signal: Signal, message: &[u8]) -> Verdict {
    let partial = match signal {
        Signal::Metrics => ExportMetricsServiceResponse::decode(message)
            .map(|response| response.partial_success.map(|part| (part.rejected_data_points, part.error_message))),
        Signal::Logs => ExportLogsServiceResponse::decode(message)
            .map(|response| response.partial_success.map(|part| (part.rejected_log_records, part.error_message))),
        Signal::Traces => ExportTraceServiceResponse::decode(message)
            .map(|response| response.partial_success.map(|part| (part.rejected_spans, part.error_message))),
    };
    let partial = partial.unwrap_or_else(|error| panic!("{what}: {error}"));
    // A message that is there must say something, and why.
    assert!(partial.as_ref().is_none_or(|(_, said)| !said.is_empty()), "{what}: {partial:?}");
    let (refused, said) = partial.unwrap_or_default();
    Verdict::Taken { refused: u64::try_from(refused).unwrap_or_else(|_| panic!("{what}: {refused}")), said }
}

/// The code of a `google.rpc.Status`, and when to come again. It must say why.
#[track_caller]
pub(super) fn status(what: &str, message: &[u8]) -> (u16, Option<Duration>) {
    let Status { code, message, details } = Status::decode(message).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(!message.is_empty(), "{what}: a status says why");
    let after = details.iter().find(|detail| detail.type_url == RETRY_INFO).map(|detail| {
        let info = RetryInfo::decode(detail.value.as_slice()).unwrap_or_else(|error| panic!("{what}: {error}"));
        let delay = info.retry_delay.unwrap_or_else(|| panic!("{what}: RetryInfo without a delay"));
        Duration::try_from(delay).unwrap_or_else(|error| panic!("{what}: {error}"))
    });
    (u16::try_from(code).unwrap_or_else(|_| panic!("{what}: code {code}")), after)
}
