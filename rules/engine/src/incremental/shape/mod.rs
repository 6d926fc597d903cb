//! The shape of a rule that can be kept: filter → window → group by → aggregates → HAVING and projection over the points of one metric, the
//! figures of a range function, or records, maybe joined with rows of the twin (`joins`, `split`, `view`).
//!
//! It is read from the optimized plan, where DataFusion has already resolved names, moved predicates down and typed everything. What each
//! expression is about decides when it is evaluated: labels once per series, values once per point, aggregates once per changed group.

mod absent;
mod aggregates;
mod histograms;
mod joins;
mod split;
mod told;
mod view;
mod walk;
mod written;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema, DFSchemaRef, ScalarValue};
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};
use flyball_store::Store;

pub(super) use self::joins::{JoinKind, is_text};
pub(super) use self::split::{LookedUp, column_name, key_name};
pub(super) use self::told::told;
pub(super) use self::view::ViewShape;
pub(super) use self::walk::Source;
use self::walk::{Above, Below, Top, above, absence_of, below, equality, refuse, refuse_clock, source_of};
use super::accumulate::Function;
use super::inline::{Meaning, inline};
use super::obstacle::Obstacle;
use super::sliding::Sliding;
use crate::functions::histogram::merged;
use crate::query::bind::reads_clock;

/// The column that says when a point, record or figure was.
pub(super) const TIME: &str = "time";
const VALUE: &str = "value";
/// The column of what a range function makes of a series of histograms.
pub(super) const HISTOGRAM: &str = "histogram";

/// A rule's plan, taken apart.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) source: Source,
    /// Whether each series is a group of its own.
    pub(super) per_series: bool,
    pub(super) window: Sliding,
    /// Predicates on labels.
    pub(super) labels: Vec<Expr>,
    /// Labels that must have a certain value, sorted by name. Rules that differ in the values only are kept together.
    pub(super) partition: Vec<(String, ScalarValue)>,
    /// Predicates on values and times.
    pub(super) points: Vec<Expr>,
    /// What is grouped by: expressions over labels, of records over any columns.
    pub(super) keys: Vec<Expr>,
    /// Whether a key is about more than labels.
    pub(super) per_row: bool,
    pub(super) aggregates: Vec<Kept>,
    /// What is looked up for groups.
    pub(super) view: Option<ViewShape>,
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
    /// Over columns that are no labels; `None` when each row counts. Of a sketch: the aggregate, without its FILTER.
    pub(super) argument: Option<Expr>,
    /// Conditions each of values alone or of labels alone.
    pub(super) filter: Option<Expr>,
    pub(super) data_type: DataType,
}

