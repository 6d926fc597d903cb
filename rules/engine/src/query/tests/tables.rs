use arrow::datatypes::DataType;
use flyball_model::batch::STALE_NAN_BITS;

use crate::query::testing::{Fixture, NOW};
use crate::query::unit_of;

fn fixture() -> Fixture {
    Fixture::new()
        .describe("m", "m", "W")
        .series("m", &[("host", "a"), ("zone", "x")], &[(900, 1.0), (950, 2.0), (999, 3.0)])
        .series("m", &[("host", "b"), ("zone", "x")], &[(900, 10.0), (999, f64::from_bits(STALE_NAN_BITS))])
}

async fn physical_plan(fixture: &Fixture, sql: &str) -> String {
    let result = fixture.database.query(&format!("EXPLAIN {sql}"), NOW).await.expect("a good query");
    crate::query::output::table(&result)
}

#[tokio::test]
async fn time_and_label_predicates_are_pushed_down() {
    let fixture = fixture();
    for sql in [
        "SELECT value FROM m WHERE time > now() - INTERVAL '1 minute' AND host = 'a'",
        "SELECT avg(value) FROM M WHERE Time > NOW() - INTERVAL '1 minute' AND Host LIKE 'a%' GROUP BY zone",
        "SELECT value FROM m WHERE time >= '1970-01-01T00:15:40Z' AND time < now() AND host IN ('a', 'c')",
        "SELECT value FROM m WHERE time BETWEEN TIMESTAMP '1970-01-01T00:15:40' AND now() AND host != 'b'",
    ] {
        let plan = physical_plan(&fixture, sql).await;
        assert!(!plan.contains("FilterExec"), "{plan}");
        assert!(plan.contains("time=1970-01-01T00:15:40"), "{plan}");
        assert!(plan.contains("series where host"), "{plan}");
    }
    let plan = physical_plan(&fixture, "SELECT value FROM m WHERE value > 1").await;
    assert!(plan.contains("FilterExec: value"), "{plan}");
}

#[tokio::test]
async fn a_prepared_plan_pushes_down_a_time_that_it_does_not_know_yet() {
    let fixture = fixture();
    let sql = "SELECT host, count(*) FROM m WHERE time > now() - INTERVAL '1 minute' AND host = 'a' GROUP BY host";
    let before = fixture.database.store().stats().hot_rows_read;
    let prepared = fixture.database.prepare(sql).await.expect("a good query");
    let plan = format!("{prepared:?}");
    assert!(!plan.contains("Filter("), "{plan}");
    fixture.check(sql, &["a,2"]).await;
    assert!(fixture.database.store().stats().hot_rows_read > before);
}

#[tokio::test]
async fn labels_group_and_units_follow_the_mean() {
    let fixture = fixture();
    let result = fixture
        .database
        .query("SELECT zone, avg(value) AS mean, sum(value) * 2 AS twice FROM m GROUP BY zone", NOW)
        .await;
    let result = result.expect("a good query");
    let units: Vec<_> = result.schema.fields().iter().map(|field| unit_of(field)).collect();
    assert_eq!(units, [None, Some("W"), None]);
    assert_eq!(result.batches[0].schema(), result.schema);
    fixture.check("SELECT zone, sum(value) FROM m GROUP BY zone", &["x,16.0"]).await;
}

#[tokio::test]
async fn labels_are_keys_of_groups_alone_and_together_and_stay_labels() {
    let fixture = Fixture::new()
        .series("m", &[("host", "a"), ("zone", "a zone with a name that is longer than a view holds")], &[(990, 1.0)])
        .series("m", &[("host", "b")], &[(990, 2.0)])
        .series("m", &[("host", "c")], &[(990, 4.0)]);
    for (sql, expected) in [
        (
            "SELECT zone, sum(value) FROM m GROUP BY zone ORDER BY 2",
            &["a zone with a name that is longer than a view holds,1.0", ",6.0"][..],
        ),
        (
            "SELECT zone, host, sum(value) AS s, count(DISTINCT zone) FROM m WHERE host <> 'a' GROUP BY zone, host ORDER BY s",
            &[",b,2.0,0", ",c,4.0,0"],
        ),
        ("SELECT host, sum(value) AS s FROM m GROUP BY ROLLUP (host) ORDER BY s", &["a,1.0", "b,2.0", "c,4.0", ",7.0"]),
        ("SELECT DISTINCT zone IS NULL AS is FROM m ORDER BY is", &["false", "true"]),
        (
            "SELECT m.host, a.n FROM m JOIN (SELECT host, count(*) AS n FROM m GROUP BY host) a ON a.host = m.host WHERE m.host = 'b'",
            &["b,1"],
        ),
        ("SELECT max(n) FROM (SELECT host AS h, zone, count(*) AS n FROM m GROUP BY h, zone)", &["1"]),
    ] {
        fixture.check(sql, expected).await;
    }
    let result =
        fixture.database.query("SELECT host, sum(value) FROM m GROUP BY host", NOW).await.expect("a good query");
    assert!(matches!(result.batches[0].schema().field(0).data_type(), DataType::Dictionary(..)));
    assert_eq!(result.batches[0].schema(), result.schema);
}

#[tokio::test]
async fn all_points_are_in_metrics_with_their_labels_as_a_map() {
    fixture()
        .check(
            "SELECT name, value, labels, labels['host'] AS h FROM metrics WHERE time > now() - INTERVAL '1 minute' AND labels['host'] = 'a' ORDER BY time",
            &[r#"m,2.0,"{""host"":""a"",""zone"":""x""}",a"#, r#"m,3.0,"{""host"":""a"",""zone"":""x""}",a"#],
        )
        .await;
}
