mod absent;
mod arguments;
mod figures;

use flyball_model::batch::STALE_NAN_BITS;

use crate::query::testing::{Fixture, NOW};
use crate::query::{output, unit_of};

const STALE: f64 = f64::from_bits(STALE_NAN_BITS);

/// A counter every 15 s up to `NOW`, at 1000 s, so that windows end on a sample.
fn fixture() -> Fixture {
    let steady: Vec<_> = (0..=20).map(|step| (700 + step * 15, 1000.0 + step as f64 * 30.0)).collect();
    Fixture::new()
        .describe("requests", "requests", "{request}")
        .series("requests", &[("host", "steady")], &steady)
        // 100 → 130, reset, 10 → 40 within the last minute.
        .series("requests", &[("host", "reset")], &[(955, 100.0), (970, 130.0), (985, 10.0), (1000, 40.0)])
        .series("requests", &[("host", "single")], &[(990, 5.0)])
        .series("requests", &[("host", "ended")], &[(960, 8.0), (975, 9.0), (990, STALE)])
        .series("requests", &[("host", "paused")], &[(960, 1.0), (970, STALE), (980, 3.0), (1000, 5.0)])
        .series("requests", &[("host", "old")], &[(100, 1.0), (110, 2.0)])
}

async fn check(from: &str, expected: &[&str]) {
    fixture().check(&format!("SELECT host, round(value, 6) FROM {from} ORDER BY host"), expected).await;
}

#[tokio::test]
async fn rate_and_increase_know_resets_and_stretch_to_the_window() {
    // steady: samples at 955 … 1000 s in (940, 1000]: 90 in 45 s, 15 s before the first is less than 1.1 distances: 90 * 60/45.
    // reset: 30 + 10 + 30 = 70 in 45 s; zero was 45 * 100/70 s before the first sample, more than 15 s: 70 * 60/45.
    // ended: 1 in 15 s; 20 s before: half a distance; 25 s after: half a distance: 1 * 30/15.
    // paused: 4 in 40 s over 3 samples; 20 s before is less than 22 s, but zero was 10 s before: 4 * 50/40.
    check("increase(requests, INTERVAL '1 minute')", &["ended,2.0", "paused,5.0", "reset,93.333333", "steady,120.0"])
        .await;
    check(
        "rate(requests, INTERVAL '1 minute')",
        &["ended,0.033333", "paused,0.083333", "reset,1.555556", "steady,2.0"],
    )
    .await;
}

#[tokio::test]
async fn delta_takes_a_fall_for_a_fall() {
    // reset: -60 in 45 s: -60 * 60/45; paused: not a counter, so the 20 s before count: 4 * 60/40.
    check("delta(requests, INTERVAL '1 minute')", &["ended,2.0", "paused,6.0", "reset,-80.0", "steady,120.0"]).await;
}

#[tokio::test]
async fn latest_leaves_out_series_that_ended_and_looks_back_five_minutes() {
    check("latest(requests)", &["paused,5.0", "reset,40.0", "single,5.0", "steady,1600.0"]).await;
    check(
        "latest(requests, INTERVAL '1 hour')",
        &["old,2.0", "paused,5.0", "reset,40.0", "single,5.0", "steady,1600.0"],
    )
    .await;
    fixture().check("SELECT time FROM latest(requests) WHERE host = 'single'", &["1970-01-01T00:16:30Z"]).await;
}

#[tokio::test]
async fn samples_are_averaged_and_compared_without_staleness_markers() {
    check(
        "avg_over(requests, INTERVAL '1 minute')",
        &["ended,8.5", "paused,3.0", "reset,70.0", "single,5.0", "steady,1555.0"],
    )
    .await;
    check(
        "max_over(requests, INTERVAL '1 minute')",
        &["ended,9.0", "paused,5.0", "reset,130.0", "single,5.0", "steady,1600.0"],
    )
    .await;
    check(
        "min_over(requests, INTERVAL '1 minute')",
        &["ended,8.0", "paused,1.0", "reset,10.0", "single,5.0", "steady,1510.0"],
    )
    .await;
    // steady: 1510, 1540, 1570, 1600: rank 1.5.
    check(
        "quantile_over(requests, INTERVAL '1 minute', 0.5)",
        &["ended,8.5", "paused,3.0", "reset,70.0", "single,5.0", "steady,1555.0"],
    )
    .await;
}

#[tokio::test]
async fn the_window_excludes_its_start_and_includes_its_end() {
    let fixture = Fixture::new().series("m", &[("host", "a")], &[(990, 1.0), (1000, 2.0), (1001, 9.0)]);
    fixture.check("SELECT value FROM avg_over(m, INTERVAL '10 seconds')", &["2.0"]).await;
    fixture.check("SELECT value FROM avg_over(m, INTERVAL '11 seconds')", &["1.5"]).await;
}

#[tokio::test]
async fn time_is_the_evaluations_instant_and_a_rate_is_per_second() {
    let fixture = fixture();
    let result =
        fixture.database.query("SELECT * FROM rate(requests, INTERVAL '1 minute') WHERE host = 'steady'", NOW).await;
    let result = result.expect("a good query");
    assert_eq!(output::csv(&result), "time,value,host\r\n1970-01-01T00:16:40Z,2.0,steady\r\n");
    assert_eq!(unit_of(result.schema.field(1)), Some("{request}/s"));
}

