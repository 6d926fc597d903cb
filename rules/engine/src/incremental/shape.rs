//! The shape of a rule that can be kept: filter → window → group by → aggregates → HAVING and projection over the points of one metric.
//!
//! It is read from the optimized plan, where DataFusion has already resolved names, moved predicates down and typed everything. What each
//! expression is about decides when it is evaluated: labels once per series, values once per point, aggregates once per changed group.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{DFSchemaRef, ScalarValue};
use datafusion::datasource::DefaultTableSource;
use datafusion::logical_expr::expr::{AggregateFunction, BinaryExpr};
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, Operator, TableScan};
use flyball_model::{MetricRef, Shape as MetricShape};
use flyball_store::Store;

use super::accumulate::Function;
use super::inline::{Meaning, columns_of, inline, plain, plain_columns_of};
use super::obstacle::Obstacle;
use super::sliding::Sliding;
use crate::catalog::TableRead;
use crate::catalog::relation::Relation;
use crate::functions::is_range_table;
use crate::query::bind::reads_clock;

/// The columns of a metric's table that are not labels.
const OF_POINTS: [&str; 2] = ["time", "value"];

/// A rule's plan, taken apart.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) metric: MetricRef,
    /// The columns of the metric's table.
    pub(super) table: SchemaRef,
    pub(super) window: Sliding,
    /// Predicates on labels.
    pub(super) labels: Vec<Expr>,
    /// Labels that must have a certain value, sorted by name. Rules that differ in the values only are kept together.
    pub(super) partition: Vec<(String, ScalarValue)>,
    /// Predicates on values and times.
    pub(super) points: Vec<Expr>,
    /// What is grouped by: expressions over labels.
    pub(super) keys: Vec<Expr>,
    pub(super) aggregates: Vec<Kept>,
    /// The columns of keys and aggregates.
    pub(super) groups: DFSchemaRef,
    /// Over these columns.
    pub(super) having: Vec<Expr>,
    /// Over these columns.
    pub(super) projection: Vec<Expr>,
}

/// An aggregate of a rule.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) function: Function,
    /// Over `time` and `value`; `None` when each row counts.
    pub(super) argument: Option<Expr>,
    pub(super) filter: Option<Expr>,
    pub(super) data_type: DataType,
}

/// What stands above the aggregate.
struct Above<'p> {
    aggregate: &'p Aggregate,
    having: Vec<Expr>,
    meaning: Meaning,
}

/// What stands below it.
struct Below<'p> {
    scan: &'p TableScan,
    predicates: Vec<Expr>,
    meaning: Meaning,
}

impl Shape {
    /// Takes a plan apart.
    ///
    /// # Errors
    /// The first thing in it that can't be kept.
    pub(super) fn of(plan: &LogicalPlan, store: &Store) -> Result<Self, Obstacle> {
        let Above { aggregate, having, meaning } = above(plan)?;
        let Below { scan, predicates, meaning: rows } = below(&aggregate.input)?;
        let (metric, table) = metric_of(scan, store)?;
        let mut shape = Self {
            metric,
            window: Sliding { length: 0, inclusive: false, step: 1 },
            labels: Vec::new(),
            partition: Vec::new(),
            points: Vec::new(),
            keys: Vec::new(),
            aggregates: Vec::new(),
            groups: Arc::clone(&aggregate.schema),
            having,
            projection: meaning,
            table,
        };
        shape.sort_predicates(predicates)?;
        for key in &aggregate.group_expr {
            if matches!(key, Expr::GroupingSet(_)) {
                return Err(Obstacle::new("it groups in several ways at once"));
            }
            let key = inline(key.clone(), aggregate.input.schema(), &rows)?;
            match shape.subject(&key)? {
                Subject::Labels | Subject::Nothing => shape.keys.push(key),
                Subject::Points | Subject::Both => {
                    return Err(Obstacle::new(format!("it groups by \"{key}\", which is not of labels alone"))
                        .hint("group by labels; a window says what points belong together"));
                }
            }
        }
        for (place, expr) in aggregate.aggr_expr.iter().enumerate() {
            let data_type = aggregate.schema.field(shape.keys.len() + place).data_type().clone();
            shape.aggregates.push(shape.kept(expr, aggregate, &rows, data_type)?);
        }
        for expr in shape.having.iter().chain(&shape.projection) {
            refuse(expr)?;
            if reads_clock(expr)? {
                return Err(Obstacle::new(format!("\"{expr}\" changes with the time alone")));
            }
        }
        Ok(shape)
    }

