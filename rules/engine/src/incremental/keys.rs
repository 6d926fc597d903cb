//! What is grouped by, as bytes: equal where all columns are.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;

/// Expressions over the columns of a batch, and maybe a number behind them that tells apart what is alike in these.
#[derive(Debug)]
pub(super) struct Keys {
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    types: Vec<DataType>,
    numbered: bool,
    rows: RowConverter,
}

impl Keys {
    pub(super) fn new(exprs: Vec<Arc<dyn PhysicalExpr>>, schema: &Schema, numbered: bool) -> Result<Self> {
        let types: Vec<_> = exprs.iter().map(|expr| expr.data_type(schema)).collect::<Result<_>>()?;
        let of_rows = types.iter().chain(numbered.then_some(&DataType::UInt32));
        let rows = RowConverter::new(of_rows.cloned().map(SortField::new).collect())?;
        Ok(Self { exprs, types, numbered, rows })
    }

    /// Whether there is nothing to group by.
    pub(super) fn is_empty(&self) -> bool {
        self.exprs.is_empty() && !self.numbered
    }

    /// The types of the columns.
    pub(super) fn types(&self) -> &[DataType] {
        &self.types
    }

    /// The key of each row, of which `number` makes the numbers where they are asked for; `None` where there is nothing to group by.
    pub(super) fn of(&self, batch: &RecordBatch, number: impl FnOnce() -> ArrayRef) -> Result<Option<Rows>> {
        if self.is_empty() {
            return Ok(None);
        }
        let column = |(expr, data_type): (&Arc<dyn PhysicalExpr>, &DataType)| -> Result<ArrayRef> {
            Ok(cast(&expr.evaluate(batch)?.into_array(batch.num_rows())?, data_type)?)
        };
        let mut columns: Vec<_> = self.exprs.iter().zip(&self.types).map(column).collect::<Result<_>>()?;
        columns.extend(self.numbered.then(number));
        Ok(Some(self.rows.convert_columns(&columns)?))
    }

    /// The columns behind some keys, without the numbers.
    pub(super) fn columns<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> Result<Vec<ArrayRef>> {
        if self.exprs.is_empty() {
            return Ok(Vec::new());
        }
        let parser = self.rows.parser();
        let columns = self.rows.convert_rows(keys.map(|key| parser.parse(key)))?;
        // What is encoded as a row loses its dictionary.
        columns.iter().zip(&self.types).map(|(column, data_type)| Ok(cast(column, data_type)?)).collect()
    }
}

/// The key of a row.
pub(super) fn bytes_of(rows: Option<&Rows>, row: usize) -> &[u8] {
    rows.map_or(&[], |rows| rows.row(row).data())
}
