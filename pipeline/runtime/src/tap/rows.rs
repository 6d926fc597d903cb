//! What arrived, as rows of a table.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, MapBuilder, RecordBatch, StringBuilder, TimestampNanosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use flyball_model::batch::{is_stale, time_type};
use flyball_model::rows::{map_field_names, string_map_type};
use flyball_model::series::{ColdError, LOGS, SPANS, TEXTS};
use flyball_model::{PointBatch, RowKind, Rows, SeriesRef, Shape};
use flyball_store::labels::{label_columns, label_fields, label_names};
use flyball_store::{Store, StoreError};

use super::Arrived;

/// Whose rows are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TapTable {
    /// `metrics`: every point that is a number, with `time`, `name`, `value` and `labels`.
    All,
    /// The points of one metric: `time`, `value`, a column a label.
    Metric(String),
    /// `logs`, `spans` or `texts`: what is stored, and `labels`.
    Records(RowKind),
}

/// Why rows can't be shown.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// Its labels can't be read back.
    #[error(transparent)]
    Labels(#[from] ColdError),
    /// The same, as the store says it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Columns that don't fit each other.
    #[error(transparent)]
    Columns(#[from] ArrowError),
    /// It has no rows that could be shown.
    #[error(
        "the table '{0}' can't be tapped; there are metrics (all of them), a metric whose points are numbers, logs, spans and texts"
    )]
    NoTable(String),
}

impl TapTable {
    /// The table of a name; without one it is all.
    ///
    /// # Errors
    /// When there is no such table, or none that can be looked at so.
    pub fn named(name: Option<&str>, store: &Store) -> Result<Self, TapError> {
        let Some(name) = name.filter(|name| *name != "metrics") else { return Ok(Self::All) };
        let records = [(LOGS, RowKind::Logs), (SPANS, RowKind::Spans), (TEXTS, RowKind::Texts)];
        if let Some((_, kind)) = records.into_iter().find(|(table, _)| *table == name) {
            return Ok(Self::Records(kind));
        }
        let view = store.registry().read();
        match view.metric(name).filter(|&metric| view.shape(metric) == Shape::Numbers) {
            Some(_) => Ok(Self::Metric(name.to_owned())),
            None => Err(TapError::NoTable(name.to_owned())),
        }
    }

    /// Its columns now: a label that comes later is one more.
    pub fn columns(&self, store: &Store) -> SchemaRef {
        match self {
            Self::All => Arc::new(Schema::new(vec![time(), text("name"), value(), labels()])),
            Self::Metric(name) => {
                let view = store.registry().read();
                let of_labels = view.metric(name).map(|metric| label_fields(&view, metric)).unwrap_or_default();
                Arc::new(Schema::new([vec![time(), value()], of_labels].concat()))
            }
            Self::Records(kind) => {
                let stored = kind.schema().fields()[1..].iter().map(|field| field.as_ref().clone()).collect::<Vec<_>>();
                Arc::new(Schema::new([stored, vec![labels()]].concat()))
            }
        }
    }

    /// What arrived of this table. Blocks where labels are not in memory, which is seldom.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn rows(&self, arrived: &Arrived, store: &Store) -> Result<Option<RecordBatch>, TapError> {
        match (self, arrived) {
            (Self::All, Arrived::Points(points)) => Ok(Some(all(self.columns(store), points, store)?)),
            (Self::Metric(name), Arrived::Points(points)) => of_metric(name, points, store),
            (Self::Records(kind), Arrived::Rows(rows)) if rows.kind() == *kind => {
                Ok(Some(records(self.columns(store), rows, store)?))
            }
            _ => Ok(None),
        }
    }
}

fn time() -> Field {
    Field::new("time", time_type(), false)
}

fn value() -> Field {
    Field::new("value", DataType::Float64, true)
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, false)
}

fn labels() -> Field {
    Field::new("labels", string_map_type(), false)
}

fn times(times: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampNanosecondArray::from_iter_values(times).with_timezone("UTC"))
}

/// A staleness marker is a row without a value, as in the tables.
fn values(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(values.into_iter().map(|value| (!is_stale(value)).then_some(value)).collect::<Float64Array>())
}

fn all(schema: SchemaRef, points: &PointBatch, store: &Store) -> Result<RecordBatch, TapError> {
    let series: Vec<_> = points.iter().map(|(series, ..)| series).collect();
    let mut names = StringBuilder::new();
    {
        let view = store.registry().read();
        series.iter().for_each(|&series| names.append_value(view.metric_name(view.metric_of(series))));
    }
    let columns = vec![
        times(points.iter().map(|(_, time, _)| time.0)),
        Arc::new(names.finish()),
        values(points.iter().map(|(.., value)| value)),
        label_maps(&series, store)?,
    ];
    Ok(RecordBatch::try_new(schema, columns)?)
}

fn label_maps(series: &[SeriesRef], store: &Store) -> Result<ArrayRef, TapError> {
    let view = store.registry().labels_of(series)?;
    let mut maps = MapBuilder::new(Some(map_field_names()), StringBuilder::new(), StringBuilder::new());
    for &series in series {
        for (name, value) in view.labels(series) {
            maps.keys().append_value(name);
            maps.values().append_value(value);
        }
        maps.append(true)?;
    }
    Ok(Arc::new(maps.finish()))
}

fn of_metric(name: &str, points: &PointBatch, store: &Store) -> Result<Option<RecordBatch>, TapError> {
    let (rows, fields, names) = {
        let view = store.registry().read();
        let Some(metric) = view.metric(name) else { return Ok(None) };
        let rows: Vec<_> = points.iter().filter(|(series, ..)| view.metric_of(*series) == metric).collect();
        (rows, label_fields(&view, metric), label_names(&view, metric))
    };
    if rows.is_empty() {
        return Ok(None);
    }
    let series: Vec<_> = rows.iter().map(|(series, ..)| series.0).collect();
    let schema = Schema::new([vec![time(), value()], fields].concat());
    let mut columns =
        vec![times(rows.iter().map(|(_, time, _)| time.0)), values(rows.iter().map(|(.., value)| *value))];
    columns.extend(label_columns(store.registry(), &names, &series)?);
    Ok(Some(RecordBatch::try_new(Arc::new(schema), columns)?))
}

fn records(schema: SchemaRef, rows: &Rows, store: &Store) -> Result<RecordBatch, TapError> {
    let series = arrow::array::AsArray::as_primitive::<arrow::datatypes::UInt32Type>(rows.batch().column(0)).values();
    let series: Vec<_> = series.iter().map(|&series| SeriesRef(series)).collect();
    let mut columns = rows.batch().columns()[1..].to_vec();
    columns.push(label_maps(&series, store)?);
    Ok(RecordBatch::try_new(schema, columns)?)
}
