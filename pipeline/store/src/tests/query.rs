//! SQL over the tables: the right rows, and no more read than needed.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::{ExecutionPlan, collect, displayable};
use datafusion::prelude::SessionConfig;
use flyball_model::batch::STALE_NAN_BITS;
use flyball_model::{Kind, MetricInfo, PointBatch, UnixNanos};

use crate::Store;
use crate::testing::{context, context_with, folder, histograms, log, open, plan, put, series, sql};

/// 10 hosts, 100 points each at 0, 10, … 990 s, in two files and memory.
fn filled(dir: &tempfile::TempDir) -> Arc<Store> {
    let store = open(dir);
    for (part, range) in [0..40, 40..80, 80..100].into_iter().enumerate() {
        let mut batch = PointBatch::default();
        for step in range {
            for host in 0..10 {
                let labels = [("host", format!("h{host}")), ("zone", format!("z{}", host % 2))];
                let labels = labels.each_ref().map(|(name, value)| (*name, value.as_str()));
                let series = series(&store, "temp", &labels);
                batch.push(series, UnixNanos::from_secs(step * 10), f64::from(host));
                // Ten values at a time, no two of them equal.
                let other = self::series(&store, "other", &[("host", "h0")]);
                batch.push(other, UnixNanos::from_secs(step * 10), f64::from(host));
            }
        }
        store.append_unlogged(batch);
        if part < 2 {
            store.flush().expect("a writable folder");
        }
    }
    store
}

