//! After kills the estate looks as it does to a flyball that was never killed.

use std::collections::BTreeMap;
use std::time::Duration;

use flyball_tests::http::{Http, client};
use flyball_tests::meter::{Chance, Victim, settings};
use flyball_tests::rows::Rows;
use flyball_tests::time::now_nanos;
use flyball_tests::wait_until;
use serde_json::{Value, json};

use super::estate::{self, Request};

const KILLS: u64 = 6;

/// The first two stand for as long as the test runs, whenever they are evaluated, and show the same values.
const RULES: &str = r#"
groups:
- name: estate
  every: 200ms
  rules:
  - rule: RoomTooWarm
    sql: SELECT room, max(value) AS celsius FROM room_temperature WHERE time > now() - INTERVAL '6 hours' GROUP BY room HAVING max(value) > 30
    severity: critical
    summary: "{{ room }} is at {{ celsius | round(1) }} degrees"
  - rule: LoadStaysHigh
    sql: SELECT instance, 1.0 AS high FROM node_load1 WHERE time > now() - INTERVAL '6 hours' GROUP BY instance HAVING max(value) > 3
    for: 2h
  - rule: NeverTrue
    sql: SELECT room, min(value) AS celsius FROM room_temperature WHERE time > now() - INTERVAL '6 hours' GROUP BY room HAVING min(value) < -300
"#;

#[test]
fn after_kills_tables_twin_rules_and_ledger_equal_those_of_an_uninterrupted_run() {
    let seed = settings::seed();
    eprintln!("FLYBALL_SEED={seed}");
    let mut chance = Chance::new(seed);
    let (killed_dir, spared_dir) = (flyball_tests::flyball::temp_dir(), flyball_tests::flyball::temp_dir());
    let prepare = |dir: &std::path::Path| {
        let rules = dir.join("rules.yaml");
        std::fs::write(&rules, RULES).expect("the folder can be written");
        let mut victim = Victim::new(dir, json!({"rules": [rules]}));
        victim.start_ready();
        victim
    };
    let (mut killed, mut spared) = (prepare(killed_dir.path()), prepare(spared_dir.path()));

    let requests = estate::requests(now_nanos());
    let kills: Vec<u64> =
        (0..settings::number("FLYBALL_KILLS", KILLS)).map(|_| chance.below(requests.len() as u64)).collect();
    let mut violations: Option<BTreeMap<String, String>> = None;
    for (number, request) in requests.iter().enumerate() {
        deliver(&spared.http, request);
        if kills.contains(&(number as u64)) {
            if chance.one_in(2) {
                // In the middle of a request, or of its answer; it comes again below.
                let sending = tokio_spawn(&killed.http, request);
                std::thread::sleep(chance.within(Duration::ZERO..Duration::from_millis(12)));
                killed.kill();
                sending.abort();
            } else {
                deliver(&killed.http, request);
                violations = Some(wait_for_violations(&killed));
                killed.kill();
            }
            killed.start_ready();
            if let Some(before) = violations.take() {
                assert_eq!(wait_for_violations(&killed), before, "seed {seed}: violations are others after a kill");
            }
        }
        deliver(&killed.http, request);
    }
    if !kills.is_empty() {
        killed.kill();
        killed.start_ready();
    }

    wait_until("the same estate", Duration::from_secs(30), || {
        let (killed, spared) = (portrait(&killed), portrait(&spared));
        let differs = |(what, value): (&String, &Vec<String>)| {
            let found = killed.get(what);
            (found != Some(value)).then(|| format!("{what}: {}", difference(found, value)))
        };
        let others: Vec<_> = spared.iter().filter_map(differs).collect();
        if others.is_empty() && killed.len() == spared.len() {
            Ok(())
        } else {
            Err(format!("seed {seed}: {} of {} parts differ:\n{}", others.len(), spared.len(), others.join("\n")))
        }
    });
    spared.stop();
    assert!(killed.alarming.is_empty(), "{:#?}", killed.alarming);
}

/// The same request, on its way while the test does something else.
fn tokio_spawn(http: &Http, request: &Request) -> tokio::task::JoinHandle<()> {
    let mut sending = client().post(format!("{}{}", http.base(), request.path)).body(request.body.clone());
    for (name, value) in request.headers {
        sending = sending.header(*name, *value);
    }
    flyball_tests::http::runtime().spawn(async move { drop(sending.send().await) })
}

