//! Trends, steps, and what is usual, in SQL.

use super::{STALE, check, fixture, spans};
use crate::query::testing::{Fixture, NOW};
use crate::query::unit_of;

#[tokio::test]
async fn samples_are_summed_counted_and_spread() {
    // ended: 8, 9; paused: 1, 3, 5; reset: 100, 130, 10, 40; single: 5; steady: 1510, 1540, 1570, 1600.
    for (function, expected) in [
        ("sum_over", ["ended,17.0", "paused,9.0", "reset,280.0", "single,5.0", "steady,6220.0"]),
        ("count_over", ["ended,2.0", "paused,3.0", "reset,4.0", "single,1.0", "steady,4.0"]),
        ("var_over", ["ended,0.25", "paused,2.666667", "reset,2250.0", "single,0.0", "steady,1125.0"]),
        ("stddev_over", ["ended,0.5", "paused,1.632993", "reset,47.434165", "single,0.0", "steady,33.54102"]),
        ("last_over", ["ended,9.0", "paused,5.0", "reset,40.0", "single,5.0", "steady,1600.0"]),
        ("changes", ["ended,1.0", "paused,2.0", "reset,3.0", "single,0.0", "steady,3.0"]),
        ("resets", ["ended,0.0", "paused,0.0", "reset,1.0", "single,0.0", "steady,0.0"]),
    ] {
        check(&format!("{function}(requests, INTERVAL '1 minute')"), &expected).await;
    }
}

#[tokio::test]
async fn the_last_step_and_the_trend_need_two_samples() {
    // reset: 10 to 40 is the last step; through 100, 130, 10, 40 in 15 s steps the line falls by 2 a second.
    check("irate(requests, INTERVAL '1 minute')", &["ended,0.066667", "paused,0.1", "reset,2.0", "steady,2.0"]).await;
    check("idelta(requests, INTERVAL '1 minute')", &["ended,1.0", "paused,2.0", "reset,30.0", "steady,30.0"]).await;
    // paused at 960, 980, 1000 s: a tenth a second. reset: Σtv = -22.5 * 100 - 7.5 * 130 + 7.5 * 10 + 22.5 * 40 = -2250; Σt² = 1125.
    check("deriv(requests, INTERVAL '1 minute')", &["ended,0.066667", "paused,0.1", "reset,-2.0", "steady,2.0"]).await;
    check(
        "predict_linear(requests, INTERVAL '1 minute', INTERVAL '100 seconds')",
        &["ended,17.333333", "paused,15.0", "reset,-175.0", "steady,1800.0"],
    )
    .await;
}

#[tokio::test]
async fn an_irate_after_a_reset_is_what_was_counted_since() {
    let fixture = Fixture::new().series("m", &[("host", "a")], &[(980, 100.0), (990, 7.0)]);
    fixture.check("SELECT value FROM irate(m, INTERVAL '1 minute')", &["0.7"]).await;
}

#[tokio::test]
async fn smoothing_has_both_its_names() {
    // Those of a straight line lie on it. reset: levels 100, 130, 85, 58.75; trends 30, 30, -7.5.
    let expected = ["ended,9.0", "paused,5.0", "reset,58.75", "steady,1600.0"];
    check("holt_winters(requests, INTERVAL '1 minute', 0.5, 0.5)", &expected).await;
    check("double_exponential_smoothing(requests, INTERVAL '1 minute', 0.5, 0.5)", &expected).await;
}

#[tokio::test]
async fn a_mean_by_age_leans_on_what_is_new() {
    let fixture = Fixture::new().series("m", &[("host", "a")], &[(980, 6.0), (1000, 3.0)]).series(
        "m",
        &[("host", "b")],
        &[(990, 7.0), (995, STALE)],
    );
    let sql = "SELECT host, time, value FROM ewma(m, INTERVAL '1 minute', INTERVAL '20 seconds') ORDER BY host";
    fixture.check(sql, &["a,1970-01-01T00:16:40Z,4.0", "b,1970-01-01T00:16:40Z,7.0"]).await;
}

