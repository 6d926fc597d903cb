//! Rules, and a part of the configuration, change while flyball runs; a bad file changes nothing and says why.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flyball_tests::flyball::write_config;
use flyball_tests::{Flyball, otlp, wait_until};
use serde_json::{Value, json};
use tempfile::TempDir;

struct Setting {
    flyball: Flyball,
    rules: PathBuf,
    _dir: TempDir,
}

fn rule(name: &str) -> String {
    format!(
        "groups:\n- name: g\n  every: 200ms\n  rules:\n  - {{rule: {name}, sql: \"SELECT room, value FROM room_temperature WHERE value > 30\"}}\n"
    )
}

fn start() -> Setting {
    let dir = flyball_tests::flyball::temp_dir();
    let rules = dir.path().join("rules");
    std::fs::create_dir(&rules).expect("a new folder");
    write(&rules, &rule("First"));
    let flyball = Flyball::start_in(dir.path(), json!({"rules": [rules]}));
    otlp::send_gauge(&flyball.http, "room.temperature", &[("room", "north")], 35.0);
    expect(&flyball, "First");
    Setting { flyball, rules, _dir: dir }
}

fn write(folder: &Path, text: &str) {
    std::fs::write(folder.join("a.yaml"), text).expect("the folder can be written");
}

/// Waits until this rule is the only one, and fires.
#[track_caller]
fn expect(flyball: &Flyball, rule: &str) {
    flyball.wait_for_rows("SELECT rule, firing FROM flyball.rules", |rows| {
        rows.len() == 1 && rows.text(0, "rule") == rule && rows.number(0, "firing") == 1.0
    });
}

#[test]
fn a_changed_file_is_taken_over() {
    let Setting { flyball, rules, _dir } = start();
    write(&rules, &rule("Second"));
    expect(&flyball, "Second");
}

#[test]
fn a_file_that_was_moved_into_its_place_is_taken_over() {
    let Setting { flyball, rules, _dir } = start();
    let new = rules.join(".new");
    std::fs::write(&new, rule("Second")).expect("the folder can be written");
    std::fs::rename(new, rules.join("a.yaml")).expect("within one folder");
    expect(&flyball, "Second");
}

#[test]
fn a_file_is_read_when_it_is_written_as_a_whole() {
    let Setting { mut flyball, rules, _dir } = start();
    let id = || flyball.sql("SELECT id FROM flyball.violations WHERE rule = 'First' AND state = 'firing'").rows;
    let before = id();
    // Empty, and then cut off where a file could end: both would be good files.
    let mut file = std::fs::File::create(rules.join("a.yaml")).expect("the folder can be written");
    for text in ["", "groups: []\n"] {
        file.write_all(text.as_bytes()).expect("room");
        std::thread::sleep(Duration::from_millis(600));
        assert_eq!(id(), before);
    }
    drop(file);
    wait_until("the rules to be gone", Duration::from_secs(10), || {
        let rows = flyball.sql("SELECT rule FROM flyball.rules").rows;
        if rows.is_empty() { Ok(()) } else { Err(rows.len().to_string()) }
    });
    let log = flyball.process().stderr();
    assert_eq!(log.matches("rules reloaded").count(), 1, "{log}");
}

#[test]
fn a_hangup_reloads() {
    let Setting { mut flyball, rules: _, _dir } = start();
    // No file changes, so nothing else can be the reason.
    assert!(!flyball.process().stderr().contains("rules reloaded"), "{}", flyball.process().stderr());
    flyball.process().signal("HUP");
    wait_until("the log to tell of a reload", Duration::from_secs(10), || {
        let log = flyball.process().stderr();
        if log.contains("rules reloaded") { Ok(()) } else { Err(log) }
    });
    expect(&flyball, "First");
}

#[test]
fn a_bad_file_keeps_the_old_rules_and_the_answer_says_where_it_is_wrong() {
    let Setting { flyball, rules, _dir } = start();
    write(&rules, "groups:\n- name: g\n  rules:\n  - {rule: Second, sql: \"SELEC 1\"}\n  - {rule: Third, sequel: x}\n");
    let answer = flyball.http.post("/api/v1/reload", &[], "");
    assert!((400..500).contains(&answer.status), "{} {}", answer.status, answer.text());
    for place in ["a.yaml:4:", "a.yaml:5:"] {
        assert!(answer.text().contains(place), "no {place} in {}", answer.text());
    }
    expect(&flyball, "First");

    write(&rules, &rule("Fourth"));
    flyball.http.post("/api/v1/reload", &[], "").expect_status(200);
    expect(&flyball, "Fourth");
}

#[test]
fn a_rule_that_stays_as_it_is_keeps_its_violation_over_a_reload() {
    let Setting { flyball, rules, _dir } = start();
    let id = flyball.sql("SELECT id, active_at FROM flyball.violations WHERE rule = 'First'").rows;
    std::fs::write(rules.join("b.yaml"), rule("Other").replace("name: g", "name: h"))
        .expect("the folder can be written");
    flyball.wait_for_rows("SELECT rule FROM flyball.rules WHERE firing = 1", |rows| rows.len() == 2);
    assert_eq!(flyball.sql("SELECT id, active_at FROM flyball.violations WHERE rule = 'First'").rows, id);
}

