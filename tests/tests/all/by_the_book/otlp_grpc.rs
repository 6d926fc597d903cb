//! OTLP/gRPC. Source: OpenTelemetry Protocol specification 1.x, section OTLP/gRPC; gRPC over HTTP/2.

use base64::Engine;
use base64::engine::general_purpose::GeneralPurposeConfig;
use base64::engine::{DecodePaddingMode, GeneralPurpose};
use flyball_tests::grpc::framed;
use flyball_tests::http::Answer;

use super::account::Tally;
use super::case::{Case, Expected, Protocol, Request, Signal, Verdict};
use super::content::Content;
use super::otlp;
use super::server::{Road, gzip};

const INVALID_ARGUMENT: u16 = 3;
pub(super) const RESOURCE_EXHAUSTED: u16 = 8;
const UNIMPLEMENTED: u16 = 12;
pub(super) const UNAVAILABLE: u16 = 14;

/// What is not gRPC is answered in HTTP.
const UNSUPPORTED_MEDIA_TYPE: u16 = 415;

const GRPC: (&str, &str) = ("content-type", "application/grpc");
const GZIP: (&str, &str) = ("grpc-encoding", "gzip");

pub(super) fn cases(road: Road, body_bytes_max: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    for signal in Signal::ALL {
        let protocol = Protocol::OtlpGrpc { signal };
        for (number, (rule, content)) in otlp::contents(signal).enumerate() {
            let id = format!("grpc-{}-{number}", signal.word());
            cases.push(case(rule, road, protocol, content, &id));
        }
        let cut = packed(road, signal, &[10, 50]);
        let rule = "Failures: INVALID_ARGUMENT if it can't be decoded";
        cases.push(refused(rule, protocol, cut, INVALID_ARGUMENT, Tally::refused("malformed")));
    }
    cases.extend(requests(road, body_bytes_max));
    cases
}

/// A request of this content.
pub(super) fn case(rule: &'static str, road: Road, protocol: Protocol, content: Content, id: &str) -> Case {
    let signal = protocol.signal();
    otlp::case(rule, protocol, packed(road, signal, &content.protobuf(signal, id)), content, id)
}

/// A message as it travels.
fn packed(road: Road, signal: Signal, message: &[u8]) -> Request {
    let headers: Vec<_> = [GRPC].into_iter().chain(road.is_gzip().then_some(GZIP)).collect();
    request(signal, &headers, framed(u8::from(road.is_gzip()), &road.packed(message)))
}

/// What is wrong with a request before anybody looks into it.
fn requests(road: Road, body_bytes_max: usize) -> Vec<Case> {
    let signal = Signal::Metrics;
    let protocol = Protocol::OtlpGrpc { signal };
    let send = |headers: &[_], body: Vec<u8>| request(signal, headers, body);
    let elsewhere =
        Request { path: "/opentelemetry.proto.no.Service/Export".to_owned(), ..send(&[GRPC], framed(0, b"")) };
    let large = || vec![0; body_bytes_max + 1];
    let too_large = || Tally::refused("body_too_large");
    let mut cases = vec![
        refused(
            "Failures: RESOURCE_EXHAUSTED without RetryInfo is for good",
            protocol,
            send(&[GRPC], framed(0, &large())),
            RESOURCE_EXHAUSTED,
            too_large(),
        ),
        refused(
            "compression.md: UNIMPLEMENTED for one that is not known",
            protocol,
            send(&[GRPC, ("grpc-encoding", "zstd")], framed(1, b"x")),
            UNIMPLEMENTED,
            Tally::refused("content_encoding"),
        ),
        refused(
            "compression.md: compressed, and not said how",
            protocol,
            send(&[GRPC], framed(1, b"x")),
            INVALID_ARGUMENT,
            Tally::refused("malformed"),
        ),
        refused(
            "PROTOCOL-HTTP2.md: UNIMPLEMENTED for a method that is not known",
            protocol,
            elsewhere,
            UNIMPLEMENTED,
            Tally::default(),
        ),
        refused(
            "PROTOCOL-HTTP2.md: 415 if the type does not begin with application/grpc",
            protocol,
            send(&[("content-type", "application/x-protobuf")], framed(0, b"")),
            UNSUPPORTED_MEDIA_TYPE,
            Tally::refused("content_type"),
        ),
    ];
    if road.is_gzip() {
        let rule = "Failures: unpacked too large is RESOURCE_EXHAUSTED for good";
        let bomb = send(&[GRPC, GZIP], framed(1, &gzip(&large())));
        cases.push(refused(rule, protocol, bomb, RESOURCE_EXHAUSTED, too_large()));
    }
    cases
}

fn request(signal: Signal, headers: &[(&'static str, &'static str)], body: Vec<u8>) -> Request {
    let (package, service) = match signal {
        Signal::Metrics => ("metrics", "MetricsService"),
        Signal::Logs => ("logs", "LogsService"),
        Signal::Traces => ("trace", "TraceService"),
    };
    let path = format!("/opentelemetry.proto.collector.{package}.v1.{service}/Export");
    Request { path, headers: headers.to_vec(), body }
}

fn refused(rule: &'static str, protocol: Protocol, request: Request, code: u16, tally: Tally) -> Case {
    let (id, expected) = ("grpc".to_owned(), Expected::Refused(code));
    Case { rule, protocol, id, request, expected, tally, written: None, rows: 0 }
}

/// What an answer says.
#[track_caller]
pub(super) fn read(what: &str, signal: Signal, answer: &Answer) -> Verdict {
    if answer.status == UNSUPPORTED_MEDIA_TYPE {
        assert!(!answer.body.is_empty(), "{what}: the answer says why");
        return Verdict::Refused(answer.status);
    }
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/grpc"), "{what}");
    let code: u16 = answer.header("grpc-status").parse().unwrap_or_else(|error| panic!("{what}: {error}"));
    let details = answer.header("grpc-status-details-bin");
    if code == 0 {
        assert_eq!(details, "", "{what}");
        let (prefix, message) = answer.body.split_first_chunk::<5>().unwrap_or_else(|| panic!("{what}: no message"));
        assert_eq!(framed(prefix[0], message), answer.body, "{what}: one message, as long as it says");
        assert_eq!(prefix[0], 0, "{what}: a client that did not ask for compression gets none");
        return otlp::taken(what, signal, message);
    }
    assert!(answer.body.is_empty(), "{what}: an error has no message");
    assert!(!answer.header("grpc-message").is_empty(), "{what}: an error says why");
    if details.is_empty() {
        assert_ne!(code, UNAVAILABLE, "{what}: Throttling: RetryInfo says when to come again");
        return Verdict::Refused(code);
    }
    // Padding or none: gRPC takes both.
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let details = GeneralPurpose::new(&base64::alphabet::STANDARD, lenient).decode(details);
    let (again, after) = otlp::status(what, &details.unwrap_or_else(|error| panic!("{what}: {error}")));
    assert_eq!(again, code, "{what}: the code of the details is that of the status");
    assert!(matches!(code, RESOURCE_EXHAUSTED | UNAVAILABLE), "{what}: {code} is never sent again");
    Verdict::NotNow { code, after: after.unwrap_or_else(|| panic!("{what}: details without RetryInfo")) }
}
