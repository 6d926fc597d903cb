//! Rows of a table that are looked up by a text.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, UInt32Array};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{cast, filter_record_batch, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::{DFSchema, TableReference};
use datafusion::error::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::PhysicalExpr;
use flyball_model::UnixNanos;
use hashbrown::HashMap;

use super::super::batch::batch_of;
use super::super::obstacle::Obstacle;
use super::super::shape::{JoinKind, LookedUp, column_name, is_text};
use super::mirror::{Mirror, Mirrors};

/// A table, which rows of it count, and what is looked up in it.
#[derive(Debug)]
pub(super) struct Lookup {
    pub(super) kind: JoinKind,
    mirror: Arc<Mirror>,
    /// The columns that expressions are over: their places in the table.
    places: Vec<usize>,
    schema: SchemaRef,
    predicates: Vec<Arc<dyn PhysicalExpr>>,
    key: Arc<dyn PhysicalExpr>,
    columns: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) fields: Vec<(TableReference, Field)>,
    /// The revision that was looked at last.
    seen: Option<u64>,
    /// The table's columns then.
    read: Vec<ArrayRef>,
    rows: Rows,
    /// Memory of these, near enough.
    bytes: usize,
}

/// For which texts another row is found than before.
#[derive(Debug)]
pub(super) enum Change {
    None,
    Some(Vec<Box<str>>),
    All,
}

/// The rows that count.
#[derive(Debug, Default)]
struct Rows {
    /// By what is looked for.
    by_key: HashMap<Box<str>, u32>,
    columns: Vec<ArrayRef>,
}

impl Lookup {
    pub(super) fn new(table: &LookedUp, mirrors: &Mirrors, state: &SessionState) -> Result<Self, Obstacle> {
        let LookedUp { of, columns } = table;
        let whole = of.table.schema();
        let exprs = of.predicates.iter().chain([&of.key]).chain(columns);
        let mut places = Vec::new();
        for column in exprs.flat_map(Expr::column_refs) {
            places.push(whole.index_of(&column.name).map_err(|error| Obstacle::new(error.to_string()))?);
        }
        places.sort_unstable();
        places.dedup();
        let schema = Arc::new(whole.project(&places).map_err(|error| Obstacle::new(error.to_string()))?);
        let named = DFSchema::try_from_qualified_schema(of.name.clone(), &schema)?;
        let physical = |expr: &Expr| state.create_physical_expr(expr.clone(), &named);
        let key = physical(&of.key)?;
        if !is_text(&key.data_type(&schema)?) {
            return Err(Obstacle::new(format!("it joins by {}, which is no text", of.key)));
        }
        let columns: Vec<_> = columns.iter().map(physical).collect::<Result<_>>()?;
        let mut fields = Vec::new();
        for (place, column) in columns.iter().enumerate() {
            fields.push((of.name.clone(), Field::new(column_name(place), column.data_type(&schema)?, true)));
        }
        Ok(Self {
            kind: of.kind,
            mirror: mirrors.get(&of.table_name, &of.table),
            places,
            predicates: of.predicates.iter().map(physical).collect::<Result<_>>()?,
            schema,
            key,
            columns,
            fields,
            seen: None,
            read: Vec::new(),
            rows: Rows::default(),
            bytes: 0,
        })
    }

    /// Whether the table may have changed since it was looked at.
    pub(super) fn is_outdated(&self) -> bool {
        self.seen.is_none() || self.seen != self.mirror.revision()
    }

    /// Looks at the table, and says what is found otherwise than before.
    pub(super) fn refresh(&mut self, now: UnixNanos) -> Result<Change> {
        if !self.is_outdated() {
            return Ok(Change::None);
        }
        let (revision, read) = self.mirror.columns(now, &self.places)?;
        let is_first = self.seen.is_none();
        let same = read.len() == self.read.len() && read.iter().zip(&self.read).all(|(new, old)| Arc::ptr_eq(new, old));
        let mut change = Change::None;
        if is_first || !same {
            let rows = self.rows_of(&read)?;
            change = if is_first { Change::All } else { self.rows.change_to(&rows)? };
            self.bytes = rows.size();
            (self.rows, self.read) = (rows, read);
        }
        self.seen = revision;
        Ok(change)
    }

