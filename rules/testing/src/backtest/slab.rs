//! A stretch of history in the order of time.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{cast, concat_batches, take_record_batch};
use arrow::datatypes::{Float64Type, Schema, TimestampNanosecondType};
use flyball_model::RowKind;
use flyball_model::batch::STALE_NAN_BITS;
use flyball_rules::query::QueryResult;

use super::BacktestError;
use super::catalog::{answer, column, times};
use super::label_sets::{LabelColumns, LabelSets};
use super::wanted::Wanted;

/// Points and records of some time, each table's in the order of time.
#[derive(Debug, Default)]
pub(super) struct Slab {
    /// Points that are numbers: time, label set, value. All tables together.
    pub(super) points: Vec<(i64, u32, f64)>,
    /// Other records, a table each.
    pub(super) records: Vec<Records>,
}

/// Records of one table.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) kind: RowKind,
    /// The stored columns of the kind but the series.
    pub(super) batch: RecordBatch,
    pub(super) sets: Vec<u32>,
    pub(super) times: Vec<i64>,
}

impl Slab {
    /// How many points and records.
    pub(super) fn len(&self) -> usize {
        self.points.len() + self.records.iter().map(|records| records.times.len()).sum::<usize>()
    }

    /// Takes the rows of a table in.
    pub(super) fn add(
        &mut self,
        place: u32,
        table: &Wanted,
        rows: &QueryResult,
        sets: &mut LabelSets,
    ) -> Result<(), BacktestError> {
        match table.kind {
            None => self.add_points(place, table, rows, sets),
            Some(kind) => self.add_records(place, table, kind, rows, sets),
        }
    }

    fn add_points(
        &mut self,
        place: u32,
        table: &Wanted,
        rows: &QueryResult,
        sets: &mut LabelSets,
    ) -> Result<(), BacktestError> {
        let taken = vec!["time".to_owned(), "value".to_owned()];
        let labels = LabelColumns::new(place, table, taken, "exported_");
        for batch in &rows.batches {
            let time = times(batch, "time")?;
            let value = column(batch, "value")?;
            let value = value.as_primitive_opt::<Float64Type>().ok_or_else(|| answer("'value' is no number"))?;
            let numbers = labels.numbers(batch, sets)?;
            let times = time.as_primitive::<TimestampNanosecondType>().values();
            self.points.extend(times.iter().zip(numbers).enumerate().map(|(row, (&time, set))| {
                // A staleness marker is a row without a value.
                let value = if value.is_null(row) { f64::from_bits(STALE_NAN_BITS) } else { value.value(row) };
                (time, set, value)
            }));
        }
        Ok(())
    }

    fn add_records(
        &mut self,
        place: u32,
        table: &Wanted,
        kind: RowKind,
        rows: &QueryResult,
        sets: &mut LabelSets,
    ) -> Result<(), BacktestError> {
        if rows.rows() == 0 {
            return Ok(());
        }
        // Without the series, which is the first column of every kind.
        let stored = Arc::new(Schema::new(kind.schema().fields()[1..].to_vec()));
        let taken = stored.fields().iter().map(|field| field.name().clone()).collect();
        let prefix = if matches!(kind, RowKind::Logs | RowKind::Spans) { "resource_" } else { "exported_" };
        let labels = LabelColumns::new(place, table, taken, prefix);
        let (mut batches, mut numbers) = (Vec::new(), Vec::new());
        for batch in &rows.batches {
            numbers.extend(labels.numbers(batch, sets)?);
            let mut columns = Vec::with_capacity(stored.fields().len());
            for field in stored.fields() {
                let cast = cast(&column(batch, field.name())?, field.data_type());
                columns.push(cast.map_err(|error| answer(&error.to_string()))?);
            }
            let batch = RecordBatch::try_new(Arc::clone(&stored), columns);
            batches.push(batch.map_err(|error| answer(&error.to_string()))?);
        }
        let all = concat_batches(&stored, &batches).map_err(|error| answer(&error.to_string()))?;
        let times = all.column(0).as_primitive::<TimestampNanosecondType>().values().to_vec();
        let mut order: Vec<u32> = (0..times.len() as u32).collect();
        order.sort_by_key(|&row| times[row as usize]);
        let batch = take_record_batch(&all, &UInt32Array::from(order.clone()));
        self.records.push(Records {
            kind,
            batch: batch.map_err(|error| answer(&error.to_string()))?,
            sets: order.iter().map(|&row| numbers[row as usize]).collect(),
            times: order.iter().map(|&row| times[row as usize]).collect(),
        });
        Ok(())
    }

    /// Puts the points of all tables in order; of one time the order stays.
    pub(super) fn sort(&mut self) {
        self.points.sort_by_key(|point| point.0);
    }
}
