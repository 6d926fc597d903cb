//! Tokens that an issuer signs, made by PyJWT.

use std::collections::BTreeMap;
use std::time::Duration;

use flyball_tests::{Flyball, Python, otlp};
use serde_json::json;

#[test]
fn tokens_of_an_issuer_are_taken_by_their_signature_audience_and_scopes() {
    let Some(python) = Python::need() else { return };
    let mut issuing = python.start("oidc_issuer.py", &[]);
    let issuer = issuing.wait_for_line("issuer ", Duration::from_secs(30)).trim_start_matches("issuer ").to_owned();
    let tokens = issuing.wait_for_line("tokens ", Duration::from_secs(30));
    let tokens: BTreeMap<String, String> =
        serde_json::from_str(tokens.trim_start_matches("tokens ")).expect("an object of tokens");
    let oidc = json!({"issuer": issuer, "audience": "flyball", "scope_prefix": "flyball:"});
    let mut flyball = Flyball::start(json!({"http": {"oidc": oidc}}));

    for (name, token) in &tokens {
        let (read, write) = match name.as_str() {
            "rs256" | "es256" | "eddsa" => (200, 200),
            "reader" => (200, 403),
            "no scope" => (403, 403),
            // The keys were fetched for the first token: too soon to ask for new ones, and no reason to drop anything.
            "unknown key" => (503, 503),
            _ => (401, 401),
        };
        let http = flyball.http.with_token(token);
        let answer = http.get("/metrics");
        assert_eq!(answer.status, read, "{name}: {}", answer.text());
        let answer = http.post("/v1/logs", otlp::PROTOBUF, "");
        assert_eq!(answer.status, write, "{name}: {}", answer.text());
        assert!(!answer.text().contains(token), "{name}");
    }
    // What was learned outlives the issuer.
    drop(issuing);
    flyball.http = flyball.http.with_token(&tokens["rs256"]);
    flyball.http.get("/metrics").expect_status(200);
    // An unknown key can't be judged now, and its sender must not drop what it has.
    let unknown = flyball.http.with_token(&tokens["unknown key"]).post("/v1/logs", otlp::PROTOBUF, "");
    assert!(matches!(unknown.status, 401 | 503), "{}", unknown.text());
    let stderr = flyball.process().stderr();
    assert!(tokens.values().all(|token| !stderr.contains(token)), "{stderr}");
}
