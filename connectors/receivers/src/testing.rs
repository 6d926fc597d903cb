//! What the tests of all receivers share: a pipeline that records and answers as told, and a clock that stands still.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use flyball_model::admission::{Lease, NotNow, Sender};
use flyball_model::intake::{RefusalKind, Rejection};
use flyball_model::ledger::{Reason, Signal};
use flyball_model::{Clock, Intake, ManualClock, Receipt, Refusal, Submission, UnixNanos};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Bytes of a body that [`FakeIntake`] takes.
pub(crate) const BODY_BYTES_MAX: usize = 1000;

/// The instant that [`clock`] shows.
pub(crate) const NOW: UnixNanos = UnixNanos::from_secs(1_767_225_610);

/// A clock that stands still.
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::new(NOW))
}

/// A request that never became a submission: receiver, peer, signal, reason.
pub(crate) type Refused = (&'static str, String, Option<Signal>, Reason);

/// The pipeline as a receiver sees it, with a scripted outcome.
pub(crate) struct FakeIntake {
    outcome: Mutex<Result<Receipt, Refusal>>,
    /// Why nothing may come in, if so.
    closed: Mutex<Option<NotNow>>,
    /// Who asked to come in, with the bytes announced.
    pub(crate) asked: Mutex<Vec<(Sender, usize)>>,
    pub(crate) submissions: Mutex<Vec<Submission>>,
    pub(crate) refused: Mutex<Vec<Refused>>,
    /// Grows with each submission and each refusal, so that a test can wait for one.
    events: Semaphore,
    /// A submission waits for a permit before it is answered.
    pub(crate) gate: Semaphore,
}

impl FakeIntake {
    /// A pipeline that answers `outcome` at once.
    pub(crate) fn new(outcome: Result<Receipt, Refusal>) -> Arc<Self> {
        Arc::new(Self::with_gate(outcome, Semaphore::MAX_PERMITS))
    }

    /// A pipeline that answers nothing until permits are added to its gate.
    pub(crate) fn shut(outcome: Result<Receipt, Refusal>) -> Arc<Self> {
        Arc::new(Self::with_gate(outcome, 0))
    }

    fn with_gate(outcome: Result<Receipt, Refusal>, permits: usize) -> Self {
        Self {
            outcome: Mutex::new(outcome),
            closed: Mutex::default(),
            asked: Mutex::default(),
            submissions: Mutex::default(),
            refused: Mutex::default(),
            events: Semaphore::new(0),
            gate: Semaphore::new(permits),
        }
    }

    /// What the next submissions are answered with.
    pub(crate) fn answers(&self, outcome: Result<Receipt, Refusal>) {
        *self.outcome.lock() = outcome;
    }

    /// From now on nothing may come in.
    pub(crate) fn close(&self, not_now: NotNow) {
        *self.closed.lock() = Some(not_now);
    }

    /// Waits for a submission or a refusal that has not been waited for yet.
    pub(crate) async fn event(&self) {
        self.events.acquire().await.expect("never closed").forget();
    }

    /// The only submission, taken out.
    pub(crate) fn only_submission(&self) -> Submission {
        let mut submissions = self.submissions.lock();
        assert_eq!(submissions.len(), 1);
        submissions.pop().expect("one")
    }
}

#[async_trait]
impl Intake for FakeIntake {
    async fn take(&self, submission: Submission) -> Result<Receipt, Refusal> {
        self.submissions.lock().push(submission);
        self.events.add_permits(1);
        let permit = self.gate.acquire().await;
        drop(permit);
        self.outcome.lock().clone()
    }

    fn admit(&self, sender: Sender, announced: usize) -> Result<Lease, NotNow> {
        self.asked.lock().push((sender, announced));
        self.closed.lock().clone().map_or_else(|| Ok(Lease::default()), Err)
    }

    fn tenant_header(&self) -> Option<&str> {
        Some("x-scope-orgid")
    }

    fn body_bytes_max(&self) -> usize {
        BODY_BYTES_MAX
    }

    fn refused(&self, receiver: &'static str, peer: &str, signal: Option<Signal>, reason: Reason) {
        self.refused.lock().push((receiver, peer.to_owned(), signal, reason));
        self.events.add_permits(1);
    }
}

/// A receipt with everything stored.
pub(crate) fn all_stored() -> Result<Receipt, Refusal> {
    Ok(Receipt { stored: 5, ..Receipt::default() })
}

/// A receipt with some points refused.
pub(crate) fn some_rejected() -> Result<Receipt, Refusal> {
    let rejection = |reason, points, detail: &str| Rejection { reason, points, detail: detail.to_owned() };
    Ok(Receipt {
        stored: 5,
        rejections: vec![
            rejection(Reason::BadHistogram, 2, "latency has no bounds"),
            rejection(Reason::TooOld, 1, "older than 30 d"),
        ],
        ..Receipt::default()
    })
}

/// What [`some_rejected`] says.
pub(crate) const SOME_REJECTED: &str =
    "2 points: bad_histogram: latency has no bounds; 1 point: too_old: older than 30 d";

/// A refusal of the whole body; one for now says to come again after 1.5 s.
pub(crate) fn refusal(kind: RefusalKind) -> Result<Receipt, Refusal> {
    let retry_after = kind.is_retryable().then_some(Duration::from_millis(1500));
    Err(Refusal { kind, message: "the reason".to_owned(), retry_after })
}

/// Serves a router on a free port; its peers are known.
pub(crate) async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

/// A response over HTTP/1.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: bytes::Bytes,
}

impl Answer {
    /// A header's value, empty when it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }
}

/// Sends one request over a connection of its own.
pub(crate) async fn send<B>(address: SocketAddr, request: http::Request<B>) -> Answer
where
    B: http_body::Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let stream = tokio::net::TcpStream::connect(address).await.expect("the server listens");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.expect("a handshake");
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await.expect("a response").into_parts();
    Answer { status: head.status.as_u16(), headers: head.headers, body: collect(body).await.to_bytes() }
}

/// A whole response body, and its trailers.
#[expect(clippy::disallowed_methods, reason = "the body is limited")]
pub(crate) async fn collect(body: hyper::body::Incoming) -> http_body_util::Collected<bytes::Bytes> {
    http_body_util::Limited::new(body, 1 << 20).collect().await.expect("a whole body")
}

/// A POST with the given headers.
pub(crate) fn post(
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<bytes::Bytes>,
) -> http::Request<http_body_util::Full<bytes::Bytes>> {
    let mut request = http::Request::post(path).header("host", "flyball");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(http_body_util::Full::new(body.into())).expect("a valid request")
}

/// The bytes of an answer that was never sent.
pub(crate) async fn text_of(body: axum::body::Body) -> Vec<u8> {
    axum::body::to_bytes(body, 1 << 20).await.expect("a whole body").to_vec()
}
