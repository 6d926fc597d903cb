//! Tables of records: the right rows from memory, from the history, and after a restart.

use std::sync::Arc;
use std::time::Duration;

use flyball_model::rows::{LogBuilder, LogRecord};
use flyball_model::series::{LOGS, SPANS};
use flyball_model::{RowKind, Shape, UnixNanos};
use tempfile::TempDir;

use crate::testing::{
    context, exemplar, folder, histograms, log, metric, open, open_with, plan, put, series, span, sql, text,
};
use crate::{LogPressure, Store, StoreOptions};

/// Runs the queries in memory, in the history and after a restart.
async fn check(dir: &TempDir, store: Arc<Store>, kind: RowKind, queries: &[(&str, &[&str])]) -> Arc<Store> {
    let all = async |store: &Arc<Store>, place: &str| {
        for (query, expected) in queries {
            assert_eq!(sql(store, query).await, *expected, "{query}, {place}");
        }
    };
    all(&store, "in memory").await;
    let rows = store.stats().hot_rows.get(kind);
    store.flush().expect("a writable folder");
    let stats = store.stats();
    assert_eq!((stats.hot_rows.get(kind), stats.history_rows.get(kind), stats.hot_bytes), (0, rows, 0));
    all(&store, "in the history").await;
    drop(store);
    let store = open(dir);
    all(&store, "after a restart").await;
    store
}

#[tokio::test]
async fn logs_have_resource_labels_as_columns() {
    let dir = folder();
    let store = open(&dir);
    log(&store, &[("service_name", "web"), ("body", "clash")], 3, "hello");
    log(&store, &[("service_name", "db")], 1, "slow query");
    let queries: [(&str, &[&str]); 7] = [
        (
            "SELECT service_name, resource_body, body, severity_number FROM logs ORDER BY time",
            &["db||slow query|9", "web|clash|hello|9"],
        ),
        ("SELECT body FROM logs WHERE service_name = 'db'", &["slow query"]),
        ("SELECT body FROM logs WHERE time > '1970-01-01T00:00:02Z'", &["hello"]),
        ("SELECT count(*) FROM logs WHERE resource_body IS NULL", &["1"]),
        ("SELECT count(*) FROM logs", &["2"]),
        ("SELECT count(*) FROM logs WHERE body LIKE '%query%' AND service_name LIKE 'd%'", &["1"]),
        ("SELECT attributes['length'] FROM logs WHERE body = 'hello'", &["5"]),
    ];
    let store = check(&dir, store, RowKind::Logs, &queries).await;
    let before = store.stats();
    sql(&store, "SELECT count(*) FROM logs WHERE time > '1970-01-01T01:00:00Z'").await;
    sql(&store, "SELECT count(*) FROM logs WHERE service_name = 'nobody'").await;
    assert_eq!(store.stats().files_opened, before.files_opened);
}

#[tokio::test]
async fn spans_have_durations_in_seconds_and_their_own_columns_before_labels_of_that_name() {
    let dir = folder();
    let store = open(&dir);
    // Before the first span, too.
    assert_eq!(sql(&store, "SELECT count(service_name) FROM spans").await, ["0"]);
    span(&store, &[("service_name", "web"), ("name", "clash"), ("zone", "z")], 3, "GET /", 250);
    span(&store, &[("service_name", "db")], 4, "query", 100);
    log(&store, &[("service_name", "web")], 3, "hello");
    let queries: [(&str, &[&str]); 5] = [
        (
            "SELECT time, duration, service_name, name, resource_name, zone, attributes FROM spans ORDER BY time",
            &[
                "1970-01-01T00:00:03Z|0.25|web|GET /|clash|z|{route: /}",
                "1970-01-01T00:00:04Z|0.1|db|query|||{route: /}",
            ],
        ),
        ("SELECT name FROM spans WHERE service_name = 'db' AND duration < 0.2", &["query"]),
        ("SELECT trace_id, span_id FROM spans LIMIT 1", &["01010101010101010101010101010101|0202020202020202"]),
        ("SELECT count(*) FROM spans a JOIN spans b ON a.trace_id = b.trace_id", &["4"]),
        ("SELECT events, kind FROM spans WHERE time < '1970-01-01T00:00:04Z'", &["[]|unspecified"]),
    ];
    let store = check(&dir, store, RowKind::Spans, &queries).await;
    let schema = store.spans_table().schema();
    let first: Vec<_> = schema.fields().iter().take(3).map(|field| field.name().as_str()).collect();
    assert_eq!(first, ["time", "duration", "service_name"]);
    assert_eq!(schema.field(1).metadata()["unit"], "s");
}

