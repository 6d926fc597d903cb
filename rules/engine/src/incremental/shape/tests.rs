//! What stands in the way of a rule is said in words that its author knows.

use crate::query::testing::Fixture;

async fn check(sql: &str, expected: &str) {
    let fixture = Fixture::new().series("m", &[("host", "a"), ("zone", "x")], &[(990, 1.0)]).span(
        &[("service_name", "web")],
        "GET /",
        990,
        20,
    );
    let prepared = fixture.database.prepare(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let obstacle = fixture.database.keep(&prepared).expect_err(sql);
    assert_eq!(obstacle.to_string(), expected, "{sql}");
}

#[tokio::test]
async fn range_functions_over_spans_are_plans() {
    for sql in [
        "SELECT service_name, name, value FROM quantile_over(spans, INTERVAL '10 minutes', 0.95) WHERE value > 0.5",
        "SELECT q.service_name, max(q.value) AS v FROM quantile_over(spans, INTERVAL '10 minutes', 0.95) q GROUP BY q.service_name",
    ] {
        check(
            sql,
            "quantile_over is over spans, and range functions over spans are run as plans; aggregate the durations: avg(duration), \
             approx_percentile_cont(duration, 0.95), … FROM spans",
        )
        .await;
    }
}

#[tokio::test]
async fn a_metric_that_never_came_is_told() {
    for sql in [
        "SELECT job, value FROM absent(never, INTERVAL '5 minutes') WHERE job = 'api'",
        "SELECT count(*) AS n FROM absent(never, INTERVAL '5 minutes')",
        "SELECT job, value FROM latest(never, 'job')",
    ] {
        check(sql, "no point of a metric that it reads has come yet").await;
    }
}

#[tokio::test]
async fn windows_that_can_not_slide_are_told_as_they_were_written() {
    let rule = |condition: &str| format!("SELECT host, max(value) AS v FROM m WHERE {condition} GROUP BY host");
    for (condition, expected) in [
        (
            "time > now() - INTERVAL '1 month'",
            "its window is of months, which have no fixed length; write days: INTERVAL '30 days'",
        ),
        (
            "time > now() - INTERVAL '5 minutes' AND host = 'a' OR host = 'b'",
            "its bound on time stands beside an OR; put parentheses around what the OR is about: time > now() - INTERVAL '…' AND (… OR …)",
        ),
        (
            "time > date_trunc('hour', now() - INTERVAL '5 minutes')",
            "now() is used in \"time > date_trunc('hour', now() - INTERVAL '5 MINS')\"; only time > now() - INTERVAL '…' or time >= now() - \
             INTERVAL '…' says how long points count",
        ),
        (
            "time > now() - INTERVAL '5 minutes' AND (host = 'a' OR value > 5)",
            "\"host = 'a' OR value > 5.0\" is about labels and values at once",
        ),
        (
            "time > now() - INTERVAL '5 minutes' AND time <= now()",
            "its window has an end, not only a beginning; leave the end out: no point is newer than now() but those whose sender's clock is ahead",
        ),
    ] {
        check(&rule(condition), expected).await;
    }
    check(
        "SELECT host, max(value) AS v FROM m WHERE time > now() - INTERVAL '5 minutes' GROUP BY host, date_bin(INTERVAL '1 minute', time)",
        "it groups by \"date_bin(INTERVAL '1 MINS', time)\", which is not of labels alone; group by labels; a window says what points belong \
         together",
    )
    .await;
}
