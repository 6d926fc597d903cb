use crate::query::QueryError;
use crate::query::testing::Fixture;

fn fixture() -> Fixture {
    Fixture::new().series("requests", &[("host", "a"), ("zone", "z")], &[(990, 1.0)])
}

async fn check(sql: &str, expected: &str) {
    fixture().check_error(sql, expected).await;
}

#[tokio::test]
async fn unknown_names_have_a_place_and_the_nearest_name() {
    check("SELECT *\n  FROM request", "2:8: unknown table 'request': did you mean requests?").await;
    check("SELECT *\nFROM node", "2:6: unknown table 'node': did you mean twin.node?").await;
    check("SELECT * FROM twin.nodes", "1:15: unknown table 'twin.nodes': did you mean twin.node?").await;
    check(
        "SELECT * FROM elsewhere",
        "1:15: unknown table 'elsewhere': SHOW TABLES lists what there is; a metric's table exists from its first point on",
    )
    .await;
    check("SELECT value,\n  hots FROM requests", "2:3: unknown column 'hots': did you mean host?").await;
    check("SELECT value FROM requests WHERE zon = 'z'", "1:34: unknown column 'zon': did you mean zone?").await;
    check(
        "SELECT r.deployment FROM requests r",
        "1:8: unknown column 'deployment' in 'r': there are host, time, value, zone",
    )
    .await;
    check("SELECT q.host FROM requests r", "1:8: unknown column 'host' in 'q': did you mean r.host?").await;
    check("SELECT host FROM requests ORDER BY hots", "1:36: unknown column 'hots': did you mean host?").await;
    check("SELECT avgg(value) FROM requests", "1:8: unknown function 'avgg': did you mean avg?").await;
}

#[tokio::test]
async fn range_functions_say_what_they_take() {
    check(
        "SELECT rate(value) FROM requests",
        "1:8: unknown function 'rate': did you mean FROM rate(metric, INTERVAL '5 minutes'), a table?",
    )
    .await;
    check("SELECT * FROM rat(requests)", "1:15: unknown function 'rat': did you mean rate?").await;
    check("SELECT * FROM rate(requests)", "1:20: rate: an interval is missing: rate(metric, INTERVAL '5 minutes')")
        .await;
    check("SELECT * FROM rate(request, INTERVAL '1 minute')", "1:20: unknown table 'request': did you mean requests?")
        .await;
    check(
        "SELECT * FROM increase(requests, INTERVAL '1 month')",
        "1:24: increase: months differ in length; write the interval in days or less: increase(metric, INTERVAL '5 minutes')",
    )
    .await;
    check(
        "SELECT * FROM avg_over(requests, INTERVAL '-1 minute')",
        "1:24: avg_over: the interval must be longer than zero: avg_over(metric, INTERVAL '5 minutes')",
    )
    .await;
    check(
        "SELECT * FROM quantile_over(requests, INTERVAL '1 minute', 95)",
        "1:29: quantile_over: the quantile is a number from 0 to 1: quantile_over(metric, INTERVAL '5 minutes', 0.95)",
    )
    .await;
    check("SELECT * FROM latest(power)", "1:22: latest: 'power' is not the table of one metric").await;
    check(
        "SELECT * FROM latest(1)",
        "1:15: latest: the first argument is the name of a metric's table: latest(metric) or latest(metric, INTERVAL '5 minutes')",
    )
    .await;
}

#[tokio::test]
async fn what_is_not_a_query_is_refused() {
    let expected = "is refused: write one SELECT (or WITH … SELECT); data is never changed through SQL";
    for (sql, found) in [
        ("DROP TABLE requests", "DROP"),
        ("INSERT INTO requests SELECT * FROM requests", "INSERT"),
        ("SELECT 1; SELECT 2", "2 statements"),
    ] {
        check(sql, &format!("{found} {expected}")).await;
    }
    let prepared = fixture().database.prepare("EXPLAIN SELECT 1").await;
    assert!(matches!(prepared, Err(QueryError::NotASelect { .. })), "{prepared:?}");
    assert!(fixture().error("WITH x AS (DELETE FROM requests) SELECT * FROM x").await.is_client_fault());
}

#[tokio::test]
async fn the_planner_is_put_in_plain_words() {
    check(
        "SELECT zone, value FROM requests GROUP BY zone",
        "1:14: 'requests.value' stands outside GROUP BY: add it there, or put it in an aggregate such as avg(requests.value)",
    )
    .await;
    check("SELECT value FROM requests WHERE value > $1", "'$1' has no value: write the value itself").await;
    check("SELECT sum(host) FROM requests", SUM_OF_TEXTS).await;
    check("SELECT avg(host) FROM requests", &SUM_OF_TEXTS.replace("sum", "avg")).await;
    check(
        "SELECT value FROM requests WHERE time > now() - '5 minutes'",
        "a time takes only an interval more or less: write now() - INTERVAL '5 minutes'",
    )
    .await;
    check(
        "SELECT value FROM requests WHERE time > now() - INTERVAL '1 minuet'",
        "this is no interval: write INTERVAL '5 minutes', '1 hour 30 minutes', '2 days'",
    )
    .await;
    check(
        "SELECT value FROM requests WHERE host = \"x y\"",
        "1:41: unknown column 'x y': did you mean the text 'x y', in single quotes?",
    )
    .await;
    check("SELECT FROM", "1:12: syntax error: Expected: identifier, found: EOF").await;
}

const SUM_OF_TEXTS: &str = "sum() does not take arguments of these types; of a text, such as a label, take count, min or max, or try_cast(label AS DOUBLE)";

#[tokio::test]
async fn data_can_make_a_query_fail() {
    check(
        "SELECT CAST(host AS BIGINT) FROM requests",
        "the query failed: the text 'a' can't be read as Int64: compare texts with a text, as in label = '5', or write try_cast(label AS DOUBLE), which is NULL for such a text",
    )
    .await;
    check("SELECT 1 / (CAST(value AS BIGINT) - 1) FROM requests", "the query failed: Divide by zero error").await;
}
