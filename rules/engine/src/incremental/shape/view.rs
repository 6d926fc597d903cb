//! The shape of a rule over a join: its table groups by what rows are looked up by, and by what else of its own the rule asks; what the rule
//! groups by is made of these groups and the rows that are found for them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Expr, ExprSchemable};

use super::super::accumulate::Function;
use super::super::obstacle::Obstacle;
use super::joins::Joined;
use super::split::{LookedUp, Split, column_name, is_of};
use super::told::told;
use super::{Shape, sorted_texts};

/// What is grouped by after rows were looked up for the groups of a table: over the keys of these groups and the columns of the rows.
#[derive(Debug)]
pub(in super::super) struct ViewShape {
    /// In the order in which they are looked up.
    pub(in super::super) tables: Vec<LookedUp>,
    /// By what, for each.
    pub(in super::super) by: Vec<Expr>,
    pub(in super::super) predicates: Vec<Expr>,
    pub(in super::super) keys: Vec<Expr>,
}

impl Shape {
    /// Takes joins apart, of which the last `above` stand above the aggregate. `conditions` are of the others, over labels and looked-up
    /// columns.
    pub(super) fn look_up(&mut self, joins: Vec<Joined>, above: usize, conditions: Vec<Expr>) -> Result<(), Obstacle> {
        let below = joins.len() - above;
        if below > 0 && self.aggregates.iter().any(|kept| kept.function == Function::Distinct) {
            return Err(Obstacle::new("it counts different values over what a join puts together")
                .hint("count them in a subquery, and join that"));
        }
        let by = joins.iter().enumerate().map(|(place, join)| match place < below {
            true => Ok(join.by.clone()),
            false => self.before_grouping(&join.by, &joins),
        });
        let by: Vec<Expr> = by.collect::<Result<_, _>>()?;
        for by in &by {
            if !matches!(self.subject(by)?, super::Subject::Labels | super::Subject::LookedUp) {
                return Err(Obstacle::new(format!("it joins by \"{}\", which is not of labels alone", told(by))));
            }
        }
        let mut split = Split::new(joins);
        let by = by.into_iter().map(|by| split.key(by)).collect::<Result<_, _>>()?;
        let predicates =
            conditions.into_iter().map(|condition| split.condition(condition)).collect::<Result<_, _>>()?;
        let mut keys = Vec::new();
        for key in std::mem::take(&mut self.keys) {
            keys.push(split.key(key)?);
        }
        for expr in self.having.iter_mut().chain(&mut self.projection) {
            *expr = split.looked_up(std::mem::take(expr))?;
        }
        let Split { keys: of_table, tables } = split;
        let shown = self.looked_up_above(&tables);
        self.add_fields(keys.len(), &shown, &tables)?;
        keys.extend(shown.into_iter().map(Expr::Column));
        self.keys = of_table;
        self.view = Some(ViewShape { tables, by, predicates, keys });
        Ok(())
    }

    /// An expression over the columns of keys in terms of what they are.
    fn before_grouping(&self, expr: &Expr, joins: &[Joined]) -> Result<Expr, Obstacle> {
        let is_looked_up = |column: &Column| joins.iter().any(|join| is_of(column, &join.name));
        for column in expr.column_refs() {
            if !is_looked_up(column) && self.groups.index_of_column(column)? >= self.keys.len() {
                return Err(Obstacle::new(format!("it joins by {column}, which is no label")));
            }
        }
        let before = expr.clone().transform_up(|expr| match &expr {
            Expr::Column(column) if !is_looked_up(column) => {
                Ok(Transformed::yes(self.keys[self.groups.index_of_column(column)?].clone()))
            }
            _ => Ok(Transformed::no(expr)),
        })?;
        Ok(before.data)
    }

    /// The looked-up columns that HAVING and the projection read beside what is grouped by.
    fn looked_up_above(&self, tables: &[LookedUp]) -> Vec<Column> {
        let read = self.having.iter().chain(&self.projection).flat_map(Expr::column_refs);
        let of_tables = read.filter(|column| tables.iter().any(|table| is_of(column, &table.of.name)));
        let mut columns: Vec<_> = of_tables.cloned().collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// Puts the fields of these columns behind those of the keys.
    fn add_fields(&mut self, keys: usize, columns: &[Column], tables: &[LookedUp]) -> Result<(), Obstacle> {
        let mut fields: Vec<_> = self.groups.iter().map(|(table, field)| (table.cloned(), Arc::clone(field))).collect();
        for column in columns.iter().rev() {
            let data_type = type_of(column, tables)?;
            let field = Arc::new(Field::new(&column.name, data_type, true));
            fields.insert(keys, (column.relation.clone(), field));
        }
        self.groups = Arc::new(DFSchema::new_with_metadata(fields, self.groups.metadata().clone())?);
        Ok(())
    }

    /// How many of the columns of groups are grouped by.
    pub(in super::super) fn key_count(&self) -> usize {
        self.view.as_ref().map_or(self.keys.len(), |view| view.keys.len())
    }
}

fn type_of(column: &Column, tables: &[LookedUp]) -> Result<DataType, Obstacle> {
    let unknown = || Obstacle::new(format!("it asks for {column}"));
    let table = tables.iter().find(|table| is_of(column, &table.of.name)).ok_or_else(unknown)?;
    let mut exprs = table.columns.iter().enumerate();
    let (_, expr) = exprs.find(|(place, _)| column_name(*place) == column.name).ok_or_else(unknown)?;
    Ok(expr.get_type(&table.schema()?)?)
}

impl LookedUp {
    /// The columns of the table, as they are called in expressions.
    pub(in super::super) fn schema(&self) -> datafusion::error::Result<DFSchema> {
        DFSchema::try_from_qualified_schema(self.of.name.clone(), &self.of.table.schema())
    }
}

impl ViewShape {
    /// Rules of one signature whose table is the same look at the same groups.
    pub(in super::super) fn signature(&self) -> String {
        let tables: Vec<_> = self.tables.iter().map(ToString::to_string).collect();
        let texts = |exprs: &[Expr]| exprs.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (by, keys) = (texts(&self.by), texts(&self.keys));
        format!("{tables:?} {by:?} {:?} {keys:?}", sorted_texts(&self.predicates))
    }

    /// The names of the tables that are looked up and may change, each once.
    pub(in super::super) fn names(&self) -> Vec<String> {
        let tables = self.tables.iter().filter(|table| table.of.written.is_none());
        let mut names: Vec<_> = tables.map(|table| table.of.table_name.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl std::fmt::Display for LookedUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Joined { name, written, kind, predicates, key, .. } = &self.of;
        let columns: Vec<_> = self.columns.iter().map(ToString::to_string).collect();
        write!(f, "{kind:?} {name} {written:?} {:?} {key} {columns:?}", sorted_texts(predicates))
    }
}
