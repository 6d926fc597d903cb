use std::collections::VecDeque;
use std::sync::Mutex;

use axum::Router;
use axum::extract::State as Shared;
use axum::response::IntoResponse;
use flyball_model::event::State;
use flyball_model::time::ManualClock;
use http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;

use super::*;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// One answer of the consumer.
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    /// How far the clock moves while the consumer thinks.
    takes: Duration,
}

fn reply(status: u16) -> Reply {
    Reply { status, headers: Vec::new(), body: String::new(), takes: Duration::ZERO }
}

fn retry_after(status: u16, value: &str) -> Reply {
    Reply { headers: vec![("retry-after", value.to_owned())], ..reply(status) }
}

/// A real HTTP server that answers as told, 204 once it runs out of answers.
struct Consumer {
    replies: Mutex<VecDeque<Reply>>,
    requests: Mutex<Vec<(HeaderMap, Bytes)>>,
    clock: Arc<ManualClock>,
    port: u16,
}

impl Consumer {
    async fn start(replies: impl IntoIterator<Item = Reply>) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let consumer = Arc::new(Consumer {
            replies: Mutex::new(replies.into_iter().collect()),
            requests: Mutex::default(),
            clock: Arc::new(ManualClock::new(fixture::now())),
            port: listener.local_addr().expect("bound").port(),
        });
        let app = Router::new().fallback(answer).with_state(Arc::clone(&consumer));
        tokio::spawn(async move { axum::serve(listener, app).await });
        consumer
    }

    fn requests(&self) -> usize {
        self.requests.lock().expect("no test panicked").len()
    }

    async fn first_request(&self) {
        while self.requests() == 0 {
            tokio::task::yield_now().await;
        }
    }

    fn header(&self, request: usize, name: &str) -> String {
        let requests = self.requests.lock().expect("no test panicked");
        requests[request].0.get(name).map(|value| value.to_str().expect("ASCII").to_owned()).unwrap_or_default()
    }

    fn body(&self, request: usize) -> Bytes {
        self.requests.lock().expect("no test panicked")[request].1.clone()
    }
}

async fn answer(Shared(consumer): Shared<Arc<Consumer>>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    consumer.requests.lock().expect("no test panicked").push((headers, body));
    let reply = consumer.replies.lock().expect("no test panicked").pop_front().unwrap_or_else(|| reply(204));
    consumer.clock.advance(reply.takes);
    let mut headers = HeaderMap::new();
    for (name, value) in reply.headers {
        headers.insert(name, value.parse().expect("a header's value"));
    }
    (StatusCode::from_u16(reply.status).expect("three digits"), headers, reply.body)
}

fn options(port: u16) -> WebhookOptions {
    WebhookOptions {
        name: "ops".into(),
        url: format!("http://127.0.0.1:{port}/hook?token=geheim"),
        secret: Some(SECRET.into()),
        events: None,
        timeout: Duration::from_secs(10),
        allow_link_local: false,
        source: "/flyball/edge-1".into(),
    }
}

fn make(options: WebhookOptions) -> Result<WebhookBackend, WebhookError> {
    make_with(options, Arc::new(ManualClock::new(fixture::now())), CancellationToken::new())
}

fn make_with(
    options: WebhookOptions,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
) -> Result<WebhookBackend, WebhookError> {
    // An error means that another test of this process was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut backend = WebhookBackend::new(options, clock, cancel)?;
    backend.pauses = Pauses::new(Duration::from_millis(1), Duration::from_millis(4));
    Ok(backend)
}

fn backend_of(consumer: &Consumer) -> WebhookBackend {
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&consumer.clock);
    make_with(options(consumer.port), clock, CancellationToken::new()).expect("good options")
}

async fn check(replies: impl IntoIterator<Item = Reply>, expected: Delivery, requests: usize) {
    let consumer = Consumer::start(replies).await;
    let delivery = backend_of(&consumer).deliver(&fixture::request()).await;
    assert_eq!((delivery, consumer.requests()), (expected, requests));
}

fn failed(reason: &str) -> Delivery {
    Delivery::Failed { reason: reason.into() }
}

