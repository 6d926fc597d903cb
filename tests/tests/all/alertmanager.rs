//! Alertmanager hears of violations, and its own client silences them in flyball.

use std::path::Path;
use std::time::Duration;

use flyball_tests::counterparts::{Alertmanager, Amtool};
use flyball_tests::flyball::temp_dir;
use flyball_tests::http::{block_on, client};
use flyball_tests::{Flyball, otlp, wait_until};
use serde_json::{Value, json};

const RULES: &str = r#"
groups:
- name: greenhouse
  every: 200ms
  rules:
  - rule: RoomTooWarm
    sql: SELECT room, value AS celsius FROM latest(room_temperature) WHERE value > 30
    severity: critical
    labels: {team: garden}
    summary: "{{ room }} is at {{ celsius | round(1) }} degrees"
    remediate:
    - {backend: am, action: notify}
"#;

fn start(dir: &Path, alertmanager: &Alertmanager, more: Value) -> Flyball {
    let rules = dir.join("rules.yaml");
    std::fs::write(&rules, RULES).expect("the folder can be written");
    let am = json!({
        "kind": "alertmanager", "url": alertmanager.http.base(), "resend_every": "1s",
        "external_url": "http://flyball.example:8480",
    });
    let mut config = json!({"rules": [rules], "backends": {"am": am}});
    flyball_tests::flyball::lay_over(&mut config, more);
    Flyball::start_in(dir, config)
}

fn set(flyball: &Flyball, room: &str, celsius: f64) {
    otlp::send_gauge(&flyball.http, "room.temperature", &[("room", room)], celsius);
}

/// Waits until the Alertmanager has exactly the alerts of these rooms.
#[track_caller]
fn wait_for_rooms(alertmanager: &Alertmanager, rooms: &[&str]) -> Vec<Value> {
    wait_until(&format!("alerts of {rooms:?}"), Duration::from_secs(30), || {
        let mut alerts = alertmanager.alerts();
        alerts.sort_by_key(|alert| alert["labels"]["room"].to_string());
        let found: Vec<_> = alerts.iter().map(|alert| alert["labels"]["room"].as_str().unwrap_or_default()).collect();
        if found == rooms { Ok(alerts) } else { Err(format!("{alerts:?}")) }
    })
}

#[test]
fn an_alert_is_sent_when_it_fires_again_while_it_does_and_once_more_when_it_is_over() {
    let Some(alertmanager) = Alertmanager::start() else { return };
    let Some(amtool) = Amtool::at(&alertmanager.http) else { return };
    let dir = temp_dir();
    let mut flyball = start(dir.path(), &alertmanager, json!({}));
    set(&flyball, "north", 35.56);
    let alert = wait_for_rooms(&alertmanager, &["north"]).remove(0);
    let labels = json!({"alertname": "RoomTooWarm", "room": "north", "severity": "critical", "team": "garden"});
    assert_eq!(alert["labels"], labels);
    assert_eq!(alert["annotations"], json!({"summary": "north is at 35.6 degrees"}));
    let rows = flyball.sql("SELECT id, fired_at FROM flyball.violations");
    let id = rows.text(0, "id");
    assert_eq!(alert["generatorURL"], format!("http://flyball.example:8480/api/v1/violations/{id}"));
    let own = flyball.http.get("/api/v2/alerts").expect_status(200).json();
    for key in ["fingerprint", "labels", "annotations"] {
        assert_eq!(own[0][key], alert[key], "flyball's own list agrees");
    }
    let queried = amtool.json(&["alert", "query", "alertname=RoomTooWarm"]);
    assert_eq!(queried[0]["startsAt"], alert["startsAt"]);

    let sent_again = |alert: &Value| {
        wait_until("the alert to be sent again", Duration::from_secs(30), || {
            let now = alertmanager.alerts();
            let is_later = now.len() == 1 && now[0]["endsAt"].as_str() > alert["endsAt"].as_str();
            if is_later { Ok(now[0].clone()) } else { Err(format!("{now:?}")) }
        })
    };
    let again = sent_again(&alert);
    assert_eq!(again["startsAt"], alert["startsAt"], "it is the same alert");
    assert!(flyball.stop().success());
    let mut flyball = start(dir.path(), &alertmanager, json!({}));
    let again = sent_again(&again);
    assert_eq!(again["startsAt"], alert["startsAt"], "a restart does not begin it anew");

    let resolved = r#"alertmanager_alerts_received_total{status="resolved",version="v2"}"#;
    assert_eq!(alertmanager.metric(resolved), 0.0);
    set(&flyball, "north", 20.0);
    wait_for_rooms(&alertmanager, &[]);
    flyball.wait_for_rows("SELECT state FROM flyball.remediations WHERE state <> 'delivered'", |rows| rows.is_empty());
    assert_eq!(alertmanager.metric(resolved), 1.0, "it was told, and did not only time out");
    assert!(flyball.stop().success());
}

