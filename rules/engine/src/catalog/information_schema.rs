//! `information_schema`: what tables there are and their columns, for `SHOW TABLES` and for tools.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion::catalog::TableProvider;
use flyball_model::UnixNanos;

use super::system::{SystemProvider, SystemTable};
use super::tables::{CATALOG, Tables};
use crate::query::output::type_name;
use crate::query::unit_of;

/// The tables of this schema.
pub(super) const NAMES: [&str; 2] = ["tables", "columns"];

/// A table by its name, in any case.
pub(super) fn table(tables: &Arc<Tables>, name: &str) -> Option<Arc<dyn TableProvider>> {
    let table: Arc<dyn SystemTable> = match name.to_lowercase().as_str() {
        "tables" => Arc::new(TableList(Arc::clone(tables))),
        "columns" => Arc::new(ColumnList(Arc::clone(tables))),
        _ => return None,
    };
    Some(Arc::new(SystemProvider(table)))
}

#[derive(Debug)]
struct TableList(Arc<Tables>);

impl SystemTable for TableList {
    fn schema(&self) -> SchemaRef {
        texts(&["table_catalog", "table_schema", "table_name", "table_type"])
    }

    fn rows(&self, _now: UnixNanos) -> Result<RecordBatch, ArrowError> {
        let tables = self.0.all();
        let columns: Vec<ArrayRef> = vec![
            constant(CATALOG, tables.len()),
            Arc::new(StringArray::from_iter_values(tables.iter().map(|table| &table.0))),
            Arc::new(StringArray::from_iter_values(tables.iter().map(|table| &table.1))),
            constant("BASE TABLE", tables.len()),
        ];
        RecordBatch::try_new(self.schema(), columns)
    }
}

#[derive(Debug)]
struct ColumnList(Arc<Tables>);

impl SystemTable for ColumnList {
    fn schema(&self) -> SchemaRef {
        let names = texts(&["table_catalog", "table_schema", "table_name", "column_name"]);
        let mut fields: Vec<_> = names.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new("ordinal_position", DataType::UInt64, false)));
        fields.extend(texts(&["is_nullable", "data_type"]).fields().iter().cloned());
        fields.push(Arc::new(Field::new("unit", DataType::Utf8, true)));
        Arc::new(Schema::new(fields))
    }

    fn rows(&self, _now: UnixNanos) -> Result<RecordBatch, ArrowError> {
        let tables: Vec<_> =
            self.0.all().into_iter().map(|(schema, name, table)| (schema, name, table.schema())).collect();
        let columns: Vec<_> = tables
            .iter()
            .flat_map(|(schema, name, columns)| {
                columns.fields().iter().enumerate().map(move |(at, field)| (schema, name, at, field))
            })
            .collect();
        let arrays: Vec<ArrayRef> = vec![
            constant(CATALOG, columns.len()),
            Arc::new(StringArray::from_iter_values(columns.iter().map(|column| column.0))),
            Arc::new(StringArray::from_iter_values(columns.iter().map(|column| column.1))),
            Arc::new(StringArray::from_iter_values(columns.iter().map(|column| column.3.name()))),
            Arc::new(UInt64Array::from_iter_values(columns.iter().map(|column| column.2 as u64 + 1))),
            Arc::new(StringArray::from_iter_values(
                columns.iter().map(|column| if column.3.is_nullable() { "YES" } else { "NO" }),
            )),
            Arc::new(StringArray::from_iter_values(columns.iter().map(|column| type_name(column.3.data_type())))),
            Arc::new(StringArray::from_iter(columns.iter().map(|column| unit_of(column.3)))),
        ];
        RecordBatch::try_new(self.schema(), arrays)
    }
}

fn texts(names: &[&str]) -> SchemaRef {
    Arc::new(Schema::new(names.iter().map(|name| Field::new(*name, DataType::Utf8, false)).collect::<Vec<_>>()))
}

fn constant(text: &str, rows: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows)))
}