fn token(token: &str, scope: &str) -> Value {
    json!({"name": token, "token": token, "scopes": [scope]})
}

#[test]
fn tokens_are_taken_over_by_a_reload() {
    const ROOT: &str = "tok-root-0123456789abcdef";
    const OLD: &str = "tok-old-0123456789abcdef";
    const NEW: &str = "tok-new-0123456789abcdef";
    let dir = flyball_tests::flyball::temp_dir();
    let config = |reader: &str| json!({"http": {"tokens": [token(ROOT, "admin"), token(reader, "read")]}});
    let flyball = Flyball::start_in(dir.path(), config(OLD));
    let statuses = || [OLD, NEW].map(|token| flyball.http.with_token(token).get("/api/v1/rules").status);
    write_config(dir.path(), config(NEW));
    assert_eq!(statuses(), [200, 401], "nobody asked for a reload yet");
    let answer = flyball.http.with_token(ROOT).post("/api/v1/reload", &[], "").expect_status(200).json();
    assert_eq!(answer, json!({"rules": 0, "warnings": [], "needs_restart": []}));
    assert_eq!(statuses(), [401, 200]);
}

#[test]
fn a_new_path_of_rules_is_taken_over_and_watched_from_then_on() {
    let Setting { flyball, rules, _dir } = start();
    let more = flyball.dir().join("more");
    let of = |name: &str| rule(name).replace("name: g", "name: h");
    std::fs::create_dir(&more).expect("a new folder");
    write(&more, &of("Second"));
    write_config(flyball.dir(), json!({"rules": [rules, more]}));
    let answer = flyball.http.post("/api/v1/reload", &[], "").expect_status(200).json();
    assert_eq!((&answer["rules"], &answer["needs_restart"]), (&json!(2), &json!([])));
    let wait = |second: &str| {
        flyball.wait_for_rows("SELECT rule FROM flyball.rules WHERE firing = 1 ORDER BY rule", |rows| {
            rows.rows == [[json!("First")], [json!(second)]]
        })
    };
    wait("Second");
    write(&more, &of("Third"));
    wait("Third");

    // What is named no more is gone.
    write_config(flyball.dir(), json!({"rules": [more]}));
    flyball.http.post("/api/v1/reload", &[], "").expect_status(200);
    expect(&flyball, "Third");
}

#[test]
fn a_broken_configuration_changes_nothing_and_the_answer_says_where_it_is_wrong() {
    let Setting { flyball, rules, _dir } = start();
    let file = flyball.dir().join("flyball.yaml");
    let closing = "http: {tokens: [{name: a, token: tok-0123456789abcdef, scopes: [admin]}]}";
    // While flyball is open, no token was taken over.
    let refused = |code: &str, place: &str| {
        let answer = flyball.http.post("/api/v1/reload", &[], "").expect_status(422);
        let error = &answer.json()["error"];
        assert_eq!(error["code"], code);
        assert!(error["message"].as_str().is_some_and(|message| message.contains(place)), "no {place} in {error}");
    };
    for (text, place) in [
        (format!("{closing}\nrules: []\nlimits:\n  lables: 3\n"), "flyball.yaml:4:3: limits has no key 'lables'"),
        (format!("{closing}\nrules: [\n"), "flyball.yaml:2:8: this is not YAML"),
        (format!("{closing}\nrules: ['library:nothing']\n"), "the library has no rules 'nothing'"),
    ] {
        std::fs::write(&file, text).expect("the folder can be written");
        refused("bad_configuration", place);
    }
    std::fs::remove_file(&file).expect("it is there");
    refused("bad_configuration", "flyball.yaml:1:1: the file can't be read");
    let bad = flyball.dir().join("bad.yaml");
    std::fs::write(&bad, "groups: 1\n").expect("the folder can be written");
    std::fs::write(&file, format!("{closing}\nrules: [{}]\n", bad.display())).expect("the folder can be written");
    refused("bad_rules", "bad.yaml:1:");

    expect(&flyball, "First");
    write(&rules, &rule("Second"));
    expect(&flyball, "Second");
}

#[test]
fn what_only_a_restart_takes_over_is_named_and_stays() {
    let Setting { mut flyball, rules: _, _dir } = start();
    write_config(flyball.dir(), json!({"http": {"listen": "127.0.0.1:1"}}));
    let answer = flyball.http.post("/api/v1/reload", &[], "").expect_status(200).json();
    assert_eq!(answer, json!({"rules": 0, "warnings": [], "needs_restart": ["http.listen"]}));
    assert!(flyball.sql("SELECT rule FROM flyball.rules").is_empty());
    flyball.process().signal("HUP");
    wait_until("the log to name the key", Duration::from_secs(10), || {
        let log = flyball.process().stderr();
        let warned = log.lines().any(|line| line.contains("only a restart") && line.contains("http.listen"));
        if warned { Ok(()) } else { Err(log) }
    });
}