#[tokio::test]
async fn labels_are_columns_and_filters_and_aggregates_give_the_right_rows() {
    let dir = folder();
    let store = filled(&dir);
    for (query, expected) in [
        ("SELECT count(*), sum(value) FROM temp", &["1000|4500.0"][..]),
        (
            "SELECT host, count(*) FROM temp WHERE host IN ('h1','h2') GROUP BY host ORDER BY host",
            &["h1|100", "h2|100"],
        ),
        ("SELECT zone, avg(value) FROM temp GROUP BY zone ORDER BY zone", &["z0|4.0", "z1|5.0"]),
        ("SELECT count(*) FROM temp WHERE host LIKE 'h%' AND zone <> 'z0'", &["500"]),
        ("SELECT count(*) FROM temp WHERE host || zone = 'h3z1'", &["100"]),
        ("SELECT count(*) FROM temp WHERE zone IS NULL", &["0"]),
        ("SELECT count(*) FROM temp WHERE zone = 'z1' AND value > 6", &["200"]),
        ("SELECT count(*) FROM temp WHERE zone = 'z1' OR value > 7", &["600"]),
        ("SELECT count(*) FROM temp WHERE time >= '1970-01-01T00:13:10Z' AND time < '1970-01-01T00:13:30Z'", &["20"]),
        (
            "SELECT count(*) FROM temp WHERE time BETWEEN to_timestamp_seconds(790) AND to_timestamp_seconds(800)",
            &["20"],
        ),
        ("SELECT value FROM temp WHERE host = 'h7' AND time > '1970-01-01T00:16:20Z'", &["7.0"]),
        ("SELECT count(*) FROM (SELECT 1 FROM temp LIMIT 7)", &["7"]),
        (
            "SELECT time, value, host, zone FROM temp WHERE host = 'h9' ORDER BY time DESC LIMIT 1",
            &["1970-01-01T00:16:30Z|9.0|h9|z1"],
        ),
        ("SELECT count(*) FROM temp a JOIN temp b ON a.host = b.host AND a.time = b.time", &["1000"]),
    ] {
        assert_eq!(sql(&store, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn a_query_opens_only_files_and_rows_that_its_metric_time_and_labels_need() {
    let dir = folder();
    let store = filled(&dir);
    for (query, files, rows) in [
        ("SELECT sum(value) FROM temp", 2, 800),
        ("SELECT sum(value) FROM temp WHERE time >= '1970-01-01T00:13:20Z'", 0, 0),
        ("SELECT sum(value) FROM temp WHERE time < '1970-01-01T00:00:20Z'", 1, 20),
        ("SELECT sum(value) FROM temp WHERE host = 'h3'", 2, 80),
        ("SELECT sum(value) FROM temp WHERE host = 'nobody'", 0, 0),
        ("SELECT sum(value) FROM metrics WHERE name = 'other'", 2, 800),
        ("SELECT sum(value) FROM metrics WHERE labels['host'] = 'h9' AND name LIKE 'te%'", 2, 80),
    ] {
        let before = store.stats();
        sql(&store, query).await;
        let after = store.stats();
        let read = (after.files_opened - before.files_opened, after.history_rows_read - before.history_rows_read);
        assert_eq!(read, (files, rows), "{query}");
    }
}

#[tokio::test]
async fn explain_shows_what_was_pushed_down_and_nothing_is_filtered_twice() {
    let dir = folder();
    let store = filled(&dir);
    let plan = plan(&store, "SELECT value FROM temp WHERE host = 'h3' AND time > '1970-01-01T00:10:00Z' LIMIT 3").await;
    assert!(plan.contains("metric=temp, time=1970-01-01T00:10:00.000000001Z.."), "{plan}");
    assert!(plan.contains("series where host ="), "{plan}");
    assert!(plan.contains("limit=3"), "{plan}");
    assert!(!plan.contains("FilterExec"), "{plan}");
    let plan = self::plan(&store, "SELECT value FROM temp WHERE time > now() - INTERVAL '1 minute'").await;
    assert!(!plan.contains("FilterExec") && plan.contains("time=2"), "{plan}");
}

#[tokio::test]
async fn a_plan_that_runs_again_sees_new_points_and_series() {
    let dir = folder();
    let store = open(&dir);
    put(&store, "m", &[("host", "a")], 1, 1.0);
    let context = context(&store);
    let query = context.sql("SELECT value FROM m WHERE host <> 'b'").await.expect("a good query");
    let plan = query.create_physical_plan().await.expect("a plan");
    let rows = async || {
        let batches = collect(Arc::clone(&plan), context.task_ctx()).await.expect("rows");
        batches.iter().map(|batch| batch.num_rows()).sum::<usize>()
    };
    assert_eq!(rows().await, 1);
    put(&store, "m", &[("host", "b")], 2, 1.0);
    put(&store, "m", &[("host", "c")], 2, 1.0);
    assert_eq!(rows().await, 2);
}

#[tokio::test]
async fn a_long_history_is_read_in_parts_and_each_point_once() {
    let dir = folder();
    let store = open(&dir);
    for round in 0..3 {
        let mut batch = PointBatch::default();
        for host in 0..7 {
            let series = series(&store, "m", &[("host", &format!("h{host}"))]);
            (0..100).for_each(|step| batch.push(series, UnixNanos::from_secs(round * 100 + step), 1.0));
        }
        store.append_unlogged(batch);
        store.flush().expect("a writable folder");
    }
    for host in 0..7 {
        put(&store, "m", &[("host", &format!("h{host}"))], 500, 1.0);
    }
    let config = SessionConfig::new().with_target_partitions(4);
    let context = context_with(&store, config);
    let plan = async |query| {
        let query = context.sql(query).await.expect("a good query");
        query.create_physical_plan().await.expect("a plan")
    };
    let rows = async |plan: &Arc<dyn ExecutionPlan>| {
        let batches = collect(Arc::clone(plan), context.task_ctx()).await.expect("rows");
        let rows = |batch: RecordBatch| {
            let column = |at: usize| batch.column(at).as_primitive::<Int64Type>().values().to_vec();
            column(0).into_iter().zip(column(1)).collect::<Vec<_>>()
        };
        batches.into_iter().flat_map(rows).collect::<Vec<_>>()
    };
    let by_host = "SELECT count(*), count(DISTINCT time) FROM m GROUP BY host";
    let all = plan(by_host).await;
    assert!(displayable(all.as_ref()).indent(false).to_string().contains("parts=4"));
    assert_eq!(rows(&all).await, vec![(301, 301); 7]);
    // The next run looks anew.
    put(&store, "m", &[("host", "h7")], 500, 1.0);
    let all = reset_plan_states(all).expect("a plan that may run again");
    assert_eq!(rows(&all).await.len(), 8);
    for (query, expected) in [
        ("SELECT count(*) AS n, count(*) AS again FROM m WHERE time > '1970-01-01T00:00:50Z'", (1751, 1751)),
        ("SELECT count(*) AS n, count(*) AS again FROM m WHERE host = 'nobody'", (0, 0)),
        (
            "SELECT count(*) AS n, count(*) AS again FROM m a JOIN m b ON a.host = b.host AND a.time = b.time",
            (2108, 2108),
        ),
        ("SELECT count(*) AS n, count(*) AS again FROM (SELECT 1 FROM m LIMIT 1000)", (1000, 1000)),
    ] {
        assert_eq!(rows(&plan(query).await).await, [expected], "{query}");
    }
}

#[tokio::test]
async fn a_staleness_marker_is_a_row_without_a_value() {
    let dir = folder();
    let store = open(&dir);
    put(&store, "m", &[], 1, 4.0);
    put(&store, "m", &[], 2, f64::from_bits(STALE_NAN_BITS));
    let query = "SELECT count(*), count(value), max(value) FROM m";
    assert_eq!(sql(&store, query).await, ["2|1|4.0"]);
    store.flush().expect("a writable folder");
    assert_eq!(sql(&store, query).await, ["2|1|4.0"]);
    let m = crate::testing::metric(&store, "m");
    let samples = store.samples(m, None, UnixNanos(0), UnixNanos::MAX).expect("a readable history");
    assert_eq!(samples[0].values[1].to_bits(), STALE_NAN_BITS);
}

#[tokio::test]
async fn a_column_says_its_unit_and_kind() {
    let dir = folder();
    let store = open(&dir);
    let info = MetricInfo { unit: "By".into(), kind: Kind::Gauge, ..MetricInfo::default() };
    store.registry().describe("m", &info);
    put(&store, "m", &[], 1, 4.0);
    let schema = store.metric_table(crate::testing::metric(&store, "m")).schema();
    for metadata in [schema.metadata(), schema.field(1).metadata()] {
        assert_eq!((metadata["unit"].as_str(), metadata["kind"].as_str()), ("By", "gauge"));
    }
}

#[tokio::test]
async fn metrics_has_every_number_with_its_name_and_labels_and_nothing_else() {
    let dir = folder();
    let store = open(&dir);
    put(&store, "m", &[("b", "2"), ("a", "1")], 1, 4.0);
    put(&store, "n", &[], 2, 5.0);
    log(&store, &[("host", "x")], 3, "hello");
    histograms(&store, "h", &[], &[(3, 0.5)]);
    assert_eq!(
        sql(&store, "SELECT * FROM metrics ORDER BY time").await,
        ["1970-01-01T00:00:01Z|m|4.0|{a: 1, b: 2}", "1970-01-01T00:00:02Z|n|5.0|{}"]
    );
    assert_eq!(sql(&store, "SELECT count(*) FROM metrics WHERE name IN ('n', 'logs', 'h')").await, ["1"]);
}

#[tokio::test]
async fn a_query_that_is_dropped_stops_reading() {
    let dir = folder();
    let store = filled(&dir);
    let context = context(&store);
    let query = context.sql("SELECT value FROM temp").await.expect("a good query");
    drop(query.execute_stream().await.expect("a stream"));
    // The reader holds the store while it runs; it ends by itself.
    drop(context);
    while Arc::strong_count(&store) > 1 {
        tokio::task::yield_now().await;
    }
}
