use flyball_model::{MetricInfo, UnixNanos};

use crate::catalog::TableRead;
use crate::query::testing::{Fixture, NOW};
use crate::query::{QueryLimits, output};

const SQL: &str = "SELECT host, avg(value) AS v FROM m WHERE time > now() - INTERVAL '10 seconds' GROUP BY host";

fn fixture() -> Fixture {
    Fixture::new().series("m", &[("host", "a")], &[(985, 1.0), (995, 2.0), (1005, 3.0)])
}

#[tokio::test]
async fn each_run_has_its_own_now() {
    let fixture = fixture();
    let prepared = fixture.database.prepare(SQL).await.expect("a good query");
    for (at, expected) in [(1000, "a,2.5"), (1007, "a,3.0"), (990, "a,2.0")] {
        let now = UnixNanos::from_secs(at);
        let result = fixture.database.run(&prepared, now, &QueryLimits::default()).await.expect("a good query");
        assert_eq!(output::csv(&result).lines().nth(1), Some(expected), "at {at}");
    }
}

#[tokio::test]
async fn now_is_the_argument_everywhere_in_a_query() {
    let fixture = fixture();
    fixture
        .check(
            "SELECT now(), current_timestamp, current_date, current_time, date_trunc('hour', now()) AS h",
            &["1970-01-01T00:16:40Z,1970-01-01T00:16:40Z,1970-01-01,00:16:40,1970-01-01T00:00:00Z"],
        )
        .await;
    fixture
        .check(
            "SELECT count(*) FROM m WHERE value > (SELECT min(value) FROM m WHERE time > now() - INTERVAL '10 seconds') AND EXISTS (SELECT 1 FROM twin.node WHERE at = now())",
            &["1"],
        )
        .await;
    fixture.check("SELECT max(now()) - INTERVAL '1 second' FROM m GROUP BY now()", &["1970-01-01T00:16:39Z"]).await;
}

#[tokio::test]
async fn a_prepared_query_names_the_tables_it_reads() {
    let fixture = fixture().series("n", &[("host", "a")], &[(985, 1.0)]);
    let metric =
        |name| TableRead::Metric(fixture.database.store().registry().read().metric(name).expect("a series was added"));
    let node = TableRead::System { schema: "twin".into(), name: "node".into() };
    for (sql, expected) in [
        (SQL, vec![metric("m")]),
        ("SELECT * FROM rate(n, INTERVAL '1 minute') r JOIN m ON r.host = m.host", vec![metric("m"), metric("n")]),
        ("WITH n AS (SELECT * FROM m) SELECT * FROM n", vec![metric("m")]),
        ("SELECT * FROM m WHERE host IN (SELECT id FROM TWIN.node)", vec![metric("m"), node]),
        ("SELECT (SELECT count(*) FROM logs), * FROM power", vec![TableRead::Logs, TableRead::Power]),
        (
            "SELECT * FROM quantile_over(spans, INTERVAL '1 minute', 0.5), texts, exemplars",
            vec![TableRead::Spans, TableRead::Exemplars, TableRead::Texts],
        ),
        ("SELECT * FROM metrics UNION ALL SELECT * FROM metrics", vec![TableRead::Metrics]),
        ("SELECT 1", vec![]),
    ] {
        let prepared = fixture.database.prepare(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(prepared.tables(), expected, "{sql}");
    }
}

#[tokio::test]
async fn a_plan_is_outdated_when_a_label_or_a_description_is_new() {
    let fixture = fixture();
    let prepared = fixture.database.prepare(SQL).await.expect("a good query");
    let fixture = fixture.series("m", &[("host", "b")], &[(999, 9.0)]).series("other", &[("x", "1")], &[(999, 9.0)]);
    assert!(prepared.is_current(&fixture.database), "a new series has no new label");
    let fixture = fixture.series("m", &[("host", "c"), ("zone", "z")], &[(999, 9.0)]);
    assert!(!prepared.is_current(&fixture.database), "a new label is a new column");
    let result = fixture.database.run(&prepared, NOW, &QueryLimits::default()).await.expect("it runs all the same");
    assert_eq!(result.rows(), 3);

    let prepared = fixture.database.prepare(SQL).await.expect("a good query");
    assert!(prepared.is_current(&fixture.database));
    let info = MetricInfo { unit: "s".into(), ..MetricInfo::default() };
    fixture.database.store().registry().describe("m", &info);
    assert!(!prepared.is_current(&fixture.database), "the unit is part of the schema");
}

#[tokio::test]
async fn a_guessed_name_is_looked_up_anew_when_a_metric_comes() {
    let fixture = fixture();
    let guessed = fixture.database.prepare("SELECT value FROM M").await.expect("only m can be meant");
    assert!(guessed.is_current(&fixture.database));
    let fixture = fixture.series("M", &[], &[(999, 7.0)]);
    assert!(!guessed.is_current(&fixture.database));
    fixture.check("SELECT value FROM M", &["7.0"]).await;
}
