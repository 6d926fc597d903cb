//! OTLP/gRPC over real sockets, spoken frame by frame: the clients of the test suite outside are too well behaved.

use std::convert::Infallible;
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use flyball_model::Refusal;
use flyball_model::admission::NotNow;
use flyball_model::intake::RefusalKind::{Malformed, Throttled, TooLarge, Unavailable, Unsupported};
use flyball_model::intake::{Encoding, Format};
use flyball_model::ledger::{Reason, Signal};
use futures::{StreamExt, stream};
use http::{HeaderMap, Request};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::gate::{Denied, DeniedKind, Open};
use crate::net::testing::Authority;
use crate::net::{CONNECTIONS_MAX, House, Tls};
use crate::rpc_status::Status;
use crate::testing::{
    BODY_BYTES_MAX, FakeIntake, NOW, SOME_REJECTED, all_stored, clock, collect, refusal, some_rejected,
};

const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const GRPC: (&str, &str) = ("content-type", "application/grpc");
const GZIP: (&str, &str) = ("grpc-encoding", "gzip");

type Client = SendRequest<BoxBody<Bytes, Infallible>>;

struct Server {
    address: SocketAddr,
    intake: Arc<FakeIntake>,
    cancel: CancellationToken,
    served: JoinHandle<io::Result<()>>,
}

impl Server {
    async fn start(intake: Arc<FakeIntake>) -> Self {
        Self::guarded(intake, None, Arc::new(Open)).await
    }

    async fn guarded(intake: Arc<FakeIntake>, tls: Option<Arc<Tls>>, gate: Arc<dyn Gate>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let listener = Listener::new(listener, tls, House::new(CONNECTIONS_MAX).seats("otlp_grpc"));
        let cancel = CancellationToken::new();
        let served = tokio::spawn(serve(listener, gate, intake.clone(), clock(), cancel.clone()));
        Self { address, intake, cancel, served }
    }

