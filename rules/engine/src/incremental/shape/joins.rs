//! Joins of what is kept with the rows of a table that are looked up: `JOIN twin.node n ON n.id = m.host`, or of `VALUES`.
//!
//! A column of such a table is written as one of a relation that has the table's name and the number of the join, `twin.node#0.cluster`, until
//! `split` says what is asked of it.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Column, JoinType, NullEquality, TableReference};
use datafusion::logical_expr::{Cast, Expr, Join, LogicalPlan};

use super::super::inline::{Meaning, inline};
use super::super::obstacle::Obstacle;
use super::walk::{refuse_clock, relation_of};
use super::written::Written;
use crate::catalog::relation::Relation;
use crate::catalog::{SystemProvider, SystemTable, TableRead};

/// What becomes of a row by the row that is found for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum JoinKind {
    /// It gets its columns; without one it goes.
    Inner,
    /// It gets its columns, or nulls.
    Outer,
    /// It stays if there is one.
    Semi,
    /// It stays if there is none.
    Anti,
}

/// One join.
#[derive(Debug)]
pub(in super::super) struct Joined {
    /// What its columns are called by.
    pub(in super::super) name: TableReference,
    /// `twin.node`; of rows that the rule writes itself `VALUES`.
    pub(in super::super) table_name: String,
    /// These rows.
    pub(in super::super) written: Option<String>,
    pub(in super::super) table: Arc<dyn SystemTable>,
    pub(in super::super) kind: JoinKind,
    /// Over the table's columns: which rows there are.
    pub(in super::super) predicates: Vec<Expr>,
    /// Over the table's columns: what is looked for.
    pub(in super::super) key: Expr,
    /// Of what is kept: by what it is looked for.
    pub(in super::super) by: Expr,
}

/// The two sides of a join.
pub(super) struct Sides<'p> {
    join: &'p Join,
    /// What is kept.
    pub(super) points: &'p LogicalPlan,
    looked_up: LookedUp<'p>,
    /// Whether what is kept stands on the left.
    is_left: bool,
}

/// The side that is looked up.
struct LookedUp<'p> {
    plan: &'p LogicalPlan,
    name: String,
    table: Arc<dyn SystemTable>,
    /// The columns that are another text in each row.
    unique: Vec<String>,
    written: Option<String>,
}

impl<'p> Sides<'p> {
    pub(super) fn of(join: &'p Join) -> Result<Self, Obstacle> {
        let (left, right) = (join.left.as_ref(), join.right.as_ref());
        if let Some(looked_up) = LookedUp::of(right) {
            return Ok(Self { join, points: left, looked_up, is_left: true });
        }
        if let Some(looked_up) = LookedUp::of(left) {
            return Ok(Self { join, points: right, looked_up, is_left: false });
        }
        Err(Obstacle::new(
            "it joins tables, and only joins with tables of the twin and with VALUES are kept incrementally",
        ))
    }

    /// Adds the join, and says what else must be true. `meaning` is that of what is kept, and becomes that of the join's result.
    pub(super) fn join(self, meaning: &mut Meaning, joins: &mut Vec<Joined>) -> Result<Vec<Expr>, Obstacle> {
        let kind = self.kind()?;
        let name = format!("{}#{}", self.looked_up.name, joins.len());
        let name = TableReference::bare(name);
        let (others, predicates) = rows_of(self.looked_up.plan, &name)?;
        let mut conditions = Vec::new();
        let mut found = None;
        for (left, right) in &self.join.on {
            let (by, key) = if self.is_left { (left, right) } else { (right, left) };
            let by = inline(by.clone(), self.points.schema(), meaning)?;
            let key = inline(key.clone(), self.looked_up.plan.schema(), &others)?;
            refuse_clock(&by)?;
            if found.is_none() && self.may_look_for(kind, &key) {
                found = Some((by, key));
            } else {
                conditions.push(by.eq(key));
            }
        }
        let Some((by, key)) = found else { return Err(self.has_no_key()) };
        let both = match self.is_left {
            true => [meaning.as_slice(), &others].concat(),
            false => [&others, meaning.as_slice()].concat(),
        };
        if let Some(filter) = &self.join.filter {
            let schema = self.join.left.schema().join(self.join.right.schema())?;
            conditions.push(inline(filter.clone(), &schema, &both)?);
        }
        if kind != JoinKind::Inner && !conditions.is_empty() {
            return Err(Obstacle::new(format!("it joins {} by more than one column", self.looked_up.name)));
        }
        if matches!(kind, JoinKind::Inner | JoinKind::Outer) {
            *meaning = both;
        }
        let LookedUp { name: table_name, table, written, .. } = self.looked_up;
        joins.push(Joined { name, table_name, written, table, kind, predicates, key, by });
        Ok(conditions)
    }

