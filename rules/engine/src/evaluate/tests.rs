//! Rules against a real store.

use std::time::Duration;

use flyball_model::UnixNanos;

use super::testing::{Estate, NOW};
use super::*;
use crate::catalog::TableRead;
use crate::definition::{Rule, from_str};
use crate::query::QueryLimits;

fn rule(sql: &str) -> Rule {
    let text = format!("groups:\n- name: g\n  rules:\n  - rule: R\n    sql: |\n      {sql}\n");
    from_str("f", &text).unwrap_or_else(|problems| panic!("{problems:?} in\n{text}")).groups.remove(0).rules.remove(0)
}

async fn evaluate(evaluator: &mut RuleEvaluator, estate: &Estate) -> Outcome {
    evaluator.evaluate(&estate.database, NOW, &QueryLimits::default()).await
}

/// The rows' identities, or what the evaluation says instead.
fn show(outcome: Outcome) -> String {
    match outcome {
        Outcome::Rows(rows) => {
            let rows = rows.iter().map(|row| flyball_model::event::identity_text(&row.identity));
            format!("[{}]", rows.collect::<Vec<_>>().join("; "))
        }
        Outcome::Waiting { table } => format!("waiting for {table}"),
        Outcome::Error(message) => message,
    }
}

async fn check(estate: &Estate, sql: &str, expected: &str) {
    let outcome = evaluate(&mut RuleEvaluator::new(&rule(sql)), estate).await;
    assert_eq!(show(outcome), expected, "{sql}");
}

fn two_hosts() -> Estate {
    let estate = Estate::new();
    estate.point("load", &[("host", "a"), ("job", "x")], NOW.minus(Duration::from_secs(5)), 3.0);
    estate.point("load", &[("host", "b"), ("job", "x")], NOW.minus(Duration::from_secs(5)), 0.0);
    estate.point("load", &[("job", "y")], NOW.minus(Duration::from_secs(90)), 9.0);
    estate
}

#[tokio::test]
async fn rows_are_violations_at_the_instant_of_the_evaluation() {
    let estate = two_hosts();
    check(&estate, "SELECT host, value FROM load WHERE value > 1 AND time > now() - INTERVAL '1 minute'", "[host=a]")
        .await;
    check(&estate, "SELECT job, host, value FROM load ORDER BY value", "[host=b,job=x; host=a,job=x; job=y]").await;
    check(&estate, "SELECT labels, value FROM metrics WHERE value = 3", "[host=a,job=x]").await;
    let mut evaluator = RuleEvaluator::new(&rule("SELECT host, value, time FROM load WHERE value = 3"));
    let Outcome::Rows(rows) = evaluate(&mut evaluator, &estate).await else { panic!("rows") };
    assert_eq!((rows[0].values["value"], rows[0].time), (3.0, Some(NOW.minus(Duration::from_secs(5)))));
    assert!(matches!(evaluator.reads(), [TableRead::Metric(_)]));
}

#[tokio::test]
async fn a_rule_goes_on_with_what_was_kept_for_its_query_and_with_nothing_of_another() {
    let estate = two_hosts();
    let sql = "SELECT host, max(value) AS v FROM load WHERE time > now() - INTERVAL '1 minute' GROUP BY host HAVING max(value) > 1";
    let mut before = RuleEvaluator::new(&rule(sql));
    assert_eq!(show(evaluate(&mut before, &estate).await), "[host=a]");
    let token = before.kept().map(|(_, token)| token);
    let mut after = before.carried(&rule(sql));
    assert!(token.is_some() && after.kept().map(|(_, token)| token) == token);
    assert_eq!(show(evaluate(&mut after, &estate).await), "[host=a]");
    let mut other = after.carried(&rule(&sql.replace("> 1", "< 1")));
    assert!(other.kept().is_none());
    assert_eq!(show(evaluate(&mut other, &estate).await), "[host=b]");
}

