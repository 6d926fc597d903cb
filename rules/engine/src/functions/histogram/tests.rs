use flyball_model::batch::STALE_NAN_BITS;
use flyball_model::histogram::{BucketRun, ExponentialBuckets, Totals};
use flyball_model::rows::HistogramBuilder;
use flyball_model::{Histogram, Shape, UnixNanos};

use crate::query::testing::Fixture;

/// Counts between the bounds 1, 2 and 4.
fn explicit(counts: [f64; 4]) -> Histogram {
    let totals = Totals { count: counts.iter().sum(), sum: Some(10.0), ..Totals::default() };
    Histogram::explicit(totals, vec![1.0, 2.0, 4.0], counts.to_vec()).expect("fits")
}

/// Counts in the buckets from (1, 2] on.
fn exponential(counts: &[f64]) -> Histogram {
    let totals = Totals { count: counts.iter().sum(), sum: Some(10.0), ..Totals::default() };
    let positive = BucketRun { offset: 0, counts: counts.to_vec() };
    Histogram::exponential(totals, ExponentialBuckets { positive, ..ExponentialBuckets::default() }).expect("fits")
}

/// Adds a series; `None` is a staleness marker.
fn with(fixture: Fixture, labels: &[(&str, &str)], points: &[(i64, Option<Histogram>)]) -> Fixture {
    let store = fixture.database.store();
    let series = store.registry().resolve("latency", Shape::Histograms, labels, UnixNanos(0)).expect("below the cap");
    let mut builder = HistogramBuilder::default();
    for (at, histogram) in points {
        match histogram {
            Some(histogram) => builder.push(series, UnixNanos::from_secs(*at), histogram),
            None => builder.push_stale(series, UnixNanos::from_secs(*at)),
        }
    }
    store.append_rows_unlogged(builder.finish());
    fixture
}

fn fixture() -> Fixture {
    let fixture = Fixture::new().describe("latency", "latency", "s");
    let fixture = with(
        fixture,
        &[("host", "a")],
        &[(955, Some(explicit([1.0, 1.0, 0.0, 0.0]))), (985, Some(explicit([3.0, 2.0, 1.0, 0.0])))],
    );
    with(fixture, &[("host", "b")], &[(955, Some(exponential(&[2.0, 2.0]))), (970, None)])
}

#[tokio::test]
async fn quantiles_and_fractions_are_asked_of_each_histogram() {
    fixture()
        .check(
            "SELECT host, count, quantile(histogram, 0.5), fraction(histogram, 1, 2) FROM latency ORDER BY time, host",
            &["a,2.0,1.0,0.5", "b,4.0,2.0,0.5", "b,,,", "a,6.0,1.0,0.3333333333333333"],
        )
        .await;
    fixture().check("SELECT quantile(NULL, 0.5), fraction(NULL, 1, 2)", &[","]).await;
    fixture().check("SELECT quantile(histogram, count) FROM latency WHERE host = 'b' AND count > 0", &[""]).await;
}

#[tokio::test]
async fn merged_histograms_are_histograms_again() {
    fixture()
        .check(
            "SELECT host, quantile(merge(histogram), 1), merge(histogram)['count'] FROM latency GROUP BY host ORDER BY host",
            &["a,4.0,8.0", "b,4.0,4.0"],
        )
        .await;
    // Of the explicit bounds 1, 2 and 4 the exponential buckets have all.
    fixture().check("SELECT merge(histogram)['bounds'] FROM latency", &["\"[1.0,2.0,4.0]\""]).await;
    fixture().check("SELECT quantile(merge(histogram), 0.5) FROM latency WHERE host = 'z'", &[""]).await;
    fixture().check("SELECT quantile(m, 0.5) FROM (SELECT merge(histogram) AS m FROM latency)", &["1.4"]).await;
}

#[tokio::test]
async fn the_unit_of_a_quantile_is_that_of_the_histogram() {
    let fixture = fixture();
    let sql = "SELECT quantile(merge(histogram), 0.5) FROM latency";
    let result = fixture.database.query(sql, crate::query::testing::NOW).await.expect("a good query");
    assert_eq!(crate::query::unit_of(result.schema.field(0)), Some("s"));
}

#[tokio::test]
async fn increase_rate_and_latest_give_a_histogram_a_series() {
    // 4 in 30 s; 15 s after the last are within 1.1 distances, and 15 s before the first had it been zero at 940.
    let sql = "SELECT host, count, quantile(histogram, 0.25) FROM increase(latency, INTERVAL '1 minute') ORDER BY host";
    fixture().check(sql, &["a,8.0,0.5"]).await;
    fixture().check("SELECT count, sum FROM rate(latency, INTERVAL '1 minute')", &["0.13333333333333333,0.0"]).await;
    fixture().check("SELECT host, count, time FROM latest(latency)", &["a,6.0,1970-01-01T00:16:25Z"]).await;
    fixture().check("SELECT count(*) FROM latest(latency) WHERE host = 'b'", &["0"]).await;
}