    fn kind(&self) -> Result<JoinKind, Obstacle> {
        if self.join.null_equality != NullEquality::NullEqualsNothing {
            return Err(Obstacle::new("it joins where both are NULL"));
        }
        Ok(match (self.join.join_type, self.is_left) {
            (JoinType::Inner, _) => JoinKind::Inner,
            (JoinType::Left, true) | (JoinType::Right, false) => JoinKind::Outer,
            (JoinType::LeftSemi, true) | (JoinType::RightSemi, false) => JoinKind::Semi,
            (JoinType::LeftAnti, true) | (JoinType::RightAnti, false) if !self.join.null_aware => JoinKind::Anti,
            (JoinType::LeftAnti, true) => {
                return Err(Obstacle::new("it has NOT IN").hint("write NOT EXISTS"));
            }
            _ => {
                let table = &self.looked_up.name;
                return Err(Obstacle::new(format!("it asks for rows of {table} that nothing is measured of")));
            }
        })
    }

    /// Whether there is one row at most for what is looked for, or it does not matter how many there are.
    fn may_look_for(&self, kind: JoinKind, key: &Expr) -> bool {
        match kind {
            JoinKind::Semi | JoinKind::Anti => true,
            JoinKind::Inner | JoinKind::Outer => {
                column_of(key).is_some_and(|column| self.looked_up.unique.contains(&column.name))
            }
        }
    }

    fn has_no_key(&self) -> Obstacle {
        let table = &self.looked_up.name;
        let obstacle = Obstacle::new(format!("it may join several rows of {table} with one"));
        match self.looked_up.unique.first().filter(|_| self.looked_up.written.is_none()) {
            Some(key) => obstacle.hint(format!("join by {table}.{key}")),
            None => obstacle,
        }
    }
}

impl<'p> LookedUp<'p> {
    fn of(plan: &'p LogicalPlan) -> Option<Self> {
        match rows_under(plan)? {
            LogicalPlan::TableScan(scan) => {
                let Relation { read: TableRead::System { .. }, table, .. } = relation_of(scan)? else { return None };
                let table = Arc::clone(&table.downcast_ref::<SystemProvider>()?.0);
                table.revision()?;
                let unique = vec![table.key()?.to_owned()];
                Some(Self { plan, name: scan.table_name.to_string(), table, unique, written: None })
            }
            LogicalPlan::Values(values) => {
                let written = Written::of(values)?;
                let (unique, text) = (written.unique(), format!("{:?}", values.values));
                Some(Self { plan, name: "VALUES".to_owned(), table: Arc::new(written), unique, written: Some(text) })
            }
            _ => None,
        }
    }
}

/// What gives the rows of a side, of which some are left out at most.
fn rows_under(plan: &LogicalPlan) -> Option<&LogicalPlan> {
    match plan {
        LogicalPlan::TableScan(scan) => scan.fetch.is_none().then_some(plan),
        LogicalPlan::Values(_) => Some(plan),
        LogicalPlan::Projection(projection) => rows_under(&projection.input),
        LogicalPlan::Filter(filter) => rows_under(&filter.input),
        LogicalPlan::SubqueryAlias(alias) => rows_under(&alias.input),
        _ => None,
    }
}

/// What the columns of a side are in terms of its table, called by `name`, and which rows it has.
fn rows_of(plan: &LogicalPlan, name: &TableReference) -> Result<(Meaning, Vec<Expr>), Obstacle> {
    let column = |field: &FieldRef| Expr::Column(Column::new(Some(name.clone()), field.name()));
    match plan {
        // Such a table takes no filter on.
        LogicalPlan::TableScan(scan) if scan.filters.is_empty() => {
            Ok((scan.projected_schema.fields().iter().map(column).collect(), Vec::new()))
        }
        LogicalPlan::Values(values) => Ok((values.schema.fields().iter().map(column).collect(), Vec::new())),
        LogicalPlan::Projection(projection) => {
            let (meaning, predicates) = rows_of(&projection.input, name)?;
            let schema = projection.input.schema();
            let columns = projection.expr.iter().map(|expr| inline(expr.clone(), schema, &meaning));
            let columns: Meaning = columns.collect::<Result<_, _>>()?;
            columns.iter().try_for_each(refuse_clock)?;
            Ok((columns, predicates))
        }
        LogicalPlan::Filter(filter) => {
            let (meaning, mut predicates) = rows_of(&filter.input, name)?;
            let predicate = inline(filter.predicate.clone(), filter.input.schema(), &meaning)?;
            refuse_clock(&predicate)?;
            predicates.push(predicate);
            Ok((meaning, predicates))
        }
        LogicalPlan::SubqueryAlias(alias) => rows_of(&alias.input, name),
        _ => Err(Obstacle::new("it joins tables")),
    }
}

/// The column that a text is, whatever its type.
fn column_of(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Cast(Cast { expr, field }) if is_text(field.data_type()) => column_of(expr),
        _ => None,
    }
}

pub(in super::super) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}