#[test]
fn amtool_silences_what_then_is_told_when_the_silence_is_over() {
    let Some(alertmanager) = Alertmanager::start() else { return };
    let dir = temp_dir();
    let mut flyball = start(dir.path(), &alertmanager, json!({}));
    let Some(amtool) = Amtool::at(&flyball.http) else { return };
    let add =
        ["silence", "add", "room=~nor.*", "severity!=info", "--author=ada", "--comment=new windows", "--duration=1h"];
    let id = amtool.run(&add).expect("it is made").trim().to_owned();
    set(&flyball, "north", 35.0);
    set(&flyball, "south", 36.0);
    wait_for_rooms(&alertmanager, &["south"]);
    flyball.wait_for_rows(
        "SELECT silenced_by FROM flyball.violations WHERE state = 'firing' AND instance = 'room=north'",
        |rows| rows.rows == [[json!(id)]],
    );
    let told = flyball.sql("SELECT count(*) AS n FROM flyball.remediations r JOIN flyball.violations v ON r.violation = v.id WHERE instance = 'room=north'");
    assert_eq!(told.rows, [[json!(0)]], "nothing set out");

    let silences = amtool.json(&["silence", "query"]);
    assert_eq!((&silences[0]["id"], &silences[0]["status"]["state"]), (&json!(id), &json!("active")));
    assert_eq!((&silences[0]["createdBy"], &silences[0]["comment"]), (&json!("ada"), &json!("new windows")));
    let matcher = json!({"isEqual": true, "isRegex": true, "name": "room", "value": "nor.*"});
    assert!(silences[0]["matchers"].as_array().is_some_and(|all| all.contains(&matcher)), "{silences}");
    assert_eq!(amtool.json(&["silence", "query", "room=~nor.*"])[0]["id"], json!(id));
    assert_eq!(amtool.json(&["silence", "query", "room=elsewhere"]), json!([]));
    let suppressed = amtool.json(&["alert", "query", "--silenced"]);
    assert_eq!(suppressed[0]["labels"]["room"], "north");
    assert_eq!(suppressed[0]["status"], json!({"inhibitedBy": [], "silencedBy": [id], "state": "suppressed"}));
    let active = amtool.json(&["alert", "query", "--active", "--receiver=am"]);
    assert_eq!(active[0]["labels"]["room"], "south");
    assert_eq!(amtool.run(&["silence", "update", "--duration=2h", &id]).map(|shown| shown.contains(&id)), Ok(true));

    assert!(flyball.stop().success());
    let mut flyball = start(dir.path(), &alertmanager, json!({}));
    let amtool = Amtool::at(&flyball.http).expect("it was there");
    wait_for_rooms(&alertmanager, &["south"]);
    assert_eq!(amtool.json(&["silence", "query"])[0]["id"], json!(id), "it survives");
    amtool.run(&["silence", "expire", &id]).expect("it is expired");
    wait_for_rooms(&alertmanager, &["north", "south"]);
    assert_eq!(amtool.json(&["silence", "query", "--expired"])[0]["status"]["state"], "expired");

    // amtool takes a pattern that can't be read for the name of an alert, so it is posted.
    let pattern = json!({"name": "room", "value": "(", "isRegex": true});
    let body = json!({"matchers": [pattern], "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2126-01-01T00:00:00Z", "createdBy": "ada", "comment": ""});
    let error = flyball.http.post("/api/v2/silences", &[("content-type", "application/json")], body.to_string());
    let message = error.expect_status(400).json();
    assert!(message.as_str().is_some_and(|text| text.contains("unclosed group")), "as Alertmanager says it: {message}");
    // Patterns by the thousand are counted before they are compiled.
    let patterns = vec![json!({"name": "room", "value": r"\w{100}", "isRegex": true}); 5000];
    let body = json!({"matchers": patterns, "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2126-01-01T00:00:00Z", "createdBy": "ada", "comment": ""});
    let error = flyball.http.post("/api/v2/silences", &[("content-type", "application/json")], body.to_string());
    let message = error.expect_status(400).json();
    assert!(message.as_str().is_some_and(|text| text.contains("at most 32 matchers")), "{message}");
    let body = json!({"matchers": [], "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2126-01-01T00:00:00Z", "createdBy": "ada", "comment": ""});
    let error = flyball.http.post("/api/v1/silences", &[("content-type", "application/json")], body.to_string());
    assert_eq!(error.expect_status(400).json()["error"]["code"], "bad_request");
    assert!(flyball.stop().success());
}

