//! OTLP/HTTP over real sockets.

mod json;

use flyball_model::admission::{NotNow, Sender};
use flyball_model::intake::RefusalKind::{Malformed, Throttled, TooLarge, Unavailable, Unsupported};
use flyball_model::intake::{Rejection, Submission};
use flyball_model::ledger::{Reason, Signal};
use flyball_model::{Receipt, Refusal};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::rpc_status::Status;
use crate::testing::{
    Answer, BODY_BYTES_MAX, FakeIntake, NOW, SOME_REJECTED, all_stored, clock, post, refusal, send, serve,
    some_rejected,
};

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");

fn status_of(answer: &Answer) -> Status {
    assert_eq!(answer.header("content-type"), "application/x-protobuf");
    Status::decode(&answer.body[..]).expect("a google.rpc.Status")
}

#[tokio::test]
async fn a_body_is_handed_over_as_it_came() {
    let intake = FakeIntake::new(all_stored());
    let address = serve(router(intake.clone(), clock())).await;
    let gzip = ("content-encoding", "gzip");
    let with_parameter = ("content-type", "application/x-protobuf; charset=utf-8");
    let cases = [
        ("/v1/metrics", vec![PROTOBUF], Format::Otlp(Signal::Metrics), Encoding::Identity),
        ("/v1/metrics", vec![with_parameter, gzip], Format::Otlp(Signal::Metrics), Encoding::Gzip),
        ("/v1/logs", vec![PROTOBUF, ("content-encoding", "identity")], Format::Otlp(Signal::Logs), Encoding::Identity),
        ("/v1/logs", vec![PROTOBUF, gzip], Format::Otlp(Signal::Logs), Encoding::Gzip),
    ];
    for (path, headers, format, encoding) in cases {
        let answer = send(address, post(path, &headers, "not even protobuf")).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/x-protobuf"));
        assert!(answer.body.is_empty(), "partial_success is unset when nothing was refused");
        let submission = intake.only_submission();
        assert_eq!((submission.format, submission.encoding), (format, encoding));
        let Submission { receiver, peer, body, received_at, .. } = submission;
        assert_eq!((receiver, peer.as_str(), received_at), ("otlp_http", "127.0.0.1", NOW));
        assert_eq!(&body[..], b"not even protobuf");
    }
    let answer = send(address, post("/v1/metrics", &[PROTOBUF], "")).await;
    assert_eq!(answer.status, 200, "no bytes are an empty message");
    assert!(intake.only_submission().body.is_empty());
    assert_eq!(*intake.refused.lock(), []);
}

#[tokio::test]
async fn refused_points_are_a_partial_success_with_a_count_and_reasons() {
    let intake = FakeIntake::new(some_rejected());
    let address = serve(router(intake, clock())).await;
    let answer = send(address, post("/v1/metrics", &[PROTOBUF], "x")).await;
    let message = ExportMetricsServiceResponse::decode(&answer.body[..]).expect("a response");
    let partial = message.partial_success.expect("some were refused");
    assert_eq!((answer.status, partial.rejected_data_points), (200, 3));
    assert_eq!(partial.error_message, SOME_REJECTED);

    let answer = send(address, post("/v1/logs", &[PROTOBUF], "x")).await;
    let message = ExportLogsServiceResponse::decode(&answer.body[..]).expect("a response");
    let partial = message.partial_success.expect("some were refused");
    assert_eq!((answer.status, partial.rejected_log_records), (200, 3));
    assert_eq!(partial.error_message, SOME_REJECTED);
}

#[tokio::test]
async fn every_refusal_has_its_status_and_code() {
    let intake = FakeIntake::new(all_stored());
    let address = serve(router(intake.clone(), clock())).await;
    let table = [
        // kind, path, status, code, retry-after, accept-encoding
        (Malformed, "/v1/metrics", 400, 3, "", ""),
        (TooLarge, "/v1/metrics", 413, 8, "", ""),
        (Unsupported, "/v1/metrics", 415, 12, "", "gzip, identity"),
        (Unavailable, "/v1/metrics", 503, 14, "2", ""),
        (Throttled, "/v1/metrics", 429, 8, "2", ""),
        (Malformed, "/v1/traces", 400, 3, "", ""),
        (TooLarge, "/v1/traces", 413, 8, "", ""),
        (Unsupported, "/v1/traces", 415, 12, "", "gzip, identity"),
        (Unavailable, "/v1/traces", 503, 14, "2", ""),
    ];
    for (kind, path, status, code, retry_after, accept_encoding) in table {
        intake.answers(refusal(kind));
        let answer = send(address, post(path, &[PROTOBUF], "x")).await;
        let body = status_of(&answer);
        assert_eq!((answer.status, body.code), (status, code), "{kind:?} on {path}");
        assert!(body.message.contains("the reason"), "{}", body.message);
        assert_eq!(answer.header("retry-after"), retry_after, "{kind:?} on {path}");
        assert_eq!(answer.header("accept-encoding"), accept_encoding, "{kind:?} on {path}");
    }
    assert_eq!(*intake.refused.lock(), [], "the pipeline counts what it was given");
}

