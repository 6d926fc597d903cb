//! The ledger accounts for every point that was sent: to the point, and as the program's own check sees it.

use flyball_tests::process::{Finished, run};
use flyball_tests::time::now_nanos;
use flyball_tests::{Flyball, flyball, otlp, remote_write, wait_until};
use prost::Message;
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
const NANOS_PER_MILLI: u64 = 1_000_000;
const YEAR_NANOS: u64 = 365 * 24 * 3_600 * 1_000_000_000;

fn ledger(flyball: &Flyball, arguments: &[&str]) -> Finished {
    run(flyball::command().args(["ledger", "--url", flyball.http.base()]).args(arguments))
}

fn document(flyball: &Flyball) -> Value {
    flyball.http.get("/api/v1/ledger").expect_status(200).json()
}

/// The account of a receiver and signal, without what depends on the clock.
fn account(document: &Value, receiver: &str, signal: &str) -> Value {
    let source = json!(format!("{receiver}/127.0.0.1"));
    let found = document["sources"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|account| (&account["source"], &account["signal"]) == (&source, &json!(signal)));
    let mut account = found.unwrap_or_else(|| panic!("no {receiver} {signal} in {document:#}")).clone();
    assert!(account["last_at"].is_string(), "{account}");
    account
        .as_object_mut()
        .expect("an object")
        .retain(|key, _| !["last_at", "source", "signal"].contains(&key.as_str()));
    account
}