#[tokio::test]
async fn a_histogram_metric_is_a_table_of_its_own() {
    let dir = folder();
    let store = open(&dir);
    let info = flyball_model::MetricInfo { unit: "s".into(), ..Default::default() };
    store.registry().describe("wait", &info);
    // Series of two metrics in turn, so that memory and files must tell them apart.
    for at in 0..3 {
        histograms(&store, "wait", &[("host", "a"), ("count", "clash")], &[(at, 0.5)]);
        histograms(&store, "size", &[("host", "a")], &[(at, 9.0)]);
        histograms(&store, "wait", &[("host", "b")], &[(at, 2.0)]);
    }
    let queries: [(&str, &[&str]); 6] = [
        (
            "SELECT time, count, sum, host, exported_count FROM wait WHERE time < to_timestamp_seconds(1) ORDER BY host",
            &["1970-01-01T00:00:00Z|1.0|0.5|a|clash", "1970-01-01T00:00:00Z|1.0|2.0|b|"],
        ),
        ("SELECT host, sum(count), sum(sum) FROM wait GROUP BY host ORDER BY host", &["a|3.0|1.5", "b|3.0|6.0"]),
        ("SELECT count(*) FROM wait WHERE host = 'a'", &["3"]),
        ("SELECT sum(sum) FROM size", &["27.0"]),
        ("SELECT histogram['counts'] FROM wait WHERE host = 'b' LIMIT 1", &["[0.0, 1.0]"]),
        ("SELECT count(*) FROM wait WHERE host = 'nobody'", &["0"]),
    ];
    let store = check(&dir, store, RowKind::Histograms, &queries).await;
    assert_eq!(store.newest(metric(&store, "wait")), Some(UnixNanos::from_secs(2)));
    let schema = store.metric_table(metric(&store, "wait")).schema();
    let sum = schema.field_with_name("sum").expect("a column of histograms");
    assert_eq!((sum.metadata()["unit"].as_str(), schema.metadata()["unit"].as_str()), ("s", "s"));
}

#[tokio::test]
async fn a_query_of_one_histogram_reads_only_its_own_rows() {
    let dir = folder();
    let store = open(&dir);
    for number in 0..20 {
        for host in ["a", "b"] {
            histograms(&store, &format!("h{number}"), &[("host", host)], &[(number, 1.0), (number + 100, 1.0)]);
        }
    }
    store.flush().expect("a writable folder");
    for (query, files, rows) in [
        ("SELECT sum(sum) FROM h7", 1, 4),
        ("SELECT sum(sum) FROM h7 WHERE host = 'b'", 1, 2),
        ("SELECT sum(sum) FROM h7 WHERE time >= to_timestamp_seconds(100)", 1, 2),
        ("SELECT sum(sum) FROM h7 WHERE time >= to_timestamp_seconds(110)", 0, 0),
        ("SELECT sum(sum) FROM h7 WHERE host = 'c'", 0, 0),
    ] {
        let before = store.stats();
        sql(&store, query).await;
        let after = store.stats();
        let read = (after.files_opened - before.files_opened, after.history_rows_read - before.history_rows_read);
        assert_eq!(read, (files, rows), "{query}");
    }
    let plan = plan(&store, "SELECT sum FROM h7 WHERE host = 'b' AND time > '1970-01-01T00:00:10Z'").await;
    assert!(
        plan.contains("metric=h7, time=1970-01-01T00:00:10.000000001Z..") && !plan.contains("FilterExec"),
        "{plan}"
    );
}