#[tokio::test]
async fn a_histogram_that_restarts_counts_from_zero() {
    let points = [
        (970, [4.0, 0.0, 0.0, 0.0]),
        (980, [5.0, 1.0, 0.0, 0.0]),
        (990, [0.0, 2.0, 0.0, 0.0]),
        (1000, [0.0, 2.0, 1.0, 0.0]),
    ];
    let points = points.map(|(at, counts)| (at, Some(explicit(counts))));
    let fixture = with(Fixture::new(), &[], &points);
    // 2 before the restart and 3 after it, in 30 s of 30 s.
    let sql = "SELECT count, histogram['counts'] FROM increase(latency, INTERVAL '30 seconds 1 nanosecond')";
    let lines = fixture.csv(sql).await;
    assert!(lines[1].starts_with("5.0"), "{lines:?}");
    assert!(lines[1].contains("[1.0") && lines[1].contains("3.0"), "{lines:?}");
}

#[tokio::test]
async fn many_series_fit_the_memory_of_a_query() {
    let mut fixture = Fixture::new();
    for host in 0..2000 {
        let points = [940 + 1, 970, 1000].map(|at| (at, Some(exponential(&vec![at as f64; 160]))));
        fixture = with(fixture, &[("host", &host.to_string())], &points);
    }
    let sql = "SELECT count(*), round(min(count), 3), round(max(count), 3) FROM increase(latency, INTERVAL '59 seconds 1 nanosecond')";
    // 160 buckets grew by 59.
    fixture.check(sql, &["2000,9440.0,9440.0"]).await;
    fixture.check("SELECT quantile(merge(histogram), 1) > 1e40 FROM latency", &["true"]).await;
}

/// Classic buckets of two instances at one instant.
fn classic() -> Fixture {
    let stale = f64::from_bits(STALE_NAN_BITS);
    let mut fixture = Fixture::new();
    for (host, buckets) in [
        ("a", &[("0.1", 10.0), ("0.5", 20.0), ("1", 40.0), ("+Inf", 50.0)][..]),
        // A scrape that lies earlier for the middle bucket.
        ("b", &[("0.1", 30.0), ("0.5", 20.0), ("1", 40.0), ("+Inf", 40.0)]),
        ("c", &[("0.1", 30.0), ("0.5", 40.0)]),
        ("d", &[("0.1", stale), ("x", 3.0), ("+Inf", 0.0)]),
        ("e", &[("-Inf", 0.0), ("NaN", 7.0), ("1", 10.0), ("+Inf", 10.0)]),
    ] {
        for (le, value) in buckets {
            fixture = fixture.series("request_seconds_bucket", &[("host", host), ("le", le)], &[(990, *value)]);
        }
    }
    fixture
}

#[tokio::test]
async fn classic_buckets_give_quantiles_as_in_prometheus() {
    let sql = |q: &str| {
        format!(
            "SELECT host, histogram_quantile({q}, le, value) FROM latest(request_seconds_bucket) GROUP BY host ORDER BY host"
        )
    };
    classic().check(&sql("0.5"), &["a,0.625", "b,0.06666666666666667", "c,", "d,", "e,0.5"]).await;
    classic().check(&sql("0.95"), &["a,1.0", "b,0.9", "c,", "d,", "e,0.95"]).await;
    classic().check(&sql("1"), &["a,1.0", "b,1.0", "c,", "d,", "e,1.0"]).await;
    // Both instances together: 40, 40, 80, 90.
    let both = "SELECT histogram_quantile(0.5, le, value) FROM request_seconds_bucket WHERE host IN ('a', 'b')";
    classic().check(both, &["0.5625"]).await;
}

#[tokio::test]
async fn what_does_not_fit_is_said_with_the_fix() {
    let fixture = classic();
    let native = with(Fixture::new(), &[], &[(990, Some(exponential(&[1.0])))]);
    let usage = "quantile(histogram, 0.95)";
    let instead =
        "for classic buckets take histogram_quantile(0.95, le, value), for numbers approx_percentile_cont(value, 0.95)";
    fixture
        .check_error(
            "SELECT quantile(value, 0.9) FROM request_seconds_bucket",
            &format!("1:8: quantile: the first argument is a number and not a histogram, such as the column histogram of a native histogram's table: {usage}; {instead}"),
        )
        .await;
    for (sql, expected) in [
        (
            "SELECT quantile(histogram) FROM latency",
            "1:8: quantile: it takes 2 arguments and not 1: quantile(histogram, 0.95)",
        ),
        (
            "SELECT quantile(histogram, 99) FROM latency",
            "1:8: quantile: the quantile is 99; it must be from 0 to 1: quantile(histogram, 0.95)",
        ),
        (
            "SELECT quantile(histogram, 'a') FROM latency",
            "1:8: quantile: the quantile is of type Utf8 and not a number: quantile(histogram, 0.95)",
        ),
        (
            "SELECT histogram_quantile(0.9, histogram, count) FROM latency GROUP BY count",
            "for native histograms take quantile(histogram, 0.95)",
        ),
        (
            "SELECT * FROM avg_over(latency, INTERVAL '1 minute')",
            "the points of 'latency' are histograms, of which there are rate, increase and latest",
        ),
    ] {
        let error = native.error(sql).await;
        let place = error.position().map(|(line, column)| format!("{line}:{column}: ")).unwrap_or_default();
        let message = format!("{place}{error}");
        assert!(message.contains(expected), "{sql}: {message}");
    }
    fixture
        .check_error(
            "SELECT histogram_quantile(5, le, value) FROM request_seconds_bucket",
            "the query failed: histogram_quantile: the quantile is 5; it must be from 0 to 1: histogram_quantile(0.95, le, value)",
        )
        .await;
}
