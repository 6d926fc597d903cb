use std::net::SocketAddr;

use axum::routing::{get, post};
use flyball_model::intake::{Receipt, Refusal};
use flyball_model::ledger::Signal;
use flyball_model::{Clock, Submission};
use parking_lot::Mutex;
use reqwest::Method as M;
use tokio::net::TcpListener;

use super::super::Known;
use super::super::scope::Scope;
use super::super::testing::{clock, http};
use super::*;

/// Receiver, peer, signal, reason.
type Line = (&'static str, String, Option<Signal>, Reason);

/// Writes down who was refused.
#[derive(Default)]
struct Ledger(Mutex<Vec<Line>>);

#[async_trait::async_trait]
impl Intake for Ledger {
    async fn take(&self, _: Submission) -> Result<Receipt, Refusal> {
        Ok(Receipt::default())
    }

    fn body_bytes_max(&self) -> usize {
        1
    }

    fn refused(&self, receiver: &'static str, peer: &str, signal: Option<Signal>, reason: Reason) {
        self.0.lock().push((receiver, peer.to_owned(), signal, reason));
    }
}

struct Server {
    address: SocketAddr,
    ledger: Arc<Ledger>,
    access: Arc<Access>,
    draining: Arc<AtomicBool>,
    client: reqwest::Client,
}

impl Server {
    /// A few paths that answer their own name, and one that nobody wrote down.
    async fn start(tokens: &[(&str, &[Scope])], local: bool) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let router = Router::new()
            .route("/", get(async || "page"))
            .route("/healthz", get(async || "alive"))
            .route("/metrics", get(async || "metrics"))
            .route("/api/v1/sql", post(async |body: String| body))
            .route("/api/v1/rules/check", post(async || "checked"))
            .route("/api/v1/reload", post(async || "reloaded"))
            .route("/api/v1/twin/{kind}/{*id}", get(async || "twin"))
            .route("/v1/logs", post(async || "logs"))
            .route("/write", post(async || "written"))
            .route("/forgotten", get(async || "forgotten"))
            .fallback(async || StatusCode::NOT_FOUND);
        let clock: Arc<dyn Clock> = clock();
        let access = Arc::new(Access::new(Known::load(&http(tokens), &clock).expect("good tokens")));
        let ledger = Arc::new(Ledger::default());
        let draining = Arc::default();
        let router = guarded(router, &access, &(Arc::clone(&ledger) as _), &draining, local);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { address, ledger, access, draining, client }
    }

    async fn ask(&self, method: M, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
        let mut request = self.client.request(method, format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("an answer")
    }

    async fn status(&self, method: M, path: &str, token: Option<&str>) -> u16 {
        let header = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = header.iter().map(|value| ("authorization", value.as_str())).collect();
        self.ask(method, path, &headers).await.status().as_u16()
    }
}

const TOKENS: &[(&str, &[Scope])] =
    &[("tok-agent", &[Scope::Write]), ("tok-grafana", &[Scope::Read]), ("tok-root", &[Scope::Admin])];

#[tokio::test]
async fn each_path_asks_for_its_scope() {
    let server = Server::start(TOKENS, true).await;
    for (method, path, nobody, agent, grafana, root) in [
        (M::GET, "/healthz", 200, 200, 200, 200),
        (M::GET, "/", 401, 403, 200, 403),
        (M::GET, "/metrics", 401, 403, 200, 403),
        (M::POST, "/api/v1/sql", 401, 403, 200, 403),
        (M::POST, "/api/v1/reload", 401, 403, 403, 200),
        (M::GET, "/api/v1/reload", 401, 403, 403, 405),
        (M::GET, "/api/v1/twin/node/a", 401, 403, 200, 403),
        (M::PUT, "/api/v1/twin/node/a", 401, 403, 403, 405),
        (M::POST, "/v1/logs", 401, 200, 403, 403),
        (M::POST, "/write", 401, 200, 403, 403),
        // Nobody can find out what there is without a token.
        (M::GET, "/nothing", 401, 404, 404, 404),
        (M::GET, "/metrics/", 401, 404, 404, 404),
        (M::GET, "//metrics", 401, 404, 404, 404),
        (M::GET, "/METRICS", 401, 404, 404, 404),
        (M::GET, "/healthz/../metrics", 401, 403, 200, 403),
        (M::GET, "/healthz/%2e%2e/metrics", 401, 403, 200, 403),
        (M::GET, "/healthz%2f..%2fmetrics", 401, 404, 404, 404),
        (M::GET, "/api/v1/twin/..%2f..%2freload/x", 401, 403, 200, 403),
        // A path without a row is closed.
        (M::GET, "/forgotten", 401, 403, 403, 403),
    ] {
        for (token, status) in
            [(None, nobody), (Some("tok-agent"), agent), (Some("tok-grafana"), grafana), (Some("tok-root"), root)]
        {
            assert_eq!(server.status(method.clone(), path, token).await, status, "{method} {path} {token:?}");
        }
    }
}

#[tokio::test]
async fn who_is_not_let_in_hears_it_in_the_protocols_words_and_stands_in_the_ledger() {
    let server = Server::start(TOKENS, true).await;
    let answer = server.ask(M::POST, "/v1/logs", &[("content-type", "application/json")]).await;
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["www-authenticate"].as_bytes()),
        (401, CHALLENGE.as_bytes())
    );
    assert!(answer.text().await.expect("a body").contains("\"code\":16"));
    let answer = server.ask(M::POST, "/write?db=x&u=me&p=tok-grafana", &[]).await;
    assert_eq!(answer.status().as_u16(), 403);
    assert!(answer.headers().contains_key("x-influxdb-error"));
    let answer = server.ask(M::POST, "/api/v1/sql", &[]).await;
    assert!(answer.text().await.expect("a body").contains("\"hint\":\"send `Authorization"));
    let line = |receiver, signal| (receiver, "127.0.0.1".to_owned(), Some(signal), Reason::Unauthorized);
    assert_eq!(*server.ledger.0.lock(), [line("otlp_http", Signal::Logs), line("influx", Signal::Metrics)]);

    assert_eq!(server.ask(M::POST, "/write?db=x&u=me&p=tok-agent", &[]).await.status().as_u16(), 200);
    let in_url = server.ask(M::GET, "/metrics?p=tok-grafana", &[]).await.status().as_u16();
    assert_eq!(in_url, 401, "only clients of InfluxDB put it there");
}