#[tokio::test]
async fn what_goes_wrong_is_an_error_of_that_rule() {
    let estate = two_hosts();
    check(
        &estate,
        "SELECT job, value FROM load",
        "two rows have the identity {job=x}; add the column that tells them apart, or aggregate with GROUP BY",
    )
    .await;
    check(
        &estate,
        "SELECT host, 1 / value AS share FROM load WHERE host = 'b'",
        "the column 'share' is inf for {host=b}; was something divided by zero? Guard it with NULLIF(divisor, 0)",
    )
    .await;
    let mut evaluator = RuleEvaluator::new(&rule("SELECT host, 1 / CAST(value AS BIGINT) AS share FROM load"));
    let outcome = show(evaluate(&mut evaluator, &estate).await);
    assert!(outcome.to_lowercase().contains("divide by zero"), "{outcome}");
    let mut evaluator = RuleEvaluator::new(&rule("SELECT hots FROM load"));
    let outcome = show(evaluate(&mut evaluator, &estate).await);
    assert!(outcome.starts_with("f:6:14: ") && outcome.contains("did you mean host?"), "{outcome}");
    check(
        &estate,
        "SELECT l.host, r.host FROM load l JOIN load r ON l.host = r.host",
        "two columns are named 'host'; rename one with AS",
    )
    .await;
}

#[tokio::test]
async fn a_query_that_never_ends_is_stopped() {
    let estate = two_hosts();
    let endless = "SELECT sum(a.value * b.value * c.value) AS s FROM generate_series(1, 100000) a \
        CROSS JOIN generate_series(1, 100000) b CROSS JOIN generate_series(1, 100000) c";
    let limits = QueryLimits { time: Duration::from_millis(50), ..QueryLimits::default() };
    let outcome = RuleEvaluator::new(&rule(endless)).evaluate(&estate.database, NOW, &limits).await;
    assert!(show(outcome.clone()).contains("longer than 50ms"), "{outcome:?}");
}

#[tokio::test]
async fn too_many_instances_are_an_error() {
    let estate = Estate::new();
    check(
        &estate,
        "SELECT CAST(value AS VARCHAR) AS n FROM generate_series(1, 20000)",
        "the query was stopped: it gives more than 10000 rows; aggregate, add LIMIT, or narrow WHERE",
    )
    .await;
}

#[tokio::test]
async fn a_rule_waits_for_the_first_point_of_its_table() {
    let estate = Estate::new();
    let mut evaluator = RuleEvaluator::new(&rule("SELECT host, value FROM load WHERE value > 1"));
    assert_eq!(show(evaluate(&mut evaluator, &estate).await), "waiting for load");
    assert_eq!((evaluator.waits_for(), evaluator.reads()), (Some("load"), [].as_slice()));
    estate.point("load", &[("host", "a")], NOW, 2.0);
    assert_eq!(show(evaluate(&mut evaluator, &estate).await), "[host=a]");
    assert_eq!((evaluator.waits_for(), evaluator.reads().len()), (None, 1));
    check(&estate, "SELECT host FROM rate(gone, INTERVAL '1 minute')", "waiting for gone").await;
}

#[tokio::test]
async fn a_label_that_appears_later_is_seen() {
    let estate = Estate::new();
    estate.point("load", &[("host", "a")], NOW, 2.0);
    let mut all = RuleEvaluator::new(&rule("SELECT * FROM load"));
    let mut zoned = RuleEvaluator::new(&rule("SELECT host, zone FROM load WHERE zone = 'z'"));
    assert_eq!(show(evaluate(&mut all, &estate).await), "[host=a]");
    assert!(show(evaluate(&mut zoned, &estate).await).contains("zone"));
    estate.point("load", &[("host", "b"), ("zone", "z")], NOW, 2.0);
    let mut rows = show(evaluate(&mut all, &estate).await);
    if rows.starts_with("[host=b") {
        rows = "[host=a; host=b,zone=z]".to_owned();
    }
    assert_eq!(rows, "[host=a; host=b,zone=z]");
    assert_eq!(show(evaluate(&mut zoned, &estate).await), "[host=b,zone=z]");
}

#[tokio::test]
async fn a_table_of_flyball_that_does_not_exist_is_never_waited_for() {
    let estate = Estate::new();
    let outcome = evaluate(&mut RuleEvaluator::new(&rule("SELECT id FROM twin.nodes")), &estate).await;
    assert!(matches!(&outcome, Outcome::Error(message) if message.contains("twin.nodes")), "{outcome:?}");
}

#[tokio::test]
async fn a_failed_plan_is_not_tried_again_while_nothing_new_is_known() {
    let estate = two_hosts();
    let mut evaluator = RuleEvaluator::new(&rule("SELECT hots FROM load"));
    let first = evaluate(&mut evaluator, &estate).await;
    // A point of a known series brings no name that could mend the query.
    estate.point("load", &[("job", "y")], UnixNanos(NOW.0 + 1), 1.0);
    assert_eq!(evaluate(&mut evaluator, &estate).await, first);
}
