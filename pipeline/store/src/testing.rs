//! Helpers of the tests: a store in a temporary folder, points in few words, and SQL over all tables.

use std::sync::Arc;
use std::time::Duration;

use arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::{SessionConfig, SessionContext};
use flyball_model::histogram::{Histogram, Totals};
use flyball_model::rows::{
    Exemplar, ExemplarBuilder, HistogramBuilder, LogBuilder, LogRecord, Span, SpanBuilder, SpanId, TextBuilder, TraceId,
};
use flyball_model::series::{LOGS, SPANS, TEXTS, is_stream_table};
use flyball_model::{MetricRef, PointBatch, SeriesRef, Shape, UnixNanos};
use tempfile::TempDir;

use crate::history::join::Bounds;
use crate::{Store, StoreError, StoreOptions};

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
    shaped_series(store, metric, Shape::Numbers, labels)
}

pub(crate) fn shaped_series(store: &Store, metric: &str, shape: Shape, labels: &[(&str, &str)]) -> SeriesRef {
    let mut labels = labels.to_vec();
    labels.sort_unstable();
    store.registry().resolve(metric, shape, &labels, UnixNanos(0)).expect("below the cap")
}

/// Joins history files, two and more at a time, until there is nothing to join.
pub(crate) fn join(store: &Store) -> Result<usize, StoreError> {
    join_anew(store, 1)
}

/// The same; groups of so few rows are encoded anew.
pub(crate) fn join_anew(store: &Store, group_rows_min: u64) -> Result<usize, StoreError> {
    let bounds = Bounds {
        files_min: 2,
        files_max: 4,
        rows_max: u64::MAX,
        bytes_max: u64::MAX,
        growth_min: 1,
        group_rows_min,
        newest_within: Duration::MAX,
    };
    let mut joined = 0;
    while let Some(done) = store.join_within(&bounds, &|| false)? {
        joined += done.files;
    }
    Ok(joined)
}

/// One point; time in seconds.
pub(crate) fn put(store: &Store, metric: &str, labels: &[(&str, &str)], at: i64, value: f64) {
    let mut batch = PointBatch::default();
    batch.push(series(store, metric, labels), UnixNanos::from_secs(at), value);
    store.append_unlogged(batch);
}

/// One log record; time in seconds.
pub(crate) fn log(store: &Store, resource: &[(&str, &str)], at: i64, body: &str) {
    let mut builder = LogBuilder::default();
    let stream = shaped_series(store, LOGS, Shape::Streams, resource);
    let record = LogRecord::new(stream, UnixNanos::from_secs(at));
    let record = LogRecord { severity_number: 9, severity: "INFO", body: Some(body), ..record };
    builder.push(record, [("length", body.len().to_string().as_str())]);
    store.append_rows_unlogged(builder.finish());
}

/// One span of trace 1; time in seconds.
pub(crate) fn span(store: &Store, resource: &[(&str, &str)], at: i64, name: &str, millis: u64) {
    let mut builder = SpanBuilder::default();
    let span = Span::new(shaped_series(store, SPANS, Shape::Streams, resource), UnixNanos::from_secs(at));
    let ids = (TraceId::new(&[1; 16]), SpanId::new(&[2; 8]));
    let span = Span { name, duration_nanos: millis * 1_000_000, trace_id: ids.0, span_id: ids.1, ..span };
    builder.push(span, [("route", "/")]);
    store.append_rows_unlogged(builder.finish());
}

/// Points of a native histogram with one value each; times in seconds.
pub(crate) fn histograms(store: &Store, metric: &str, labels: &[(&str, &str)], points: &[(i64, f64)]) {
    let series = shaped_series(store, metric, Shape::Histograms, labels);
    let mut builder = HistogramBuilder::default();
    for &(at, value) in points {
        let totals = Totals { count: 1.0, sum: Some(value), ..Totals::default() };
        let counts = if value <= 1.0 { vec![1.0, 0.0] } else { vec![0.0, 1.0] };
        let histogram = Histogram::explicit(totals, vec![1.0], counts).expect("one bound, two counts");
        builder.push(series, UnixNanos::from_secs(at), &histogram);
    }
    store.append_rows_unlogged(builder.finish());
}

/// An exemplar of a series that is there; time in seconds.
pub(crate) fn exemplar(store: &Store, series: SeriesRef, at: i64, value: f64) {
    let mut builder = ExemplarBuilder::default();
    let time = UnixNanos::from_secs(at);
    let (trace_id, span_id) = (TraceId::new(&[1; 16]), SpanId::new(&[2; 8]));
    builder.push(Exemplar { series, time, value, trace_id, span_id }, [("user", "7")]);
    store.append_rows_unlogged(builder.finish());
}

/// One text value; time in seconds.
pub(crate) fn text(store: &Store, name: &str, labels: &[(&str, &str)], at: i64, value: &str) {
    let mut builder = TextBuilder::default();
    let labels = [labels, &[("name", name)]].concat();
    let series = shaped_series(store, TEXTS, Shape::Streams, &labels);
    builder.push(series, UnixNanos::from_secs(at), value);
    store.append_rows_unlogged(builder.finish());
}

pub(crate) fn metric(store: &Store, name: &str) -> MetricRef {
    store.registry().read().metric(name).expect("a metric that was put")
}

pub(crate) fn context(store: &Arc<Store>) -> SessionContext {
    context_with(store, SessionConfig::new())
}

pub(crate) fn context_with(store: &Arc<Store>, config: SessionConfig) -> SessionContext {
    let context = SessionContext::new_with_config(config);
    let metrics: Vec<_> = {
        let view = store.registry().read();
        let all = view.metrics().map(|metric| (view.metric_name(metric).to_string(), metric));
        all.filter(|metric| !is_stream_table(&metric.0)).collect()
    };
    let mut tables: Vec<_> = metrics.into_iter().map(|(name, metric)| (name, store.metric_table(metric))).collect();
    tables.push(("metrics".into(), store.metrics_table()));
    tables.push((LOGS.into(), store.logs_table()));
    tables.push((SPANS.into(), store.spans_table()));
    tables.push(("exemplars".into(), store.exemplars_table()));
    tables.push((TEXTS.into(), store.texts_table()));
    tables.push(("power".into(), store.power_table()));
    tables.push(("series".into(), store.series_table()));
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
