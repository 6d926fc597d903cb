//! The table `metrics`: every point that is a number, of every metric.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, MapBuilder, RecordBatch, RecordBatchOptions, StringBuilder, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use flyball_model::batch::time_type;
use flyball_model::rows::{map_field_names, string_map_type};
use flyball_model::series::{LabelView, RegistryView};
use flyball_model::{MetricRef, SeriesRef, SeriesRegistry, Shape};

use super::exec::{RowSource, ScanExec, Sink};
use super::metric::{time_column, value_column};
use super::wanted::{SERIES_AT_ONCE, metrics_named};
use crate::error::StoreError;
use crate::filter::series::{SeriesPredicate, pieces};
use crate::filter::{support, time};
use crate::hot::chunk::Points;
use crate::labels::{Dictionary, Rows, label_type};
use crate::predicates::is_of;
use crate::range::{SeriesFilter, SeriesSet, TimeRange};
use crate::snapshot::PointQuery;
use crate::store::Store;

const NAME: usize = 1;
const VALUE: usize = 2;
const LABELS: usize = 3;

#[derive(Debug)]
pub(super) struct MetricsTable {
    store: Arc<Store>,
    schema: SchemaRef,
}

impl MetricsTable {
    pub(super) fn new(store: Arc<Store>) -> Self {
        let schema = Schema::new(vec![
            Field::new(time::TIME, time_type(), false),
            Field::new("name", label_type(), false),
            Field::new("value", DataType::Float64, true),
            Field::new("labels", string_map_type(), false),
        ]);
        Self { store, schema: Arc::new(schema) }
    }
}

#[async_trait]
impl TableProvider for MetricsTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(support(filters, |column| matches!(column, "name" | "labels")))
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let projection = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema = Arc::new(self.schema.project(&projection)?);
        // What is about the name alone is asked once a metric, the rest once a series.
        let is_name = |column: &str| column == "name";
        let (names, others): (Vec<Expr>, Vec<Expr>) =
            filters.iter().cloned().partition(|filter| is_of(filter, is_name));
        let scan = MetricsScan {
            store: Arc::clone(&self.store),
            schema: Arc::clone(&schema),
            projection,
            times: time::range_of_all(filters),
            names: SeriesPredicate::new(session, &self.schema, &names, is_name)?,
            series: SeriesPredicate::new(session, &self.schema, &others, |column| matches!(column, "name" | "labels"))?,
        };
        Ok(ScanExec::plan(scan, schema, limit))
    }
}

#[derive(Debug)]
struct MetricsScan {
    store: Arc<Store>,
    schema: SchemaRef,
    projection: Vec<usize>,
    times: TimeRange,
    names: Option<SeriesPredicate>,
    series: Option<SeriesPredicate>,
}

impl RowSource for MetricsScan {
    fn run(&self, sink: &mut Sink) -> Result<(), StoreError> {
        let metrics =
            metrics_named(&self.store, self.names.as_ref(), |view, metric| view.shape(metric) == Shape::Numbers)?;
        let wanted = match &self.series {
            Some(predicate) => SeriesFilter::Some(self.wanted_series(predicate, &metrics)?),
            None => SeriesFilter::All,
        };
        let query = PointQuery { metrics, wanted, times: self.times };
        let snapshot = self.store.snapshot(query);
        let batch_rows = sink.batch_rows();
        let mut each = |points: Points| Ok(sink.send(self.to_batch(&points)?));
        if snapshot.read_hot(batch_rows, &mut each)?.is_continue() {
            let _ = snapshot.read_files(batch_rows, &mut each)?;
        }
        Ok(())
    }

    fn times(&self) -> TimeRange {
        self.times
    }
}

impl MetricsScan {
    fn wanted_series(&self, predicate: &SeriesPredicate, metrics: &[MetricRef]) -> Result<SeriesSet, StoreError> {
        let all: Vec<u32> = {
            let of_metric = |&metric: &MetricRef| self.store.series_since(metric, self.times.from);
            metrics.iter().flat_map(of_metric).map(|series| series.0).collect()
        };
        let mut wanted = SeriesSet::default();
        for piece in pieces(all.len(), SERIES_AT_ONCE) {
            let series = &all[piece];
            let columns = series_columns(&self.store.registry, &predicate.columns, series)?;
            let answer = predicate.evaluate(columns)?;
            series.iter().zip(answer.values()).filter(|(_, yes)| *yes).for_each(|(&s, _)| wanted.insert(s));
        }
        Ok(wanted)
    }

    fn to_batch(&self, points: &Points) -> Result<RecordBatch, StoreError> {
        let of_series: Vec<_> = self.projection.iter().copied().filter(|at| matches!(*at, NAME | LABELS)).collect();
        let mut of_series = match of_series.as_slice() {
            [] => Vec::new(),
            wanted => series_columns(&self.store.registry, wanted, &points.series)?,
        }
        .into_iter();
        let columns = self.projection.iter().map(|&at| match at {
            NAME | LABELS => of_series.next().expect("a column was made for each in the projection"),
            VALUE => value_column(&points.value),
            _ => time_column(points.time.clone()),
        });
        let columns = columns.collect();
        let options = RecordBatchOptions::new().with_row_count(Some(points.len()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

/// The columns `name` and `labels` (by their position in the table) for rows given as series.
fn series_columns(registry: &SeriesRegistry, columns: &[usize], rows: &[u32]) -> Result<Vec<ArrayRef>, StoreError> {
    let rows = Rows::new(rows);
    let view = registry.labels_of(if columns.contains(&LABELS) { &rows.distinct } else { &[] })?;
    let make =
        |&column: &usize| if column == NAME { Ok(name_column(&view, &rows)) } else { labels_column(&view, &rows) };
    columns.iter().map(make).collect()
}

pub(crate) fn name_column(view: &RegistryView<'_>, rows: &Rows) -> ArrayRef {
    let mut names = Dictionary::default();
    let keys: Vec<_> = rows
        .distinct
        .iter()
        .map(|&series| {
            let metric = view.metric_of(series);
            Some(names.key(metric, || view.metric_name(metric)))
        })
        .collect();
    names.column(&keys, rows.slots.iter().copied())
}

pub(crate) fn labels_column(view: &LabelView<'_>, rows: &Rows) -> Result<ArrayRef, StoreError> {
    let mut maps = MapBuilder::new(Some(map_field_names()), StringBuilder::new(), StringBuilder::new());
    for &series in &rows.distinct {
        append_labels(view, series, &mut maps);
    }
    Ok(take(&maps.finish(), &UInt32Array::from(rows.slots.clone()), None)?)
}

fn append_labels(view: &LabelView<'_>, series: SeriesRef, maps: &mut MapBuilder<StringBuilder, StringBuilder>) {
    for (name, value) in view.labels(series) {
        maps.keys().append_value(name);
        maps.values().append_value(value);
    }
    maps.append(true).expect("a key was appended with each value");
}

impl fmt::Display for MetricsScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "metrics, time={}", self.times)?;
        if let Some(names) = &self.names {
            write!(f, ", metrics where {names}")?;
        }
        match &self.series {
            Some(series) => write!(f, ", series where {series}"),
            None => Ok(()),
        }
    }
}
