//! The same for rules over native histograms.

use std::sync::Arc;

use flyball_model::histogram::{BucketRun, ExponentialBuckets, Totals};
use flyball_model::rows::HistogramBuilder;
use flyball_model::{Histogram, SeriesRef, Shape, UnixNanos};
use proptest::prelude::*;

use super::super::testing::Bench;
use super::{Event, HistogramAt, SERIES, run};

/// Counting begins anew this often, milliseconds.
const LIFE: i64 = 40_000;

/// What a series holds at an instant: counts that grow, and begin anew. Series differ in their buckets.
fn at(series: usize, millis: i64) -> Histogram {
    let age = millis.rem_euclid(LIFE);
    let born = UnixNanos((millis - age) * 1_000_000);
    let counts: Vec<f64> = (0..8).map(|bucket| (age / (300 + 170 * bucket + 90 * series as i64)) as f64).collect();
    let zero_count = (age / 2_000) as f64;
    let all = counts.iter().sum::<f64>();
    let totals = |count: f64| Totals {
        count,
        sum: (series != 5).then_some(count * 1.5),
        min: (series == 0).then_some(0.25),
        max: series.is_multiple_of(2).then_some(if age < LIFE / 2 { 7.5 } else { 9.5 }),
        start_time: series.is_multiple_of(2).then_some(born),
    };
    let made = match series {
        // Its scale gets coarser with age.
        3 | 4 => {
            let is_fine = series == 4 || age < LIFE / 2;
            let of_pairs = || counts.chunks(2).map(|pair| pair.iter().sum()).collect();
            let (scale, offset, counts) = if is_fine { (1, -2, counts.clone()) } else { (0, -1, of_pairs()) };
            let positive = BucketRun { offset, counts };
            let buckets = ExponentialBuckets { scale, zero_count, positive, ..ExponentialBuckets::default() };
            Histogram::exponential(totals(all + zero_count), buckets)
        }
        5 => Histogram::explicit(totals(all), vec![0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0], counts),
        _ => Histogram::explicit(totals(all), vec![0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0], counts),
    };
    made.expect("buckets that fit")
}

fn event() -> impl Strategy<Value = Event> {
    let what = || prop::option::weighted(0.93, Just(at as HistogramAt));
    let late = (0..SERIES.len(), -100_000_i64..3_000, what());
    // What a sender says in time, some of it twice.
    let now = (0..SERIES.len(), prop::sample::select(vec![0_i64, 0, -1, -2]), what());
    prop_oneof![
        6 => prop::collection::vec(now, 1..12).prop_map(Event::Histograms),
        2 => prop::collection::vec(late, 1..12).prop_map(Event::Histograms),
        5 => prop_oneof![0_i64..300, 0_i64..30_000, 1_000_i64..6_000].prop_map(Event::Wait),
        4 => Just(Event::Evaluate),
        1 => Just(Event::Flush),
        1 => (0..3_usize).prop_map(Event::Keep),
    ]
}

/// A rule over the points of a metric, or over a range function of it.
fn rule() -> impl Strategy<Value = String> {
    let function = prop::sample::select(vec!["rate", "rate", "increase", "increase", "latest", ""]);
    let window = prop::sample::select(vec!["1 second", "10 seconds", "1 minute", "90 seconds"]);
    let wheres = prop::sample::select(vec![
        "",
        "",
        "zone = 'x'",
        "host = 'a' AND zone = 'x'",
        "host IN ('a', 'c')",
        "zone IS NULL",
        "count > 2.00001",
        "zone = 'y' AND quantile(histogram, 0.5123457) < 3.00001",
    ]);
    let keys = prop::sample::select(vec!["*", "", "host", "host", "zone"]);
    // No rank is that of a bound, beyond which the next bucket with observations may be far away.
    let aggregate = prop::sample::select(vec![
        "quantile(merge(histogram), 0.9912347)",
        "quantile(merge(histogram), 0.3712345)",
        "fraction(merge(histogram), 0.7, 2.9)",
        "quantile(merge(histogram) FILTER (WHERE count > 3.00001), 0.5123457)",
        "merge(histogram)['count']",
        "sum(count)",
        "sum(sum)",
        "avg(count)",
        "max(max) - min(min)",
        "count(*)",
        "count(max)",
        "max(quantile(histogram, 0.9312345))",
        "sum(histogram['count']) / count(*)",
        "count(DISTINCT zone)",
    ]);
    let having = prop::sample::select(vec!["", "> 1.00001", "< 0.50001", "IS NULL"]);
    (function, window, wheres, keys, prop::collection::vec(aggregate, 1..3), having).prop_map(
        |(function, window, wheres, keys, aggregates, having)| {
            let mut wheres = Vec::from_iter((!wheres.is_empty()).then(|| wheres.to_owned()));
            let from = if function.is_empty() {
                wheres.push(format!("time > now() - INTERVAL '{window}'"));
                "FROM h".to_owned()
            } else {
                format!("FROM {function}(h, INTERVAL '{window}')")
            };
            // The points of a metric have no rows of their own.
            let keys = if function.is_empty() && keys == "*" { "host, zone" } else { keys };
            if keys == "*" && !having.is_empty() {
                wheres.push(format!("quantile(histogram, 0.8123457) {having}"));
            }
            let wheres = if wheres.is_empty() { String::new() } else { format!("WHERE {}", wheres.join(" AND ")) };
            if keys == "*" {
                return format!(
                    "SELECT host, zone, quantile(histogram, 0.9912347) AS v, count * 2 AS c, max {from} {wheres}"
                );
            }
            let columns = aggregates.iter().enumerate().map(|(place, aggregate)| format!("{aggregate} AS v{place}"));
            let columns: Vec<_> = (!keys.is_empty()).then(|| keys.to_owned()).into_iter().chain(columns).collect();
            let group = if keys.is_empty() { String::new() } else { format!("GROUP BY {keys}") };
            let having = if having.is_empty() { String::new() } else { format!("HAVING {} {having}", aggregates[0]) };
            format!("SELECT {} {from} {wheres} {group} {having}", columns.join(", "))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(500), ..ProptestConfig::default() })]

    #[test]
    fn a_rule_over_histograms_that_is_kept_gives_what_the_plan_gives(
        rules in prop::collection::vec(rule(), 1..4),
        events in prop::collection::vec(event(), 1..40),
    ) {
        run(rules, events)?;
    }
}