    async fn client(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket");
        let (client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("a handshake");
        tokio::spawn(connection);
        client
    }
}

/// A response, its trailers and its headers in one map as far as gRPC is concerned.
#[derive(Debug)]
struct Answer {
    http_status: u16,
    headers: HeaderMap,
    trailers: Option<HeaderMap>,
    body: Bytes,
}

impl Answer {
    /// A header of the status: from the trailers, or from the headers of an answer without a message.
    fn status_header(&self, name: &str) -> &str {
        let headers = self.trailers.as_ref().unwrap_or(&self.headers);
        headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    fn code(&self) -> &str {
        self.status_header("grpc-status")
    }

    /// The message, out of its frame.
    fn message(&self) -> &[u8] {
        let (prefix, message) = self.body.split_first_chunk::<5>().expect("a prefix");
        assert_eq!(
            (prefix[0], u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize),
            (0, message.len())
        );
        message
    }
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let mut frame = vec![flag];
    frame.extend_from_slice(&u32::try_from(message.len()).expect("short").to_be_bytes());
    frame.extend_from_slice(message);
    frame
}

fn whole(body: Vec<u8>) -> BoxBody<Bytes, Infallible> {
    Full::from(body).boxed()
}

async fn call(client: &mut Client, path: &str, headers: &[(&str, &str)], body: BoxBody<Bytes, Infallible>) -> Answer {
    let mut request = Request::post(format!("http://flyball{path}")).header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body).expect("a valid request");
    answer_of(client.send_request(request).await.expect("a response")).await
}

async fn answer_of(response: http::Response<hyper::body::Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let body = collect(body).await;
    let trailers = body.trailers().cloned();
    Answer { http_status: head.status.as_u16(), headers: head.headers, trailers, body: body.to_bytes() }
}

#[tokio::test]
async fn a_message_is_handed_over_as_it_came() {
    let server = Server::start(FakeIntake::new(all_stored())).await;
    let mut client = server.client().await;
    let proto = ("content-type", "application/grpc+proto");
    let cases = [
        (METRICS, vec![GRPC], 0, Format::Otlp(Signal::Metrics), Encoding::Identity),
        (METRICS, vec![proto, GZIP], 1, Format::Otlp(Signal::Metrics), Encoding::Gzip),
        (LOGS, vec![GRPC, GZIP], 0, Format::Otlp(Signal::Logs), Encoding::Identity),
        (LOGS, vec![GRPC, ("grpc-encoding", "identity")], 0, Format::Otlp(Signal::Logs), Encoding::Identity),
    ];
    for (path, headers, flag, format, encoding) in cases {
        let answer = call(&mut client, path, &headers, whole(framed(flag, b"not even protobuf"))).await;
        assert_eq!((answer.http_status, answer.code()), (200, "0"));
        assert_eq!(answer.headers["content-type"], "application/grpc");
        assert!(answer.trailers.is_some(), "the status follows the message");
        assert!(answer.message().is_empty(), "partial_success is unset when nothing was refused");
        let submission = server.intake.only_submission();
        assert_eq!((submission.format, submission.encoding), (format, encoding));
        assert_eq!((submission.receiver, submission.peer.as_str()), ("otlp_grpc", "127.0.0.1"));
        assert_eq!((&submission.body[..], submission.received_at), (&b"not even protobuf"[..], NOW));
    }
    assert_eq!(call(&mut client, METRICS, &[GRPC], whole(framed(0, b""))).await.code(), "0");
    assert!(server.intake.only_submission().body.is_empty());
    assert_eq!(*server.intake.refused.lock(), []);
}

#[tokio::test]
async fn a_message_in_any_pieces_is_put_together() {
    let server = Server::start(FakeIntake::new(all_stored())).await;
    let mut client = server.client().await;
    let message: Vec<u8> = (0..=255).collect();
    for piece_bytes in [1, 3, 5, 6, 100] {
        let frame = framed(0, &message);
        let pieces: Vec<_> =
            frame.chunks(piece_bytes).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
        let body = BoxBody::new(StreamBody::new(stream::iter(pieces)));
        assert_eq!(call(&mut client, METRICS, &[GRPC], body).await.code(), "0");
        assert_eq!(server.intake.only_submission().body, message);
    }
}

#[tokio::test]
async fn refused_points_are_a_partial_success_with_a_count_and_reasons() {
    let server = Server::start(FakeIntake::new(some_rejected())).await;
    let mut client = server.client().await;
    let answer = call(&mut client, METRICS, &[GRPC], whole(framed(0, b"x"))).await;
    let partial = ExportMetricsServiceResponse::decode(answer.message()).expect("a response").partial_success;
    let partial = partial.expect("some were refused");
    assert_eq!((answer.code(), partial.rejected_data_points), ("0", 3));
    assert_eq!(partial.error_message, SOME_REJECTED);

    let answer = call(&mut client, LOGS, &[GRPC], whole(framed(0, b"x"))).await;
    let partial = ExportLogsServiceResponse::decode(answer.message()).expect("a response").partial_success;
    let partial = partial.expect("some were refused");
    assert_eq!((answer.code(), partial.rejected_log_records), ("0", 3));
    assert_eq!(partial.error_message, SOME_REJECTED);
}

#[tokio::test]
async fn every_refusal_has_its_code() {
    let server = Server::start(FakeIntake::new(all_stored())).await;
    let mut client = server.client().await;
    let table = [
        // kind, method, code, retry info
        (Malformed, METRICS, "3", false),
        (TooLarge, METRICS, "8", false),
        (Unsupported, METRICS, "12", false),
        (Unavailable, METRICS, "14", true),
        (Throttled, METRICS, "8", true),
        (Malformed, TRACES, "3", false),
        (TooLarge, TRACES, "8", false),
        (Unsupported, TRACES, "12", false),
        (Unavailable, TRACES, "14", true),
    ];
    for (kind, method, code, retry_info) in table {
        server.intake.answers(refusal(kind));
        let answer = call(&mut client, method, &[GRPC], whole(framed(0, b"x"))).await;
        assert_eq!((answer.http_status, answer.code()), (200, code), "{kind:?} of {method}");
        assert!(answer.trailers.is_none() && answer.body.is_empty(), "a refusal is one block of headers");
        assert!(answer.status_header("grpc-message").contains("the reason"));
        let details = answer.status_header("grpc-status-details-bin");
        assert_eq!(!details.is_empty(), retry_info, "{kind:?} of {method}");
        if retry_info {
            let status = STANDARD_NO_PAD.decode(details).expect("base64");
            let status = Status::decode(&status[..]).expect("a google.rpc.Status");
            assert_eq!(
                (status.code.to_string().as_str(), status.message.as_str(), status.details.len()),
                (code, "the reason", 1)
            );
        }
    }
    assert_eq!(*server.intake.refused.lock(), [], "the pipeline counts what it was given");
}

#[tokio::test]
async fn a_call_that_may_not_come_in_now_is_told_when_to_come_again() {
    let server = Server::start(FakeIntake::new(all_stored())).await;
    let mut client = server.client().await;
    for (reason, kind, code) in [(Reason::Unavailable, Unavailable, "14"), (Reason::Throttled, Throttled, "8")] {
        let refusal = refusal(kind).expect_err("refused");
        server.intake.close(NotNow { reason, refusal });
        let answer = call(&mut client, METRICS, &[GRPC, ("x-scope-orgid", "team-a")], whole(framed(0, b"x"))).await;
        let details = STANDARD_NO_PAD.decode(answer.status_header("grpc-status-details-bin")).expect("base64");
        let status = Status::decode(&details[..]).expect("a google.rpc.Status");
        assert_eq!((answer.code(), status.details.len()), (code, 1), "RetryInfo");
        let refused = server.intake.refused.lock().drain(..).collect::<Vec<_>>();
        assert_eq!(refused, [("otlp_grpc", "127.0.0.1".to_owned(), Some(Signal::Metrics), reason)]);
    }
    let asked = server.intake.asked.lock();
    assert!(asked.iter().all(|(sender, _)| &*sender.name == "tenant team-a" && sender.connection > 0), "{asked:?}");
    assert!(server.intake.submissions.lock().is_empty());
}

#[tokio::test]
async fn refused_spans_are_counted() {
    let server = Server::start(FakeIntake::new(some_rejected())).await;
    let answer = call(&mut server.client().await, TRACES, &[GRPC], whole(framed(0, b"x"))).await;
    assert_eq!(server.intake.only_submission().format, Format::Otlp(Signal::Traces));
    let partial = ExportTraceServiceResponse::decode(answer.message()).expect("a response").partial_success;
    let partial = partial.expect("some were refused");
    assert_eq!((answer.code(), partial.rejected_spans), ("0", 3));
    assert_eq!(partial.error_message, SOME_REJECTED);
}

#[tokio::test]
async fn unknown_methods_are_unimplemented() {
    let server = Server::start(FakeIntake::new(all_stored())).await;
    let mut client = server.client().await;
    for path in ["/grpc.health.v1.Health/Check", "/", "/opentelemetry.proto.collector.logs.v1.LogsService/Import"] {
        let answer = call(&mut client, path, &[GRPC], whole(framed(0, b"x"))).await;
        assert_eq!(answer.code(), "12");
        assert!(answer.status_header("grpc-message").starts_with(path));
    }
}

#[tokio::test]
async fn bad_requests_get_their_answer_and_a_line_in_the_ledger() {
    let server = Server::start(FakeIntake::new(all_stored())).await;
    let mut client = server.client().await;
    let large = framed(0, &[0; BODY_BYTES_MAX + 1]);
    let announced = [&[0][..], &u32::MAX.to_be_bytes(), b"abc"].concat();
    let mut two = framed(0, b"one");
    two.extend(framed(0, b"two"));
    let zstd = ("grpc-encoding", "zstd");
    let cases = [
        (vec![GRPC], large, "8", Reason::BodyTooLarge, "longer than 1000 bytes"),
        (vec![GRPC], announced, "8", Reason::BodyTooLarge, "longer than 1000 bytes"),
        (vec![GRPC, zstd], framed(1, b"x"), "12", Reason::ContentEncoding, "'zstd'"),
        (vec![GRPC], vec![], "3", Reason::Malformed, "carries none"),
        (vec![GRPC], vec![0, 0], "3", Reason::Malformed, "ended after 2 of 5 bytes"),
        (vec![GRPC], framed(0, b"abc")[..7].to_vec(), "3", Reason::Malformed, "ended after 7 of 8 bytes"),
        (vec![GRPC], two, "3", Reason::Malformed, "more follows"),
        (vec![GRPC], framed(7, b"x"), "3", Reason::Malformed, "compressed flag is 7"),
        (vec![GRPC], framed(1, b"x"), "3", Reason::Malformed, "names no compression"),
    ];
    for (headers, body, code, reason, word) in cases {
        let answer = call(&mut client, LOGS, &headers, whole(body)).await;
        let message = answer.status_header("grpc-message");
        assert_eq!(answer.code(), code, "{message}");
        assert!(message.contains(word), "{message}");
        assert_eq!(answer.status_header("grpc-accept-encoding"), if code == "12" { "identity,gzip" } else { "" });
        let refused = server.intake.refused.lock().drain(..).collect::<Vec<_>>();
        assert_eq!(refused, [("otlp_grpc", "127.0.0.1".to_owned(), Some(Signal::Logs), reason)]);
    }
    assert!(server.intake.submissions.lock().is_empty());
}

#[tokio::test]
async fn what_is_not_grpc_gets_an_http_status() {
    let server = Server::start(FakeIntake::new(all_stored())).await;
    let mut client = server.client().await;
    let protobuf = ("content-type", "application/x-protobuf");
    let answer = call(&mut client, METRICS, &[protobuf], whole(vec![])).await;
    assert_eq!((answer.http_status, answer.code()), (415, ""));
    assert_eq!(server.intake.refused.lock().drain(..).next().map(|refused| refused.3), Some(Reason::ContentType));

    let request = Request::get(format!("http://flyball{METRICS}")).body(whole(vec![])).expect("valid");
    let answer = answer_of(client.send_request(request).await.expect("a response")).await;
    assert_eq!((answer.http_status, &answer.headers["allow"]), (405, &http::HeaderValue::from_static("POST")));
}

#[tokio::test]
async fn a_client_of_http_1_is_told_where_to_go() {
    let server = Server::start(FakeIntake::new(all_stored())).await;
    let mut stream = TcpStream::connect(server.address).await.expect("the server listens");
    stream.write_all(b"POST /v1/metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx").await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer, and the end");
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("4318"), "{answer}");
    let refused = server.intake.refused.lock().clone();
    assert_eq!(refused, [("otlp_grpc", "127.0.0.1".to_owned(), None, Reason::ContentType)]);
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_stands_in_the_ledger() {
    let server = Server::start(FakeIntake::new(all_stored())).await;
    let mut client = server.client().await;
    let first = stream::iter([Ok(Frame::data(Bytes::from_static(&[0, 0, 0, 0, 9, 1])))]);
    let body = BoxBody::new(StreamBody::new(first.chain(stream::pending())));
    let request = Request::post(format!("http://flyball{METRICS}")).header(GRPC.0, GRPC.1).body(body).expect("valid");
    let mut other = client.clone();
    let half = tokio::spawn(async move { client.send_request(request).await.is_ok() });
    // A later call on the same connection is answered, so the half one has begun.
    assert_eq!(call(&mut other, LOGS, &[GRPC], whole(framed(0, b"x"))).await.code(), "0");
    server.intake.event().await;
    half.abort();
    server.intake.event().await;
    let refused = server.intake.refused.lock().clone();
    assert_eq!(refused, [("otlp_grpc", "127.0.0.1".to_owned(), Some(Signal::Metrics), Reason::Interrupted)]);
}

#[tokio::test]
async fn calls_in_flight_finish_before_the_server_ends() {
    let server = Server::start(FakeIntake::shut(all_stored())).await;
    let mut client = server.client().await;
    let in_flight = tokio::spawn(async move { call(&mut client, METRICS, &[GRPC], whole(framed(0, b"x"))).await });
    server.intake.event().await;
    server.cancel.cancel();
    server.intake.gate.add_permits(1);
    assert_eq!(in_flight.await.expect("no panic").code(), "0");
    server.served.await.expect("no panic").expect("a clean end");
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn many_calls_share_a_connection() {
    let server = Server::start(FakeIntake::new(all_stored())).await;
    let client = server.client().await;
    let calls = (0..100).map(|_| {
        let mut client = client.clone();
        async move { call(&mut client, METRICS, &[GRPC], whole(framed(0, &[7; 999]))).await.code() == "0" }
    });
    let answers: Vec<bool> = futures::future::join_all(calls).await;
    assert_eq!(answers, [true; 100]);
    assert_eq!(server.intake.submissions.lock().len(), 100);
}

#[tokio::test]
async fn the_last_words_of_a_refusal_survive_percent_encoding() {
    let server = Server::start(FakeIntake::new(Err(Refusal::new(Malformed, "5 % of 'é'\n")))).await;
    let answer = call(&mut server.client().await, METRICS, &[GRPC], whole(framed(0, b"x"))).await;
    assert_eq!(answer.status_header("grpc-message"), "5 %25 of '%C3%A9'%0A");
}

/// Knows one token, which may not write, and can't say of another.
struct Keeper;

#[async_trait::async_trait]
impl Gate for Keeper {
    async fn may_write(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let kind = match headers.get("authorization").map(|value| value.as_bytes()) {
            Some(b"Bearer writer") => return Ok(()),
            Some(b"Bearer reader") => DeniedKind::Forbidden,
            Some(b"Bearer elsewhere") => DeniedKind::Unavailable,
            _ => DeniedKind::Unknown,
        };
        Err(Denied::new(kind, "the keeper's reason"))
    }
}

#[tokio::test]
async fn a_call_that_may_not_come_in_gets_its_code_and_a_line_in_the_ledger() {
    let server = Server::guarded(FakeIntake::new(all_stored()), None, Arc::new(Keeper)).await;
    let mut client = server.client().await;
    for (token, code, reason) in [
        (None, "16", Some(Reason::Unauthorized)),
        (Some("Bearer nobody"), "16", Some(Reason::Unauthorized)),
        (Some("Bearer reader"), "7", Some(Reason::Unauthorized)),
        (Some("Bearer elsewhere"), "14", Some(Reason::Unavailable)),
        (Some("Bearer writer"), "0", None),
    ] {
        let headers: Vec<_> = [GRPC].into_iter().chain(token.map(|token| ("authorization", token))).collect();
        let answer = call(&mut client, TRACES, &headers, whole(framed(0, b"x"))).await;
        assert_eq!(answer.code(), code, "{token:?}");
        assert_eq!(answer.status_header("grpc-status-details-bin").is_empty(), code != "14", "RetryInfo for a retry");
        let refused = server.intake.refused.lock().drain(..).collect::<Vec<_>>();
        let expected: Vec<_> = reason
            .map(|reason| ("otlp_grpc", "127.0.0.1".to_owned(), Some(Signal::Traces), reason))
            .into_iter()
            .collect();
        assert_eq!(refused, expected, "{token:?}");
    }
    assert_eq!(server.intake.only_submission().body, "x", "nothing of the others was read");
}

#[tokio::test]
async fn calls_come_over_tls_too() {
    let authority = Authority::new();
    authority.certify("server");
    let tls = Tls::load(authority.files("server", false), &PROTOCOLS).expect("good files");
    let server = Server::guarded(FakeIntake::new(all_stored()), Some(Arc::new(tls)), Arc::new(Open)).await;
    let tcp = TcpStream::connect(server.address).await.expect("the server listens");
    let tls = authority.connect(tcp, None, &["h2"]).await.expect("a handshake");
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.expect("a handshake");
    tokio::spawn(connection);
    assert_eq!(call(&mut client, METRICS, &[GRPC], whole(framed(0, b"x"))).await.code(), "0");

    let tcp = TcpStream::connect(server.address).await.expect("the server listens");
    let error = authority.connect(tcp, None, &["http/1.1"]).await.expect_err("no common protocol");
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
}