#[tokio::test]
async fn refused_spans_and_warnings_are_told() {
    let intake = FakeIntake::new(some_rejected());
    let address = serve(router(intake.clone(), clock())).await;
    let answer = send(address, post("/v1/traces", &[PROTOBUF], "x")).await;
    assert_eq!(intake.only_submission().format, Format::Otlp(Signal::Traces));
    let message = ExportTraceServiceResponse::decode(&answer.body[..]).expect("a response");
    let partial = message.partial_success.expect("some were refused");
    assert_eq!((answer.status, partial.rejected_spans), (200, 3));
    assert_eq!(partial.error_message, SOME_REJECTED);

    let warning = Rejection { reason: Reason::EndBeforeStart, points: 1, detail: "why".to_owned() };
    intake.answers(Ok(Receipt { stored: 1, warnings: vec![warning], ..Receipt::default() }));
    let answer = send(address, post("/v1/traces", &[PROTOBUF], "x")).await;
    let message = ExportTraceServiceResponse::decode(&answer.body[..]).expect("a response");
    let partial = message.partial_success.expect("there is a warning");
    assert_eq!((answer.status, partial.rejected_spans), (200, 0));
    assert_eq!(partial.error_message, "1 point: end_before_start: why");
}

#[tokio::test]
async fn bad_requests_get_their_answer_and_a_line_in_the_ledger() {
    let intake = FakeIntake::new(all_stored());
    let address = serve(router(intake.clone(), clock())).await;
    let large = "x".repeat(BODY_BYTES_MAX + 1);
    let cases = [
        (vec![("content-type", "text/plain")], "x", 415, Reason::ContentType, "'text/plain'"),
        (vec![("content-type", "application/jsonl")], "{}", 415, Reason::ContentType, "or application/json"),
        (vec![], "x", 415, Reason::ContentType, "missing"),
        (vec![PROTOBUF, ("content-encoding", "zstd")], "x", 415, Reason::ContentEncoding, "'zstd'"),
        (vec![PROTOBUF, ("content-encoding", "gzip, gzip")], "x", 415, Reason::ContentEncoding, "'gzip, gzip'"),
        (vec![PROTOBUF], &large, 413, Reason::BodyTooLarge, "1000 bytes"),
    ];
    for (headers, body, status, reason, word) in cases {
        let answer = send(address, post("/v1/logs", &headers, body.to_owned())).await;
        assert_eq!(answer.status, status, "{headers:?}");
        let message = status_of(&answer).message;
        assert!(message.contains(word), "{message}");
        let refused = intake.refused.lock().drain(..).collect::<Vec<_>>();
        assert_eq!(refused, [("otlp_http", "127.0.0.1".to_owned(), Some(Signal::Logs), reason)]);
    }
    assert!(intake.submissions.lock().is_empty());
}

#[tokio::test]
async fn whether_a_body_may_come_in_is_asked_before_it_is_read() {
    let intake = FakeIntake::new(all_stored());
    let address = serve(router(intake.clone(), clock())).await;
    let long = "t".repeat(200);
    for (tenant, name) in [("", "127.0.0.1"), ("team-a", "tenant team-a"), (&*long, "127.0.0.1")] {
        let headers = if tenant.is_empty() { vec![PROTOBUF] } else { vec![PROTOBUF, ("x-scope-orgid", tenant)] };
        assert_eq!(send(address, post("/v1/metrics", &headers, "12345")).await.status, 200);
        let (Sender { name: asked, connection }, announced) = intake.asked.lock().pop().expect("asked");
        assert_eq!((&*asked, announced), (name, 5));
        assert!(connection > 0, "its port");
    }
    intake.submissions.lock().clear();
    intake.close(NotNow { reason: Reason::Unavailable, refusal: refusal(Unavailable).expect_err("refused") });
    let answer = send(address, post("/v1/metrics", &[PROTOBUF], "x")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "2"));
    let refused = intake.refused.lock().clone();
    assert_eq!(refused, [("otlp_http", "127.0.0.1".to_owned(), Some(Signal::Metrics), Reason::Unavailable)]);
    assert!(intake.submissions.lock().is_empty());
}