    /// Puts each predicate where it is evaluated.
    fn sort_predicates(&mut self, predicates: Vec<Expr>) -> Result<(), Obstacle> {
        let mut window = None;
        for predicate in predicates.into_iter().flat_map(split_conjunction_owned) {
            refuse(&predicate)?;
            if let Some(found) = Sliding::of(&predicate)? {
                if window.replace(found).is_some() {
                    return Err(Obstacle::new("its window has two beginnings").hint("keep the later one"));
                }
                continue;
            }
            match self.subject(&predicate)? {
                Subject::Labels => match equality(&predicate) {
                    Some((label, value)) if !self.partition.iter().any(|(known, _)| *known == label) => {
                        self.partition.push((label, value));
                    }
                    _ => self.labels.push(predicate),
                },
                Subject::Points => self.points.push(predicate),
                Subject::Nothing | Subject::Both => {
                    return Err(Obstacle::new(format!("\"{predicate}\" is about labels and values at once")));
                }
            }
        }
        self.partition.sort_by(|a, b| a.0.cmp(&b.0));
        self.window = window.ok_or_else(|| {
            Obstacle::new("it looks at all points ever stored").hint("add WHERE time > now() - INTERVAL '5 minutes'")
        })?;
        Ok(())
    }

    fn kept(&self, expr: &Expr, of: &Aggregate, rows: &Meaning, data_type: DataType) -> Result<Kept, Obstacle> {
        let Expr::AggregateFunction(AggregateFunction { func, params }) = expr.clone().unalias() else {
            return Err(Obstacle::new(format!("\"{expr}\" is not an aggregate of one function")));
        };
        let cannot = || {
            Obstacle::new(format!("{} is not kept incrementally", func.name()))
                .hint("count, sum, avg, min, max, stddev, var, first_value and last_value by time are")
        };
        if params.distinct {
            return Err(Obstacle::new("DISTINCT in an aggregate is not kept incrementally"));
        }
        let by_time = match params.order_by.as_slice() {
            [] => false,
            [sort]
                if sort.asc
                    && matches!(inline(sort.expr.clone(), of.input.schema(), rows)?, Expr::Column(column) if column.name == "time") =>
            {
                true
            }
            _ => return Err(Obstacle::new("an aggregate has an order other than by rising time")),
        };
        let function = match (func.name(), by_time) {
            ("count", _) => Function::Count,
            ("sum", _) => Function::Sum,
            ("avg", _) => Function::Avg,
            ("min", _) => Function::Min,
            ("max", _) => Function::Max,
            ("stddev", _) => Function::Variance { sample: true, root: true },
            ("stddev_pop", _) => Function::Variance { sample: false, root: true },
            ("var", _) => Function::Variance { sample: true, root: false },
            ("var_pop", _) => Function::Variance { sample: false, root: false },
            ("first_value", true) if params.null_treatment.is_none() => Function::First,
            ("last_value", true) if params.null_treatment.is_none() => Function::Last,
            _ => return Err(cannot()),
        };
        let [argument] = params.args.as_slice() else { return Err(cannot()) };
        let argument = inline(argument.clone(), of.input.schema(), rows)?;
        refuse(&argument)?;
        let argument = match (&argument, self.subject(&argument)?) {
            (Expr::Literal(value, _), _) if function == Function::Count && !value.is_null() => None,
            (_, Subject::Points) => Some(argument),
            _ => return Err(Obstacle::new(format!("{}({argument}) is not over values alone", func.name()))),
        };
        let is_number = |data_type: &DataType| data_type.is_numeric();
        if function != Function::Count && !is_number(&data_type) {
            return Err(Obstacle::new(format!("{} gives no number here", func.name())));
        }
        let filter = match params.filter {
            Some(filter) => {
                let filter = inline(*filter, of.input.schema(), rows)?;
                refuse(&filter)?;
                match self.subject(&filter)? {
                    Subject::Points => Some(filter),
                    _ => return Err(Obstacle::new(format!("FILTER (WHERE {filter}) is not about values alone"))),
                }
            }
            None => None,
        };
        Ok(Kept { function, argument, filter, data_type })
    }

    /// Rules of one signature are kept together: all but their HAVING, their projection and the values they ask of labels.
    pub(super) fn signature(&self) -> String {
        let text = |exprs: &[Expr]| exprs.iter().map(ToString::to_string).collect::<Vec<_>>();
        let sorted = |exprs: &[Expr]| {
            let mut texts = text(exprs);
            texts.sort_unstable();
            texts
        };
        let Self { metric, window, .. } = self;
        let (labels, points, keys) = (sorted(&self.labels), sorted(&self.points), text(&self.keys));
        let partition: Vec<_> = self.partition.iter().map(|(label, _)| label).collect();
        let aggregates: Vec<_> = self.aggregates.iter().map(ToString::to_string).collect();
        format!("{metric:?} {window:?} {labels:?} {partition:?} {points:?} {keys:?} {aggregates:?}")
    }