#[tokio::test]
async fn exemplars_say_what_metric_and_labels_they_illustrate() {
    let dir = folder();
    let store = open(&dir);
    put(&store, "requests", &[("host", "a")], 1, 7.0);
    histograms(&store, "wait", &[("host", "b")], &[(1, 0.5)]);
    exemplar(&store, series(&store, "requests", &[("host", "a")]), 1, 7.0);
    let of_histogram = {
        let view = store.registry().read();
        view.series_of(view.metric("wait").expect("put above"))[0]
    };
    exemplar(&store, of_histogram, 2, 0.5);
    let ids = "01010101010101010101010101010101|0202020202020202";
    let whole = |time: &str, of: &str, value: &str, host: &str| {
        format!("1970-01-01T00:00:0{time}Z|{of}|{value}|{ids}|{{user: 7}}|{{host: {host}}}")
    };
    let (first, second) = (whole("1", "requests", "7.0", "a"), whole("2", "wait", "0.5", "b"));
    let queries: [(&str, &[&str]); 4] = [
        ("SELECT * FROM exemplars ORDER BY time", &[&first, &second]),
        ("SELECT value FROM exemplars WHERE name = 'wait'", &["0.5"]),
        ("SELECT value FROM exemplars WHERE labels['host'] = 'a'", &["7.0"]),
        ("SELECT count(*) FROM exemplars WHERE name = 'nothing'", &["0"]),
    ];
    let store = check(&dir, store, RowKind::Exemplars, &queries).await;
    let plan = plan(&store, "SELECT value FROM exemplars WHERE name = 'wait'").await;
    assert!(plan.contains("metrics where name =") && !plan.contains("FilterExec"), "{plan}");
}

#[tokio::test]
async fn texts_have_their_name_before_and_their_labels_behind_the_value() {
    let dir = folder();
    let store = open(&dir);
    text(&store, "disk_state", &[("host", "a"), ("value", "clash")], 1, "ok");
    text(&store, "disk_model", &[("host", "b")], 2, "X1");
    let queries: [(&str, &[&str]); 3] = [
        (
            "SELECT * FROM texts ORDER BY time",
            &["1970-01-01T00:00:01Z|disk_state|ok|a|clash", "1970-01-01T00:00:02Z|disk_model|X1|b|"],
        ),
        ("SELECT value FROM texts WHERE name = 'disk_model' AND host = 'b'", &["X1"]),
        ("SELECT exported_value FROM texts WHERE value = 'ok'", &["clash"]),
    ];
    check(&dir, store, RowKind::Texts, &queries).await;
}

#[test]
fn an_append_tells_the_metrics_it_touched_once() {
    let dir = folder();
    let store = open(&dir);
    let mut builder = LogBuilder::default();
    for host in ["a", "b", "a"] {
        let stream = store.registry().resolve(LOGS, Shape::Streams, &[("host", host)], UnixNanos(0));
        builder.push(LogRecord::new(stream.expect("below the cap"), UnixNanos(5)), []);
    }
    assert_eq!(store.append_rows_unlogged(builder.finish()), [metric(&store, LOGS)]);
    assert_eq!(store.append_rows_unlogged(LogBuilder::default().finish()), []);
    // That no record came says nothing, so streams have no newest point.
    assert_eq!(store.newest(metric(&store, LOGS)), None);
}

