//! Names and ids that try to be paths, and heads that try to be two.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use flyball_tests::{Flyball, otlp};
use serde_json::json;

/// Sends bytes as they are, which no client would, and gives what comes back.
#[track_caller]
fn raw(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("flyball listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    // The answer may come, and the connection go, before all is written.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[track_caller]
fn status(address: &str, method: &str, path: &str, body: &str) -> String {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = raw(address, request.as_bytes());
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn a_name_is_never_a_path() {
    let flyball = Flyball::start(json!({}));
    let address = flyball.http.address();
    for id in ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e%2f%2e%2e", "..%5c..%5cx", "%00", "a%0d%0ax:%20y"] {
        let found = status(address, "GET", &format!("/api/v1/twin/node/{id}"), "");
        assert!(matches!(found.as_str(), "404" | "400"), "{id}: {found}");
    }
    for path in [
        "/../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "//etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/openapi.json/../../x",
    ] {
        assert_eq!(status(address, "GET", path, ""), "404", "{path}");
    }
    // As values of labels they are what they are.
    for (path, job) in [
        ("/metrics/job/..%2f..%2fetc%2fpasswd", "../../etc/passwd"),
        ("/metrics/job/%2e%2e", ".."),
        ("/metrics/job/a/instance/..%2Fb", "a"),
    ] {
        assert_eq!(status(address, "POST", path, "pushed 1\n"), "202", "{path}");
        let rows = flyball.sql(&format!("SELECT value FROM pushed WHERE job = '{job}'"));
        assert_eq!(rows.rows, [[json!(1.0)]], "{path}");
    }
    let odd = "../../../tmp/escaped";
    otlp::send_gauge(&flyball.http, odd, &[("../label", "../../value")], 1.0);
    let data = flyball.dir().join("data");
    let within = data.canonicalize().expect("the data folder is there");
    let mut folders = vec![within.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            assert!(path.starts_with(&within) && !path.to_string_lossy().contains("escaped"), "{}", path.display());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
}

#[test]
fn oversized_and_doubtful_heads_are_refused() {
    let flyball = Flyball::start(json!({}));
    for address in [flyball.http.address(), flyball.otlp_http.address()] {
        let long = "x".repeat(100_000);
        let inner = format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        for (what, request) in [
            ("a long header", format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\nx: {long}\r\n\r\n")),
            ("a long path", format!("GET /{long} HTTP/1.1\r\nhost: {address}\r\n\r\n")),
            ("many headers", format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\n{}\r\n", "a: b\r\n".repeat(1000))),
            ("a folded header", format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\nx: a\r\n b\r\n\r\n")),
            (
                "two lengths",
                format!(
                    "POST /write?db=x HTTP/1.1\r\nhost: {address}\r\ncontent-length: 0\r\ncontent-length: 7\r\n\r\n{inner}"
                ),
            ),
            (
                "a bad chunk",
                format!(
                    "POST /v1/logs HTTP/1.1\r\nhost: {address}\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n{inner}"
                ),
            ),
            (
                "two hosts",
                format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nhost: evil.example\r\nconnection: close\r\n\r\n"),
            ),
            ("another name", "GET /metrics HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n".to_owned()),
        ] {
            let answer = raw(address, request.as_bytes());
            assert!(!answer.contains(" 200 OK") && answer.matches("HTTP/1.1").count() <= 1, "{what}: {answer}");
        }
        // Both a length and chunks: one request, and the connection ends after it.
        let both = format!(
            "POST /v1/logs HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/x-protobuf\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{inner}"
        );
        let answer = raw(address, both.as_bytes());
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
    flyball.http.get("/healthz").expect_status(200);
}
