//! The nodes of a plan, from the top down.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNode;
use datafusion::datasource::DefaultTableSource;
use datafusion::datasource::empty::EmptyTable;
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, Operator, SubqueryAlias, TableScan};
use flyball_model::series::{LOGS, SPANS};
use flyball_model::{MetricRef, RowKind, Shape as MetricShape};
use flyball_store::Store;
use flyball_store::labels::labels_by_column;
use flyball_store::predicates::needs_a_plan;

use super::super::inline::{Meaning, columns_of, inline, plain, plain_columns_of};
use super::super::obstacle::Obstacle;
use super::super::ranges;
use super::VALUE;
use super::histograms::Change;
use super::joins::{Joined, Sides};
use super::told::told;
use crate::catalog::TableRead;
use crate::catalog::relation::Relation;
use crate::functions::call::RangeWindow;
use crate::functions::window::Function as RangeFunction;
use crate::functions::{RANGE_FUNCTIONS, is_never_came, range_window_of};
use crate::query::bind::reads_clock;

/// What HAVING and the projection are about.
pub(super) enum Top<'p> {
    Aggregate(&'p Aggregate),
    /// The rows of a range function themselves, and which of their columns is what it makes of a series.
    Series {
        rows: &'p LogicalPlan,
        figure: String,
    },
}

/// What stands above it.
pub(super) struct Above<'p> {
    pub(super) top: Top<'p>,
    pub(super) having: Vec<Expr>,
    pub(super) meaning: Meaning,
}

/// What stands below it.
pub(super) struct Below<'p> {
    pub(super) scan: &'p TableScan,
    pub(super) predicates: Vec<Expr>,
    pub(super) meaning: Meaning,
    /// Of a range function over histograms, which is a plan: what it computes, and how far back it looks.
    pub(super) range: Option<RangeWindow>,
}

/// What a rule reads: the points of a metric, the figures that a range function makes of them, or records.
#[derive(Debug)]
pub(in super::super) struct Source {
    /// The metric; of records that of their series.
    pub(in super::super) metric: MetricRef,
    /// Of records: of what kind they are.
    pub(in super::super) records: Option<RowKind>,
    /// Of a range function: what it computes, and how far back it looks.
    pub(in super::super) range: Option<RangeWindow>,
    /// The columns of the table that are no labels.
    pub(in super::super) points: SchemaRef,
    /// The columns that are labels, and the labels' own names.
    pub(in super::super) labels: Vec<(String, Arc<str>)>,
}

/// Joins with looked-up rows are added to `joins`, the lowest first.
pub(super) fn above<'p>(plan: &'p LogicalPlan, joins: &mut Vec<Joined>) -> Result<Above<'p>, Obstacle> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => {
            let top = match Change::of(aggregate) {
                Some(change) => Top::Series { rows: plan, figure: change.figure()? },
                None => Top::Aggregate(aggregate),
            };
            Ok(Above { top, having: Vec::new(), meaning: columns_of(&aggregate.schema) })
        }
        LogicalPlan::Projection(projection) => {
            let mut found = above(&projection.input, joins)?;
            let schema = projection.input.schema();
            let meaning = projection.expr.iter().map(|expr| inline(expr.clone(), schema, &found.meaning));
            found.meaning = meaning.collect::<Result<_, _>>()?;
            Ok(found)
        }
        LogicalPlan::Filter(filter) => {
            let mut found = above(&filter.input, joins)?;
            found.having.push(inline(filter.predicate.clone(), filter.input.schema(), &found.meaning)?);
            Ok(found)
        }
        LogicalPlan::SubqueryAlias(alias) => {
            refuse_durations(alias)?;
            above(&alias.input, joins)
        }
        // Rows of a rule have no order.
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => above(&sort.input, joins),
        LogicalPlan::Join(join) => {
            let sides = Sides::of(join)?;
            let mut found = above(sides.points, joins)?;
            found.having.extend(sides.join(&mut found.meaning, joins)?);
            Ok(found)
        }
        LogicalPlan::TableScan(scan)
            if relation_of(scan).is_some_and(|of| range_window_of(of.table.as_ref()).is_some()) =>
        {
            let top = Top::Series { rows: plan, figure: VALUE.to_owned() };
            Ok(Above { top, having: Vec::new(), meaning: columns_of(&scan.projected_schema) })
        }
        LogicalPlan::TableScan(scan) if relation_of(scan).is_some_and(is_yet_to_come) => Err(yet_to_come()),
        LogicalPlan::TableScan(_) => Err(Obstacle::new("it has no aggregate")
            .hint("GROUP BY the labels that tell what is broken, with max(value), avg(value), …")),
        other => Err(stands_in_the_way(other)),
    }
}

