//! Tokens: who may do what, on every port, and the commands that show one.

use flyball_tests::process::run;
use flyball_tests::{Flyball, flyball, otlp};
use serde_json::{Value, json};

use super::{ADMIN, ALL, READER, Secured, WRITER, start, tokens};

#[test]
fn each_token_does_what_it_lists_and_refusals_stand_in_the_ledger() {
    let mut flyball = Flyball::start(json!({"http": {"tokens": tokens()}}));
    let open = flyball.http.clone();
    let body =
        otlp::metrics(&[], vec![otlp::gauge("room", vec![otlp::point(&[], flyball_tests::time::now_nanos(), 1.0)])]);
    let body = prost_bytes(&body);
    for (token, write, read, admin) in [
        (None, 401, 401, 401),
        (Some("wrong"), 401, 401, 401),
        (Some(WRITER), 200, 403, 403),
        (Some(READER), 403, 200, 403),
        (Some(ADMIN), 403, 403, 200),
    ] {
        let shown = |http: &flyball_tests::Http| token.map_or_else(|| http.clone(), |token| http.with_token(token));
        for port in [&open, &flyball.otlp_http] {
            let answer = shown(port).post("/v1/metrics", otlp::PROTOBUF, body.clone());
            assert_eq!(answer.status, write, "{token:?}: {}", answer.text());
        }
        assert_eq!(shown(&open).get("/metrics").status, read, "{token:?}");
        assert_eq!(shown(&open).get("/").status, read, "{token:?}");
        assert_eq!(shown(&open).post("/api/v1/reload", &[], "").status, admin, "{token:?}");
        for probe in ["/healthz", "/readyz", "/ping"] {
            assert!(shown(&open).get(probe).status < 300, "{probe} is open");
        }
    }
    let answer = open.get("/api/v1/rules").expect_status(401);
    assert!(answer.header("www-authenticate").starts_with("Bearer"), "{:?}", answer.headers);
    assert!(answer.json()["error"]["hint"].as_str().is_some_and(|hint| hint.contains("Authorization: Bearer")));

    flyball.http = open.with_token(ALL);
    assert_eq!(flyball.ledger("rejected", "unauthorized"), 8);
    assert_eq!(flyball.ledger("stored", "") + flyball.ledger("dropped", "duplicate"), 2);
    let denied = flyball.http.get("/metrics").expect_status(200).text();
    for family in ["flyball_access_denied_total{reason=\"unknown\"}", "flyball_connections{port=\"otlp_grpc\"}"] {
        assert!(denied.contains(family), "{family}");
    }
}

fn prost_bytes(message: &impl prost::Message) -> Vec<u8> {
    message.encode_to_vec()
}

#[test]
fn influx_shows_its_token_in_each_of_its_ways() {
    let flyball = Flyball::start(json!({"http": {"tokens": tokens()}}));
    let line = format!("room value=1 {}", flyball_tests::time::now_nanos());
    let token = format!("Token {WRITER}");
    // echo -n u:TOKEN | base64
    let basic = "Basic dTp0b2std3JpdGVyLTAxMjM0NTY3ODlhYmNkZWY=";
    for (path, header, status, word) in [
        ("/api/v2/write?bucket=b&org=o".to_owned(), Some(token.as_str()), 204, ""),
        ("/api/v3/write_lp?db=b".to_owned(), Some(&format!("Bearer {WRITER}")), 204, ""),
        ("/write?db=b".to_owned(), Some(basic), 204, ""),
        (format!("/write?db=b&u=u&p={WRITER}"), None, 204, ""),
        ("/write?db=b".to_owned(), None, 401, "{\"error\":"),
        ("/api/v2/write?bucket=b&org=o".to_owned(), Some("Token x"), 401, "\"code\":\"unauthorized\""),
        ("/api/v3/write_lp?db=b".to_owned(), Some(&format!("Bearer {READER}")), 403, "{\"error\":"),
    ] {
        let headers: Vec<_> = header.into_iter().map(|value| ("authorization", value)).collect();
        let answer = flyball.http.post(&path, &headers, line.clone());
        assert_eq!(answer.status, status, "{path} {}", answer.text());
        assert!(answer.text().contains(word), "{}", answer.text());
    }
    // A sender learns nothing of the others, and who reads leaves nothing behind.
    for (token, statement, status, names) in [
        (WRITER, "CREATE DATABASE mine", 200, ""),
        (READER, "CREATE DATABASE mine", 200, ""),
        (WRITER, "SHOW DATABASES", 403, ""),
        (READER, "SHOW DATABASES", 200, "[[\"b\"]]"),
    ] {
        let http = flyball.http.with_token(token);
        let path = format!("/query?q={}", statement.replace(' ', "+"));
        for answer in [http.get(&path), http.post(&path, &[], "")] {
            assert_eq!(answer.status, status, "{statement} {}", answer.text());
            assert!(answer.text().contains(names) && !answer.text().contains("mine"), "{}", answer.text());
        }
    }
}

#[test]
fn the_commands_show_a_token_over_tls() {
    let Secured { flyball, authority, .. } = start(true);
    let pair = authority.certify("operator");
    let call = |token: Option<&str>, arguments: &[&str]| {
        let mut command = flyball::command();
        command.args(arguments).env("FLYBALL_CA", authority.ca());
        command.env("FLYBALL_CERT", &pair.cert).env("FLYBALL_KEY", &pair.key);
        if let Some(token) = token {
            command.env("FLYBALL_TOKEN", token);
        }
        run(&mut command)
    };
    let url = flyball.http.base();
    let good = call(Some(READER), &["query", "--url", url, "--format", "json", "SELECT 1 AS one"]);
    assert!(good.status.success(), "{}", good.stderr);
    assert_eq!(serde_json::from_str::<Value>(&good.stdout).expect("JSON")["rows"], json!([[1]]));
    assert!(call(None, &["twin", "--url", url, "--token", READER]).status.success());
    for (token, words) in [(None, "FLYBALL_TOKEN"), (Some(WRITER), "scope read")] {
        let refused = call(token, &["query", "--url", url, "SELECT 1"]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(refused.stderr.contains(words) && !refused.stderr.contains(WRITER), "{}", refused.stderr);
    }
}

#[test]
fn a_token_in_a_file_is_taken_anew() {
    let dir = flyball::temp_dir();
    let file = dir.path().join("token");
    std::fs::write(&file, "tok-first-0123456789abcdef\n").expect("written");
    let tokens = json!([{"name": "grafana", "token_file": file, "scopes": ["read"]}]);
    let flyball = Flyball::start(json!({"http": {"tokens": tokens}}));
    let status = |token: &str| flyball.http.with_token(token).get("/metrics").status;
    assert_eq!(status("tok-first-0123456789abcdef"), 200);
    std::fs::write(&file, "tok-second-0123456789abcdef\n").expect("written");
    flyball_tests::wait_until("the second token", std::time::Duration::from_secs(20), || {
        match status("tok-second-0123456789abcdef") {
            200 => Ok(()),
            status => Err(status.to_string()),
        }
    });
    assert_eq!(status("tok-first-0123456789abcdef"), 401);
}
