//! Against a fake, for the faults that a real server will not show on demand.

use std::collections::VecDeque;
use std::io::Write;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use flyball_model::ports::FieldValue;
use flyball_model::{UnixNanos, WallClock};

use super::*;
use crate::options::InfluxVersion;

/// What the fake saw of a request.
#[derive(Debug, Clone)]
struct Seen {
    uri: String,
    headers: HeaderMap,
    body: String,
}

/// A server that answers from a list, then always with the last answer of it.
#[derive(Debug)]
struct Fake {
    answers: Mutex<VecDeque<Answer>>,
    /// How long it thinks before it answers.
    slow: Duration,
    seen: Mutex<Vec<Seen>>,
}

/// Status, body, `Retry-After`.
type Answer = (u16, &'static str, Option<&'static str>);

const GOOD: Answer = (204, "", None);

async fn answer(State(fake): State<Arc<Fake>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let body = if headers.contains_key("content-encoding") { unzip(&body) } else { String::new() };
    let (status, text, after) = {
        let mut answers = fake.answers.lock();
        let answer = *answers.front().expect("at least one answer");
        if answers.len() > 1 {
            answers.pop_front();
        }
        answer
    };
    fake.seen.lock().push(Seen { uri: uri.to_string(), headers, body });
    tokio::time::sleep(fake.slow).await;
    let status = StatusCode::from_u16(status).expect("a status");
    match after {
        Some(after) => (status, [("retry-after", after)], text).into_response(),
        None => (status, text).into_response(),
    }
}

#[expect(clippy::disallowed_types, reason = "what the sink under test compressed is not hostile")]
fn unzip(body: &[u8]) -> String {
    let mut decoder = flate2::write::GzDecoder::new(Vec::new());
    decoder.write_all(body).expect("gzip");
    String::from_utf8(decoder.finish().expect("gzip")).expect("UTF-8")
}

/// A sink with a fake behind it, and the folder of its spool.
struct Bench {
    fake: Arc<Fake>,
    options: InfluxOptions,
    pace: Pace,
    dir: tempfile::TempDir,
}

type Running = (Arc<InfluxSink>, JoinHandle<()>, CancellationToken);

impl Bench {
    async fn new(version: InfluxVersion, answers: &[Answer]) -> Bench {
        Self::slow(version, answers, Duration::ZERO).await
    }

    async fn slow(version: InfluxVersion, answers: &[Answer], slow: Duration) -> Bench {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let fake =
            Arc::new(Fake { answers: Mutex::new(answers.iter().copied().collect()), slow, seen: Mutex::default() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let app = Router::new().fallback(answer).with_state(Arc::clone(&fake));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let dir = tempfile::tempdir().expect("a folder");
        let options = InfluxOptions {
            name: "fake".into(),
            url: format!("http://{address}"),
            version,
            org: "o".into(),
            bucket: "b".into(),
            token: if version == InfluxVersion::V1 { String::new() } else { "t".into() },
            username: "u".into(),
            password: "p".into(),
            write: vec![RecordKind::Twin],
            spool_dir: dir.path().join("spool"),
            spool_bytes_max: 1_000_000,
        };
        let pace = Pace {
            request: Duration::from_secs(5),
            backoff_min: Duration::from_millis(2),
            backoff_max: Duration::from_millis(10),
            slow: Duration::from_millis(10),
            retry_after_max: Duration::from_secs(600),
            note: Duration::from_millis(10),
            drain: Duration::from_millis(300),
        };
        Bench { fake, options, pace, dir }
    }

    fn start(&self) -> Running {
        let cancel = CancellationToken::new();
        let clock: Arc<dyn Clock> = Arc::new(WallClock::default());
        let (sink, task) =
            InfluxSink::start_at(self.options.clone(), self.pace, clock, cancel.clone()).expect("started");
        (sink, task, cancel)
    }

    fn answer_from_now_on(&self, answer: Answer) {
        *self.fake.answers.lock() = VecDeque::from([answer]);
    }

    fn seen(&self) -> Vec<Seen> {
        self.fake.seen.lock().clone()
    }

    /// Waits until the fake saw so many requests.
    async fn requests(&self, count: usize) {
        until(|| self.fake.seen.lock().len() >= count).await;
    }
}

/// Looks again and again, for ten seconds at most.
async fn until(mut done: impl FnMut() -> bool) {
    let look = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), look).await.expect("it happens within ten seconds");
}

