//! OTLP/HTTP. Source: OpenTelemetry Protocol specification 1.x, section OTLP/HTTP.

use std::time::Duration;

use flyball_tests::http::Answer;
use serde_json::Value;

use super::account::Tally;
use super::case::{Case, Expected, Protocol, Request, Signal, Verdict};
use super::content::Content;
use super::otlp;
use super::server::{Road, gzip};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
const GZIP: (&str, &str) = ("content-encoding", "gzip");

pub(super) fn cases(road: Road, body_bytes_max: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    for signal in Signal::ALL {
        for json in [false, true] {
            let protocol = Protocol::OtlpHttp { signal, json };
            let format = if json { "json" } else { "protobuf" };
            let media = if json { JSON } else { PROTOBUF };
            for (number, (rule, content)) in otlp::contents(signal).enumerate() {
                let id = format!("http-{format}-{}-{number}", signal.word());
                cases.push(case(rule, road, protocol, content, &id));
            }
            // The opening of a message, and nothing behind it.
            let cut = if json { &b"{\"resourceSpans\": [{"[..] } else { &[10, 50] };
            let request = request(signal, &headers(road, media), road.packed(cut));
            cases.push(refused("Bad Data: 400 if it can't be decoded", protocol, request, 400, "malformed"));
        }
    }
    cases.extend(requests(road, body_bytes_max));
    cases
}

/// A request of this content.
pub(super) fn case(rule: &'static str, road: Road, protocol: Protocol, content: Content, id: &str) -> Case {
    let signal = protocol.signal();
    let json = matches!(protocol, Protocol::OtlpHttp { json: true, .. });
    let body = if json { content.json(signal, id) } else { content.protobuf(signal, id) };
    let media = if json { JSON } else { PROTOBUF };
    otlp::case(rule, protocol, request(signal, &headers(road, media), road.packed(&body)), content, id)
}

/// What is wrong with a request before anybody looks into it.
fn requests(road: Road, body_bytes_max: usize) -> Vec<Case> {
    let signal = Signal::Metrics;
    let protocol = |json| Protocol::OtlpHttp { signal, json };
    let typed = |media: &'static str| ("content-type", media);
    let send = |headers: &[_], body: &[u8]| request(signal, headers, body.to_vec());
    let large = vec![0; body_bytes_max + 1];
    let text = send(&[typed("text/plain")], b"book_reading 1");
    let brotli = send(&[typed(JSON), ("content-encoding", "br")], b"{}");
    let mut cases = vec![
        refused("Request: another type is 415", protocol(false), text, 415, "content_type"),
        refused("Request: no type is 415", protocol(false), send(&[], b""), 415, "content_type"),
        refused("Request: another encoding is 415", protocol(true), brotli, 415, "content_encoding"),
        refused("Failures: too large is 413", protocol(false), send(&[typed(PROTOBUF)], &large), 413, "body_too_large"),
    ];
    if road.is_gzip() {
        let bomb = send(&[typed(PROTOBUF), GZIP], &gzip(&vec![0; body_bytes_max + 1]));
        let none = send(&[typed(JSON), GZIP], b"{}");
        cases.push(refused("Failures: unpacked too large is 413", protocol(false), bomb, 413, "body_too_large"));
        cases.push(refused("Bad Data: gzip that is none is 400", protocol(true), none, 400, "malformed"));
    }
    cases
}

fn headers(road: Road, media: &'static str) -> Vec<(&'static str, &'static str)> {
    [("content-type", media)].into_iter().chain(road.is_gzip().then_some(GZIP)).collect()
}

fn request(signal: Signal, headers: &[(&'static str, &'static str)], body: Vec<u8>) -> Request {
    Request { path: format!("/v1/{}", signal.word()), headers: headers.to_vec(), body }
}

fn refused(rule: &'static str, protocol: Protocol, request: Request, status: u16, reason: &'static str) -> Case {
    let (expected, tally) = (Expected::Refused(status), Tally::refused(reason));
    Case { rule, protocol, id: "http".to_owned(), request, expected, tally, written: None, rows: 0 }
}

/// What an answer says; it must have the shape of the format that was sent.
#[track_caller]
pub(super) fn read(what: &str, signal: Signal, json: bool, answer: &Answer) -> Verdict {
    assert_eq!(answer.header("content-type"), if json { JSON } else { PROTOBUF }, "{what}: the type of the request");
    if answer.status == 200 {
        assert_eq!(answer.header("retry-after"), "", "{what}");
        return if json { taken_json(what, signal, &answer.json()) } else { otlp::taken(what, signal, &answer.body) };
    }
    let (code, info) = if json { status_json(what, &answer.json()) } else { otlp::status(what, &answer.body) };
    // Only these two are sent again, of those that flyball answers.
    let not_now = matches!(answer.status, 429 | 503);
    let after = answer.header("retry-after").parse().ok().map(Duration::from_secs);
    assert_eq!(after.is_some(), not_now, "{what}: Throttling: {} and Retry-After {after:?}", answer.status);
    assert_eq!(info.is_some(), not_now, "{what}: RetryInfo {info:?}");
    let expected = match answer.status {
        400 => 3,
        413 | 429 => 8,
        415 => 12,
        503 => 14,
        other => panic!("{what}: {other}: {}", answer.text()),
    };
    assert_eq!(code, expected, "{what}: the code in the status of {}", answer.status);
    match (after, info) {
        (Some(after), Some(info)) => {
            assert!(info <= after, "{what}: Retry-After {after:?} is RetryInfo {info:?}, rounded up");
            Verdict::NotNow { code: answer.status, after }
        }
        _ => Verdict::Refused(answer.status),
    }
}

#[track_caller]
fn taken_json(what: &str, signal: Signal, answer: &Value) -> Verdict {
    let Some(partial) = answer.get("partialSuccess") else {
        assert_eq!(answer.as_object().map(serde_json::Map::len), Some(0), "{what}: {answer}");
        return Verdict::Taken { refused: 0, said: String::new() };
    };
    let field = match signal {
        Signal::Metrics => "rejectedDataPoints",
        Signal::Logs => "rejectedLogRecords",
        Signal::Traces => "rejectedSpans",
    };
    let refused = partial[field].as_str().and_then(|count| count.parse().ok());
    let said = partial["errorMessage"].as_str().filter(|said| !said.is_empty());
    match (refused, said) {
        (Some(refused), Some(said)) => Verdict::Taken { refused, said: said.to_owned() },
        _ => panic!("{what}: {answer}"),
    }
}

#[track_caller]
fn status_json(what: &str, status: &Value) -> (u16, Option<Duration>) {
    assert!(status["message"].as_str().is_some_and(|message| !message.is_empty()), "{what}: {status}");
    let code = status["code"].as_u64().and_then(|code| u16::try_from(code).ok());
    let seconds = status["details"][0]["retryDelay"].as_str().map(|delay| {
        let seconds = delay.strip_suffix('s').and_then(|seconds| seconds.parse().ok());
        Duration::from_secs_f64(seconds.unwrap_or_else(|| panic!("{what}: {status}")))
    });
    (code.unwrap_or_else(|| panic!("{what}: {status}")), seconds)
}