const CHALLENGE: &str = r#"Bearer realm="flyball", Basic realm="flyball""#;

#[tokio::test]
async fn other_sites_and_other_names_are_refused() {
    let server = Server::start(&[], true).await;
    for (headers, status) in [
        (&[][..], 200),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("origin", "https://evil.example")], 403),
        (&[("host", "evil.example")], 403),
        (&[("host", "localhost:8480")], 200),
    ] {
        assert_eq!(server.ask(M::POST, "/write", headers).await.status().as_u16(), status, "{headers:?}");
    }
    let preflight = [("origin", "https://evil.example"), ("access-control-request-method", "POST")];
    let answer = server.ask(M::OPTIONS, "/api/v1/sql", &preflight).await;
    assert!(!answer.status().is_success() && !answer.headers().contains_key("access-control-allow-origin"));

    let behind_a_proxy = Server::start(&[], false).await;
    assert_eq!(behind_a_proxy.ask(M::POST, "/write", &[("host", "flyball.example")]).await.status().as_u16(), 200);
    let with_tokens = Server::start(TOKENS, true).await;
    let headers = [("host", "flyball.example"), ("authorization", "Bearer tok-agent")];
    assert_eq!(with_tokens.ask(M::POST, "/write", &headers).await.status().as_u16(), 200);
}

#[tokio::test]
async fn who_drains_answers_probes_and_refuses_all_else_in_the_protocols_words() {
    let server = Server::start(TOKENS, true).await;
    server.draining.store(true, Ordering::Relaxed);
    assert_eq!(server.status(M::GET, "/healthz", None).await, 200);
    for (method, path, words) in [
        (M::GET, "/", r#""code":"unavailable""#),
        (M::GET, "/nothing", r#""code":"unavailable""#),
        (M::POST, "/api/v1/sql", r#""code":"unavailable""#),
        (M::POST, "/v1/logs", r#""code":14"#),
        (M::POST, "/write", r#"{"error":"#),
    ] {
        let headers = [("content-type", "application/json"), ("authorization", "Bearer tok-agent")];
        let answer = server.ask(method, path, &headers).await;
        assert_eq!(answer.status().as_u16(), 503, "{path}");
        let text = answer.text().await.expect("a body");
        assert!(text.contains(words) && text.contains("takes no new requests"), "{path}: {text}");
    }
    let line = |receiver, signal| (receiver, "127.0.0.1".to_owned(), Some(signal), Reason::Unavailable);
    assert_eq!(*server.ledger.0.lock(), [line("otlp_http", Signal::Logs), line("influx", Signal::Metrics)]);
}

#[tokio::test]
async fn other_tokens_open_and_close_a_port_while_it_serves() {
    let server = Server::start(&[], true).await;
    let elsewhere = [("host", "flyball.example"), ("authorization", "Bearer tok-agent")];
    let status = async || server.ask(M::POST, "/write", &elsewhere).await.status().as_u16();
    for (tokens, expected) in [(&[][..], 403), (TOKENS, 200), (&TOKENS[1..], 401), (&[], 403)] {
        let clock: Arc<dyn Clock> = clock();
        server.access.replace(Known::load(&http(tokens), &clock).expect("good tokens"));
        assert_eq!(status().await, expected, "{tokens:?}");
    }
}

#[tokio::test]
async fn answers_carry_what_browsers_must_know() {
    let server = Server::start(&[], true).await;
    for (path, policy) in
        [("/", "script-src 'sha256-"), ("/metrics", "default-src 'none'"), ("/nothing", "default-src 'none'")]
    {
        let answer = server.ask(M::GET, path, &[]).await;
        let header = |name: &str| answer.headers().get(name).map_or("", |value| value.to_str().expect("ASCII"));
        assert!(header("content-security-policy").contains(policy), "{path}: {}", header("content-security-policy"));
        assert!(header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        let others = ["x-content-type-options", "referrer-policy", "x-frame-options", "cache-control"].map(header);
        assert_eq!(others, ["nosniff", "no-referrer", "DENY", "no-store"], "{path}");
    }
}

#[tokio::test]
async fn a_body_of_the_api_is_bounded() {
    let server = Server::start(&[], true).await;
    for (path, bytes, status) in [
        ("sql", BODY_BYTES_MAX, 200),
        ("sql", BODY_BYTES_MAX + 1, 413),
        ("rules/check", RULES_BYTES_MAX, 200),
        ("rules/check", RULES_BYTES_MAX + 1, 413),
    ] {
        let url = format!("http://{}/api/v1/{path}", server.address);
        let answer = server.client.post(url).body("x".repeat(bytes)).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status, "{path} {bytes}");
    }
}
