//! Recording rules within a whole runtime.

use std::path::Path;

use flyball_model::ledger::Balance;
use flyball_rules::definition::{RuleSet, from_str};
use tempfile::TempDir;

use crate::tests::{Bench, count};

/// Ticks as fast as can be; a room is gone once its latest point is of below zero.
const RULES: &str = "
groups:
- name: g
  every: 100ms
  rules:
  - rule: Hot
    sql: SELECT room, value AS celsius FROM latest(room_top) WHERE value > 30
    remediate: [{backend: ops, action: notify}]
  - record: room_top
    sql: SELECT room, max(value) AS value FROM latest(temperature) WHERE value >= 0 GROUP BY room
    labels: {site: here}
  - {record: tops, sql: SELECT count(*) AS value FROM latest(room_top) HAVING count(*) > 0}
";

fn rules(text: &str) -> RuleSet {
    RuleSet { files: vec![from_str("r.yaml", text).expect("good rules")] }
}

/// Waits until a query gives these rows.
async fn wait_for(bench: &Bench, sql: &str, expected: &str) {
    let mut found = String::new();
    for _ in 0..2_000 {
        found = match bench.runtime.database.query(sql, bench.clock.now()).await {
            Ok(_) => count(bench, sql).await,
            // The table is not there yet.
            Err(error) => error.to_string(),
        };
        if found == expected {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("{sql} gives {found} and not {expected}");
}

const LIVE: &str = "SELECT room, site, value FROM latest(room_top, INTERVAL '1 day') ORDER BY room";

/// No time of a series stands twice, and the account of every source is even.
async fn is_exact(bench: &Bench) {
    let twice = "SELECT room, time FROM room_top GROUP BY room, time HAVING count(*) > 1";
    assert_eq!(count(bench, twice).await, "[]");
    // As they stand in the ledger at one time.
    let balances = bench.runtime.tables.ledger.read().await.balances();
    assert!(balances.iter().all(Balance::is_even), "{balances:#?}");
    let received: u64 =
        balances.iter().filter(|of| of.source == "rule/room_top{site=\"here\"}").map(|of| of.received).sum();
    assert!(received > 0, "{balances:#?}");
}

/// A copy of the data folder: as a kill would leave it while the process lives, or as it was left.
fn copy_of(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    // The log first: what it speaks of is in the journal then.
    for part in ["log", "history", "."] {
        let Ok(files) = std::fs::read_dir(folder.join(part)) else { continue };
        let to = copy.path().join(part);
        std::fs::create_dir_all(&to).expect("a folder");
        for file in files.map(|file| file.expect("a file of the data folder").path()).filter(|file| file.is_file()) {
            std::fs::copy(&file, to.join(file.file_name().expect("a name"))).expect("a file of the data folder");
        }
    }
    copy
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_become_points_that_wake_rules_and_end_when_they_go() {
    let mut bench = Bench::start(RULES).await;
    bench.send("attic", 35.0).await;
    bench.send("cellar", 12.0).await;
    let firing = bench.next().await;
    assert_eq!(
        (firing.kind.to_string().as_str(), firing.transition.values["celsius"]),
        ("flyball.violation.firing", 35.0)
    );
    assert_eq!(firing.transition.labels["room"], "attic");
    wait_for(&bench, LIVE, r#"[["attic","here",35.0],["cellar","here",12.0]]"#).await;
    wait_for(&bench, "SELECT value FROM latest(tops)", "[[2.0]]").await;
    bench.send("attic", -1.0).await;
    assert_eq!(bench.next().await.kind.to_string(), "flyball.violation.resolved");
    wait_for(&bench, LIVE, r#"[["cellar","here",12.0]]"#).await;
    wait_for(&bench, "SELECT count(*) FROM room_top WHERE room = 'attic' AND value IS NULL", "[[1]]").await;
    is_exact(&bench).await;
    let shown = "SELECT rule, state, mode IS NOT NULL, recorded > 1 FROM flyball.rules WHERE records = 'room_top'";
    assert_eq!(count(&bench, shown).await, r#"[["room_top{site=\"here\"}","recording",true,true]]"#);
    let described = "SELECT kind, help FROM flyball.metric_info WHERE metric = 'room_top'";
    assert_eq!(count(&bench, described).await, r#"[["gauge","Recorded by a rule of flyball"]]"#);
    let metrics = bench.runtime.metrics();
    assert!(metrics.contains("flyball_rule_recorded_series{group=\"g\",rule=\"tops\"} 1"), "{metrics}");
    bench.tasks.drain().await.expect("a clean drain");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_rule_goes_on_and_one_that_is_taken_away_ends_its_series() {
    let bench = Bench::start(RULES).await;
    bench.send("attic", 20.0).await;
    bench.send("cellar", 12.0).await;
    wait_for(&bench, LIVE, r#"[["attic","here",20.0],["cellar","here",12.0]]"#).await;
    bench.runtime.rules.replace(rules(&RULES.replace("value >= 0", "value >= 15"))).await;
    wait_for(&bench, LIVE, r#"[["attic","here",20.0]]"#).await;
    wait_for(&bench, "SELECT count(*) FROM room_top WHERE room = 'attic' AND value IS NULL", "[[0]]").await;
    bench.runtime.rules.replace(RuleSet::default()).await;
    assert_eq!(count(&bench, LIVE).await, "[]");
    is_exact(&bench).await;
    bench.tasks.drain().await.expect("a clean drain");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_vanished_while_no_process_was_there_is_ended_by_the_next() {
    let bench = Bench::start(RULES).await;
    bench.send("attic", 20.0).await;
    bench.send("cellar", 12.0).await;
    wait_for(&bench, LIVE, r#"[["attic","here",20.0],["cellar","here",12.0]]"#).await;
    wait_for(&bench, "SELECT value FROM latest(tops)", "[[2.0]]").await;
    bench.runtime.pipeline.log.catch_up(std::time::Duration::from_secs(5)).await;
    let copy = copy_of(bench.folder.path());
    bench.tasks.drain().await.expect("a clean drain");

    // Killed: the rule means less now, and the other is gone.
    let text = RULES.replace("value >= 0", "value >= 15");
    let killed = Bench::start_in(copy, &text[..text.find("  - {record: tops").expect("it is there")]).await;
    wait_for(&killed, LIVE, r#"[["attic","here",20.0]]"#).await;
    wait_for(&killed, "SELECT count(*) FROM room_top WHERE room = 'cellar' AND value IS NULL", "[[1]]").await;
    wait_for(&killed, "SELECT value FROM latest(tops, INTERVAL '1 day')", "[]").await;
    is_exact(&killed).await;
    killed.tasks.drain().await.expect("a clean drain");

    // Drained: what was recorded is in the history then, and nothing in memory tells when.
    let again = Bench::start_in(copy_of(bench.folder.path()), RULES).await;
    wait_for(&again, "SELECT recorded > 1 FROM flyball.rules WHERE rule = 'tops'", "[[true]]").await;
    wait_for(&again, LIVE, r#"[["attic","here",20.0],["cellar","here",12.0]]"#).await;
    is_exact(&again).await;
    again.tasks.drain().await.expect("a clean drain");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_of_its_own_is_recorded_once_across_a_restart() {
    let text = "
groups:
- name: g
  every: 100ms
  rules:
  - {record: copied, sql: 'SELECT room, time, value FROM latest(temperature, INTERVAL ''1 day'')'}
";
    let bench = Bench::start(text).await;
    bench.send("attic", 20.0).await;
    wait_for(&bench, "SELECT count(*) FROM copied", "[[1]]").await;
    bench.tasks.drain().await.expect("a clean drain");
    let again = Bench::start_in(copy_of(bench.folder.path()), text).await;
    let twice = "SELECT evaluations > 2 FROM flyball.rules WHERE rule = 'copied'";
    wait_for(&again, twice, "[[true]]").await;
    assert_eq!(count(&again, "SELECT count(*) FROM copied").await, "[[1]]");
    assert_eq!(count(&again, "SELECT count(*) FROM copied JOIN temperature USING (room, time, value)").await, "[[1]]");
    again.send("attic", 21.0).await;
    wait_for(&again, "SELECT value FROM copied ORDER BY time", "[[20.0],[21.0]]").await;
    again.tasks.drain().await.expect("a clean drain");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_record_the_same_series_are_told_apart_by_an_error() {
    let bench = Bench::start(
        "
groups:
- name: g
  every: 100ms
  rules:
  - {record: copied, sql: 'SELECT room, site, value FROM (SELECT room, ''here'' AS site, value FROM latest(temperature)) AS t'}
  - {record: copied, sql: 'SELECT room, value FROM latest(temperature)', labels: {site: here}}
",
    )
    .await;
    bench.send("attic", 20.0).await;
    let sql = "SELECT count(*) FROM flyball.rules WHERE last_error LIKE 'the series copied{room=\"attic\",site=\"here\"} is recorded by%'";
    wait_for(&bench, sql, "[[1]]").await;
    bench.tasks.drain().await.expect("a clean drain");
}
