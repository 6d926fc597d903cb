use std::collections::VecDeque;

use axum::Router;
use axum::extract::State as Shared;
use flyball_model::ManualClock;
use http::{HeaderMap, StatusCode, Uri};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::fixture::{event, now, transition};
use super::*;

/// A real HTTP server that answers as told, 200 once it runs out of answers.
struct Server {
    answers: Mutex<VecDeque<u16>>,
    requests: Mutex<Vec<(String, String, Value)>>,
    /// Answers only when it is let, while it is told to wait.
    waits: Mutex<Option<Arc<Notify>>>,
    port: u16,
}

impl Server {
    async fn start(answers: impl IntoIterator<Item = u16>) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let server = Arc::new(Server {
            answers: Mutex::new(answers.into_iter().collect()),
            requests: Mutex::default(),
            waits: Mutex::default(),
            port: listener.local_addr().expect("bound").port(),
        });
        let app = Router::new().fallback(answer).with_state(Arc::clone(&server));
        tokio::spawn(async move { axum::serve(listener, app).await });
        server
    }

    /// What came: the ids of the violations, and whether the first of them is over.
    fn told(&self) -> Vec<(String, bool)> {
        let requests = self.requests.lock();
        let ids = |alerts: &Value| {
            let alerts = alerts.as_array().expect("a list");
            let of =
                |alert: &Value| alert["generatorURL"].as_str().expect("a URL").rsplit('/').next().map(str::to_owned);
            alerts.iter().filter_map(of).collect::<Vec<_>>().join(" ")
        };
        let over = |alerts: &Value| alerts[0]["endsAt"] == "2026-01-01T00:01:10Z";
        requests.iter().map(|(_, _, alerts)| (ids(alerts), over(alerts))).collect()
    }

    async fn requests(&self, count: usize) {
        while self.requests.lock().len() < count {
            tokio::task::yield_now().await;
        }
    }
}

async fn answer(
    Shared(server): Shared<Arc<Server>>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, &'static str) {
    let authorization =
        headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let alerts = serde_json::from_str(&body).expect("JSON");
    server.requests.lock().push((uri.path().to_owned(), authorization, alerts));
    let waits = server.waits.lock().clone();
    if let Some(waits) = waits {
        waits.notified().await;
    }
    let status = server.answers.lock().pop_front().unwrap_or(200);
    (StatusCode::from_u16(status).expect("three digits"), if status == 200 { "" } else { "start time\nmissing" })
}

fn options(port: u16) -> AlertmanagerOptions {
    AlertmanagerOptions {
        name: "am".into(),
        url: format!("http://127.0.0.1:{port}/am/"),
        token: None,
        resend_every: Duration::from_secs(60),
        timeout: Duration::from_secs(10),
        allow_link_local: false,
        external_url: "http://edge-1:8480".into(),
    }
}

fn make(options: AlertmanagerOptions) -> Result<AlertmanagerBackend, AlertmanagerError> {
    // An error means that another test of this process was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut backend = AlertmanagerBackend::new(options, Arc::new(ManualClock::new(now())), CancellationToken::new())?;
    backend.pauses = Pauses::new(Duration::from_millis(1), Duration::from_millis(4));
    Ok(backend)
}

fn backend_of(server: &Server) -> AlertmanagerBackend {
    make(options(server.port)).expect("good options")
}

#[tokio::test]
async fn an_answer_decides_whether_an_alert_is_tried_again() {
    for (answers, delivery, requests) in [
        (vec![], Delivery::Accepted { attempts: 1 }, 1),
        (vec![503, 429, 500], Delivery::Accepted { attempts: 4 }, 4),
        (vec![400], Delivery::Failed { reason: "400 Bad Request: start time missing".into() }, 1),
        (vec![302], Delivery::Failed { reason: "302 Found: start time missing".into() }, 1),
    ] {
        let server = Server::start(answers).await;
        assert_eq!(backend_of(&server).deliver(&event("v", State::Firing)).await, delivery);
        assert_eq!(server.requests.lock().len(), requests, "{delivery:?}");
    }
}

