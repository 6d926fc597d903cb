//! What tables share, and what they forget.

use std::sync::Arc;

use super::Place;
use super::testing::Bench;

const SECOND: i64 = 1_000_000_000;

fn rule(aggregate: &str, zone: &str, key: &str, minutes: u32) -> String {
    format!(
        "SELECT {key}, {aggregate}(value) AS v FROM m \
         WHERE time > now() - INTERVAL '{minutes} minutes' AND zone = '{zone}' GROUP BY {key}"
    )
}

#[tokio::test]
async fn tables_that_group_alike_meet_a_series_once_and_count_what_their_rules_ask_for() {
    let bench = Bench::new();
    bench.send([("a", "x"), ("b", "x"), ("c", "y")].map(|(host, zone)| (bench.series(host, zone), 1.0)));
    let of_x = bench.keep(&rule("avg", "x", "host", 1)).await;
    assert_eq!(bench.rows(&of_x).await, 2);
    let of_y = bench.keep(&rule("max", "y", "host", 5)).await;
    let by_zone = bench.keep(&rule("max", "y", "zone", 5)).await;
    assert_eq!((bench.rows(&of_y).await, bench.rows(&by_zone).await), (1, 1));
    assert!(of_x.shares_groups_with(&of_y) && !of_x.shares_groups_with(&by_zone));
    bench.send([(bench.series("d", "y"), 1.0)]);
    assert_eq!((bench.rows(&of_x).await, bench.rows(&of_y).await), (2, 2));
    let size = |place: &Place| {
        let size = place.shared().size();
        (size.series, size.groups, size.points)
    };
    assert_eq!(size(&of_x), (2, 2, 4), "of its own zone");
    assert_eq!(size(&of_y), (2, 2, 4));
    // What nobody had asked for is asked for now.
    let also_y = bench.keep(&rule("avg", "y", "host", 1)).await;
    assert!(Arc::ptr_eq(also_y.shared(), of_x.shared()));
    assert_eq!((bench.rows(&also_y).await, bench.rows(&of_x).await), (2, 2));
}

#[tokio::test]
async fn groups_that_have_points_are_no_reason_to_begin_anew() {
    let bench = Bench::new();
    bench.send([(bench.series("first", "x"), 0.0)]);
    let kept = bench.keep(&(rule("avg", "x", "host", 1) + " HAVING avg(value) > 0.5")).await;
    assert_eq!(bench.rows(&kept).await, 0);
    bench.send((0..9_000).map(|host| (bench.series(&format!("host-{host}"), "x"), 0.0)));
    for _ in 0..3 {
        assert_eq!(bench.rows(&kept).await, 0);
        assert_eq!((kept.groups_met(), kept.shared().size().points), (9_001, 9_001), "each is taken once");
    }
}

#[tokio::test]
async fn groups_without_points_are_forgotten_when_they_are_most() {
    let mut bench = Bench::new();
    let lasting = bench.series("lasting", "x");
    bench.send([(lasting, 1.0)]);
    let short = bench.keep(&(rule("avg", "x", "host", 1) + " HAVING avg(value) > 0.5")).await;
    let long = bench.keep(&(rule("avg", "x", "host", 60) + " HAVING avg(value) > 0.5")).await;
    let mut met = Vec::new();
    for generation in 0..6 {
        let series = (0..9_000).map(|host| bench.series(&format!("host-{generation}-{host}"), "x"));
        bench.send(series.map(|series| (series, 0.0)).chain([(lasting, 1.0)]));
        assert_eq!((bench.rows(&short).await, bench.rows(&long).await), (1, 1), "{generation}");
        met.push(short.groups_met().max(long.groups_met()));
        bench.now.0 += 61 * 60 * SECOND;
    }
    assert!(met.iter().all(|&groups| groups < 40_000) && met[0] == 9_001, "of 54001: {met:?}");
    assert!(short.shares_groups_with(&long));
    drop((short, long));
    assert_eq!(bench.database.incremental().bytes(), 0);
}

#[tokio::test]
async fn what_is_kept_beside_numbers_counts_as_memory_until_it_leaves() {
    const VALUES: usize = 10_000;
    let mut bench = Bench::new();
    let series = bench.series("a", "x");
    let mut places = Vec::new();
    for aggregate in ["sum(value)", "approx_percentile_cont(value, 0.9)", "count(DISTINCT value)"] {
        let sql = format!("SELECT {aggregate} AS v FROM m WHERE time > now() - INTERVAL '1 minute'");
        places.push(bench.keep(&sql).await);
    }
    let bytes = async |bench: &Bench| {
        let mut bytes = Vec::new();
        for place in &places {
            assert_eq!(bench.rows(place).await, 1);
            bytes.push(place.shared().size().bytes);
        }
        bytes
    };
    bench.send([(series, 1.0)]);
    let few = bytes(&bench).await;
    for value in 0..VALUES {
        bench.now.0 += 1;
        bench.send([(series, value as f64)]);
    }
    let many = bytes(&bench).await;
    assert!(many[0] - few[0] < 100, "a sum is one number a pane: {few:?} {many:?}");
    assert!((1_000..20_000).contains(&(many[1] - few[1])), "a digest is of bounded size: {few:?} {many:?}");
    assert!(many[2] - few[2] > VALUES * size_of::<u128>(), "each value is known: {few:?} {many:?}");
    bench.now.0 += 120 * SECOND;
    let none = bytes(&bench).await;
    assert!(none[1] < few[1] + 1_000 && none[2] < few[2] + 5_000, "{few:?} {none:?}");
}

#[tokio::test]
async fn why_an_aggregate_is_not_kept_says_what_would_be() {
    let bench = Bench::new();
    bench.send([(bench.series("a", "x"), 1.0)]);
    let cases = [
        ("median(value)", "median of points is not kept incrementally", Some("approx_median")),
        ("array_agg(value)", "array_agg is not kept incrementally", Some("count(DISTINCT …)")),
        (
            "histogram_quantile(1.5, host, value)",
            "the quantile of histogram_quantile is not a number from 0 to 1",
            None,
        ),
        ("sum(DISTINCT value)", "DISTINCT is kept incrementally in count(DISTINCT …) of one argument only", None),
        ("count(*) FILTER (WHERE value > 1 OR host = 'a')", "in FILTER is about labels and values at once", None),
        ("count(DISTINCT CASE host WHEN 'a' THEN value END)", "is about labels and values at once", None),
    ];
    for (aggregate, reason, hint) in cases {
        let sql = format!("SELECT {aggregate} AS v FROM m WHERE time > now() - INTERVAL '1 minute'");
        let prepared = bench.database.prepare(&sql).await.expect("a query");
        let obstacle = bench.database.keep(&prepared).expect_err(aggregate);
        assert!(obstacle.reason.contains(reason), "{obstacle}");
        assert_eq!(hint.is_some(), obstacle.hint.is_some(), "{obstacle}");
        assert!(hint.is_none_or(|hint| obstacle.to_string().contains(hint)), "{obstacle}");
    }
}