/// As [`above`].
pub(super) fn below<'p>(plan: &'p LogicalPlan, joins: &mut Vec<Joined>) -> Result<Below<'p>, Obstacle> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            if scan.fetch.is_some() {
                return Err(Obstacle::new("LIMIT picks rows by chance"));
            }
            let predicates = scan.filters.iter().cloned().map(plain).collect::<Result<_, _>>()?;
            Ok(Below { scan, predicates, meaning: plain_columns_of(&scan.projected_schema), range: None })
        }
        LogicalPlan::Projection(projection) => {
            let mut found = below(&projection.input, joins)?;
            let schema = projection.input.schema();
            let meaning = projection.expr.iter().map(|expr| inline(expr.clone(), schema, &found.meaning));
            found.meaning = meaning.collect::<Result<_, _>>()?;
            Ok(found)
        }
        LogicalPlan::Filter(filter) => {
            let mut found = below(&filter.input, joins)?;
            found.predicates.push(inline(filter.predicate.clone(), filter.input.schema(), &found.meaning)?);
            Ok(found)
        }
        LogicalPlan::SubqueryAlias(alias) => {
            refuse_durations(alias)?;
            below(&alias.input, joins)
        }
        LogicalPlan::Join(join) => {
            let sides = Sides::of(join)?;
            let mut found = below(sides.points, joins)?;
            found.predicates.extend(sides.join(&mut found.meaning, joins)?);
            Ok(found)
        }
        LogicalPlan::Aggregate(aggregate) => match Change::of(aggregate) {
            Some(change) => change.over(below(&aggregate.input, joins)?),
            None => Err(Obstacle::new("it aggregates aggregates")),
        },
        other => Err(stands_in_the_way(other)),
    }
}

fn stands_in_the_way(plan: &LogicalPlan) -> Obstacle {
    let what = match plan {
        LogicalPlan::Union(_) => "it is a UNION",
        LogicalPlan::Limit(_) | LogicalPlan::Sort(_) => "LIMIT picks rows among all",
        LogicalPlan::Window(_) => "it has a window function (OVER)",
        LogicalPlan::Distinct(_) => "it has DISTINCT",
        LogicalPlan::Subquery(_) => "it has a subquery",
        LogicalPlan::Values(_) | LogicalPlan::EmptyRelation(_) => "it reads no table",
        _ => "its shape is not filter, window, group by, aggregates and HAVING over one table",
    };
    Obstacle::new(what)
}

/// Refuses a range function over spans, whose rows are aggregates of their durations.
fn refuse_durations(alias: &SubqueryAlias) -> Result<(), Obstacle> {
    let function = alias.alias.table().strip_suffix("()");
    let Some(function) = function.filter(|name| RANGE_FUNCTIONS.contains(name)) else { return Ok(()) };
    let is_of_spans = |node: &LogicalPlan| {
        let LogicalPlan::TableScan(scan) = node else { return Ok(false) };
        Ok(relation_of(scan).is_some_and(|of| of.read == TableRead::Spans))
    };
    if alias.input.exists(is_of_spans)? {
        return Err(Obstacle::new(format!(
            "{function} is over spans, and range functions over spans are run as plans"
        ))
        .hint("aggregate the durations: avg(duration), approx_percentile_cont(duration, 0.95), … FROM spans"));
    }
    Ok(())
}

/// Whether it stands for a metric of which nothing has come.
fn is_yet_to_come(relation: &Relation) -> bool {
    relation.table.is::<EmptyTable>() || is_never_came(relation.table.as_ref())
}

fn yet_to_come() -> Obstacle {
    Obstacle::new("no point of a metric that it reads has come yet")
}

/// What no expression may have: a value that is not the same for the same row.
pub(super) fn refuse(expr: &Expr) -> Result<(), Obstacle> {
    if expr.is_volatile() {
        return Err(Obstacle::new(format!("\"{}\" is another each time", told(expr))));
    }
    if needs_a_plan(expr) { Err(Obstacle::new("it has a subquery")) } else { Ok(()) }
}