#[tokio::test]
async fn alerts_go_below_the_url_with_the_token() {
    let server = Server::start([]).await;
    let backend = make(AlertmanagerOptions { token: Some("geheim".into()), ..options(server.port) }).expect("good");
    backend.deliver(&event("v", State::Firing)).await;
    let requests = server.requests.lock();
    let (path, authorization, alerts) = &requests[0];
    assert_eq!((path.as_str(), authorization.as_str()), ("/am/api/v2/alerts", "Bearer geheim"));
    assert_eq!(alerts[0]["endsAt"], "2026-01-01T00:04:10Z", "four times as long as until it is sent again");
}

#[tokio::test]
async fn nobody_there_expires_the_event_without_showing_the_url() {
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = closed.local_addr().expect("bound").port();
    drop(closed);
    let late = Event { expires_at: now().plus(Duration::from_millis(5)), ..event("v", State::Firing) };
    let mut backend = make(options(port)).expect("good");
    backend.pauses = Pauses::new(Duration::from_secs(1), Duration::from_secs(1));
    let Delivery::Expired { reason } = backend.deliver(&late).await else { panic!("nobody took it") };
    assert!(reason.contains("onnect") && !reason.contains("/am"), "{reason}");
    assert!(backend.requests().contains(&("transport", 1)), "{:?}", backend.requests());
}

#[tokio::test]
async fn a_reminder_sends_what_fires_in_pieces() {
    let server = Server::start([]).await;
    let firing: Vec<Transition> = (0..300).map(|n| transition(&n.to_string(), State::Firing)).collect();
    backend_of(&server).remind(&firing).await;
    let told = server.told();
    assert_eq!(told.len(), 2);
    assert_eq!(told[1].0.split(' ').count(), 300 - ALERTS_AT_ONCE);
}

#[tokio::test]
async fn no_reminder_brings_back_what_is_over() {
    let server = Server::start([]).await;
    let backend = backend_of(&server);
    let firing = [transition("a", State::Firing), transition("b", State::Firing)];
    // The reminder was made before a was resolved, and is sent after it.
    backend.deliver(&event("a", State::Resolved)).await;
    backend.remind(&firing).await;
    assert_eq!(server.told(), [("a".to_owned(), true), ("b".to_owned(), false)]);

    // The reminder is on its way when b is resolved: the end follows it.
    let let_go = Arc::new(Notify::new());
    *server.waits.lock() = Some(Arc::clone(&let_go));
    let resolved = event("b", State::Resolved);
    let ((), delivery, ()) = tokio::join!(biased; backend.remind(&firing[1..]), backend.deliver(&resolved), async {
        server.requests(3).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(server.requests.lock().len(), 3, "the end waits for the reminder");
        *server.waits.lock() = None;
        let_go.notify_one();
    });
    assert_eq!(delivery, Delivery::Accepted { attempts: 1 });
    assert_eq!(server.told()[2..], [("b".to_owned(), false), ("b".to_owned(), true)]);
}

#[test]
fn it_is_told_of_all_but_what_is_pending_and_does_nothing_else() {
    let backend = make(options(1)).expect("good");
    for kind in EventKind::ALL {
        let wanted = kind != EventKind::Violation(State::Pending) && kind != EventKind::RemediationRequested;
        assert_eq!(backend.wants(kind), wanted, "{kind}");
    }
    assert!(backend.can(ActionKind::Notify) && !backend.can(ActionKind::ScaleOut));
    assert_eq!(backend.reminded_every(), Some(Duration::from_secs(60)));
}

#[test]
fn options_that_can_not_work_are_refused_with_the_fix() {
    let good = || options(1);
    for (options, expected) in [
        (
            AlertmanagerOptions { url: "alerts:9093".into(), ..good() },
            "its scheme is 'alerts'; write it as http://host:9093",
        ),
        (AlertmanagerOptions { url: "9093".into(), ..good() }, "url is not a URL"),
        (AlertmanagerOptions { url: "http://169.254.169.254/".into(), ..good() }, "allow_link_local"),
        (AlertmanagerOptions { token: Some("a\nb".into()), ..good() }, "token"),
        (AlertmanagerOptions { token: Some(String::new()), ..good() }, "token"),
        (AlertmanagerOptions { resend_every: Duration::ZERO, ..good() }, "resend_every is zero"),
        (AlertmanagerOptions { timeout: Duration::ZERO, ..good() }, "timeout is zero"),
    ] {
        let error = make(options).expect_err(expected).to_string();
        assert!(error.starts_with("backend 'am': ") && error.contains(expected), "{error}");
    }
}
