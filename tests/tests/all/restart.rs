//! Ending and starting again.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use flyball_tests::process::Process;
use flyball_tests::time::{instant, now_nanos};
use flyball_tests::{Flyball, flyball, otlp, wait_until};
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use serde_json::json;

#[test]
fn a_restart_finds_the_history_again() {
    let dir = flyball::temp_dir();
    let at = now_nanos();
    let sql = "SELECT room, CAST(time AS BIGINT) AS nanos, value FROM room_temperature ORDER BY nanos";
    let logs = "SELECT host_name, body, severity FROM logs";
    let (rows, records) = {
        let mut first = Flyball::start_in(dir.path(), json!({}));
        let points =
            (0..500).map(|index| otlp::point(&[("room", "north")], at - 500_000_000 + index * 1_000_000, index as f64));
        otlp::send(&first.http, &otlp::metrics(&[], vec![otlp::gauge("room.temperature", points.collect())]))
            .expect_status(200);
        let body = AnyValue { value: Some(any_value::Value::StringValue("kept".to_owned())) };
        let record = LogRecord { time_unix_nano: at, body: Some(body), ..LogRecord::default() };
        let request = otlp::logs(&[("host.name", "edge-1")], vec![record]);
        first.http.post("/v1/logs", otlp::PROTOBUF, request.encode_to_vec()).expect_status(200);
        let (rows, records) = (first.sql(sql), first.sql(logs));
        assert_eq!((rows.len(), records.len()), (500, 1));
        assert!(first.stop().success());
        (rows, records)
    };
    let second = Flyball::start_in(dir.path(), json!({}));
    assert_eq!(second.sql(sql), rows);
    assert_eq!(second.sql(logs), records);
    // And the same series goes on.
    otlp::send_gauge(&second.http, "room.temperature", &[("room", "north")], 1e6);
    assert_eq!(
        second.sql("SELECT count(*) AS points, max(value) AS top FROM room_temperature").rows,
        [[json!(501), json!(1e6)]]
    );
}

#[test]
fn what_senders_sent_keeps_no_rule_from_starting_again() {
    let rule = |name: &str, sql: &str| json!({"rule": name, "sql": sql});
    let dir = flyball::temp_dir();
    let rules = |list: serde_json::Value| {
        let file = dir.path().join("rules.yaml");
        std::fs::write(&file, json!({"groups": [{"name": "g", "rules": list}]}).to_string()).expect("a new file");
        json!({"rules": [file]})
    };
    let by_floor = rule("ByFloor", "SELECT floor, max(value) AS top FROM room_temperature GROUP BY floor");
    let all = json!({"rule": "All", "sql": "SELECT * FROM latest(room_temperature)", "summary": "{{ floor }}"});
    let config = rules(json!([by_floor.clone(), all.clone()]));
    {
        let mut first = Flyball::start_in(dir.path(), config.clone());
        // Without a label that rules ask for, which nobody could know when they were written.
        otlp::send_gauge(&first.http, "room.temperature", &[("room", "north")], 35.0);
        first.wait_for_rows("SELECT rule FROM flyball.rules WHERE state = 'error'", |rows| rows.len() == 1);
        first.process().signal("KILL");
    }
    let mut second = Flyball::start_in(dir.path(), config);
    let log = second.process().stderr();
    assert!(log.contains("unknown column 'floor'") && log.contains("asks for 'floor'"), "{log}");
    second.wait_for_rows("SELECT rule FROM flyball.rules WHERE state = 'error'", |rows| rows.len() == 1);

    // Nor does it keep other rules from being changed; a new one that can't run is refused still.
    let nobody = rule("New", "SELECT nobody, value FROM latest(room_temperature)");
    rules(json!([by_floor.clone(), all.clone(), nobody]));
    let refused = second.http.post("/api/v1/reload", &[], "");
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("'nobody'") && !refused.text().contains("'floor'"), "{}", refused.text());
    rules(json!([by_floor, all, rule("New", "SELECT room, value FROM latest(room_temperature)")]));
    second.http.post("/api/v1/reload", &[], "").expect_status(200);

    otlp::send_gauge(&second.http, "room.temperature", &[("floor", "3")], 36.0);
    second.wait_for_rows("SELECT rule FROM flyball.rules WHERE state = 'firing'", |rows| rows.len() == 3);
}