impl Shape {
    /// Which of the columns that are no labels it reads: their places among those, sorted.
    pub(super) fn columns_read(&self) -> Vec<usize> {
        if let (Some(kind), Some(_)) = (self.source.records, self.source.range) {
            return histograms::columns_read(kind);
        }
        let of_aggregates = self.aggregates.iter().flat_map(|kept| kept.argument.iter().chain(&kept.filter));
        let exprs = self.points.iter().chain(&self.keys).chain(of_aggregates);
        let names = exprs.flat_map(Expr::column_refs);
        let mut places: Vec<usize> =
            names.filter_map(|column| self.source.points.index_of(&column.name).ok()).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// Takes a plan apart.
    ///
    /// # Errors
    /// The first thing in it that can't be kept.
    pub(super) fn of(plan: &LogicalPlan, store: &Store) -> Result<Self, Obstacle> {
        let mut joins = Vec::new();
        let above = above(plan, &mut joins)?;
        if let Top::Series { rows: LogicalPlan::TableScan(scan), .. } = above.top
            && let Some(length) = absence_of(scan)
        {
            if !joins.is_empty() {
                return Err(Obstacle::new("it joins what is absent"));
            }
            return Self::of_absent(above, scan, length, store);
        }
        let Above { top, having, meaning } = above;
        let joins_above = joins.len();
        let (input, groups) = match &top {
            Top::Aggregate(aggregate) => (aggregate.input.as_ref(), Arc::clone(&aggregate.schema)),
            Top::Series { rows, figure } => (*rows, of_series(rows.schema(), figure)?),
        };
        let Below { scan, predicates, meaning: rows, range } = below(input, &mut joins)?;
        let mut shape = Self {
            source: source_of(scan, range, store)?,
            per_series: matches!(top, Top::Series { .. }),
            window: Sliding { length: 0, inclusive: false, step: 1 },
            labels: Vec::new(),
            partition: Vec::new(),
            points: Vec::new(),
            keys: Vec::new(),
            per_row: false,
            aggregates: Vec::new(),
            view: None,
            groups,
            having,
            projection: meaning,
        };
        let of_range = shape.source.range.map(|range| range.length);
        let conditions = shape.sort_predicates(predicates, of_range)?;
        match top {
            Top::Aggregate(aggregate) => shape.group(aggregate, &rows)?,
            Top::Series { figure, .. } => shape.group_by_series(&figure),
        }
        if !joins.is_empty() {
            joins.rotate_left(joins_above);
            shape.look_up(joins, joins_above, conditions)?;
        }
        for expr in shape.having.iter().chain(&shape.projection) {
            refuse_clock(expr)?;
        }
        Ok(shape)
    }

    /// The keys and aggregates of an aggregate.
    fn group(&mut self, aggregate: &Aggregate, rows: &Meaning) -> Result<(), Obstacle> {
        for key in &aggregate.group_expr {
            if matches!(key, Expr::GroupingSet(_)) {
                return Err(Obstacle::new("it groups in several ways at once"));
            }
            let key = inline(key.clone(), aggregate.input.schema(), rows)?;
            match self.subject(&key)? {
                Subject::Labels | Subject::Nothing | Subject::LookedUp => self.keys.push(key),
                _ if self.source.records.is_some() && !is_of_time(&key) => {
                    refuse(&key)?;
                    self.per_row = true;
                    self.keys.push(key);
                }
                _ => {
                    return Err(Obstacle::new(format!(
                        "it groups by \"{}\", which is not of labels alone",
                        told(&key)
                    ))
                    .hint("group by labels; a window says what points belong together"));
                }
            }
        }
        for (place, expr) in aggregate.aggr_expr.iter().enumerate() {
            let data_type = aggregate.schema.field(self.keys.len() + place).data_type().clone();
            self.aggregates.push(self.kept(expr, aggregate, rows, data_type)?);
        }
        Ok(())
    }

    /// Each series is a group of its own, with its labels and its figure.
    fn group_by_series(&mut self, figure: &str) {
        for field in self.groups.fields() {
            if field.name() != figure {
                self.keys.push(Expr::Column(Column::from_name(field.name())));
                continue;
            }
            // Of one value the greatest is that value, and one histogram makes the same again.
            let (function, argument) = match self.source.records {
                None => (Function::Max, Expr::Column(Column::from_name(VALUE))),
                Some(_) => (Function::Sketch, merged(Expr::Column(Column::from_name(HISTOGRAM)))),
            };
            let (argument, data_type) = (Some(argument), field.data_type().clone());
            self.aggregates.push(Kept { function, argument, filter: None, data_type });
        }
    }

    /// Puts each predicate where it is evaluated; gives those on what is looked up. Of a range function `length` says how far it looks back.
    fn sort_predicates(&mut self, predicates: Vec<Expr>, length: Option<i64>) -> Result<Vec<Expr>, Obstacle> {
        let (mut window, mut looked_up) = (None, Vec::new());
        for predicate in predicates.into_iter().flat_map(split_conjunction_owned) {
            refuse(&predicate)?;
            if let Some(found) = Sliding::of(&predicate)? {
                if length.is_some() {
                    return Err(Obstacle::new("it asks how old the rows of a range function are")
                        .hint("the interval in its brackets says how old a sample may be"));
                }
                if window.replace(found).is_some_and(|before| before != found) {
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
                Subject::LookedUp => looked_up.push(predicate),
                Subject::Nothing | Subject::Both => {
                    return Err(Obstacle::new(format!("\"{}\" is about labels and values at once", told(&predicate))));
                }
                Subject::All => {
                    let obstacle =
                        format!("\"{}\" is about single values and what is looked up for them", told(&predicate));
                    return Err(Obstacle::new(obstacle).hint("compare an aggregate with it in HAVING"));
                }
            }
        }
        self.partition.sort_by(|a, b| a.0.cmp(&b.0));
        self.window = match (length, window) {
            (Some(length), _) => Sliding::new(length, false)?,
            (None, Some(window)) => window,
            (None, None) => {
                let obstacle = Obstacle::new("it looks at all points ever stored");
                return Err(obstacle.hint("add WHERE time > now() - INTERVAL '5 minutes'"));
            }
        };
        Ok(looked_up)
    }

    /// Rules of one signature are kept together: all but their HAVING, their projection and the values they ask of labels.
    pub(super) fn signature(&self) -> String {
        let Self { source: Source { range, .. }, window, .. } = self;
        let points = sorted_texts(&self.points);
        let aggregates: Vec<_> = self.aggregates.iter().map(ToString::to_string).collect();
        format!("{} {range:?} {window:?} {points:?} {aggregates:?}", self.signature_of_grouping())
    }

    /// Tables of one signature group the same series by the same.
    pub(super) fn signature_of_grouping(&self) -> String {
        let Self { source: Source { metric, points, .. }, per_series, .. } = self;
        let of_points: Vec<_> = points.fields().iter().map(|field| field.name()).collect();
        let keys: Vec<_> = self.keys.iter().map(ToString::to_string).collect();
        let partition: Vec<_> = self.partition.iter().map(|(label, _)| label).collect();
        let labels = sorted_texts(&self.labels);
        format!("{metric:?} {of_points:?} {per_series} {labels:?} {partition:?} {keys:?}")
    }

    fn subject(&self, expr: &Expr) -> Result<Subject, Obstacle> {
        if reads_clock(expr)? {
            return Err(Obstacle::new(format!("\"{}\" changes with the time alone", told(expr))));
        }
        let (mut labels, mut points, mut looked_up) = (false, false, false);
        for column in expr.column_refs() {
            match (&column.relation, self.source.points.index_of(&column.name)) {
                (Some(_), _) => looked_up = true,
                (None, Ok(_)) => points = true,
                (None, Err(_)) => labels = true,
            }
        }
        Ok(match (labels, points, looked_up) {
            (false, false, false) => Subject::Nothing,
            (true, false, false) => Subject::Labels,
            (false, true, false) => Subject::Points,
            (true, true, false) => Subject::Both,
            (_, false, true) => Subject::LookedUp,
            (_, true, true) => Subject::All,
        })
    }
}

fn sorted_texts(exprs: &[Expr]) -> Vec<String> {
    let mut texts: Vec<_> = exprs.iter().map(ToString::to_string).collect();
    texts.sort_unstable();
    texts
}

/// The columns of the rows of a range function, the labels first.
fn of_series(rows: &DFSchema, figure: &str) -> Result<DFSchemaRef, Obstacle> {
    if rows.fields().iter().any(|field| field.name() == TIME) {
        return Err(of_time());
    }
    let fields = rows.iter().map(|(table, field)| (table.cloned(), Arc::clone(field)));
    let (values, labels): (Vec<_>, Vec<_>) = fields.partition(|(_, field)| field.name() == figure);
    let fields = labels.into_iter().chain(values).collect();
    Ok(Arc::new(DFSchema::new_with_metadata(fields, rows.metadata().clone())?))
}

fn of_time() -> Obstacle {
    Obstacle::new("it asks for the time of the rows of a range function")
}

/// Whether an expression is about the time, so that it has no end of values.
fn is_of_time(expr: &Expr) -> bool {
    expr.column_refs().iter().any(|column| column.name == TIME)
}

/// What an expression is about.
enum Subject {
    Nothing,
    Labels,
    Points,
    Both,
    /// What is looked up, and maybe labels.
    LookedUp,
    /// The same and values.
    All,
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