/// Some observations, as many in each of the buckets up to 1, 2, 4 and beyond.
fn counts(counts: [f64; 4]) -> Histogram {
    let totals = Totals { count: counts.iter().sum(), ..Totals::default() };
    Histogram::explicit(totals, vec![1.0, 2.0, 4.0], counts.to_vec()).expect("buckets that fit")
}

fn series(bench: &Bench, metric: &str, host: &str) -> SeriesRef {
    let registry = bench.database.store().registry();
    registry.resolve(metric, Shape::Histograms, &[("host", host)], bench.now).expect("room for a series")
}

/// Sends histograms of one series, so many seconds from now.
fn send(bench: &Bench, series: SeriesRef, points: &[(i64, Histogram)]) {
    let mut rows = HistogramBuilder::default();
    for (seconds, histogram) in points {
        rows.push(series, UnixNanos(bench.now.0 + seconds * 1_000_000_000), histogram);
    }
    bench.database.store().append_rows_unlogged(rows.finish());
}

/// The 50th percentile of what was observed in a minute, with a threshold.
fn p50(above: &str) -> String {
    format!(
        "SELECT host, quantile(merge(histogram), 0.5) AS v FROM increase(h, INTERVAL '1 minute') \
         GROUP BY host HAVING quantile(merge(histogram), 0.5) > {above}"
    )
}

#[tokio::test]
async fn a_quantile_of_what_was_observed_lately_follows_the_points_of_its_metric_alone() {
    let mut bench = Bench::new();
    let (a, b, other) = (series(&bench, "h", "a"), series(&bench, "h", "b"), series(&bench, "other", "a"));
    send(&bench, a, &[(-20, counts([0.0; 4])), (-10, counts([10.0, 0.0, 0.0, 0.0]))]);
    send(&bench, other, &[(-20, counts([0.0; 4])), (-10, counts([0.0, 0.0, 90.0, 0.0]))]);
    let slow = bench.keep(&p50("1.25")).await;
    let any = bench.keep(&p50("0")).await;
    assert!(Arc::ptr_eq(slow.shared(), any.shared()), "rules that differ in their thresholds share what is kept");
    assert_eq!((bench.values(&slow).await, bench.values(&any).await), (vec![], vec![0.5]));
    send(&bench, other, &[(-5, counts([0.0, 0.0, 900.0, 0.0]))]);
    // One has slowed down, and one is new.
    send(&bench, a, &[(-5, counts([10.0, 30.0, 0.0, 0.0]))]);
    send(&bench, b, &[(-5, counts([5.0, 0.0, 0.0, 0.0]))]);
    let values = bench.values(&slow).await;
    assert!(matches!(values[..], [value] if (value - 4.0 / 3.0).abs() < 1e-12), "{values:?}");
    assert_eq!(slow.shared().size().points, 4, "none of another metric is counted");
    // The fast ones leave the window, with them the first of two samples that what is left was counted from.
    bench.now = UnixNanos(bench.now.0 + 52_000_000_000);
    send(&bench, a, &[(-1, counts([10.0, 40.0, 0.0, 0.0]))]);
    assert_eq!(bench.values(&slow).await, [1.5]);
    bench.now = UnixNanos(bench.now.0 + 60_000_000_000);
    assert_eq!(bench.values(&any).await, [0.0; 0]);
}

#[tokio::test]
async fn of_histograms_of_one_time_the_one_that_arrived_last_counts() {
    let bench = Bench::new();
    let a = series(&bench, "h", "a");
    send(&bench, a, &[(-20, counts([0.0; 4])), (-10, counts([10.0, 0.0, 0.0, 0.0]))]);
    let any = bench.keep(&p50("0")).await;
    assert_eq!(bench.values(&any).await, [0.5]);
    bench.database.store().flush().expect("the folder is good");
    send(&bench, a, &[(-10, counts([0.0, 10.0, 0.0, 0.0]))]);
    assert_eq!(bench.values(&any).await, [1.5]);
    let latest = bench.keep("SELECT host, quantile(histogram, 0.5) AS v FROM latest(h)").await;
    assert_eq!(bench.values(&latest).await, [1.5], "also where it begins with what is stored");
}

#[tokio::test]
async fn the_time_of_the_newest_point_is_none_of_what_is_kept() {
    let bench = Bench::new();
    send(&bench, series(&bench, "h", "a"), &[(-20, counts([1.0; 4]))]);
    let prepared = bench.database.prepare("SELECT host, time, count FROM latest(h)").await.expect("a good query");
    let obstacle = bench.database.keep(&prepared).expect_err("it has a time");
    assert_eq!(obstacle.reason, "it asks for the time of the rows of a range function");
}
