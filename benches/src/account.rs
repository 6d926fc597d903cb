//! Whether flyball did what it is measured for: every point is in its ledger and in its tables, and its rules ran.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flyball_bench::load::Protocol;
use flyball_bench::plan::Plan;
use flyball_bench::series::{METRICS, metric};
use serde_json::{Value, json};

use crate::client::post_json;
use crate::clock;

/// The reason of bodies that were refused for the moment and sent again.
const SENT_AGAIN: &str = "unavailable";

/// Rules that have not come up are waited for no longer than this once no further one does: their metric may have no points.
const COMING_UP: Duration = Duration::from_secs(10);

/// Waits until flyball has planned its rules, which it does as their metrics appear: it takes some time where they are thousands.
pub(crate) async fn rules_are_up(api: SocketAddr) -> Result<()> {
    let (mut missing, mut since) = (u64::MAX, clock::now());
    while missing > 0 && since.elapsed() < COMING_UP {
        let rows = query(api, "SELECT count(*) FROM flyball.rules WHERE state IN ('unknown', 'waiting')").await?;
        let now = rows.first().and_then(|row| row[0].as_u64()).context("an aggregate has a row")?;
        if now < missing {
            (missing, since) = (now, clock::now());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    if missing > 0 {
        clock::note(&format!("  {missing} rules wait for data"));
    }
    Ok(())
}

/// Compares what flyball says with what it was sent. Returns a line about it.
///
/// # Errors
/// When a point is missing or too many, or a rule did not run or failed.
pub(crate) async fn check(api: SocketAddr, plan: &Plan, rules: usize) -> Result<String> {
    let sent = plan.points();
    let ledger = query(api, "SELECT outcome, reason, points FROM flyball.ledger").await?;
    let stored = stored(&ledger)?;
    ensure!(stored == sent, "{sent} points were sent, the ledger has {stored} as stored: {ledger:?}");
    let counted = count(api, plan.load.protocol()).await?;
    ensure!(counted == sent, "{sent} points were sent, and {counted} can be queried");

    let sql = "SELECT count(*), count(CASE WHEN evaluations > 0 THEN 1 END), sum(evaluations), sum(errors), \
               count(CASE WHEN mode = 'incremental' THEN 1 END), max(last_error) FROM flyball.rules";
    let row = query(api, sql).await?.into_iter().next().context("an aggregate has a row")?;
    let [known, evaluated, evaluations, errors, kept] =
        [0, 1, 2, 3, 4].map(|column| row[column].as_u64().unwrap_or(0) as usize);
    ensure!(known == rules, "flyball knows {known} rules of {rules}");
    ensure!(errors == 0, "rules failed {errors} times: {}", row[5]);
    ensure!(rules == 0 || evaluated > 0, "no rule was evaluated");
    Ok(format!(
        "all {sent} points stored and counted; {evaluated} of {rules} rules evaluated, {evaluations} times, {kept} kept incrementally"
    ))
}

/// Points that the ledger has as stored.
///
/// # Errors
/// When it has any as lost or refused for good.
fn stored(ledger: &[Value]) -> Result<usize> {
    let mut stored = 0;
    for row in ledger {
        let points = row[2].as_u64().with_context(|| format!("a number of points: {row}"))? as usize;
        match (row[0].as_str(), row[1].as_str()) {
            (Some("stored"), _) => stored += points,
            (Some("rejected"), Some(SENT_AGAIN)) => {}
            _ => ensure!(points == 0, "not stored: {row}"),
        }
    }
    Ok(stored)
}

async fn count(api: SocketAddr, protocol: Protocol) -> Result<usize> {
    let tables = match protocol {
        Protocol::OtlpLogs => vec!["logs".to_owned()],
        _ => (0..METRICS).map(metric).collect(),
    };
    let mut counted = 0;
    for table in tables {
        let rows = query(api, &format!("SELECT count(*) FROM {table}")).await?;
        counted += rows.first().and_then(|row| row[0].as_u64()).with_context(|| format!("a count of {table}"))?;
    }
    Ok(counted as usize)
}

/// The rows of a query's result.
pub(crate) async fn query(api: SocketAddr, sql: &str) -> Result<Vec<Value>> {
    let mut answer = post_json(api, "/api/v1/sql", &json!({"sql": sql})).await.with_context(|| sql.to_owned())?;
    match answer["rows"].take() {
        Value::Array(rows) => Ok(rows),
        other => anyhow::bail!("{sql}: no rows: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_may_be_lost_but_what_was_sent_again() {
        let row = |outcome: &str, reason: &str, points: u64| json!([outcome, reason, points]);
        let good = [row("stored", "", 5), row("stored", "late", 2), row("rejected", SENT_AGAIN, 1)];
        assert_eq!(stored(&good).expect("all stored"), 7);
        assert!(stored(&[row("stored", "", 5), row("dropped", "interrupted", 1)]).is_err());
        assert!(stored(&[row("rejected", "series_cap", 1)]).is_err());
    }
}