#[tokio::test]
async fn a_status_decides_the_fate_of_an_event() {
    for status in [200, 201, 202, 204] {
        check([reply(status)], Delivery::Accepted { attempts: 1 }, 1).await;
    }
    for status in [429, 500, 502, 503, 504, 599] {
        check([reply(status), reply(status)], Delivery::Accepted { attempts: 3 }, 3).await;
    }
    check([reply(410)], Delivery::Disabled, 1).await;
    for (status, reason) in [
        (304, "304 Not Modified"),
        (400, "400 Bad Request"),
        (401, "401 Unauthorized"),
        (404, "404 Not Found"),
        (408, "408 Request Timeout"),
        (422, "422 Unprocessable Entity"),
    ] {
        check([reply(status)], failed(reason), 1).await;
    }
    check([Reply { body: "no such\ndeployment".into(), ..reply(409) }], failed("409 Conflict: no such deployment"), 1)
        .await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let consumer =
            Consumer::start([Reply { headers: vec![("location", "/elsewhere".into())], ..reply(status) }]).await;
        let delivery = backend_of(&consumer).deliver(&fixture::request()).await;
        assert!(matches!(delivery, Delivery::Failed { .. }), "{status}: {delivery:?}");
        assert_eq!(consumer.requests(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_long_answer_is_read_to_its_bound_only() {
    let consumer = Consumer::start([Reply { body: "x".repeat(1_000_000), ..reply(400) }]).await;
    let Delivery::Failed { reason } = backend_of(&consumer).deliver(&fixture::request()).await else {
        panic!("400 is a failure")
    };
    assert_eq!(reason.len(), "400 Bad Request: ".len() + 200);
}

#[tokio::test]
async fn every_try_carries_one_id_and_one_body_and_is_signed_for_its_own_second() {
    let later = Reply { takes: Duration::from_millis(2_600), ..reply(503) };
    let consumer = Consumer::start([later]).await;
    let event = fixture::request();
    assert_eq!(backend_of(&consumer).deliver(&event).await, Delivery::Accepted { attempts: 2 });

    let keys = Keys::parse("ops", SECRET).expect("a good secret");
    for (request, timestamp) in [(0, 1_767_225_610), (1, 1_767_225_612)] {
        let body = consumer.body(request);
        assert_eq!(body, cloud_event(&event, "/flyball/edge-1"));
        assert_eq!(consumer.header(request, "content-type"), "application/cloudevents+json");
        assert_eq!(consumer.header(request, "webhook-id"), event.id);
        assert_eq!(consumer.header(request, "webhook-timestamp"), timestamp.to_string());
        let signature = keys.sign(&event.id, timestamp, &body).expect("there is a key");
        assert_eq!(consumer.header(request, "webhook-signature"), signature);
    }
}

#[tokio::test]
async fn without_a_secret_there_is_no_signature() {
    let consumer = Consumer::start([]).await;
    let backend = make(WebhookOptions { secret: None, ..options(consumer.port) }).expect("good options");
    backend.deliver(&fixture::request()).await;
    assert_eq!(consumer.header(0, "webhook-id"), fixture::request().id);
    assert_eq!(consumer.header(0, "webhook-signature"), "");
}

#[tokio::test]
async fn a_hook_that_is_gone_gets_no_further_request() {
    let consumer = Consumer::start([reply(410)]).await;
    let backend = backend_of(&consumer);
    for _ in 0..3 {
        assert_eq!(backend.deliver(&fixture::request()).await, Delivery::Disabled);
    }
    assert!(backend.is_disabled());
    assert_eq!(consumer.requests(), 1);
}

#[tokio::test]
async fn an_event_that_waits_while_another_meets_a_410_is_not_sent_again() {
    let consumer = Consumer::start([retry_after(503, "0"), reply(410)]).await;
    let mut backend = backend_of(&consumer);
    backend.pauses = Pauses::new(Duration::from_millis(400), Duration::from_millis(400));
    let event = fixture::request();
    let (waiting, gone) = tokio::join!(biased; backend.deliver(&event), async {
        consumer.first_request().await;
        backend.deliver(&event).await
    });
    assert_eq!((waiting, gone), (Delivery::Disabled, Delivery::Disabled));
    assert_eq!(consumer.requests(), 2);
}

#[tokio::test]
async fn tries_end_when_the_event_expires() {
    let down = || Reply { takes: Duration::from_secs(140), body: "down".into(), ..reply(503) };
    let reason = "503 Service Unavailable: down".to_owned();
    check([down(), down(), down(), down()], Delivery::Expired { reason }, 3).await;
}

#[tokio::test]
async fn an_expired_event_is_not_sent_at_all() {
    let consumer = Consumer::start([]).await;
    consumer.clock.advance(Duration::from_secs(300));
    let delivery = backend_of(&consumer).deliver(&fixture::request()).await;
    assert_eq!(delivery, Delivery::Expired { reason: "it expired before the first try".into() });
    assert_eq!(consumer.requests(), 0);
}

#[tokio::test]
async fn a_retry_after_beyond_the_events_life_ends_it_at_once() {
    for (status, value, reason) in [
        (503, "300", "503 Service Unavailable"),
        (429, "86400", "429 Too Many Requests"),
        (503, "Thu, 01 Jan 2026 00:05:11 GMT", "503 Service Unavailable"),
    ] {
        check([retry_after(status, value)], Delivery::Expired { reason: reason.into() }, 1).await;
    }
    check([retry_after(503, "Thu, 01 Jan 2026 00:00:00 GMT")], Delivery::Accepted { attempts: 2 }, 2).await;
    check([retry_after(503, "soon")], Delivery::Accepted { attempts: 2 }, 2).await;
}

#[tokio::test]
async fn cancelling_ends_the_pause_between_two_tries() {
    let consumer = Consumer::start([reply(503)]).await;
    let cancel = CancellationToken::new();
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&consumer.clock);
    let mut backend = make_with(options(consumer.port), clock, cancel.clone()).expect("good options");
    backend.pauses = Pauses::new(Duration::from_secs(60), Duration::from_secs(60));
    let event = fixture::request();
    let (delivery, ()) = tokio::join!(backend.deliver(&event), async {
        consumer.first_request().await;
        cancel.cancel();
    });
    let reason = "flyball is stopping; before that: 503 Service Unavailable".to_owned();
    assert_eq!(delivery, Delivery::Interrupted { reason });
    assert_eq!(consumer.requests(), 1);

    assert_eq!(backend.deliver(&event).await, Delivery::Accepted { attempts: 1 }, "one try while stopping");
}

#[tokio::test]
async fn a_consumer_that_is_not_there_or_hangs_up_or_never_answers_is_tried_again() {
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = closed.local_addr().expect("bound").port();
    drop(closed);
    expires_with(port, RequestOutcome::Transport).await;

    let hangs_up = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = hangs_up.local_addr().expect("bound").port();
    let task = tokio::spawn(async move { while hangs_up.accept().await.is_ok() {} });
    expires_with(port, RequestOutcome::Transport).await;
    task.abort();

    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    expires_with(silent.local_addr().expect("bound").port(), RequestOutcome::Timeout).await;
}

/// A clock that moves whenever it is looked at, since nobody else moves it here.
#[derive(Debug)]
struct ClockOfLooks(ManualClock);

impl Clock for ClockOfLooks {
    fn now(&self) -> flyball_model::UnixNanos {
        self.0.advance(Duration::from_secs(20));
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
}

async fn expires_with(port: u16, outcome: RequestOutcome) {
    let clock = Arc::new(ClockOfLooks(ManualClock::new(fixture::now())));
    let options = WebhookOptions { timeout: Duration::from_millis(50), ..options(port) };
    let backend = make_with(options, clock, CancellationToken::new()).expect("good options");
    let Delivery::Expired { reason } = backend.deliver(&fixture::request()).await else { panic!("nobody took it") };
    assert_eq!(backend.metrics().requests(outcome), 5, "{:?}: {reason}", backend.metrics());
    assert!(!reason.contains("geheim"), "the URL may hold a token: {reason}");
}

#[tokio::test]
async fn a_name_is_looked_up_by_the_guard_unless_that_is_not_wanted() {
    let consumer = Consumer::start([]).await;
    for allow_link_local in [false, true] {
        let url = format!("http://localhost:{}/hook", consumer.port);
        let backend = make(WebhookOptions { url, allow_link_local, ..options(consumer.port) }).expect("good options");
        assert_eq!(backend.deliver(&fixture::request()).await, Delivery::Accepted { attempts: 1 });
    }
    let literal = WebhookOptions { url: "http://[fe80::1]/".into(), allow_link_local: true, ..options(1) };
    assert!(make(literal).is_ok());
}

#[test]
fn events_narrows_what_is_told_and_never_what_is_asked() {
    let firing = EventKind::Violation(State::Firing);
    for (events, told, narrowed) in [
        (None, &EventKind::ALL[..], 0),
        (Some(vec![firing]), &[firing, EventKind::RemediationRequested][..], 4),
        (Some(vec![EventKind::RemediationRequested]), &[EventKind::RemediationRequested][..], 5),
    ] {
        let backend = make(WebhookOptions { events, ..options(1) }).expect("good options");
        let wanted: Vec<EventKind> = EventKind::ALL.into_iter().filter(|&kind| backend.wants(kind)).collect();
        assert_eq!(wanted, told);
        assert_eq!(EventKind::ALL.len() - wanted.len(), narrowed);
    }
}

#[test]
fn options_that_cannot_work_are_refused_with_the_fix_and_without_their_secrets() {
    let good = || options(1);
    for (options, expected) in [
        (WebhookOptions { url: "ops.example/hook".into(), ..good() }, "backend 'ops': url is not a URL"),
        (WebhookOptions { url: "ftp://ops.example".into(), ..good() }, "has the scheme 'ftp'"),
        (WebhookOptions { url: "http://169.254.169.254/geheim".into(), ..good() }, "url leads to 169.254.169.254"),
        (WebhookOptions { secret: Some(String::new()), ..good() }, "secret is empty"),
        (WebhookOptions { secret: Some("whsec_geheim!".into()), ..good() }, "is not base64"),
        (WebhookOptions { timeout: Duration::ZERO, ..good() }, "timeout is zero"),
    ] {
        let error = make(options).expect_err(expected).to_string();
        assert!(error.contains(expected) && !error.contains("geheim"), "{error}");
    }
    let debug = format!("{:?}", WebhookOptions { secret: Some("geheim".into()), ..good() });
    assert!(!debug.contains("geheim"), "{debug}");
}