/// Whether the worker has looked at everything that was enqueued.
fn taken_in(sink: &InfluxSink) -> bool {
    sink.account.arrive(0, 0, 0)
}

/// Records whose times run from `from` to below `to`.
fn records(from: i64, to: i64) -> Arc<[Record]> {
    (from..to)
        .map(|time| Record {
            measurement: "m".into(),
            tags: Vec::new(),
            fields: vec![("v".into(), FieldValue::Float(0.5))],
            time: UnixNanos(time),
        })
        .collect()
}

fn times(seen: &[Seen]) -> Vec<i64> {
    let lines = seen.iter().flat_map(|seen| seen.body.lines());
    lines.map(|line| line.rsplit(' ').next().expect("a time").parse().expect("a number")).collect()
}

#[tokio::test]
async fn each_version_is_written_to_in_its_own_way() {
    for (version, uri, authorization) in [
        (InfluxVersion::V1, "/write?db=b&precision=n", "Basic dTpw"),
        (InfluxVersion::V2, "/api/v2/write?org=o&bucket=b&precision=ns", "Token t"),
        (InfluxVersion::V3, "/api/v3/write_lp?db=b&precision=nanosecond&accept_partial=true", "Bearer t"),
    ] {
        let bench = Bench::new(version, &[GOOD]).await;
        let (sink, task, cancel) = bench.start();
        sink.enqueue(RecordKind::Twin, records(1, 3));
        sink.enqueue(RecordKind::Metrics, records(5, 9));
        until(|| sink.status().delivered == 2).await;
        cancel.cancel();
        task.await.expect("ends well");
        let seen = bench.seen().remove(0);
        assert_eq!((seen.uri.as_str(), seen.body.as_str()), (uri, "m v=0.5 1\nm v=0.5 2\n"));
        assert_eq!(
            (&seen.headers["authorization"], &seen.headers["content-encoding"]),
            (&authorization.parse().expect("a header"), &"gzip".parse().expect("a header"))
        );
        assert_eq!(sink.status(), SinkStatus { received: 2, delivered: 2, ..SinkStatus::default() });
    }
}

#[tokio::test]
async fn overload_and_faults_are_retried_until_the_store_takes_it() {
    let busy = [(429, "", None), (503, "{\"message\":\"busy\"}", None), (500, "", None), GOOD];
    let bench = Bench::new(InfluxVersion::V2, &busy).await;
    let (sink, _task, _cancel) = bench.start();
    sink.enqueue(RecordKind::Twin, records(0, 3));
    until(|| sink.status().delivered == 3).await;
    assert_eq!(times(&bench.seen()), [0, 1, 2].repeat(4));
    assert_eq!(sink.status(), SinkStatus { received: 3, delivered: 3, ..SinkStatus::default() });
}

#[tokio::test]
async fn retry_after_is_waited_for() {
    let bench = Bench::new(InfluxVersion::V2, &[(429, "", Some("1")), GOOD]).await;
    let (sink, _task, _cancel) = bench.start();
    let clock = WallClock::default();
    sink.enqueue(RecordKind::Twin, records(0, 1));
    until(|| sink.status().delivered == 1).await;
    assert!(clock.monotonic() >= Duration::from_millis(1000), "{:?}", clock.monotonic());
}

