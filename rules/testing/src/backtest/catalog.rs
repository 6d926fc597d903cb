//! What a history has: metrics, their descriptions, their series.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef, TimestampNanosecondType};
use flyball_model::MetricInfo;
use flyball_model::batch::time_type;

use super::BacktestError;
use super::source::Source;

/// A metric of the history.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) info: MetricInfo,
}

/// A series of the history.
#[derive(Debug, Clone)]
pub(super) struct Series {
    /// Sorted by name.
    pub(super) labels: Vec<(String, String)>,
    pub(super) first_at: i64,
}

/// All metrics that have points.
pub(super) async fn metrics(source: &impl Source) -> Result<Vec<Known>, BacktestError> {
    let sql = "SELECT metric, original, kind, unit, monotonic, help FROM flyball.metric_info";
    let mut known = Vec::new();
    for batch in source.query(sql).await?.batches {
        let column = |name| texts(&batch, name);
        let (names, originals, kinds) = (column("metric")?, column("original")?, column("kind")?);
        let (units, helps, monotonic) = (column("unit")?, column("help")?, column("monotonic")?);
        let text = |column: &ArrayRef, row: usize| {
            let column = column.as_string::<i32>();
            if column.is_null(row) { String::new() } else { column.value(row).to_owned() }
        };
        for row in 0..batch.num_rows() {
            let kind = serde_json::from_value(text(&kinds, row).into()).unwrap_or_default();
            let info = MetricInfo {
                original: text(&originals, row),
                kind,
                unit: text(&units, row),
                monotonic: text(&monotonic, row).parse().ok(),
                help: text(&helps, row),
                ..MetricInfo::default()
            };
            known.push(Known { name: text(&names, row), info });
        }
    }
    Ok(known)
}

/// The series of a metric, or of a table of records.
pub(super) async fn series(source: &impl Source, metric: &str) -> Result<Vec<Series>, BacktestError> {
    let sql = format!("SELECT labels, first_at FROM flyball.series WHERE metric = '{}'", metric.replace('\'', "''"));
    let mut found = Vec::new();
    for batch in source.query(&sql).await?.batches {
        let first = times(&batch, "first_at")?;
        let labels = column(&batch, "labels")?;
        let maps = labels.as_map_opt().ok_or_else(|| answer("'labels' is no map"))?;
        let as_text = |array: &ArrayRef| cast(array, &DataType::Utf8).map_err(|error| answer(&error.to_string()));
        let (names, values) = (as_text(maps.keys())?, as_text(maps.values())?);
        let (names, values) = (names.as_string::<i32>(), values.as_string::<i32>());
        for row in 0..batch.num_rows() {
            let entries = maps.value_offsets()[row] as usize..maps.value_offsets()[row + 1] as usize;
            let mut labels: Vec<_> =
                entries.map(|entry| (names.value(entry).to_owned(), values.value(entry).to_owned())).collect();
            labels.sort_unstable();
            found.push(Series { labels, first_at: first.as_primitive::<TimestampNanosecondType>().value(row) });
        }
    }
    Ok(found)
}

/// The columns of a table.
pub(super) async fn columns(source: &impl Source, table: &str) -> Result<SchemaRef, BacktestError> {
    Ok(source.query(&format!("SELECT * FROM {} LIMIT 0", quoted(table))).await?.schema)
}

/// The times of the oldest and the newest point of a table.
pub(super) async fn extent(source: &impl Source, table: &str) -> Result<Option<(i64, i64)>, BacktestError> {
    let sql = format!("SELECT min(time) AS oldest, max(time) AS newest FROM {}", quoted(table));
    let result = source.query(&sql).await?;
    let Some(batch) = result.batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(None) };
    let (oldest, newest) = (times(batch, "oldest")?, times(batch, "newest")?);
    let value =
        |column: &ArrayRef| (!column.is_null(0)).then(|| column.as_primitive::<TimestampNanosecondType>().value(0));
    Ok(value(&oldest).zip(value(&newest)))
}

/// A name as SQL takes it whatever it is.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn column(batch: &RecordBatch, name: &str) -> Result<ArrayRef, BacktestError> {
    batch.column_by_name(name).cloned().ok_or_else(|| answer(&format!("it has no column '{name}'")))
}

fn texts(batch: &RecordBatch, name: &str) -> Result<ArrayRef, BacktestError> {
    cast(&column(batch, name)?, &DataType::Utf8).map_err(|error| answer(&error.to_string()))
}

pub(super) fn times(batch: &RecordBatch, name: &str) -> Result<ArrayRef, BacktestError> {
    cast(&column(batch, name)?, &time_type()).map_err(|error| answer(&error.to_string()))
}

pub(super) fn answer(why: &str) -> BacktestError {
    BacktestError::Answer(why.to_owned())
}