#[test]
fn good_bad_and_repeated_bodies_are_accounted_for_to_the_point() {
    let flyball = Flyball::start(json!({}));
    let at = now_nanos();

    // Three good points; then the same body again, as a sender that missed the answer sends it.
    let points = [0, 1_000, 2_000].map(|earlier| otlp::point(&[("room", "north")], at - earlier, 21.0));
    let request = otlp::metrics(&[], vec![otlp::gauge("room.temperature", points.to_vec())]);
    for _ in 0..2 {
        let answer = otlp::send(&flyball.http, &request).expect_status(200);
        assert_eq!(otlp::partial_success(&answer), (0, String::new()), "what is repeated is a success");
    }
    // Two that are too old.
    let points = [0, 1].map(|earlier| otlp::point(&[("room", "north")], at - YEAR_NANOS - earlier, 21.0));
    let request = otlp::metrics(&[], vec![otlp::gauge("room.temperature", points.to_vec())]);
    assert_eq!(otlp::partial_success(&otlp::send(&flyball.http, &request).expect_status(200)).0, 2);
    // One of the points once more with a new one: not the same body.
    let mixed = [otlp::point(&[("room", "north")], at, 21.0), otlp::point(&[("room", "south")], at, f64::NAN)];
    let mixed = otlp::metrics(&[], vec![otlp::gauge("room.temperature", mixed.to_vec())]);
    otlp::send(&flyball.http, &mixed).expect_status(200);
    // What is no request.
    flyball.http.post("/v1/metrics", otlp::PROTOBUF, "\u{7}noise").expect_status(400);
    flyball.http.post("/v1/metrics", &[("content-type", "text/html")], "<p>").expect_status(415);
    // Logs, twice.
    let record = opentelemetry_proto::tonic::logs::v1::LogRecord { time_unix_nano: at, ..Default::default() };
    let logs = otlp::logs(&[("host.name", "edge-1")], vec![record]).encode_to_vec();
    for _ in 0..2 {
        flyball.http.post("/v1/logs", otlp::PROTOBUF, logs.clone()).expect_status(200);
    }
    // Remote write, twice.
    let series = || {
        let millis = i64::try_from(at / NANOS_PER_MILLI).expect("a time of this century");
        (0..4).map(|offset| remote_write::series(&[("__name__", "up"), ("job", "a")], millis - offset, 1.0)).collect()
    };
    for _ in 0..2 {
        remote_write::send(&flyball.http, series()).expect_status(204);
    }
    // Line protocol: a good line, a bad one.
    let lines = format!("room watts=3 {at}\nroom watts= {at}\n");
    flyball.http.post("/write?db=home", &[], lines).expect_status(400);

    let document = document(&flyball);
    assert_eq!(
        account(&document, "otlp_http", "metrics"),
        json!({
            "received": 3 + 3 + 2 + 2 + 1 + 1, "stored": 3 + 1, "stored_as": {"not_finite": 1},
            "rejected": {"too_old": 2, "malformed": 1, "content_type": 1}, "dropped": {"duplicate": 3 + 1}, "balanced": true,
        })
    );
    assert_eq!(
        account(&document, "otlp_http", "logs"),
        json!({"received": 2, "stored": 1, "stored_as": {}, "rejected": {}, "dropped": {"duplicate": 1}, "balanced": true})
    );
    assert_eq!(
        account(&document, "remote_write", "metrics"),
        json!({"received": 8, "stored": 4, "stored_as": {}, "rejected": {}, "dropped": {"duplicate": 4}, "balanced": true})
    );
    assert_eq!(
        account(&document, "influx", "metrics"),
        json!({"received": 2, "stored": 1, "stored_as": {}, "rejected": {"bad_line": 1}, "dropped": {}, "balanced": true})
    );
    let totals = ["received", "stored", "rejected", "dropped"].map(|name| document[name].as_u64());
    assert_eq!((totals, &document["balanced"]), ([24, 10, 5, 9].map(Some), &json!(true)));

    // What the ledger says is stored is what queries find.
    for (sql, count) in [("SELECT count(*) AS n FROM metrics", 4 + 4 + 1), ("SELECT count(*) AS n FROM logs", 1)] {
        assert_eq!(flyball.sql(sql).rows, [[json!(count)]], "{sql}");
    }
    // The tables and the page of metrics say the same.
    assert_eq!((flyball.ledger("stored", ""), flyball.ledger("dropped", "duplicate")), (9, 9));
    let sources = flyball.sql("SELECT points, requests FROM flyball.sources WHERE source = 'otlp_http/127.0.0.1'");
    assert_eq!(sources.rows, [[json!(14), json!(8)]]);
    let page = flyball.http.get("/metrics").expect_status(200).text();
    for line in [
        r#"flyball_received_points_total{receiver="otlp_http",signal="metrics"} 12"#,
        r#"flyball_points_total{receiver="otlp_http",signal="metrics",outcome="rejected",reason="too_old"} 2"#,
        r#"flyball_points_total{receiver="remote_write",signal="metrics",outcome="dropped",reason="duplicate"} 4"#,
        "flyball_ledger_balanced 1",
    ] {
        assert!(page.lines().any(|found| found == line), "no {line} in {page}");
    }

    let checked = ledger(&flyball, &["check"]);
    assert!(checked.status.success(), "{}{}", checked.stdout, checked.stderr);
    assert_eq!(
        checked.stdout,
        "balanced: 24 received = 10 stored + 5 rejected + 9 dropped; accounts of sources: 4, stores: 0, backends: 0\n"
    );
    let checked = ledger(&flyball, &["check", "--format", "json"]);
    let verdict: Value = serde_json::from_str(&checked.stdout).expect("JSON");
    assert_eq!(verdict, json!({"balanced": true, "problems": []}));
    let printed: Value = serde_json::from_str(&ledger(&flyball, &["--format", "json"]).stdout).expect("JSON");
    assert_eq!(printed, document);
    let table = ledger(&flyball, &[]).stdout;
    for words in ["otlp_http/127.0.0.1", "log records", "rejected: too_old", "dropped: duplicate", "even"] {
        assert!(table.contains(words), "no {words} in\n{table}");
    }
}