/// The same, and what changes with the time alone.
pub(super) fn refuse_clock(expr: &Expr) -> Result<(), Obstacle> {
    refuse(expr)?;
    if reads_clock(expr)? {
        return Err(Obstacle::new(format!("\"{}\" changes with the time alone", told(expr))));
    }
    Ok(())
}

/// `label = 'value'`.
pub(super) fn equality(predicate: &Expr) -> Option<(String, ScalarValue)> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = predicate else { return None };
    match (left.as_ref(), right.as_ref()) {
        (Expr::Column(label), Expr::Literal(value, _)) | (Expr::Literal(value, _), Expr::Column(label))
            if !value.is_null() =>
        {
            Some((label.name.clone(), value.clone()))
        }
        _ => None,
    }
}

pub(super) fn relation_of(scan: &TableScan) -> Option<&Relation> {
    let source = scan.source.downcast_ref::<DefaultTableSource>();
    source.and_then(|source| source.table_provider.downcast_ref::<Relation>())
}

/// `range` is what a range function over histograms computes.
pub(super) fn source_of(scan: &TableScan, range: Option<RangeWindow>, store: &Store) -> Result<Source, Obstacle> {
    let other = || {
        let table = &scan.table_name;
        Obstacle::new(format!("it reads {table}, and only points of one metric, logs and spans are kept incrementally"))
    };
    let relation = relation_of(scan).ok_or_else(other)?;
    if is_yet_to_come(relation) {
        return Err(yet_to_come());
    }
    match relation.read {
        TableRead::Metric(metric) if store.registry().read().shape(metric) == MetricShape::Histograms => {
            histograms_of(metric, range, store)
        }
        TableRead::Metric(metric) => points_of(metric, relation, store),
        TableRead::Logs => records_of(RowKind::Logs, LOGS, store),
        TableRead::Spans => records_of(RowKind::Spans, SPANS, store),
        _ => Err(other()),
    }
}

fn points_of(metric: MetricRef, relation: &Relation, store: &Store) -> Result<Source, Obstacle> {
    let range = range_window_of(relation.table.as_ref());
    if let Some(RangeWindow { function, .. }) = range
        && !ranges::is_kept(function)
    {
        return Err(Obstacle::new(format!("{} is not kept incrementally", function.name())));
    }
    Ok(points_in(metric, range, relation, store))
}

/// How far `absent` looks back, nanoseconds; `None` of another table.
pub(super) fn absence_of(scan: &TableScan) -> Option<i64> {
    let range = range_window_of(relation_of(scan)?.table.as_ref())?;
    (range.function == RangeFunction::Absent).then_some(range.length)
}

/// The points that `absent` looks for.
pub(super) fn samples_of(scan: &TableScan, store: &Store) -> Result<Source, Obstacle> {
    match relation_of(scan).map(|relation| (relation, &relation.read)) {
        Some((relation, &TableRead::Metric(metric)))
            if store.registry().read().shape(metric) != MetricShape::Histograms =>
        {
            Ok(points_in(metric, None, relation, store))
        }
        _ => Err(Obstacle::new("it asks for the absence of other than points")),
    }
}

fn points_in(metric: MetricRef, range: Option<RangeWindow>, relation: &Relation, store: &Store) -> Source {
    let view = store.registry().read();
    let labels = labels_by_column(&view, metric);
    let points = Arc::new(Schema::new(relation.table.schema().fields()[..2].to_vec()));
    Source { metric, records: None, range, points, labels }
}

fn histograms_of(metric: MetricRef, range: Option<RangeWindow>, store: &Store) -> Result<Source, Obstacle> {
    let kind = RowKind::Histograms;
    let points = match range {
        Some(_) => ranges::figure_schema()?,
        None => Schema::new(kind.schema().fields()[1..].to_vec()),
    };
    let (records, labels) = (Some(kind), store.labels_of_histograms(metric));
    Ok(Source { metric, records, range, points: Arc::new(points), labels })
}

fn records_of(kind: RowKind, name: &str, store: &Store) -> Result<Source, Obstacle> {
    let metric = store.registry().read().metric(name);
    let metric = metric.ok_or_else(|| Obstacle::new(format!("{name} has no record yet")))?;
    let points = Arc::new(Schema::new(kind.schema().fields()[1..].to_vec()));
    Ok(Source { metric, records: Some(kind), range: None, points, labels: store.labels_of_records(kind) })
}