#[tokio::test]
async fn a_partial_write_is_counted_by_reason_and_never_repeated() {
    let partial = r#"{"error":"partial write: field type conflict: input field \"v\" is type integer dropped=2"}"#;
    let bench = Bench::new(InfluxVersion::V1, &[(400, partial, None), GOOD]).await;
    let (sink, _task, _cancel) = bench.start();
    sink.enqueue(RecordKind::Twin, records(0, 5));
    until(|| sink.status().queued == 0).await;
    let status = sink.status();
    assert_eq!((status.delivered, status.rejected), (3, vec![("field_type_conflict".to_owned(), 2)]));
    assert!(status.last_error.is_some_and(|error| error.contains("field type conflict")));
    sink.enqueue(RecordKind::Twin, records(9, 10));
    until(|| sink.status().delivered == 4).await;
    assert_eq!((times(&bench.seen()), sink.status().last_error), (vec![0, 1, 2, 3, 4, 9], None));
}

#[tokio::test]
async fn what_line_protocol_has_no_words_for_is_rejected_and_does_not_wait() {
    let bench = Bench::new(InfluxVersion::V2, &[GOOD]).await;
    let (sink, _task, _cancel) = bench.start();
    let mut mixed = records(0, 5).to_vec();
    for (record, value) in mixed.iter_mut().zip([f64::NAN, f64::INFINITY]) {
        record.fields = vec![("v".into(), FieldValue::Float(value))];
    }
    sink.enqueue(RecordKind::Twin, mixed.into());
    let rejected = vec![("unwritable".to_owned(), 2)];
    let expected = SinkStatus { received: 5, delivered: 3, rejected, ..SinkStatus::default() };
    until(|| sink.status() == expected).await;
}