#[test]
fn a_maintenance_window_is_a_silence_that_no_client_can_expire() {
    let Some(alertmanager) = Alertmanager::start() else { return };
    let dir = temp_dir();
    let window = json!({"name": "always", "matchers": ["room=north"], "cron": "* * * * *", "duration": "3m", "comment": "for the test"});
    let flyball = start(dir.path(), &alertmanager, json!({"maintenance": [window]}));
    set(&flyball, "north", 35.0);
    set(&flyball, "south", 36.0);
    wait_for_rooms(&alertmanager, &["south"]);
    flyball.wait_for_rows("SELECT silenced_by FROM flyball.violations WHERE silenced_by IS NOT NULL", |rows| {
        rows.rows.len() == 1
    });
    let silences = flyball.http.get("/api/v1/silences").expect_status(200).json();
    assert_eq!(
        (&silences[0]["createdBy"], &silences[0]["status"]["state"]),
        (&json!("maintenance window always"), &json!("active"))
    );
    let id = silences[0]["id"].as_str().expect("an id");
    let url = format!("{}/api/v1/silences/{id}", flyball.http.base());
    let status = block_on(async { client().delete(url).send().await.expect("an answer").status().as_u16() });
    assert_eq!(status, 409);
}

#[test]
fn a_violation_is_acknowledged_and_its_changes_are_heard() {
    let Some(alertmanager) = Alertmanager::start() else { return };
    let dir = temp_dir();
    let mut flyball = start(dir.path(), &alertmanager, json!({}));
    let mut changes = Changes::of(&flyball, None);
    set(&flyball, "north", 35.0);
    let (number, kind, firing) = changes.next();
    assert_eq!((kind.as_str(), &firing["labels"]["room"]), ("flyball.violation.firing", &json!("north")));
    let id = firing["id"].as_str().expect("an id").to_owned();

    let ack = |id: &str, body: &Value| {
        let path = format!("/api/v1/violations/{id}/ack");
        flyball.http.post(&path, &[("content-type", "application/json")], body.to_string())
    };
    ack("nobody", &json!({"by": "ada"})).expect_status(404);
    ack(&id, &json!({"by": " "})).expect_status(400);
    let row = ack(&id, &json!({"by": "ada", "comment": "on it"})).expect_status(200).json();
    assert_eq!((&row["acknowledged_by"], &row["acknowledged_comment"]), (&json!("ada"), &json!("on it")));
    let (_, kind, heard) = changes.next();
    assert_eq!((kind.as_str(), &heard["acknowledged"]["by"]), ("flyball.violation.acknowledged", &json!("ada")));
    let alerts = flyball.http.get("/api/v2/alerts").expect_status(200).json();
    assert_eq!(alerts[0]["annotations"]["acknowledged_by"], "ada");

    // Who comes back hears what they missed; another number is told as lost.
    let mut back = Changes::of(&flyball, Some(number));
    assert_eq!(back.next().1, "flyball.violation.acknowledged");
    assert_eq!(Changes::of(&flyball, Some(1)).next().1, "flyball.changes.lost");
    set(&flyball, "north", 20.0);
    let (_, kind, resolved) = back.next();
    assert_eq!((kind.as_str(), &resolved["acknowledged"]["by"]), ("flyball.violation.resolved", &json!("ada")));
    ack(&id, &json!({"by": "ada"})).expect_status(409);

    assert!(flyball.stop().success());
    assert_eq!(back.next().1, "flyball.changes.ended");
    let flyball = start(dir.path(), &alertmanager, json!({}));
    let row = flyball.http.get(&format!("/api/v1/violations/{id}")).expect_status(200).json();
    assert_eq!((&row["state"], &row["acknowledged_by"]), (&json!("resolved"), &json!("ada")), "it survives");
    let states = row["changes"].as_array().expect("a list").iter().map(|change| change["state"].as_str());
    assert_eq!(states.collect::<Vec<_>>(), [Some("firing"), Some("resolved")]);
    assert!(row["samples"].is_array(), "{row}");
}

/// Server-sent events as they come.
struct Changes {
    response: reqwest::Response,
    text: String,
}

impl Changes {
    #[track_caller]
    fn of(flyball: &Flyball, last: Option<u64>) -> Self {
        let mut request = client().get(format!("{}/api/v1/violations/changes", flyball.http.base()));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = block_on(async { request.send().await }).expect("an answer");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next event: its number, its type, its data.
    #[track_caller]
    fn next(&mut self) -> (u64, String, Value) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field =
                    |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
                let found =
                    (field("id:").parse().unwrap_or_default(), field("event:").to_owned(), field("data:").to_owned());
                self.text = rest.to_owned();
                if !found.1.is_empty() {
                    return (found.0, found.1, serde_json::from_str(&found.2).expect("JSON"));
                }
                continue;
            }
            let chunk = block_on(async { tokio::time::timeout(Duration::from_secs(30), self.response.chunk()).await });
            let chunk =
                chunk.expect("an event in time").expect("the stream goes on").expect("the stream has not ended");
            self.text.push_str(&String::from_utf8_lossy(&chunk));
        }
    }
}
