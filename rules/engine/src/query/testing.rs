//! A database on a folder of its own, for tests.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use flyball_model::batch::time_type;
use flyball_model::rows::{Span, SpanBuilder};
use flyball_model::series::SPANS;
use flyball_model::{Kind, MetricInfo, PointBatch, Shape, UnixNanos};
use flyball_store::{Store, StoreOptions};
use tempfile::TempDir;

use super::{Database, QueryError, QueryLimits, output};
use crate::catalog::SystemTable;

/// `now()` in the tests: 1970-01-01T00:16:40Z.
pub(crate) const NOW: UnixNanos = UnixNanos::from_secs(1000);

pub(crate) struct Fixture {
    pub(crate) database: Database,
    _dir: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(dir.path(), StoreOptions::default()).expect("an empty folder can be opened");
        let database = Database::new(store, QueryLimits::default());
        database.register("twin", "node", Arc::new(Nodes));
        Self { database, _dir: dir }
    }

    /// Adds a series with points at seconds since the epoch.
    pub(crate) fn series(self, metric: &str, labels: &[(&str, &str)], points: &[(i64, f64)]) -> Self {
        let store = self.database.store();
        let series = store.registry().resolve(metric, Shape::Numbers, labels, UnixNanos(0)).expect("below the cap");
        let mut batch = PointBatch::default();
        points.iter().for_each(|&(at, value)| batch.push(series, UnixNanos::from_secs(at), value));
        store.append_unlogged(batch);
        self
    }

    pub(crate) fn describe(self, metric: &str, original: &str, unit: &str) -> Self {
        let info = MetricInfo { original: original.into(), unit: unit.into(), ..MetricInfo::default() };
        self.database.store().registry().describe(metric, &info);
        self
    }

    /// Says of a metric what its values mean.
    pub(crate) fn of_kind(self, metric: &str, kind: Kind) -> Self {
        let info = MetricInfo { kind, ..MetricInfo::default() };
        self.database.store().registry().describe(metric, &info);
        self
    }

    /// Adds a span at seconds since the epoch.
    pub(crate) fn span(self, resource: &[(&str, &str)], name: &str, at: i64, millis: u64) -> Self {
        let store = self.database.store();
        let stream = store.registry().resolve(SPANS, Shape::Streams, resource, UnixNanos(0)).expect("below the cap");
        let mut builder = SpanBuilder::default();
        let span = Span::new(stream, UnixNanos::from_secs(at));
        builder.push(Span { name, duration_nanos: millis * 1_000_000, ..span }, []);
        store.append_rows_unlogged(builder.finish());
        self
    }

    /// Checks the rows of a query, as CSV without the header, one a line; also when it is prepared first.
    pub(crate) async fn check(&self, sql: &str, expected: &[&str]) {
        assert_eq!(self.csv(sql).await[1..], *expected, "{sql}");
        let prepared = self.database.prepare(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let result = self.database.run(&prepared, NOW, &QueryLimits::default()).await;
        let result = result.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let lines: Vec<_> = output::csv(&result).lines().skip(1).map(str::to_string).collect();
        assert_eq!(lines, *expected, "prepared: {sql}");
        assert_eq!(prepared.output_schema().fields().len(), result.schema.fields().len(), "{sql}");
    }

    /// The lines of a result as CSV; the first is the header.
    pub(crate) async fn csv(&self, sql: &str) -> Vec<String> {
        let result = self.database.query(sql, NOW).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        output::csv(&result).lines().map(str::to_string).collect()
    }

    pub(crate) async fn error(&self, sql: &str) -> QueryError {
        self.database.query(sql, NOW).await.expect_err(sql)
    }

    /// Checks an error: `line:column: text`.
    pub(crate) async fn check_error(&self, sql: &str, expected: &str) {
        let error = self.error(sql).await;
        let place = error.position().map(|(line, column)| format!("{line}:{column}: ")).unwrap_or_default();
        assert_eq!(format!("{place}{error}"), expected, "{sql}");
    }
}

/// `twin.node`: two nodes, and the instant at which they were asked for.
#[derive(Debug)]
struct Nodes;

impl SystemTable for Nodes {
    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("id", DataType::Utf8, false),
            Field::new("site", DataType::Utf8, false),
            Field::new("at", time_type(), false),
        ]))
    }

    fn rows(&self, now: UnixNanos) -> Result<RecordBatch, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec!["a", "b"])),
            Arc::new(StringArray::from(vec!["lab", "roof"])),
            Arc::new(TimestampNanosecondArray::from(vec![now.0; 2]).with_timezone("UTC")),
        ];
        RecordBatch::try_new(self.schema(), columns)
    }
}