#[tokio::test]
async fn a_plan_of_streams_that_runs_again_sees_new_ones() {
    let dir = folder();
    let store = open(&dir);
    let context = context(&store);
    let query = context.sql("SELECT name FROM spans WHERE service_name <> 'b'").await.expect("a good query");
    let plan = query.create_physical_plan().await.expect("a plan");
    let rows = async || {
        let batches = datafusion::physical_plan::collect(Arc::clone(&plan), context.task_ctx()).await.expect("rows");
        batches.iter().map(|batch| batch.num_rows()).sum::<usize>()
    };
    assert_eq!(rows().await, 0);
    for service in ["a", "b", "c"] {
        span(&store, &[("service_name", service)], 1, "x", 1);
    }
    assert_eq!(rows().await, 2);
    assert!(store.registry().read().metric(SPANS).is_some());
}

#[tokio::test]
async fn large_batches_are_kept_as_they_came_and_small_ones_before_them_joined() {
    let dir = folder();
    let store = open(&dir);
    let stream = store.registry().resolve(LOGS, Shape::Streams, &[], UnixNanos(0)).expect("below the cap");
    let mut total = 0;
    for records in [1, 2000, 3, 5000, 1] {
        let mut builder = LogBuilder::default();
        for record in 0..records {
            builder.push(LogRecord::new(stream, UnixNanos::from_secs(total + record)), []);
        }
        total += records;
        store.append_rows_unlogged(builder.finish());
    }
    for _ in 0..100 {
        log(&store, &[], total, "small");
        total += 1;
    }
    let chunks = store.rows.sealed();
    let sizes: Vec<_> = chunks.iter().map(|chunk| chunk.rows()).collect();
    assert_eq!(sizes, [1, 2000, 3, 5000, 64, 37]);
    assert_eq!(store.rows.bytes(), chunks.iter().map(|chunk| chunk.bytes()).sum::<usize>());
    let query = "SELECT count(*), count(DISTINCT time) FROM logs";
    assert_eq!(sql(&store, query).await, [format!("{total}|{total}")]);
    store.flush().expect("a writable folder");
    assert_eq!(sql(&store, query).await, [format!("{total}|{total}")]);
    assert_eq!((store.rows.bytes(), store.stats().history_files), (0, 1));
}

#[test]
fn records_leave_memory_by_age_and_expire_with_their_file() {
    let dir = folder();
    let options = StoreOptions { retention: Duration::from_secs(100_000), ..StoreOptions::default() };
    let store = open_with(&dir, options);
    store.maintain(UnixNanos::from_secs(0), LogPressure::default()).expect("a writable folder");
    log(&store, &[], 10, "old");
    span(&store, &[], 10, "old", 1);
    store.maintain(UnixNanos::from_secs(10_000), LogPressure::default()).expect("a writable folder");
    let stats = store.stats();
    for kind in [RowKind::Logs, RowKind::Spans] {
        assert_eq!((stats.hot_rows.get(kind), stats.history_rows.get(kind)), (0, 1), "{kind:?}");
    }
    assert_eq!(
        store.maintain(UnixNanos::from_secs(100_011), LogPressure::default()).expect("a writable folder").files_deleted,
        2
    );
    assert_eq!(store.stats().history_files, 0);
}

#[test]
fn a_trickle_beside_many_points_makes_no_file_of_its_own() {
    let dir = folder();
    let store = open_with(&dir, StoreOptions { hot_bytes: 1024 * 1024, ..StoreOptions::default() });
    let points = series(&store, "m", &[]);
    for round in 0..10 {
        let mut batch = flyball_model::PointBatch::default();
        (0..60_000).for_each(|at| batch.push(points, UnixNanos::from_secs(1000 + round * 60_000 + at), 0.0));
        store.append_unlogged(batch);
        text(&store, "state", &[], round, "ok");
        store.maintain(UnixNanos::from_secs(1000), LogPressure::default()).expect("a writable folder");
        assert!(!store.needs_maintenance());
    }
    let stats = store.stats();
    assert_eq!((stats.hot_rows.get(RowKind::Texts), stats.history_rows.get(RowKind::Texts)), (10, 0));
    assert!(stats.history_files > 1, "{stats:?}");
}
