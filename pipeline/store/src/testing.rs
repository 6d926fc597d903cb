//! Helpers of the tests: a store in a temporary folder, points in few words, and SQL over all tables.

use std::sync::Arc;

use arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::SessionContext;
use flyball_model::batch::LogRecord;
use flyball_model::series::LOGS;
use flyball_model::{LogBatchBuilder, MetricRef, PointBatch, SeriesRef, UnixNanos};
use tempfile::TempDir;

use crate::{Store, StoreOptions};

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

pub(crate) fn open(dir: &TempDir) -> Arc<Store> {
    open_with(dir, StoreOptions::default())
}

pub(crate) fn open_with(dir: &TempDir, options: StoreOptions) -> Arc<Store> {
    Store::open(dir.path(), options).expect("a good folder")
}

pub(crate) fn series(store: &Store, metric: &str, labels: &[(&str, &str)]) -> SeriesRef {
    let mut labels = labels.to_vec();
    labels.sort_unstable();
    store.registry().resolve(metric, &labels, UnixNanos(0)).expect("below the cap")
}

/// One point; time in seconds.
pub(crate) fn put(store: &Store, metric: &str, labels: &[(&str, &str)], at: i64, value: f64) {
    let mut batch = PointBatch::default();
    batch.push(series(store, metric, labels), UnixNanos::from_secs(at), value);
    store.append(&batch);
}

/// One log record; time in seconds.
pub(crate) fn log(store: &Store, resource: &[(&str, &str)], at: i64, body: &str) {
    let mut builder = LogBatchBuilder::default();
    builder.push(LogRecord {
        stream: series(store, LOGS, resource),
        time: UnixNanos::from_secs(at),
        observed_time: None,
        severity_number: 9,
        severity: "INFO",
        body: Some(body),
        event_name: "",
        trace_id: "",
        span_id: "",
        attributes: &[("length", &body.len().to_string())],
    });
    store.append_logs(builder.finish());
}

pub(crate) fn metric(store: &Store, name: &str) -> MetricRef {
    store.registry().read().metric(name).expect("a metric that was put")
}

pub(crate) fn context(store: &Arc<Store>) -> SessionContext {
    let context = SessionContext::new();
    let metrics: Vec<_> = {
        let view = store.registry().read();
        view.metrics().map(|metric| (view.metric_name(metric).to_string(), metric)).filter(|m| m.0 != LOGS).collect()
    };
    let mut tables: Vec<_> = metrics.into_iter().map(|(name, metric)| (name, store.metric_table(metric))).collect();
    tables.push(("metrics".into(), store.metrics_table()));
    tables.push((LOGS.into(), store.logs_table()));
    tables.push(("power".into(), store.power_table()));
    for (name, table) in tables {
        context.register_table(name, table).expect("one table a name");
    }
    context
}

/// The rows of a query as text, a line a row, `|` between columns.
pub(crate) async fn sql(store: &Arc<Store>, query: &str) -> Vec<String> {
    let batches = context(store).sql(query).await.expect("a good query").collect().await.expect("a query that runs");
    let table = pretty_format_batches(&batches).expect("columns that print").to_string();
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(str::trim).map(str::to_owned).collect::<Vec<_>>().join("|");
    table.lines().filter(|line| line.starts_with('|')).skip(1).map(cells).collect()
}

/// The physical plan of a query as text.
pub(crate) async fn plan(store: &Arc<Store>, query: &str) -> String {
    sql(store, &format!("EXPLAIN {query}")).await.join("\n")
}