#[tokio::test]
async fn other_methods_are_told_to_post() {
    let address = serve(router(FakeIntake::new(all_stored()), clock())).await;
    let request = http::Request::get("/v1/metrics").header("host", "flyball").body(String::new()).expect("valid");
    let answer = send(address, request).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "POST"));
}

#[tokio::test]
async fn a_body_of_unknown_length_is_refused_once_it_is_too_long() {
    let intake = FakeIntake::new(all_stored());
    let address = serve(router(intake.clone(), clock())).await;
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    let head = "POST /v1/metrics HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    let chunk = format!("258\r\n{}\r\n", "x".repeat(0x258));
    stream.write_all(format!("{head}{chunk}{chunk}{chunk}0\r\n\r\n").as_bytes()).await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer, not a reset");
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(intake.refused.lock()[0].3, Reason::BodyTooLarge);
}

#[tokio::test]
async fn a_sender_that_writes_everything_before_it_reads_gets_its_answer() {
    let address = serve(router(FakeIntake::new(all_stored()), clock())).await;
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    let body = "x".repeat(8 << 20);
    let head = format!(
        "POST /v1/metrics HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await.expect("taken to the last byte");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer, not a reset");
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_sender_that_asks_first_is_not_told_to_go_on() {
    let intake = FakeIntake::new(all_stored());
    let address = serve(router(intake.clone(), clock())).await;
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    let head = "POST /v1/metrics HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 1001\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer, and the end");
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(intake.refused.lock()[0].3, Reason::BodyTooLarge);
}

#[tokio::test]
async fn a_sender_that_goes_away_in_the_middle_stands_in_the_ledger() {
    let intake = FakeIntake::new(all_stored());
    let address = serve(router(intake.clone(), clock())).await;
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    let head =
        "POST /v1/metrics HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 10\r\n\r\nabc";
    stream.write_all(head.as_bytes()).await.expect("written");
    drop(stream);
    intake.event().await;
    let refused = intake.refused.lock().clone();
    assert_eq!(refused, [("otlp_http", "127.0.0.1".to_owned(), Some(Signal::Metrics), Reason::Interrupted)]);
    assert!(intake.submissions.lock().is_empty());
}

#[tokio::test]
async fn chunks_that_cannot_be_read_are_the_senders_fault_and_a_cut_is_not() {
    let intake = FakeIntake::new(all_stored());
    let address = serve(router(intake.clone(), clock())).await;
    let head = "POST /v1/metrics HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ntransfer-encoding: chunked\r\n\r\n";
    let extended = format!("1;{}\r\nx\r\n0\r\n\r\n", "x".repeat(20 * 1024));
    for body in ["-2\r\nxx\r\n0\r\n\r\n", "fffffffffffffffff\r\nxx", "1\r\nxx\r\n0\r\n\r\n", &extended] {
        let mut stream = TcpStream::connect(address).await.expect("the server listens");
        stream.write_all(format!("{head}{body}").as_bytes()).await.expect("written");
        // Only the status: a reset may follow, since not all was read.
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(str::from_utf8(&answer), Ok("HTTP/1.1 400"), "{body:.20}");
        intake.event().await;
        assert_eq!(intake.refused.lock().pop().expect("counted").3, Reason::Malformed, "{body:.20}");
    }
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.write_all(format!("{head}5\r\nab").as_bytes()).await.expect("written");
    drop(stream);
    intake.event().await;
    assert_eq!(intake.refused.lock().pop().expect("counted").3, Reason::Interrupted);
}

#[tokio::test]
async fn a_request_without_a_known_peer_is_taken_too() {
    let intake = FakeIntake::new(Err(Refusal::new(Malformed, "x")));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let router = router(intake.clone(), clock());
    tokio::spawn(async move { axum::serve(listener, router).await });
    send(address, post("/v1/metrics", &[PROTOBUF], "x")).await;
    assert_eq!(intake.only_submission().peer, "unknown");
}