    /// What is found in these columns of the table.
    fn rows_of(&self, read: &[ArrayRef]) -> Result<Rows> {
        let rows = read.first().map_or(0, |column| column.len());
        let mut batch = batch_of(&self.schema, read.to_vec(), rows)?;
        for predicate in &self.predicates {
            batch = filtered(&batch, predicate)?;
        }
        let keys = cast(&self.key.evaluate(&batch)?.into_array(batch.num_rows())?, &DataType::Utf8)?;
        let keys = keys.as_string::<i32>().iter().zip(0..);
        let by_key = keys.filter_map(|(key, row)| Some((Box::from(key?), row))).collect();
        let column = |column: &Arc<dyn PhysicalExpr>| column.evaluate(&batch)?.into_array(batch.num_rows());
        Ok(Rows { by_key, columns: self.columns.iter().map(column).collect::<Result<_>>()? })
    }

    /// The row of each of these texts; null where there is none.
    pub(super) fn look_up(&self, texts: &StringArray) -> UInt32Array {
        texts.iter().map(|text| self.rows.by_key.get(text?).copied()).collect()
    }

    /// The columns of rows, with nulls for none.
    pub(super) fn columns(&self, rows: &UInt32Array) -> Result<Vec<ArrayRef>> {
        self.rows.columns.iter().map(|column| Ok(take(column, rows, None)?)).collect()
    }

    /// Memory, near enough.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Rows {
    /// How others differ.
    fn change_to(&self, others: &Rows) -> Result<Change> {
        if self.columns.iter().any(|column| column.data_type().is_nested()) {
            return Ok(Change::All);
        }
        let gone = self.by_key.keys().filter(|key| !others.by_key.contains_key(*key));
        let come = others.by_key.keys().filter(|key| !self.by_key.contains_key(*key));
        let mut texts: Vec<Box<str>> = gone.chain(come).cloned().collect();
        let both = self.by_key.iter().filter_map(|(key, &row)| Some((key, row, *others.by_key.get(key)?)));
        let both: Vec<_> = both.collect();
        let (before, after): (UInt32Array, UInt32Array) =
            (both.iter().map(|both| both.1).collect(), both.iter().map(|both| both.2).collect());
        let mut same = vec![true; both.len()];
        for (column, other) in self.columns.iter().zip(&others.columns) {
            let equal = not_distinct(&take(column, &before, None)?, &take(other, &after, None)?)?;
            same.iter_mut().zip(equal.values()).for_each(|(same, equal)| *same &= equal);
        }
        texts.extend(both.iter().zip(same).filter(|(_, same)| !same).map(|(both, _)| both.0.clone()));
        Ok(if texts.is_empty() { Change::None } else { Change::Some(texts) })
    }

    fn size(&self) -> usize {
        let keys: usize = self.by_key.keys().map(|key| key.len() + size_of::<(Box<str>, u32)>() + 1).sum();
        keys + self.columns.iter().map(|column| column.get_array_memory_size()).sum::<usize>()
    }
}

/// The rows for which a predicate is true.
pub(super) fn filtered(batch: &RecordBatch, predicate: &Arc<dyn PhysicalExpr>) -> Result<RecordBatch> {
    let holds = predicate.evaluate(batch)?.into_array(batch.num_rows())?;
    Ok(filter_record_batch(batch, as_boolean_array(&holds)?)?)
}

/// Without regard to whether there may be nulls.
pub(super) fn schema_of(fields: &[Field]) -> SchemaRef {
    Arc::new(Schema::new(fields.to_vec()))
}
