//! What is kept incrementally is what the plan gives on the stored points, for random rules and random streams.

mod histograms;

use std::collections::BTreeMap;
use std::sync::Arc;

use flyball_model::batch::STALE_NAN_BITS;
use flyball_model::rows::{HistogramBuilder, LogRecord};
use flyball_model::series::LOGS;
use flyball_model::{Histogram, LogBuilder, PointBatch, Shape, UnixNanos};
use flyball_store::{Store, StoreOptions};
use proptest::prelude::*;

use super::views::testing::{Node, Nodes};
use super::{Found, Incoming, Place};
use crate::evaluate::{Row, rows};
use crate::query::{Database, Prepared, QueryLimits};

const START: i64 = 1_767_225_600_000;

/// What a series of histograms holds at an instant, in milliseconds.
type HistogramAt = fn(usize, i64) -> Histogram;

/// What happens to the store, and when it is looked.
#[derive(Debug, Clone)]
pub(super) enum Event {
    /// Points of one batch: series, milliseconds from now, value (`None` is a staleness marker).
    Points(Vec<(usize, i64, Option<i32>)>),
    /// Log records of one batch: stream, milliseconds from now, severity, body.
    Records(Vec<(usize, i64, u8, Option<&'static str>)>),
    /// Histograms of one batch: series, milliseconds from now, and what it holds (`None` is a staleness marker).
    Histograms(Vec<(usize, i64, Option<HistogramAt>)>),
    /// Milliseconds.
    Wait(i64),
    Evaluate,
    /// What is in memory goes into the history.
    Flush,
    /// A rule begins to be kept.
    Keep(usize),
    /// A node of the twin changes, or goes.
    Node(usize, Option<Node>),
}

const SERIES: [&[(&str, &str)]; 6] = [
    &[("host", "a"), ("le", "1"), ("zone", "x")],
    &[("host", "a"), ("le", "+Inf"), ("zone", "y")],
    &[("host", "b"), ("le", "2.5"), ("zone", "x")],
    &[("host", "b")],
    &[("host", "c"), ("le", "1e1"), ("zone", "y")],
    &[("le", "+Inf"), ("zone", "x")],
];

/// Resources of log records; a label that is called like a column has a prefix there.
const STREAMS: [&[(&str, &str)]; 3] =
    [&[("body", "x"), ("service_name", "a")], &[("service_name", "b")], &[("body", "y"), ("service_name", "c")]];

pub(super) fn event() -> impl Strategy<Value = Event> {
    let point = (0..SERIES.len(), -100_000_i64..3_000, prop::option::weighted(0.95, -5_i32..20));
    // What a sender says in time, some of it twice.
    let now = (0..SERIES.len(), prop::sample::select(vec![0_i64, 0, -1, -2]), prop::option::weighted(0.95, -5_i32..20));
    prop_oneof![
        5 => prop::collection::vec(now, 1..12).prop_map(Event::Points),
        2 => prop::collection::vec(point, 1..12).prop_map(Event::Points),
        4 => prop_oneof![0_i64..300, 0_i64..30_000].prop_map(Event::Wait),
        4 => Just(Event::Evaluate),
        1 => Just(Event::Flush),
        1 => (0..3_usize).prop_map(Event::Keep),
    ]
}

pub(super) fn event_of_logs() -> impl Strategy<Value = Event> {
    let body = prop::option::weighted(
        0.9,
        prop::sample::select(vec![
            "out of memory",
            "connection reset by peer",
            "started",
            "error 500 for GET /orders",
            "",
        ]),
    );
    let record = (0..STREAMS.len(), -100_000_i64..3_000, 0_u8..25, body);
    prop_oneof![
        5 => prop::collection::vec(record, 1..12).prop_map(Event::Records),
        4 => prop_oneof![0_i64..300, 0_i64..30_000].prop_map(Event::Wait),
        4 => Just(Event::Evaluate),
        1 => Just(Event::Flush),
        1 => (0..3_usize).prop_map(Event::Keep),
    ]
}

/// A rule over log records.
fn rule_of_logs() -> impl Strategy<Value = String> {
    let keys = prop::sample::select(vec![
        "",
        "service_name",
        "resource_body",
        "service_name, resource_body",
        "body",
        "service_name, severity_number % 3",
        "service_name || body",
    ]);
    let window = prop::sample::select(vec!["1 second", "10 seconds", "1 minute"]);
    let wheres = prop::sample::select(vec![
        "",
        "AND severity_number >= 17",
        "AND body LIKE '%error%'",
        "AND body ~ 'GET|reset' AND service_name = 'a'",
        "AND body IS NULL",
        "AND service_name IN ('a', 'b') AND severity_number IS NOT NULL",
        "AND attributes['k'] = 'v'",
        "AND body NOT LIKE 'error%'",
        "AND (body ILIKE '%ERROR%' OR severity_number < 9)",
        "AND body ~ 'e\\w+ [0-9]'",
        "AND NOT (strpos(body, 'o') > 0 AND severity_number > 12)",
        "AND (body = 'started' OR body LIKE '%peer') IS NOT FALSE",
    ]);
    let aggregate = prop::sample::select(vec![
        "count(*)",
        "count(body)",
        "avg(severity_number)",
        "max(severity_number)",
        "count(*) FILTER (WHERE body LIKE '%error%')",
        "count(*) FILTER (WHERE body LIKE '%e%' AND service_name IN ('a', 'c'))",
        "1.0 * count(*) FILTER (WHERE severity_number > 12) / count(*)",
        "approx_distinct(body)",
        "approx_distinct(severity_number % 5) FILTER (WHERE body LIKE '%e%')",
        "approx_percentile_cont(severity_number, 0.9)",
        "date_part('epoch', max(time))",
        "length(min(body))",
        "count(DISTINCT body)",
        "count(DISTINCT service_name)",
        "count(DISTINCT severity_number) FILTER (WHERE body LIKE '%e%')",
        "avg(CASE WHEN body LIKE 's%' THEN 1 WHEN body ~* 'RESET|memory$' THEN 2 END)",
        "count(DISTINCT time)",
    ]);
    let having = prop::sample::select(vec!["", "> 2", "< 0.50001", "IS NULL"]);
    (keys, window, wheres, aggregate, having).prop_map(|(keys, window, wheres, aggregate, having)| {
        let columns: String =
            keys.split(", ").filter(|key| !key.is_empty()).enumerate().map(|(at, key)| format!("({key})::text AS k{at}, ")).collect();
        let group = if keys.is_empty() { String::new() } else { format!("GROUP BY {keys}") };
        let having = if having.is_empty() { String::new() } else { format!("HAVING {aggregate} {having}") };
        format!(
            "SELECT {columns}{aggregate} AS v FROM logs WHERE time > now() - INTERVAL '{window}' {wheres} {group} {having}"
        )
    })
}

/// A rule of the grammar.
fn rule() -> impl Strategy<Value = String> {
    let keys = prop::sample::select(vec!["", "host", "zone", "host, zone", "upper(host)"]);
    let window = prop::sample::select(vec!["1 second", "10 seconds", "1 minute", "90 seconds", "1500 milliseconds"]);
    let labels = prop::sample::select(vec![
        "",
        "AND zone = 'x'",
        "AND zone = 'y'",
        "AND host = 'a' AND zone = 'x'",
        "AND host IN ('a', 'c')",
        "AND zone IS NULL",
        "AND host LIKE 'a%' OR false",
        "AND host <> 'b'",
    ]);
    let points = prop::sample::select(vec!["", "", "AND value > 3", "AND abs(value) < 10", "AND value % 2 = 0"]);
    let aggregate = prop::sample::select(vec![
        "count(*)",
        "count(value)",
        "sum(value)",
        "avg(value)",
        "min(value)",
        "max(value)",
        "stddev(value)",
        "var_pop(value)",
        "sum(value * 2 + 1)",
        "sum(CASE WHEN value > 2 THEN 1 ELSE 0 END)",
        "avg(value) FILTER (WHERE value > 4)",
        "count(*) FILTER (WHERE value < 0)",
        "count(*) FILTER (WHERE zone = 'x')",
        "sum(value) FILTER (WHERE host LIKE 'a%' AND value > 2 AND zone IS NOT NULL)",
        "count(DISTINCT value) FILTER (WHERE host <> 'a' OR zone = 'y')",
        "max(value) - min(value)",
        "1.0 * count(*) FILTER (WHERE value > 5) / nullif(count(*), 0)",
        "approx_percentile_cont(value, 0.9)",
        "approx_percentile_cont(value, 0.5) + approx_percentile_cont(value, 0.99)",
        "approx_percentile_cont(0.2) WITHIN GROUP (ORDER BY value DESC)",
        "approx_percentile_cont(value * 2, 0.3, 20) FILTER (WHERE value > 0)",
        "approx_percentile_cont_with_weight(abs(value) + 1, 0.5) WITHIN GROUP (ORDER BY value)",
        "approx_median(value)",
        "approx_distinct(value)",
        "first_value(value ORDER BY time)",
        "last_value(value ORDER BY time)",
        "last_value(value * 2 ORDER BY time) FILTER (WHERE value > 1 OR value IS NULL)",
        "CASE WHEN bool_or(value > 6) THEN 1 ELSE 0 END",
        "CASE WHEN bool_and(value > 0) THEN 2 ELSE 5 END",
        "date_part('epoch', max(time)) % 7",
        "count(DISTINCT value)",
        "count(DISTINCT value) FILTER (WHERE value > 3) + count(DISTINCT abs(value))",
        "avg(value) + count(DISTINCT value)",
        "count(DISTINCT host)",
        "approx_distinct(host)",
        "CASE max(host) WHEN 'a' THEN 1 WHEN 'b' THEN 2 ELSE 4 END",
        "count(DISTINCT upper(zone) || host) FILTER (WHERE value > 3)",
        "histogram_quantile(0.37, le, value)",
    ]);
    // No figure lies so close to a number that its rounding decides.
    let having = prop::sample::select(vec![
        "",
        "> 3.00001",
        ">= 2.00001",
        "< 4.00001",
        "< 0.00001",
        "IS NULL",
        "> 1.00001 AND count(*) < 20",
        "BETWEEN 1.00001 AND 6.00001",
    ]);
    let bound = prop::sample::select(vec![">", ">="]);
    (keys, window, labels, points, prop::collection::vec(aggregate, 1..4), having, bound).prop_map(
        |(keys, window, labels, points, aggregates, having, bound)| {
            let mut columns: Vec<String> = keys
                .split(", ")
                .filter(|key| !key.is_empty())
                .enumerate()
                .map(|(at, key)| format!("{key} AS k{at}"))
                .collect();
            columns.extend(aggregates.iter().enumerate().map(|(at, aggregate)| format!("{aggregate} AS v{at}")));
            let labels = if labels.ends_with("OR false") { "AND (host LIKE 'a%' OR false)" } else { labels };
            let mut sql = format!(
                "SELECT {} FROM m WHERE time {bound} now() - INTERVAL '{window}' {labels} {points}",
                columns.join(", ")
            );
            if !keys.is_empty() {
                sql += &format!(" GROUP BY {keys}");
            }
            if !having.is_empty() {
                sql += &format!(" HAVING {} {having}", aggregates[0]);
            }
            sql
        },
    )
}

/// A rule over a range function.
fn range_rule() -> impl Strategy<Value = String> {
    let function = prop::sample::select(vec![
        "rate",
        "rate",
        "increase",
        "delta",
        "latest",
        "latest",
        "last_over",
        "irate",
        "idelta",
        "changes",
        "resets",
        "avg_over",
        "max_over",
        "min_over",
        "sum_over",
        "count_over",
        "stddev_over",
        "var_over",
        "deriv",
        "predict_linear",
        "quantile_over",
        "zscore",
        "ewma",
        "holt_winters",
        "absent",
        "absent",
    ]);
    let window = prop::sample::select(vec!["1 second", "10 seconds", "1 minute", "90 seconds"]);
    let wheres = prop::sample::select(vec![
        "",
        "zone = 'x'",
        "host = 'a' AND zone = 'x'",
        "host IN ('a', 'c')",
        "zone IS NULL",
        "value > 0.10001",
        "zone = 'y' AND value < 7.00001",
    ]);
    let keys = prop::sample::select(vec!["*", "*", "", "host", "zone"]);
    let aggregate = prop::sample::select(vec![
        "count(*)",
        "sum(value)",
        "avg(value)",
        "max(value) - min(value)",
        "max(value) FILTER (WHERE value > 2.00001)",
        "sum(value) FILTER (WHERE zone = 'x' OR host IS NULL)",
        "sum(value * 2 + 1)",
        "approx_percentile_cont(value, 0.75)",
        "count(DISTINCT value * 0)",
        "count(DISTINCT zone)",
        "histogram_quantile(0.37, le, value)",
        "histogram_quantile(0.63, le, value)",
        "median(value)",
        "length(max(host))",
        "percentile_cont(value, 0.3)",
    ]);
    let having = prop::sample::select(vec!["", "> 1.00001", "< 0.50001", "IS NULL"]);
    (function, window, wheres, keys, aggregate, having).prop_map(
        |(function, window, wheres, keys, aggregate, having)| {
            let more = match function {
                "predict_linear" | "ewma" => ", INTERVAL '5 seconds'",
                "quantile_over" => ", 0.9",
                "holt_winters" => ", 0.5, 0.1",
                _ => "",
            };
            let from = format!("FROM {function}(m, INTERVAL '{window}'{more})");
            let keys = if function == "absent" { "*" } else { keys };
            let mut wheres = Vec::from_iter((!wheres.is_empty()).then(|| wheres.to_owned()));
            if keys == "*" {
                wheres.extend((!having.is_empty()).then(|| format!("value {having}")));
            }
            let wheres = if wheres.is_empty() { String::new() } else { format!("WHERE {}", wheres.join(" AND ")) };
            match keys {
                "*" => format!("SELECT host, zone, value * 1.5 AS v {from} {wheres}"),
                keys => {
                    let group = if keys.is_empty() { String::new() } else { format!("GROUP BY {keys}") };
                    let column = if keys.is_empty() { String::new() } else { format!("{keys}, ") };
                    let having = if having.is_empty() { String::new() } else { format!("HAVING {aggregate} {having}") };
                    format!("SELECT {column}{aggregate} AS v {from} {wheres} {group} {having}")
                }
            }
        },
    )
}

/// Rows by identity.
fn by_identity(rows: Vec<Row>) -> BTreeMap<BTreeMap<String, String>, BTreeMap<String, f64>> {
    rows.into_iter().map(|row| (row.identity.into_iter().collect(), row.values)).collect()
}

fn same(kept: &Result<Vec<Row>, String>, planned: &Result<Vec<Row>, String>) -> bool {
    match (kept, planned) {
        (Ok(kept), Ok(planned)) => {
            let (kept, planned) = (by_identity(kept.clone()), by_identity(planned.clone()));
            kept.len() == planned.len()
                && kept.iter().zip(&planned).all(|((a, left), (b, right))| {
                    a == b
                        && left.len() == right.len()
                        && left.iter().zip(right).all(|((a, left), (b, right))| {
                            a == b && (left - right).abs() <= 1e-9 * left.abs().max(right.abs()).max(1.0)
                        })
                })
        }
        (Err(_), Err(_)) => true,
        _ => false,
    }
}

async fn check(rules: Vec<String>, events: Vec<Event>) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), StoreOptions::default()).expect("a store");
    let database = Database::with_partitions(store, QueryLimits::default(), 1);
    let nodes = Arc::<Nodes>::default();
    database.register("twin", "node", Arc::<Nodes>::clone(&nodes));
    let store = database.store().clone();
    let series = SERIES
        .map(|labels| store.registry().resolve("m", Shape::Numbers, labels, UnixNanos(0)).expect("room for a series"));
    let of_histograms = SERIES.map(|labels| {
        store.registry().resolve("h", Shape::Histograms, labels, UnixNanos(0)).expect("room for a series")
    });
    let streams =
        STREAMS.map(|labels| store.registry().resolve(LOGS, Shape::Streams, labels, UnixNanos(0)).expect("room"));
    let mut now = START;
    let of_ranges = rules.iter().any(|rule| rule.contains("(m, ") || rule.contains("(h, "));
    // Nobody says which of two values with one time is the first or the last: no two of different series or values have one then.
    let by_time = rules.iter().any(|rule| rule.contains("ORDER BY time"));
    let mut kept: Vec<(String, Prepared, Place)> = Vec::new();
    for event in events {
        match event {
            Event::Points(points) => {
                let mut batch = PointBatch::default();
                for (at, millis, value) in points {
                    // The plan of a range function ends with the evaluation; what is kept ends with the newest sample.
                    let millis = if of_ranges { millis.min(-1) } else { millis };
                    let apart = match by_time {
                        true => at as i64 * 64 + i64::from(value.unwrap_or(30)),
                        false => i64::from(millis % 3 == 0),
                    };
                    let value = value.map_or(f64::from_bits(STALE_NAN_BITS), f64::from);
                    batch.push(series[at], UnixNanos((now + millis) * 1_000_000 + apart), value);
                }
                store.append_unlogged(batch);
            }
            Event::Records(records) => {
                let mut logs = LogBuilder::default();
                for (at, millis, severity_number, body) in records {
                    let record = LogRecord::new(streams[at], UnixNanos((now + millis) * 1_000_000));
                    let attribute = (severity_number % 2 == 0).then_some(("k", "v"));
                    logs.push(LogRecord { severity_number, body, ..record }, attribute);
                }
                store.append_rows_unlogged(logs.finish());
            }
            Event::Histograms(points) => {
                let mut rows = HistogramBuilder::default();
                for (at, millis, histogram) in points {
                    let millis = now + if of_ranges { millis.min(-1) } else { millis };
                    let time = UnixNanos(millis * 1_000_000);
                    match histogram {
                        Some(histogram) => rows.push(of_histograms[at], time, &histogram(at, millis)),
                        // At no other's time.
                        None => rows.push_stale(of_histograms[at], UnixNanos(time.0 + 1)),
                    }
                }
                store.append_rows_unlogged(rows.finish());
            }
            Event::Wait(millis) => now += millis,
            Event::Flush => store.flush().expect("the folder is good"),
            Event::Node(at, node) => nodes.put(at, node),
            Event::Keep(rule) => {
                let sql = &rules[rule % rules.len()];
                let prepared = match database.prepare(sql).await {
                    Ok(prepared) => prepared,
                    // The optimizer loses its way where a join takes the same out of a map twice.
                    Err(error) if error.to_string().contains("__datafusion_extracted") => continue,
                    Err(error) => panic!("{sql}: {error}"),
                };
                match database.keep(&prepared) {
                    Ok(place) => kept.push((sql.clone(), prepared, place)),
                    // A predicate that can't be true leaves nothing of the plan.
                    Err(obstacle) => prop_assert_eq!(obstacle.reason, "it reads no table", "{}", sql),
                }
            }
            Event::Evaluate => {
                let instant = UnixNanos(now * 1_000_000);
                if now % 2 == 0 {
                    // Together, as it is done when data arrives; what can't be brought up to date is seen below.
                    let mut incoming = Incoming::default();
                    for (.., place) in &kept {
                        place.shared().advance(&mut incoming, &store, instant).ok();
                    }
                }
                for (sql, prepared, place) in &kept {
                    // At whole steps the window of a range function is as long as the rule says.
                    let now = if of_ranges { place.next_step(instant) } else { instant };
                    let found = match place.find(&store, now).await {
                        Found::Rows(rows) => Ok(rows),
                        Found::Error(error) => Err(error),
                        Found::Obstacle(obstacle) => panic!("{sql}: {obstacle}"),
                    };
                    let result = database.run(prepared, place.evaluated_at(now), &QueryLimits::default()).await;
                    let planned = match result {
                        Ok(result) => rows(&result.schema, &result.batches),
                        Err(error) => Err(error.to_string()),
                    };
                    prop_assert!(same(&found, &planned), "{sql}\nkept: {found:#?}\nplanned: {planned:#?}");
                }
            }
        }
    }
    Ok(())
}

/// The first rule is kept from the beginning, and all that are kept are looked at in the end.
pub(super) fn run(rules: Vec<String>, events: Vec<Event>) -> Result<(), TestCaseError> {
    let events = [Event::Keep(0)].into_iter().chain(events).chain([Event::Evaluate]).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(check(rules, events))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(500), ..ProptestConfig::default() })]

    #[test]
    fn what_is_kept_is_what_the_plan_gives(
        rules in prop::collection::vec(rule(), 1..4),
        events in prop::collection::vec(event(), 1..30),
    ) {
        run(rules, events)?;
    }

    #[test]
    fn a_range_function_that_is_kept_gives_what_the_plan_gives(
        rules in prop::collection::vec(range_rule(), 1..4),
        events in prop::collection::vec(event(), 1..40),
    ) {
        run(rules, events)?;
    }

    #[test]
    fn a_rule_over_logs_that_is_kept_gives_what_the_plan_gives(
        rules in prop::collection::vec(rule_of_logs(), 1..4),
        events in prop::collection::vec(event_of_logs(), 1..30),
    ) {
        run(rules, events)?;
    }
}