#[tokio::test]
async fn label_predicates_are_decided_once_per_series() {
    let fixture = fixture();
    let sql = "SELECT value FROM rate(requests, INTERVAL '1 minute') AS r WHERE r.host LIKE 's%' AND value > 0 AND time <= now()";
    let plan = fixture.database.query(&format!("EXPLAIN {sql}"), NOW).await.expect("a good query");
    let plan = output::table(&plan);
    assert!(plan.contains("labels: host LIKE"), "{plan}");
    assert!(plan.contains("FilterExec: time@0 <= 1000000000000 AND value@1 > 0"), "{plan}");
    fixture.check(sql, &["2.0"]).await;
    fixture.check("SELECT count(*) FROM latest(requests) WHERE host IS NULL", &["0"]).await;
    fixture.check("SELECT host FROM latest(requests) WHERE upper(host) = 'RESET'", &["reset"]).await;
}

#[tokio::test]
async fn many_series_come_in_several_reads() {
    let mut fixture = Fixture::new();
    for series in 0..3000 {
        fixture = fixture.series("m", &[("n", &series.to_string())], &[(980, 1.0), (990, f64::from(series))]);
    }
    fixture.check("SELECT count(*), sum(value), max(n) FROM latest(m)", &["3000,4498500.0,999"]).await;
    fixture.check("SELECT count(DISTINCT n) FROM delta(m, INTERVAL '1 minute') WHERE n < '2'", &["1112"]).await;
}

#[tokio::test]
async fn a_label_named_value_keeps_out_of_the_values_way() {
    let fixture = Fixture::new().series("m", &[("host", "a"), ("value", "label")], &[(990, 1.0)]);
    fixture.check("SELECT value, exported_value FROM latest(m) WHERE exported_value = 'label'", &["1.0,label"]).await;
}

fn spans() -> Fixture {
    let web = [("service_name", "web"), ("zone", "z")];
    Fixture::new()
        .span(&web, "GET /", 940, 9000)
        .span(&web, "GET /", 941, 100)
        .span(&web, "GET /", 990, 200)
        .span(&web, "GET /", 1000, 400)
        .span(&web, "POST /", 990, 50)
        .span(&[("service_name", "db")], "query", 995, 10)
        .span(&[("service_name", "db")], "query", 1001, 9000)
}

#[tokio::test]
async fn durations_of_spans_have_a_row_for_each_label_set_and_name() {
    let fixture = spans();
    for (function, expected) in [
        ("quantile_over(spans, INTERVAL '1 minute', 0.75)", ["db,,query,0.01", "web,z,GET /,0.3", "web,z,POST /,0.05"]),
        ("quantile_over(spans, INTERVAL '1 minute', 0)", ["db,,query,0.01", "web,z,GET /,0.1", "web,z,POST /,0.05"]),
        ("max_over(spans, INTERVAL '1 minute')", ["db,,query,0.01", "web,z,GET /,0.4", "web,z,POST /,0.05"]),
        ("min_over(Spans, INTERVAL '1 minute')", ["db,,query,0.01", "web,z,GET /,0.1", "web,z,POST /,0.05"]),
        ("avg_over(spans, INTERVAL '1 minute')", ["db,,query,0.01", "web,z,GET /,0.233333", "web,z,POST /,0.05"]),
    ] {
        let sql = format!("SELECT service_name, zone, name, round(value, 6) FROM {function} ORDER BY 1, 3");
        fixture.check(&sql, &expected).await;
    }
    fixture
        .check("SELECT * FROM max_over(spans, INTERVAL '1 second')", &["1970-01-01T00:16:40Z,0.4,web,z,GET /"])
        .await;
    fixture
        .check("SELECT q.value FROM quantile_over(spans, INTERVAL '1 hour', 1) AS q WHERE q.name = 'GET /'", &["9.0"])
        .await;
    Fixture::new().check("SELECT service_name FROM avg_over(spans, INTERVAL '1 hour')", &[]).await;
}

#[tokio::test]
async fn a_resource_label_that_is_called_value_keeps_out_of_the_figures_way() {
    let labels = [("resource_value", "a"), ("time", "b"), ("value", "c")];
    let fixture = Fixture::new().span(&labels, "GET /", 990, 200);
    let sql = "SELECT value, resource_value, resource_resource_value, resource_time FROM max_over(spans, INTERVAL '1 minute')";
    fixture.check(sql, &["0.2,a,c,b"]).await;
    fixture.check(&format!("{sql} WHERE resource_resource_value = 'd'"), &[]).await;
}

#[tokio::test]
async fn a_figure_of_durations_is_in_seconds_and_reads_only_the_spans_it_needs() {
    let fixture = spans();
    let sql =
        "SELECT value, service_name FROM quantile_over(spans, INTERVAL '1 minute', 0.5) WHERE service_name = 'db'";
    let result = fixture.database.query(sql, NOW).await.expect("a good query");
    assert_eq!(unit_of(result.schema.field(0)), Some("s"));
    let plan = fixture.database.query(&format!("EXPLAIN {sql}"), NOW).await.expect("a good query");
    let plan = output::table(&plan);
    assert!(plan.contains("spans, time=1970-01-01T00:15:40.000000001Z..=1970-01-01T00:16:40"), "{plan}");
    assert!(plan.contains("series where") && !plan.contains("FilterExec"), "{plan}");
}

#[tokio::test]
async fn what_has_no_samples_is_refused_with_what_to_ask_instead() {
    let fixture = spans();
    for (from, expected) in [
        (
            "rate(spans, INTERVAL '1 minute')",
            "1:24: rate: spans are no samples of series; avg_over, max_over, min_over, sum_over, count_over, stddev_over, var_over and quantile_over give figures of their durations",
        ),
        ("latest(texts)", "1:26: latest: 'texts' is not the table of one metric"),
    ] {
        fixture.check_error(&format!("SELECT value FROM {from}"), expected).await;
    }
}