#[track_caller]
fn deliver(http: &Http, request: &Request) {
    let answer = http.post(request.path, request.headers, request.body.clone());
    assert!((200..300).contains(&answer.status), "{}: {} {}", request.path, answer.status, answer.text());
}

/// Ids of what the rules found, with their beginnings; waits until both rules were evaluated over what is there.
#[track_caller]
fn wait_for_violations(victim: &Victim) -> BTreeMap<String, String> {
    let ids = |rows: &Rows| (0..rows.len()).map(|row| (rows.text(row, "id"), rows.text(row, "since"))).collect();
    wait_until("the rules to agree with the tables", Duration::from_secs(30), || {
        let expected = count(
            victim,
            "SELECT count(*) AS n FROM (SELECT room FROM room_temperature GROUP BY room HAVING max(value) > 30)",
        ) + count(
            victim,
            "SELECT count(*) AS n FROM (SELECT instance FROM node_load1 GROUP BY instance HAVING max(value) > 3)",
        );
        let rows = victim.sql(
            "SELECT id, concat(rule, ' ', instance, ' ', state, ' ', CAST(active_at AS VARCHAR), ' ', coalesce(CAST(fired_at AS VARCHAR), '')) AS since FROM flyball.violations",
        );
        if rows.len() as u64 == expected {
            Ok(ids(&rows))
        } else {
            Err(format!("{expected} expected: {:?}", rows.rows))
        }
    })
}

fn count(victim: &Victim, sql: &str) -> u64 {
    // A table that is not there yet has no rows.
    Rows::ask(&victim.http, sql).map_or(0, |rows| rows.get(0, "n").as_u64().unwrap_or(0))
}

/// All that a user can see and that does not depend on when it happened.
#[track_caller]
fn portrait(victim: &Victim) -> BTreeMap<String, Vec<String>> {
    let mut portrait = BTreeMap::new();
    let mut look = |name: &str, sql: &str| {
        portrait.insert(name.to_owned(), rows(&victim.sql(sql)));
    };
    for table in ["metrics", "logs", "spans", "exemplars", "texts", "power", "flyball.series", "flyball.metric_info"] {
        look(table, &format!("SELECT * FROM {table}"));
    }
    let metrics = victim.sql("SELECT metric FROM flyball.metric_info");
    for row in 0..metrics.len() {
        let metric = metrics.text(row, "metric");
        look(&metric, &format!("SELECT * FROM \"{metric}\""));
    }
    for kind in ["node", "pod", "deployment", "cluster", "process"] {
        look(&format!("twin.{kind}"), &format!("SELECT * FROM twin.{kind}"));
    }
    look("flyball.rules", "SELECT rule, grp, version, instances, firing, state FROM flyball.rules");
    look(
        "flyball.violations",
        "SELECT rule, version, instance, labels, state, \"values\", summary FROM flyball.violations",
    );
    look("flyball.ledger", "SELECT source, signal, reason, points FROM flyball.ledger WHERE outcome = 'stored'");
    let mut twin = victim.http.get("/api/v1/twin").expect_status(200).json();
    twin.as_object_mut().expect("a document").remove("time");
    let parts = twin.as_object().expect("a document").iter();
    portrait.insert("the twin's document".to_owned(), parts.map(|(kind, all)| format!("{kind}: {all}")).collect());
    portrait
}

/// Rows as texts, in an order that depends on nothing but them.
fn rows(rows: &Rows) -> Vec<String> {
    let text = |row: &Vec<Value>| {
        let mut cells: Vec<_> = rows.columns.iter().zip(row).map(|(column, cell)| format!("{column}={cell}")).collect();
        cells.sort();
        cells.join(" ")
    };
    let mut texts: Vec<_> = rows.rows.iter().map(text).collect();
    texts.sort();
    texts
}

/// The first row that one has and the other has not, both ways.
fn difference(killed: Option<&Vec<String>>, spared: &[String]) -> String {
    let killed = killed.map(Vec::as_slice).unwrap_or_default();
    let only = |these: &[String], those: &[String]| these.iter().find(|row| !those.contains(row)).cloned();
    format!(
        "{} rows instead of {}; only after kills: {:?}; only without: {:?}",
        killed.len(),
        spared.len(),
        only(killed, spared),
        only(spared, killed)
    )
}
