//! `absent`: a row of what is not there.

use super::STALE;
use crate::query::testing::{Fixture, NOW};
use crate::query::{QueryLimits, output};

fn fixture() -> Fixture {
    Fixture::new()
        .series("up", &[("host", "a"), ("job", "api")], &[(990, 1.0)])
        .series("up", &[("host", "b"), ("job", "db")], &[(100, 1.0)])
        .series("up", &[("host", "c"), ("job", "web")], &[(990, STALE)])
        .series("up", &[("host", "d"), ("job", "mq")], &[(990, 1.0), (990, STALE)])
}

#[tokio::test]
async fn one_row_says_that_no_series_has_a_sample() {
    let fixture = fixture();
    for (from, expected) in [
        ("absent(up, INTERVAL '1 minute')", &[][..]),
        ("absent(up, INTERVAL '5 seconds')", &["1970-01-01T00:16:40Z,1.0,,"]),
        ("absent(up, INTERVAL '1 minute') WHERE job = 'api'", &[]),
        // The text that is asked for stands in the row.
        ("absent(up, INTERVAL '1 minute') WHERE job = 'db'", &["1970-01-01T00:16:40Z,1.0,,db"]),
        ("absent(up, INTERVAL '1 minute') WHERE 'db' = job AND host LIKE 'b%'", &["1970-01-01T00:16:40Z,1.0,,db"]),
        // A marker is no sample.
        ("absent(up, INTERVAL '1 minute') WHERE job = 'web'", &["1970-01-01T00:16:40Z,1.0,,web"]),
        // Of one time, as it is counted in a window: what came after it does not undo that it came.
        ("absent(up, INTERVAL '1 minute') WHERE job = 'mq'", &[]),
        ("absent(up, INTERVAL '1 minute') WHERE job IN ('db', 'web')", &["1970-01-01T00:16:40Z,1.0,,"]),
        ("absent(up, INTERVAL '1 minute') WHERE job = 'nobody'", &["1970-01-01T00:16:40Z,1.0,,nobody"]),
        ("absent(up, INTERVAL '1 minute') AS a WHERE a.job = 'db' AND value > 1", &[]),
    ] {
        fixture.check(&format!("SELECT * FROM {from}"), expected).await;
    }
    fixture.check("SELECT job FROM absent(up, INTERVAL '1 minute') WHERE job = 'db'", &["db"]).await;
    fixture.check("SELECT count(*) FROM absent(up, INTERVAL '1 minute') WHERE job = 'db'", &["1"]).await;
}

#[tokio::test]
async fn what_never_came_is_absent_until_it_comes() {
    let fixture = Fixture::new();
    let sql = "SELECT * FROM absent(up, INTERVAL '1 minute')";
    fixture.check(sql, &["1970-01-01T00:16:40Z,1.0"]).await;
    let prepared = fixture.database.prepare(sql).await.expect("a good query");
    let fixture = fixture.series("up", &[("job", "api")], &[(990, 1.0)]);
    assert!(!prepared.is_current(&fixture.database));
    fixture.check(sql, &[]).await;
}

#[tokio::test]
async fn what_never_came_has_the_labels_that_a_query_names() {
    let fixture = Fixture::new().series("m", &[("host", "a")], &[(990, 1.0)]);
    for (sql, expected) in [
        ("SELECT job FROM absent(up, INTERVAL '1 minute') WHERE job = 'api'", "api"),
        (
            "SELECT a.job, a.\"Zone\" FROM absent(up, INTERVAL '1 minute') a WHERE a.job = 'api' AND a.\"Zone\" LIKE 'eu%'",
            "api,",
        ),
        ("SELECT job, value FROM absent(up, INTERVAL '1 minute') WHERE job <> 'api' AND value > 0", ",1.0"),
        ("SELECT count(*) FROM absent(up, INTERVAL '1 minute') WHERE job IN ('api', 'db') AND value > 1", "0"),
    ] {
        fixture.check(sql, &[expected]).await;
    }
    // Of what is there columns are known.
    let error = fixture.database.prepare("SELECT job FROM latest(m)").await.expect_err("no such column");
    assert_eq!(error.to_string(), "unknown column 'job': there are host, time, value");
    let both = "SELECT b.hst FROM absent(up, INTERVAL '1 minute') a, latest(m) b";
    let error = fixture.database.prepare(both).await.expect_err("no such column");
    assert_eq!(error.to_string(), "unknown column 'hst' in 'b': did you mean host?");
}

#[tokio::test]
async fn one_sample_among_thousands_of_silent_series_is_found() {
    let mut fixture = Fixture::new();
    for series in 0..3000 {
        let at = if series == 2999 { 990 } else { 100 };
        fixture = fixture.series("m", &[("n", &series.to_string())], &[(at, 1.0)]);
    }
    fixture.check("SELECT count(*) FROM absent(m, INTERVAL '1 minute')", &["0"]).await;
    let sql = "SELECT value FROM absent(m, INTERVAL '1 minute') WHERE n <> '2999'";
    let result = fixture.database.query_limited(sql, NOW, &QueryLimits { rows: 1, ..QueryLimits::default() }).await;
    assert_eq!(output::csv(&result.expect("one row")), "value\r\n1.0\r\n");
}