#[tokio::test]
async fn a_missing_database_is_made_and_the_batch_written_again() {
    let missing = (404, r#"{"error":"database not found: \"b\""}"#, None);
    let bench = Bench::new(InfluxVersion::V1, &[missing, (200, r#"{"results":[{}]}"#, None), GOOD]).await;
    let (sink, _task, _cancel) = bench.start();
    sink.enqueue(RecordKind::Twin, records(0, 1));
    until(|| sink.status().delivered == 1).await;
    let uris: Vec<_> = bench.seen().into_iter().map(|seen| seen.uri).collect();
    let write = "/write?db=b&precision=n";
    assert_eq!(uris, [write, "/query?q=CREATE+DATABASE+%22b%22", write]);
}

#[tokio::test]
async fn a_wrong_token_is_visible_and_loses_nothing() {
    let bench = Bench::new(InfluxVersion::V2, &[(401, r#"{"message":"unauthorized access"}"#, None)]).await;
    let (sink, _task, _cancel) = bench.start();
    sink.enqueue(RecordKind::Twin, records(0, 2));
    bench.requests(3).await;
    let status = sink.status();
    assert!(status.last_error.as_ref().is_some_and(|error| error.contains("check token")), "{status:?}");
    assert!(status.queued == 2 && status.spool_bytes > 0 && status.oldest_at.is_some(), "{status:?}");
    bench.answer_from_now_on(GOOD);
    until(|| sink.status() == SinkStatus { received: 2, delivered: 2, ..SinkStatus::default() }).await;
}

#[tokio::test]
async fn a_store_that_was_down_is_caught_up_in_order_even_after_a_restart() {
    let bench = Bench::new(InfluxVersion::V2, &[(503, "", None)]).await;
    let (sink, task, cancel) = bench.start();
    for call in 0..20 {
        sink.enqueue(RecordKind::Twin, records(call * 1_000, (call + 1) * 1_000));
        until(|| taken_in(&sink)).await;
    }
    bench.requests(3).await;
    cancel.cancel();
    task.await.expect("ends well");
    assert_eq!(sink.status().queued, 20_000);
    assert!(bench.dir.path().join("spool").read_dir().expect("a folder").next().is_some());

    bench.answer_from_now_on(GOOD);
    let down = bench.seen().len();
    let (sink, _task, _cancel) = bench.start();
    sink.enqueue(RecordKind::Twin, records(20_000, 20_003));
    until(|| sink.status() == SinkStatus { received: 20_003, delivered: 20_003, ..SinkStatus::default() }).await;
    assert_eq!(times(&bench.seen()[down..]), (0..20_003).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_server_that_is_not_there_delays_nobody_and_memory_stays_bounded() {
    let bench = Bench::new(InfluxVersion::V1, &[GOOD]).await;
    let options = InfluxOptions { url: "http://127.0.0.1:1".into(), spool_bytes_max: 60_000, ..bench.options.clone() };
    let clock: Arc<dyn Clock> = Arc::new(WallClock::default());
    let (sink, task) = InfluxSink::start_at(options, bench.pace, clock, CancellationToken::new()).expect("started");
    let begun = WallClock::default();
    for call in 0..1_000 {
        sink.enqueue(RecordKind::Twin, records(call * 1_000, (call + 1) * 1_000));
    }
    assert!(begun.monotonic() < Duration::from_secs(5), "taking over does not wait: {:?}", begun.monotonic());
    until(|| taken_in(&sink) && sink.status().spool_bytes > 0 && sink.status().last_error.is_some()).await;
    let status = sink.status();
    assert_eq!((status.received, status.queued + status.dropped), (1_000_000, 1_000_000));
    assert!(status.dropped > 0 && status.spool_bytes <= 60_000, "{status:?}");
    task.abort();
}

#[tokio::test]
async fn the_end_delivers_what_a_well_store_still_takes() {
    let bench = Bench::new(InfluxVersion::V2, &[GOOD]).await;
    let (sink, task, cancel) = bench.start();
    sink.enqueue(RecordKind::Twin, records(0, 7_000));
    cancel.cancel();
    task.await.expect("ends well");
    assert_eq!(sink.status(), SinkStatus { received: 7_000, delivered: 7_000, ..SinkStatus::default() });
    sink.enqueue(RecordKind::Twin, records(0, 5));
    assert_eq!(sink.status().dropped, 5, "after the end nothing is taken over");
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_slow_store() {
    let bench = Bench::slow(InfluxVersion::V2, &[GOOD], Duration::from_secs(60)).await;
    let (sink, task, cancel) = bench.start();
    sink.enqueue(RecordKind::Twin, records(0, 10));
    bench.requests(1).await;
    sink.enqueue(RecordKind::Twin, records(10, 20));
    cancel.cancel();
    tokio::time::timeout(Duration::from_secs(3), task).await.expect("within a bound").expect("ends well");
    assert_eq!((sink.status().queued, sink.status().delivered), (20, 0));
    let spooled = Spool::open(&bench.options.spool_dir, 1_000_000, crate::spool::Position::default()).expect("a spool");
    assert_eq!(spooled.records(), 20);
}

#[tokio::test]
async fn the_account_goes_on_after_a_restart_and_what_was_delivered_is_not_sent_again() {
    let partial = r#"{"error":"partial write: unable to parse 'x' dropped=1"}"#;
    let down = (503, "", None);
    let bench = Bench::new(InfluxVersion::V1, &[GOOD, (400, partial, None), down]).await;
    let (sink, task, cancel) = bench.start();
    sink.enqueue(RecordKind::Twin, records(0, 10));
    until(|| sink.status().delivered == 10).await;
    sink.enqueue(RecordKind::Twin, records(10, 20));
    until(|| sink.status().delivered == 19).await;
    for call in 0..3 {
        sink.enqueue(RecordKind::Twin, records(100 + call * 10, 110 + call * 10));
        until(|| taken_in(&sink)).await;
    }
    bench.requests(4).await;
    cancel.cancel();
    task.await.expect("ends well");
    let before = sink.status();
    assert!(before.is_even() && (before.received, before.queued) == (50, 30), "{before:?}");

    // The store takes one batch and is down again; the next process delivers the rest, and only that.
    *bench.fake.answers.lock() = VecDeque::from([GOOD, down]);
    let (sink, task, cancel) = bench.start();
    assert_eq!(SinkStatus { last_error: None, ..before.clone() }, sink.status());
    until(|| sink.status().delivered > 19).await;
    cancel.cancel();
    task.await.expect("ends well");
    let between = sink.status();
    let seen = bench.seen().len();
    bench.answer_from_now_on(GOOD);
    let (sink, _task, _cancel) = bench.start();
    until(|| sink.status().queued == 0).await;
    let status = sink.status();
    assert!(status.is_even() && (status.received, status.delivered, status.dropped) == (50, 49, 0), "{status:?}");
    let again: Vec<_> = times(&bench.seen()[seen..]);
    assert_eq!(again.len() as u64, between.queued, "what was delivered is not sent again: {again:?}");
}

#[tokio::test]
async fn a_process_that_is_killed_leaves_its_spool_and_an_account_that_is_even() {
    let bench = Bench::new(InfluxVersion::V2, &[(503, "", None)]).await;
    let (sink, task, _cancel) = bench.start();
    sink.enqueue(RecordKind::Twin, records(0, 12_000));
    until(|| sink.status().spool_bytes > 0).await;
    bench.requests(3).await;
    let spooled = Spool::open(&bench.options.spool_dir, 1_000_000, crate::spool::Position::default());
    let spooled = spooled.expect("readable while it is written").records();
    // No drain: as after kill -9.
    task.abort();
    assert!(task.await.expect_err("ended").is_cancelled());
    bench.answer_from_now_on(GOOD);
    let (sink, _task, _cancel) = bench.start();
    let status = sink.status();
    assert!(status.is_even() && status.queued >= spooled && spooled > 0, "{status:?}");
    until(|| sink.status().queued == 0).await;
    assert_eq!(sink.status().delivered, status.queued);
}

#[tokio::test]
async fn what_comes_while_the_store_is_down_is_soon_on_disk_and_in_the_account() {
    let mut bench = Bench::new(InfluxVersion::V2, &[(503, "", None)]).await;
    // There is one attempt: what comes later does not wait for the next.
    (bench.pace.backoff_min, bench.pace.backoff_max) = (Duration::from_secs(60), Duration::from_secs(60));
    let book = Book::new(&bench.options.spool_dir);
    let (sink, task, _cancel) = bench.start();
    sink.enqueue(RecordKind::Twin, records(0, 10));
    until(|| sink.status().last_error.is_some() && sink.status().spool_bytes > 0).await;
    let bytes = sink.status().spool_bytes;
    sink.enqueue(RecordKind::Twin, records(10, 30));
    until(|| sink.status().spool_bytes > bytes && book.load().expect("readable").received == 30).await;
    // No drain: as after kill -9.
    task.abort();
    assert!(task.await.expect_err("ended").is_cancelled());
    let (sink, _task, _cancel) = bench.start();
    let status = sink.status();
    assert_eq!((status.received, status.queued, status.dropped), (30, 30, 0));
}

#[tokio::test]
async fn what_a_killed_process_had_in_memory_only_is_dropped_in_its_successors_account() {
    let mut bench = Bench::new(InfluxVersion::V2, &[(503, "", None)]).await;
    // No batch fits.
    bench.options.spool_bytes_max = 10;
    let book = Book::new(&bench.options.spool_dir);
    let (sink, task, _cancel) = bench.start();
    sink.enqueue(RecordKind::Twin, records(0, 20));
    until(|| book.load().expect("readable").received == 20).await;
    task.abort();
    assert!(task.await.expect_err("ended").is_cancelled());
    let (sink, _task, _cancel) = bench.start();
    assert_eq!(sink.status(), SinkStatus { received: 20, dropped: 20, ..SinkStatus::default() });
}

#[tokio::test]
async fn what_waits_for_a_store_that_thinks_for_long_goes_to_the_spool_and_is_delivered_once() {
    let bench = Bench::slow(InfluxVersion::V2, &[GOOD], Duration::from_secs(1)).await;
    let (sink, _task, _cancel) = bench.start();
    sink.enqueue(RecordKind::Twin, records(0, 10));
    until(|| sink.status().spool_bytes > 0).await;
    until(|| sink.status() == SinkStatus { received: 10, delivered: 10, ..SinkStatus::default() }).await;
    assert_eq!(times(&bench.seen()), (0..10).collect::<Vec<_>>());
}
