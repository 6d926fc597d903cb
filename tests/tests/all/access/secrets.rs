//! Secrets are never printed.

use flyball_tests::process::run;
use flyball_tests::{Flyball, flyball, otlp};
use serde_json::json;

/// Parts of every secret in here.
const SECRET: &str = "geheim";

#[test]
fn no_secret_is_in_any_output() {
    let dir = flyball::temp_dir();
    let file = dir.path().join("token");
    std::fs::write(&file, "geheim-file-0123456789abcdef").expect("written");
    let port = flyball_tests::ports::free_port();
    let config = json!({
        "http": {"tokens": [
            {"name": "all", "token": "geheim-all-0123456789abcdef", "scopes": ["write", "read", "act", "admin"]},
            {"name": "file", "token_file": file, "scopes": ["read"]},
        ]},
        "backends": {
            "ops": {"kind": "webhook", "url": format!("http://127.0.0.1:{port}/hook?token=geheim-url"), "secret": "geheim-webhook"},
            "am": {"kind": "alertmanager", "url": format!("http://127.0.0.1:{port}/?token=geheim-url"), "token": "geheim-am"},
        },
        "store": {"influxdb": [{"url": format!("http://127.0.0.1:{port}"), "version": 2, "org": "o", "bucket": "b", "token": "geheim-influx", "write": ["metrics"]}]},
        "receivers": {"scrape": [{"job": "j", "url": format!("http://127.0.0.1:{port}/metrics"), "every": "200ms", "timeout": "200ms", "bearer_token": "geheim-scrape"}]},
    });
    let checked =
        run(flyball::command().args(["config", "check"]).arg(flyball::write_config(dir.path(), config.clone())));
    assert!(checked.status.success(), "{}{}", checked.stdout, checked.stderr);

    // All that is logged, down to the last trace.
    let mut running = Flyball::start_in_with_log(dir.path(), config, "trace");
    let open = running.http.clone();
    for (header, value) in [
        ("authorization", "Bearer geheim-wrong"),
        ("authorization", "Basic dTpnZWhlaW0="),
        ("authorization", "Token geheim"),
        ("authorization", "geheim"),
    ] {
        let answer = open.post("/v1/logs", &[(header, value)], "").expect_status(401);
        assert!(!answer.text().contains(SECRET), "{}", answer.text());
    }
    let answer = open.post("/write?db=x&u=u&p=geheim-wrong", &[], "x y=1").expect_status(401);
    assert!(!answer.text().contains(SECRET), "{}", answer.text());
    running.http = open.with_token("geheim-all-0123456789abcdef");
    otlp::send_gauge(&running.http, "room", &[], 1.0);
    let mut outputs = vec![checked.stdout, checked.stderr];
    for path in [
        "/metrics",
        "/api/v1/targets",
        "/api/v1/rules",
        "/api/v1/ledger",
        "/api/v1/remediations",
        "/readyz",
        "/openapi.json",
    ] {
        outputs.push(running.http.get(path).expect_status(200).text());
    }
    for table in ["ledger", "sources", "remediations", "violations", "series"] {
        outputs.push(running.sql_as(&format!("SELECT * FROM flyball.{table}"), "csv").text());
    }
    running.stop();
    outputs.extend([running.process().stdout(), running.process().stderr()]);
    for output in outputs {
        let found: Vec<_> = output.lines().filter(|line| line.contains(SECRET)).take(3).collect();
        assert!(found.is_empty(), "{found:#?}");
    }
}

#[test]
fn no_secret_is_in_a_complaint_about_it() {
    let dir = flyball::temp_dir();
    for config in [
        json!({"http": {"tokens": [{"name": "a", "token": "geheim geheim", "scopes": ["read"]}]}}),
        json!({"http": {"tokens": [{"name": "a", "token_sha256": "geheim", "scopes": ["read"]}]}}),
        json!({"http": {"tokens": [{"name": "a", "token": ["geheim"], "scopes": ["read"]}]}}),
        json!({"backends": {"ops": {"kind": "webhook", "url": "https//u:geheim@ops.example/?t=geheim"}}}),
        json!({"backends": {"ops": {"kind": "webhook", "url": "https://ops.example", "secret": "whsec_geheim!"}}}),
        json!({"backends": {"ops": {"kind": "webhook", "url": "http://169.254.169.254/geheim", "secret": "geheim"}}}),
    ] {
        let file = flyball::write_config(dir.path(), config.clone());
        for command in ["check", "serve"] {
            let mut call = flyball::command();
            match command {
                "check" => call.args(["config", "check"]).arg(&file),
                _ => call.args(["serve", "--config"]).arg(&file),
            };
            let finished = run(&mut call);
            let output = format!("{}{}", finished.stdout, finished.stderr);
            assert!(!output.contains(SECRET), "{config}: {output}");
            assert!(command == "check" || finished.status.code() == Some(64), "{config}: {output}");
        }
    }
}