#[test]
fn a_termination_drains_in_time_and_ends_well() {
    let mut flyball = Flyball::start(json!({}));
    // A query that would go on for longer than the drain may take.
    let endless = "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t";
    let body = json!({"sql": endless}).to_string();
    let mut query = TcpStream::connect(flyball.http.base().trim_start_matches("http://")).expect("it listens");
    write!(
        query,
        "POST /api/v1/sql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("it reads");
    // Connections are accepted in order: whoever is answered now came after it.
    for _ in 0..10 {
        flyball.http.get("/healthz").expect_status(200);
    }
    let start = instant();
    let status = flyball.stop();
    assert!(status.success(), "{status}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let log = flyball.process().stderr();
    assert!(log.contains("cut off"), "the query was not under way any more: {log}");
}

#[test]
fn a_drain_refuses_what_is_new_and_answers_probes() {
    // It takes an event and never answers: that holds the drain open.
    let webhook = TcpListener::bind("127.0.0.1:0").expect("a free port");
    webhook.set_nonblocking(true).expect("a socket");
    let url = format!("http://{}/", webhook.local_addr().expect("bound"));
    let dir = flyball::temp_dir();
    let file = dir.path().join("rules.yaml");
    let rule = json!({"rule": "Hot", "sql": "SELECT room, value FROM latest(room_temperature) WHERE value > 30", "remediate": [{"backend": "ops", "action": "notify"}]});
    std::fs::write(&file, json!({"groups": [{"name": "g", "rules": [rule]}]}).to_string()).expect("a new file");
    let config = json!({"rules": [file], "backends": {"ops": {"kind": "webhook", "url": url}}});
    let mut flyball = Flyball::start_in(dir.path(), config);
    otlp::send_gauge(&flyball.http, "room.temperature", &[("room", "north")], 35.0);
    let long = Duration::from_secs(20);
    let _event = wait_until("an event", long, || webhook.accept().map_err(|error| error.to_string()));

    flyball.process().signal("TERM");
    wait_until("the drain", long, || match flyball.http.get("/readyz") {
        answer if answer.status == 503 => Ok(()),
        answer => Err(answer.text()),
    });
    let push = flyball.http.post("/metrics/job/j", &[], "late 1\n").expect_status(503);
    assert!(push.text().contains("takes no new requests") && !push.header("retry-after").is_empty(), "{push:?}");
    let query = flyball.try_sql("SELECT 1").expect_err("it drains").expect_status(503);
    assert_eq!(query.json()["error"]["code"], "unavailable");
    flyball.http.get("/healthz").expect_status(200);
    assert_eq!(flyball.http.get("/readyz").text(), "draining\n");
    assert!(flyball.process().wait_for_end(Duration::from_secs(10)).success());
}

#[test]
fn an_interrupt_ends_well_too() {
    let mut flyball = Flyball::start(json!({}));
    flyball.process().signal("INT");
    assert!(flyball.process().wait_for_end(Duration::from_secs(10)).success());
}

/// Starts a second `serve` that must fail with one clear line.
#[track_caller]
fn refused(config: &std::path::Path, words: &[&str]) {
    let mut second =
        Process::start("second flyball", flyball::command().args(["--log", "off", "serve", "--config"]).arg(config));
    let status = second.wait_for_end(Duration::from_secs(20));
    assert_eq!(status.code(), Some(1), "{}", second.stderr());
    assert_eq!(second.stdout(), "");
    let stderr = second.stderr();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "no '{word}' in {stderr}");
    }
}

#[test]
fn a_data_folder_in_use_is_refused_in_one_clear_line() {
    let first = Flyball::start(json!({}));
    let other = flyball::temp_dir();
    let data = first.dir().join("data");
    let config = flyball::write_config(other.path(), json!({"data_dir": data}));
    refused(&config, &[&data.display().to_string(), "use"]);
}

#[test]
fn a_port_that_is_taken_is_refused_in_one_clear_line() {
    let first = Flyball::start(json!({}));
    let other = flyball::temp_dir();
    let address = first.http.base().trim_start_matches("http://").to_owned();
    refused(&flyball::write_config(other.path(), json!({"http": {"listen": address}})), &[&address, "http.listen"]);
    refused(
        &flyball::write_config(other.path(), json!({"receivers": {"otlp": {"grpc": first.otlp_grpc}}})),
        &[&first.otlp_grpc, "otlp.grpc"],
    );
}