#[test]
fn the_accounts_go_on_after_a_restart() {
    let dir = flyball::temp_dir();
    let before = {
        let mut first = Flyball::start_in(dir.path(), json!({}));
        otlp::send_gauge(&first.http, "room.temperature", &[("room", "north")], 21.0);
        first.http.post("/v1/metrics", otlp::PROTOBUF, "\u{7}noise").expect_status(400);
        let before = document(&first);
        assert!(first.stop().success());
        before
    };
    let second = Flyball::start_in(dir.path(), json!({}));
    assert_eq!(document(&second), before);
    otlp::send_gauge(&second.http, "room.temperature", &[("room", "north")], 22.0);
    assert_eq!(account(&document(&second), "otlp_http", "metrics")["stored"], 2);
    assert!(ledger(&second, &["check"]).status.success());
}

#[test]
fn a_store_that_is_down_has_an_account_of_what_waits() {
    let address = format!("http://127.0.0.1:{}", flyball_tests::ports::free_port());
    let store = json!({"url": address, "version": 1, "bucket": "estate", "write": ["metrics"]});
    let flyball = Flyball::start(json!({"store": {"influxdb": [store]}}));
    for value in 0..3 {
        otlp::send_gauge(&flyball.http, "down_time", &[("host", "a")], f64::from(value));
    }
    let store = wait_until("the failure of the store", SOON, || {
        let store = document(&flyball)["stores"][0].clone();
        if store["last_error"].is_string() && store["oldest_at"].is_string() {
            Ok(store)
        } else {
            Err(store.to_string())
        }
    });
    for (name, value) in [
        ("received", json!(3)),
        ("queued", json!(3)),
        ("delivered", json!(0)),
        ("dropped", json!(0)),
        ("balanced", json!(true)),
    ] {
        assert_eq!(store[name], value, "{name} of {store}");
    }
    let page = flyball.http.get("/metrics").expect_status(200).text();
    assert!(page.contains("\nflyball_store_oldest_timestamp_seconds{"), "{page}");
    let checked = ledger(&flyball, &["check"]);
    assert!(checked.status.success() && checked.stdout.contains("stores: 1"), "{}", checked.stdout);
    assert!(ledger(&flyball, &[]).stdout.contains("records"), "the table has the store");
}

/// No flyball can be made to lose count, so the check is done on a server that lies.
#[test]
fn the_check_names_what_does_not_balance_and_exits_1() {
    let lie = json!({
        "balanced": true, "received": 10, "stored": 9, "rejected": 0, "dropped": 0,
        "sources": [{"source": "otlp_grpc/10.0.0.7", "signal": "metrics", "received": 10, "stored": 9, "stored_as": {},
                     "rejected": {}, "dropped": {}, "balanced": true, "last_at": null}],
        "stores": [], "backends": [],
    });
    let url = answer_always(lie.to_string());
    let checked = run(flyball::command().args(["ledger", "check", "--url", &url]));
    assert_eq!(checked.status.code(), Some(1), "{}", checked.stderr);
    assert_eq!(
        checked.stdout,
        "otlp_grpc/10.0.0.7, metrics: 10 received, but stored + rejected + dropped are 9: 1 unaccounted for\n"
    );
    // Just looking is no check.
    let printed = run(flyball::command().args(["ledger", "--url", &url]));
    assert!(printed.status.success() && printed.stdout.contains("1 unaccounted for"), "{}", printed.stdout);
    let nobody = format!("http://127.0.0.1:{}", flyball_tests::ports::free_port());
    assert_eq!(run(flyball::command().args(["ledger", "check", "--url", &nobody])).status.code(), Some(1));
}

/// A server that has one answer for the first few requests.
fn answer_always(body: String) -> String {
    use std::io::{BufRead, BufReader, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().take(2) {
            let mut stream = stream.expect("a connection");
            let lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
            let head = lines.map_while(Result::ok).take_while(|line| !line.is_empty());
            assert!(head.count() > 0, "a request");
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).expect("the client reads");
        }
    });
    url
}
