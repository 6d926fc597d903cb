//! Rules change while flyball runs; a bad file changes nothing and says why.

use std::path::{Path, PathBuf};
use std::time::Duration;

use flyball_tests::{Flyball, otlp, wait_until};
use serde_json::json;
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