    fn subject(&self, expr: &Expr) -> Result<Subject, Obstacle> {
        if reads_clock(expr)? {
            return Err(Obstacle::new(format!("\"{expr}\" changes with the time alone")));
        }
        let (mut labels, mut points) = (false, false);
        for column in expr.column_refs() {
            let of_points = OF_POINTS.contains(&column.name.as_str());
            points |= of_points;
            labels |= !of_points;
        }
        Ok(match (labels, points) {
            (false, false) => Subject::Nothing,
            (true, false) => Subject::Labels,
            (false, true) => Subject::Points,
            (true, true) => Subject::Both,
        })
    }
}

/// What an expression is about.
enum Subject {
    Nothing,
    Labels,
    Points,
    Both,
}

fn above(plan: &LogicalPlan) -> Result<Above<'_>, Obstacle> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => {
            Ok(Above { aggregate, having: Vec::new(), meaning: columns_of(&aggregate.schema) })
        }
        LogicalPlan::Projection(projection) => {
            let mut found = above(&projection.input)?;
            let schema = projection.input.schema();
            let meaning = projection.expr.iter().map(|expr| inline(expr.clone(), schema, &found.meaning));
            found.meaning = meaning.collect::<Result<_, _>>()?;
            Ok(found)
        }
        LogicalPlan::Filter(filter) => {
            let mut found = above(&filter.input)?;
            found.having.push(inline(filter.predicate.clone(), filter.input.schema(), &found.meaning)?);
            Ok(found)
        }
        LogicalPlan::SubqueryAlias(alias) => above(&alias.input),
        // Rows of a rule have no order.
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => above(&sort.input),
        LogicalPlan::TableScan(_) => Err(Obstacle::new("it has no aggregate")
            .hint("GROUP BY the labels that tell what is broken, with max(value), avg(value), …")),
        other => Err(stands_in_the_way(other)),
    }
}

fn below(plan: &LogicalPlan) -> Result<Below<'_>, Obstacle> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            if scan.fetch.is_some() {
                return Err(Obstacle::new("LIMIT picks rows by chance"));
            }
            let predicates = scan.filters.iter().cloned().map(plain).collect::<Result<_, _>>()?;
            Ok(Below { scan, predicates, meaning: plain_columns_of(&scan.projected_schema) })
        }
        LogicalPlan::Projection(projection) => {
            let mut found = below(&projection.input)?;
            let schema = projection.input.schema();
            let meaning = projection.expr.iter().map(|expr| inline(expr.clone(), schema, &found.meaning));
            found.meaning = meaning.collect::<Result<_, _>>()?;
            Ok(found)
        }
        LogicalPlan::Filter(filter) => {
            let mut found = below(&filter.input)?;
            found.predicates.push(inline(filter.predicate.clone(), filter.input.schema(), &found.meaning)?);
            Ok(found)
        }
        LogicalPlan::SubqueryAlias(alias) => below(&alias.input),
        LogicalPlan::Aggregate(_) => Err(Obstacle::new("it aggregates aggregates")),
        other => Err(stands_in_the_way(other)),
    }
}

fn stands_in_the_way(plan: &LogicalPlan) -> Obstacle {
    let what = match plan {
        LogicalPlan::Join(_) => "it joins tables",
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

/// What no expression may have: a value that is not the same for the same row.
fn refuse(expr: &Expr) -> Result<(), Obstacle> {
    use datafusion::common::tree_node::TreeNode;
    if expr.is_volatile() {
        return Err(Obstacle::new(format!("\"{expr}\" is another each time")));
    }
    let nested = expr.exists(|expr| {
        Ok(matches!(
            expr,
            Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::SetComparison(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::Placeholder(_)
        ))
    })?;
    if nested { Err(Obstacle::new("it has a subquery")) } else { Ok(()) }
}

/// `label = 'value'`.
fn equality(predicate: &Expr) -> Option<(String, ScalarValue)> {
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

fn metric_of(scan: &TableScan, store: &Store) -> Result<(MetricRef, SchemaRef), Obstacle> {
    let source = scan.source.downcast_ref::<DefaultTableSource>();
    let relation = source.and_then(|source| source.table_provider.downcast_ref::<Relation>());
    let other =
        || Obstacle::new(format!("it reads {}, and only points of one metric are kept incrementally", scan.table_name));
    let relation = relation.ok_or_else(other)?;
    let TableRead::Metric(metric) = relation.read else { return Err(other()) };
    if is_range_table(relation.table.as_ref()) {
        return Err(Obstacle::new(format!("{} is a range function", scan.table_name)));
    }
    if store.registry().read().shape(metric) == MetricShape::Histograms {
        return Err(Obstacle::new(format!("{} holds histograms", scan.table_name)));
    }
    Ok((metric, relation.table.schema()))
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}(", self.function)?;
        match &self.argument {
            Some(argument) => write!(f, "{argument})")?,
            None => f.write_str("*)")?,
        }
        match &self.filter {
            Some(filter) => write!(f, " FILTER (WHERE {filter})"),
            None => Ok(()),
        }
    }
}
