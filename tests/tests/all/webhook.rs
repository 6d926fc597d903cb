//! A webhook's consumer, which checks every signature, hears of a violation from its first row to its end.

use std::path::Path;
use std::time::Duration;

use flyball_tests::process::Process;
use flyball_tests::time::instant;
use flyball_tests::{Flyball, Python, otlp, wait_until};
use serde_json::{Value, json};

/// 24 bytes in base64 behind the prefix that Standard Webhooks asks for.
const SECRET: &str = "whsec_ZmVkY2JhOTg3NjU0MzIxMGFiY2RlZjAx";

const RULES: &str = r#"
groups:
- name: greenhouse
  every: 200ms
  rules:
  - rule: RoomTooWarm
    sql: |
      SELECT room, max(value) AS celsius FROM room_temperature
      WHERE time > now() - INTERVAL '2 seconds' GROUP BY room HAVING max(value) > 30
    for: 500ms
    severity: critical
    labels: {team: garden}
    summary: "{{ room }} is at {{ celsius | round(1) }} degrees"
    remediate:
    - {backend: ops, action: scale_out, target: {kind: Deployment, namespace: fans, name: "fan-{{ room }}"}, factor: 1.5, min: 2, max: 25}
"#;

struct Consumer {
    process: Process,
    url: String,
}

impl Consumer {
    fn start(python: &Python, refusals: u32) -> Self {
        let mut process = python.start("webhook_consumer.py", &[SECRET, &refusals.to_string()]);
        let line = process.wait_for_line("listening ", Duration::from_secs(30));
        let url = format!("http://{}/hook", line.trim_start_matches("listening "));
        Self { process, url }
    }

    /// The requests so far, in order.
    fn requests(&self) -> Vec<Value> {
        let stdout = self.process.stdout();
        stdout.lines().skip(1).map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
    }

    /// What the requests that were taken told, in order: `violation.pending`, ….
    fn types(&self) -> Vec<String> {
        let taken = self.requests().into_iter().filter(|request| request["status"] == 200);
        let of = |request: Value| {
            request["event"]["type"].as_str().expect("a type").trim_start_matches("flyball.").to_owned()
        };
        taken.map(of).collect()
    }
}

fn start(dir: &Path, consumer: &Consumer) -> Flyball {
    let rules = dir.join("rules.yaml");
    std::fs::write(&rules, RULES).expect("the folder can be written");
    Flyball::start_in(
        dir,
        json!({"rules": [rules], "backends": {"ops": {"kind": "webhook", "url": consumer.url, "secret": SECRET}}}),
    )
}

/// Keeps the room at a temperature until the consumer has heard what is wanted.
#[track_caller]
fn keep(flyball: &Flyball, consumer: &Consumer, celsius: f64, wanted: &str) {
    wait_until(wanted, Duration::from_secs(30), || {
        otlp::send_gauge(&flyball.http, "room.temperature", &[("room", "north")], celsius);
        let types = consumer.types();
        if types.iter().any(|kind| kind == wanted) { Ok(()) } else { Err(format!("{types:?}")) }
    });
}

#[test]
fn a_violation_is_told_as_pending_firing_requested_resolved_once_each() {
    let Some(python) = Python::need() else { return };
    let consumer = Consumer::start(&python, 0);
    let dir = flyball_tests::flyball::temp_dir();
    let flyball = start(dir.path(), &consumer);

    otlp::send_gauge(&flyball.http, "room.temperature", &[("room", "south")], 21.0);
    keep(&flyball, &consumer, 35.56, "remediation.requested");
    keep(&flyball, &consumer, 20.0, "violation.resolved");

    // All fates are known: nothing is under way any more that could come twice.
    flyball.wait_for_rows("SELECT state FROM flyball.remediations WHERE state IN ('queued', 'proposed')", |rows| {
        rows.is_empty()
    });
    assert_eq!(
        consumer.types(),
        ["violation.pending", "violation.firing", "remediation.requested", "violation.resolved"]
    );
    let requests = consumer.requests();
    for request in &requests {
        let (event, headers) = (&request["event"], &request["headers"]);
        assert_eq!(request["status"], 200, "{request}");
        assert_eq!(headers["content-type"], "application/cloudevents+json");
        assert_eq!(request["id"], event["id"], "the id to know a repetition by is the event's");
        assert_eq!((&event["specversion"], &event["datacontenttype"]), (&json!("1.0"), &json!("application/json")));
        assert!(event["source"].as_str().is_some_and(|source| source.starts_with("/flyball/")), "{event}");
        assert_eq!(event["subject"], "RoomTooWarm/room=north");
        let data = &event["data"];
        assert_eq!((&data["rule"], &data["severity"]), (&json!("RoomTooWarm"), &json!("critical")));
        assert_eq!(data["labels"], json!({"room": "north", "team": "garden"}));
        assert_eq!(data["values"], json!({"celsius": 35.56}), "{event}");
        assert_eq!(data["summary"], "north is at 35.6 degrees", "{event}");
        assert_eq!(data["active_at"], requests[0]["event"]["data"]["active_at"], "it is one violation");
    }
    check_request(&requests[2]["event"]["data"]);

    let violation = flyball.sql("SELECT rule, instance, state FROM flyball.violations");
    assert_eq!(violation.rows, [[json!("RoomTooWarm"), json!("room=north"), json!("resolved")]]);
}

#[track_caller]
fn check_request(data: &Value) {
    let action = &data["action"];
    assert_eq!((&action["action"], &action["backend"]), (&json!("scale_out"), &json!("ops")));
    assert_eq!((&action["step"], &action["attempt"]), (&json!(0), &json!(1)));
    assert_eq!(action["target"], json!({"kind": "Deployment", "namespace": "fans", "name": "fan-north"}));
    assert_eq!(action["params"], json!({"factor": 1.5, "min": 2, "max": 25}));
    assert!(data["expires_at"].is_string(), "{data}");
}

#[test]
fn an_event_that_is_refused_for_now_comes_again_with_the_same_id_when_the_consumer_asked_for_it() {
    let Some(python) = Python::need() else { return };
    let consumer = Consumer::start(&python, 1);
    let dir = flyball_tests::flyball::temp_dir();
    let flyball = start(dir.path(), &consumer);
    let start = instant();
    keep(&flyball, &consumer, 35.0, "violation.pending");
    assert!(start.elapsed() >= Duration::from_secs(1), "`Retry-After: 1` was not honoured");

    let requests = consumer.requests();
    assert_eq!((&requests[0]["status"], &requests[1]["status"]), (&json!(503), &json!(200)));
    assert_eq!(requests[0]["id"], requests[1]["id"]);
}
