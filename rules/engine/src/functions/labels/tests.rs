use crate::query::testing::{Fixture, NOW};

fn fixture() -> Fixture {
    let at = NOW.0 / 1_000_000_000 - 10;
    Fixture::new()
        .series("m", &[("host", "a"), ("site", "x")], &[(at, 1.0)])
        .series("m", &[("host", "b")], &[(at, 2.0)])
        .series("n", &[("host", "b"), ("time", "t")], &[(at, f64::NAN)])
}

#[tokio::test]
async fn a_label_that_is_asked_for_is_a_column_also_when_no_series_has_it() {
    let f = fixture();
    f.check("SELECT host, rack, value FROM latest(m, 'host', 'rack') ORDER BY host", &["a,,1.0", "b,,2.0"]).await;
    f.check("SELECT host, site FROM latest(m, INTERVAL '1 minute', 'host', 'site') WHERE site IS NULL", &["b,"]).await;
    assert_eq!(f.csv("SELECT * FROM latest(m, 'host')").await[0], "time,value,host");
}

#[tokio::test]
async fn all_labels_are_a_map_that_can_be_grouped_and_joined() {
    let f = fixture();
    f.check("SELECT label(labels, 'host') FROM latest(m, '*') ORDER BY 1", &["a", "b"]).await;
    f.check("SELECT labels['time'] FROM latest(n, '*')", &["t"]).await;
    f.check("SELECT count(*) FROM (SELECT labels FROM latest(m, '*') GROUP BY labels)", &["2"]).await;
    let join = "SELECT label(a.labels, 'host') AS host, b.value FROM latest(m, '*') AS a JOIN latest(m, '*') AS b ON a.labels = b.labels ORDER BY b.value";
    f.check(join, &["a,1.0", "b,2.0"]).await;
    let anti = "SELECT label(a.labels, 'host') FROM latest(m, '*') AS a LEFT ANTI JOIN latest(n, '*') AS b \
                ON labels_only(a.labels, 'host') = labels_only(b.labels, 'host')";
    f.check(anti, &["a"]).await;
}

#[tokio::test]
async fn sets_of_labels_are_made_cut_and_changed() {
    let f = fixture();
    for (sql, expected) in [
        ("labels('a', 'x', 'b', NULL, 'c', '')", "labels('a', 'x')"),
        ("labels('b', 'y', 'a', 'x')", "labels('a', 'x', 'b', 'y')"),
        ("labels_only(labels('a', 'x', 'b', 'y'), 'b', 'c')", "labels('b', 'y')"),
        ("labels_without(labels('a', 'x', 'b', 'y'), 'b')", "labels('a', 'x')"),
        ("labels_with(labels('b', 'y'), 'a', 'x', 'b', NULL)", "labels('a', 'x')"),
        ("labels_without(labels('a', 'x'), 'a')", "labels('b', NULL)"),
    ] {
        f.check(&format!("SELECT {sql} = {expected}"), &["true"]).await;
    }
    f.check("SELECT finite(value) FROM latest(n, 'host')", &[""]).await;
    f.check("SELECT finite(1.5), finite(1 / 0.0)", &["1.5,"]).await;
}

#[tokio::test]
async fn a_metric_that_has_not_come_is_empty_where_its_labels_are_named() {
    let f = fixture();
    let sql = "SELECT count(*) AS n FROM latest(later, 'host', '*') WHERE host = 'a'";
    f.check(sql, &["0"]).await;
    let prepared = f.database.prepare(sql).await.expect("good");
    assert!(prepared.is_current(&f.database));
    let f = f.series("later", &[("host", "a")], &[(NOW.0 / 1_000_000_000, 1.0)]);
    assert!(!prepared.is_current(&f.database));
    f.check(sql, &["1"]).await;
    f.check_error(
        "SELECT * FROM latest(gone)",
        "1:22: unknown table 'gone': SHOW TABLES lists what there is; a metric's table exists from its first point on",
    )
    .await;
}

#[tokio::test]
async fn names_that_can_be_no_columns_are_refused() {
    let f = fixture();
    f.check_error(
        "SELECT * FROM latest(m, 'value')",
        "1:15: latest: a label called 'value' can't be a column beside the table's own; ask for '*' and take labels['value']",
    )
    .await;
    f.check_error("SELECT * FROM latest(m, 'a', 'a')", "1:15: latest: the label 'a' is asked for twice").await;
}