#[tokio::test]
async fn a_score_is_of_the_last_sample_of_what_has_not_ended() {
    let fixture = Fixture::new()
        .series("m", &[("host", "even")], &[(980, 5.0), (990, 5.0)])
        .series("m", &[("host", "gone")], &[(980, 5.0), (985, 9.0), (990, STALE)])
        .series("m", &[("host", "high")], &[(960, 1.0), (970, 1.0), (980, 1.0), (990, 5.0)])
        .series("m", &[("host", "new")], &[(990, 5.0)])
        .series("m", &[("host", "silent")], &[(600, 1.0), (690, 5.0)]);
    fixture
        .check(
            "SELECT host, time, round(value, 6) FROM zscore(m, INTERVAL '1 hour') ORDER BY host",
            &["even,1970-01-01T00:16:30Z,0.0", "high,1970-01-01T00:16:30Z,1.732051"],
        )
        .await;
}

/// A day is 100 s here; now is in the tenth.
fn seasons() -> Fixture {
    let days = |values: [f64; 5]| (0..5).map(|ago| (995 - 100 * ago, values[ago as usize])).collect::<Vec<_>>();
    Fixture::new()
        .describe("draw", "draw", "W")
        .series("draw", &[("host", "a"), ("mean", "label")], &days([50.0, 10.0, 12.0, 14.0, 90.0]))
        // Yesterday it had ended; two days are left.
        .series("draw", &[("host", "b")], &[days([5.0, 1.0, 3.0, 5.0, 9.0]), vec![(898, STALE)]].concat())
        // One day alone has no spread.
        .series("draw", &[("host", "c")], &[(995, 1.0), (895, 1.0)])
        // It has ended.
        .series("draw", &[("host", "d")], &[days([1.0; 5]), vec![(999, STALE)]].concat())
        // Nothing of today.
        .series("draw", &[("host", "e")], &[(895, 1.0), (795, 1.0)])
}

#[tokio::test]
async fn a_baseline_compares_with_the_same_phase_of_earlier_periods() {
    let fixture = seasons();
    let baseline = "seasonal_baseline(draw, INTERVAL '100 seconds', 3)";
    fixture
        .check(
            &format!("SELECT host, time, value, mean, round(stddev, 6), deviation, exported_mean FROM {baseline} ORDER BY host"),
            &["a,1970-01-01T00:16:35Z,50.0,12.0,2.0,38.0,label", "b,1970-01-01T00:16:35Z,5.0,4.0,1.414214,1.0,"],
        )
        .await;
    // Columns in another order, some left out, and a predicate on labels and one on figures.
    fixture
        .check(
            &format!("SELECT deviation, host FROM {baseline} WHERE host < 'b' AND abs(deviation) > 3 * stddev"),
            &["38.0,a"],
        )
        .await;
    fixture.check("SELECT mean FROM seasonal_baseline(draw, INTERVAL '100 seconds') WHERE host = 'a'", &["31.5"]).await;
    let result = fixture.database.query(&format!("SELECT * FROM {baseline}"), NOW).await.expect("a good query");
    let units: Vec<_> = result.schema.fields().iter().map(|field| unit_of(field)).collect();
    assert_eq!(units[..5], [None, Some("W"), Some("W"), Some("W"), Some("W")]);
}

#[tokio::test]
async fn units_follow_what_is_computed() {
    let fixture = fixture();
    for (function, unit) in [
        ("irate(requests, INTERVAL '1 minute')", Some("{request}/s")),
        ("deriv(requests, INTERVAL '1 minute')", Some("{request}/s")),
        ("stddev_over(requests, INTERVAL '1 minute')", Some("{request}")),
        ("var_over(requests, INTERVAL '1 minute')", None),
        ("changes(requests, INTERVAL '1 minute')", None),
        ("zscore(requests, INTERVAL '1 minute')", None),
    ] {
        let result = fixture.database.query(&format!("SELECT value FROM {function}"), NOW).await.expect("a good query");
        assert_eq!(unit_of(result.schema.field(0)), unit, "{function}");
    }
}

#[tokio::test]
async fn durations_of_spans_are_summed_counted_and_spread() {
    let fixture = spans();
    for (function, expected) in [
        ("sum_over", ["query,0.01", "GET /,0.7", "POST /,0.05"]),
        ("count_over", ["query,1.0", "GET /,3.0", "POST /,1.0"]),
        ("stddev_over", ["query,0.0", "GET /,0.124722", "POST /,0.0"]),
        ("var_over", ["query,0.0", "GET /,0.015556", "POST /,0.0"]),
    ] {
        let sql = format!(
            "SELECT name, round(value, 6) FROM {function}(spans, INTERVAL '1 minute') ORDER BY service_name, name"
        );
        fixture.check(&sql, &expected).await;
    }
}
