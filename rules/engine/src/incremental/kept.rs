//! All tables of groups that rules are kept in.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arrow::datatypes::{Field, Fields, Schema, SchemaRef};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{Expr, LogicalPlan};
use flyball_model::{MetricRef, UnixNanos};
use flyball_store::Store;
use flyball_store::labels::label_type;
use hashbrown::HashMap;
use parking_lot::Mutex;

use super::accumulate::{Function, Layout};
use super::budget::{Budget, Share};
use super::by_series::SeriesFilter;
use super::classify::Classifier;
use super::distinct::{Keys, SeriesKeys};
use super::grouping::Groupings;
use super::incoming::Incoming;
use super::intake::stored_columns;
use super::member::Finish;
use super::obstacle::Obstacle;
use super::shape::{Kept as KeptAggregate, Shape, Source, key_name};
use super::sketch::Sketcher;
use super::sliding::Sliding;
use super::table::{Parts, Stop, Table, TableSize};
use super::texts::{Asked, Texts};
use super::values::{Argument, ArgumentKind};
use super::views::{Mirrors, View};
use super::way::Way;
use crate::evaluate::Row;

/// Who has a grouping that no other table has.
const TABLE_AND_INCOMING: usize = 2;

/// The tables of groups of all rules.
#[derive(Debug, Default)]
pub struct Incremental {
    /// By metric, and by signature.
    tables: Mutex<HashMap<MetricRef, HashMap<String, Weak<Shared>>>>,
    groupings: Arc<Groupings>,
    texts: Arc<Texts>,
    mirrors: Mirrors,
    next_token: AtomicU64,
    budget: Arc<Budget>,
}

/// A table that several rules and the task that brings it up to date share.
pub struct Shared {
    metric: MetricRef,
    table: Mutex<Table>,
    /// Whether a rule looks rows up for its groups.
    joins: AtomicBool,
    /// Whether points had left memory before they were taken, since this was asked last.
    fell_behind: AtomicBool,
    share: Share,
    /// Microseconds that were spent on bringing it up to date as points arrived.
    spent: AtomicU64,
    groupings: Arc<Groupings>,
}

/// A rule's place in a table. Dropping it takes the rule out.
pub(crate) struct Place {
    shared: Arc<Shared>,
    token: u64,
    window: Sliding,
    /// The tables that are looked up.
    joins: Vec<String>,
}

impl Incremental {
    /// Takes a rule in.
    ///
    /// # Errors
    /// What keeps its plan from being kept.
    pub(crate) fn keep(
        &self,
        plan: &LogicalPlan,
        output: &SchemaRef,
        state: &SessionState,
        store: &Store,
    ) -> Result<Place, Obstacle> {
        let shape = Shape::of(plan, store)?;
        let finish = Finish::new(&shape, state, Arc::clone(output))?;
        let signature = shape.signature();
        let mut tables = self.tables.lock();
        let by_signature = tables.entry(shape.source.metric).or_default();
        let known = by_signature.get(&signature).and_then(Weak::upgrade);
        let shared = match known {
            Some(known) => known,
            None => {
                let grouping = self
                    .groupings
                    .get(shape.signature_of_grouping(), &self.budget, || Classifier::new(&shape, state))?;
                let parts = parts(&shape, grouping.classifier(), &self.texts, state)?;
                let shared = Arc::new(Shared {
                    metric: shape.source.metric,
                    table: Mutex::new(Table::new(parts, grouping)),
                    joins: AtomicBool::new(false),
                    fell_behind: AtomicBool::new(false),
                    share: Share::new(Arc::clone(&self.budget)),
                    spent: AtomicU64::new(0),
                    groupings: Arc::clone(&self.groupings),
                });
                by_signature.retain(|_, table| table.strong_count() > 0);
                by_signature.insert(signature, Arc::downgrade(&shared));
                shared
            }
        };
        drop(tables);
        let token = self.next_token.fetch_add(1, Ordering::Relaxed);
        let mut table = shared.table.lock();
        let view = self.view(&shape, table.grouping.classifier(), state)?;
        table.join(token, &shape.partition, finish, view)?;
        shared.joins.fetch_or(shape.view.is_some(), Ordering::Relaxed);
        drop(table);
        let joins = shape.view.map(|view| view.names()).unwrap_or_default();
        Ok(Place { shared, token, window: shape.window, joins })
    }

    /// What a rule over a join looks at, with its signature.
    fn view(
        &self,
        shape: &Shape,
        classifier: &Classifier,
        state: &SessionState,
    ) -> Result<Option<(Arc<str>, View)>, Obstacle> {
        let Some(view) = &shape.view else { return Ok(None) };
        let group_schema = Arc::new(Schema::new(nullable(shape.groups.fields())));
        let made = View::new(shape, view, classifier, &self.mirrors, state, group_schema)?;
        Ok(Some((view.signature().into(), made)))
    }

    /// The tables that points of a metric go into.
    pub fn tables_of(&self, metric: MetricRef) -> Vec<Arc<Shared>> {
        let tables = self.tables.lock();
        tables.get(&metric).into_iter().flat_map(HashMap::values).filter_map(Weak::upgrade).collect()
    }

    /// The tables for whose groups rows of the twin are looked up.
    pub fn tables_with_joins(&self) -> Vec<Arc<Shared>> {
        let tables = self.tables.lock();
        let all = tables.values().flat_map(HashMap::values).filter_map(Weak::upgrade);
        all.filter(|table| table.joins.load(Ordering::Relaxed)).collect()
    }

    /// The metrics that there are tables of.
    pub fn metrics(&self) -> Vec<MetricRef> {
        self.tables.lock().keys().copied().collect()
    }

    /// Bytes that all tables take, near enough.
    pub fn bytes(&self) -> usize {
        self.budget.used()
    }
}

impl Shared {
    /// The metric whose points it follows.
    pub fn metric(&self) -> MetricRef {
        self.metric
    }

    /// Brings it up to date, and says which rules find others than before; each rule is told by its token. Blocks on files when it starts
    /// anew, else as long as its points take. What has arrived is looked up once for all tables of a metric that are given the same `incoming`.
    ///
    /// # Errors
    /// Why it can't; its rules find out when they are evaluated.
    pub fn advance(&self, incoming: &mut Incoming, store: &Store, now: UnixNanos) -> Result<Vec<u64>, String> {
        let mut table = self.table.lock();
        match self.advance_locked(&mut table, incoming, store, now) {
            Ok(()) => Ok(table.take_touched()),
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::TooLarge { bytes }) => Err(too_large(bytes)),
        }
    }

    /// Whether rows that are looked up for its groups may have changed since it was brought up to date.
    pub fn is_outdated(&self) -> bool {
        // Who holds the table brings it up to date, with what there was before perhaps.
        self.joins.load(Ordering::Relaxed) && self.table.try_lock().is_none_or(|table| table.has_outdated_view())
    }

    /// Whether points had left memory before it took them, since this was asked last, so that it had to begin with what is stored.
    pub fn take_fell_behind(&self) -> bool {
        self.fell_behind.swap(false, Ordering::Relaxed)
    }

    /// Takes note of what [`Shared::advance`] took.
    pub fn took(&self, duration: Duration) {
        self.spent.fetch_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What it holds.
    pub fn size(&self) -> TableSize {
        let spent = Duration::from_micros(self.spent.load(Ordering::Relaxed));
        TableSize { spent, ..self.table.lock().size() }
    }

    /// Whether bringing it up to date may read what is stored, which blocks on files.
    fn may_read(&self, table: &Table, now: UnixNanos) -> bool {
        table.may_read(now) || !Arc::ptr_eq(&table.grouping, &self.groupings.latest(&table.grouping, false))
    }

    fn advance_locked(
        &self,
        table: &mut Table,
        incoming: &mut Incoming,
        store: &Store,
        now: UnixNanos,
    ) -> Result<(), Stop> {
        let grouping = self.groupings.latest(&table.grouping, table.has_garbage());
        if !Arc::ptr_eq(&grouping, &table.grouping) {
            table.move_on(grouping);
        }
        let room = self.share.budget().left() + self.share.bytes() + table.grouping.share.bytes();
        let advanced = table.advance(incoming, store, now, room);
        self.fell_behind.fetch_or(std::mem::take(&mut table.fell_behind), Ordering::Relaxed);
        if let Err(Stop::TooLarge { .. }) = &advanced
            && Arc::strong_count(&table.grouping) <= TABLE_AND_INCOMING
        {
            table.move_on(self.groupings.latest(&table.grouping, true));
        }
        table.grouping.share.set(table.grouping.bytes());
        self.share.set(table.own_bytes());
        advanced
    }
}

fn too_large(bytes: usize) -> String {
    format!("its groups need {} MiB, more than there is left for groups", bytes >> 20)
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("metric", &self.metric).finish_non_exhaustive()
    }
}

/// What a rule finds in its table.
pub(crate) enum Found {
    Rows(Vec<Row>),
    /// It can't be evaluated.
    Error(String),
    /// It can't be kept any longer.
    Obstacle(Obstacle),
}

impl Place {
    /// What `now()` is to the rule at `now`.
    #[cfg(test)]
    pub(crate) fn evaluated_at(&self, now: UnixNanos) -> UnixNanos {
        self.window.evaluated_at(now)
    }

    /// The first evaluation from `now` on at which `now()` is the time itself.
    #[cfg(test)]
    pub(crate) fn next_step(&self, now: UnixNanos) -> UnixNanos {
        self.evaluated_at(UnixNanos(now.0 + self.window.step - 1))
    }

    /// Whether both find the groups of series in the same place.
    #[cfg(test)]
    pub(crate) fn shares_groups_with(&self, other: &Self) -> bool {
        let [one, other] = [self, other].map(|place| Arc::clone(&place.shared.table.lock().grouping));
        Arc::ptr_eq(&one, &other)
    }

    /// Groups that were met by tables that group like this rule's.
    #[cfg(test)]
    pub(crate) fn groups_met(&self) -> usize {
        self.shared.table.lock().grouping.met().groups.len()
    }

    pub(crate) fn way(&self) -> Way {
        Way::incremental(self.window, &self.shared, self.joins.clone())
    }

    /// How [`Shared::advance`] calls the rule.
    pub(crate) fn token(&self) -> u64 {
        self.token
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// What the rule finds as of `now`.
    pub(crate) async fn find(&self, store: &Arc<Store>, now: UnixNanos) -> Found {
        // Another rule's look may read files under the lock, and so may this one.
        if let Some(mut table) = self.shared.table.try_lock()
            && !self.shared.may_read(&table, now)
        {
            return self.find_in(&mut table, store, now);
        }
        let (shared, store, token) = (Arc::clone(&self.shared), Arc::clone(store), self.token);
        let found = tokio::task::spawn_blocking(move || {
            let mut table = shared.table.lock();
            find_in(&shared, token, &mut table, &store, now)
        });
        found
            .await
            .unwrap_or_else(|_| Found::Error("the engine panicked while it brought its groups up to date".into()))
    }

    fn find_in(&self, table: &mut Table, store: &Store, now: UnixNanos) -> Found {
        find_in(&self.shared, self.token, table, store, now)
    }
}

fn find_in(shared: &Shared, token: u64, table: &mut Table, store: &Store, now: UnixNanos) -> Found {
    match shared.advance_locked(table, &mut Incoming::default(), store, now) {
        Ok(()) => table.rows(token).map_or_else(Found::Error, Found::Rows),
        Err(Stop::Failed(error)) => Found::Error(error),
        Err(Stop::TooLarge { bytes }) => {
            Found::Obstacle(Obstacle::new(too_large(bytes)).hint("group by fewer labels, or narrow WHERE"))
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.shared.table.lock();
        table.leave(self.token);
        self.shared.joins.store(!table.views.is_empty(), Ordering::Relaxed);
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("token", &self.token).field("window", &self.window).finish_non_exhaustive()
    }
}

/// Keys that nobody reads are null.
fn nullable(fields: &Fields) -> Vec<Field> {
    fields.iter().map(|field| field.as_ref().clone().with_nullable(true)).collect()
}

/// The columns of a table's groups: of what is grouped by, and of the aggregates.
fn group_schema(shape: &Shape, classifier: &Classifier) -> SchemaRef {
    let keys = classifier.keys().types().iter().enumerate();
    let mut fields: Vec<Field> = keys.map(|(place, key)| Field::new(key_name(place), key.clone(), true)).collect();
    fields.extend(nullable(shape.groups.fields()).split_off(shape.key_count()));
    Arc::new(Schema::new(fields))
}

/// All expressions of a shape that a table needs, ready to be evaluated.
fn parts(shape: &Shape, classifier: &Classifier, texts: &Arc<Texts>, state: &SessionState) -> Result<Parts, Obstacle> {
    let Source { metric, records, range, points: of_points, .. } = &shape.source;
    let mut asked = Asked::new(Arc::clone(of_points));
    let points: Vec<_> = shape.points.iter().map(|expr| asked.take(expr)).collect::<Result<_>>()?;
    let mut taken = Vec::new();
    for KeptAggregate { function, argument, filter, .. } in &shape.aggregates {
        let argument = match argument {
            Some(argument) if function.is_of_numbers() => Some(asked.take(argument)?),
            other => other.clone(),
        };
        let conditions = filter.iter().flat_map(split_conjunction);
        let (of_rows, of_labels): (Vec<_>, Vec<_>) = conditions.partition(|expr| is_over(expr, of_points));
        let filter = conjunction(of_rows.into_iter().cloned()).map(|filter| asked.take(&filter)).transpose()?;
        let of_labels = conjunction(of_labels.into_iter().cloned());
        taken.push((argument, filter, of_labels.map(|filter| of_series(&filter, shape, state)).transpose()?));
    }
    let (point_schema, labels) = columns(shape, &asked)?;
    let named = DFSchema::try_from(Arc::clone(&point_schema))?;
    let physical = |expr: &Expr| state.create_physical_expr(expr.clone(), &named);
    let mut aggregates = Vec::new();
    for (aggregate, (argument, filter, of_series)) in shape.aggregates.iter().zip(taken) {
        let KeptAggregate { function, data_type, .. } = aggregate;
        let kind = match &argument {
            None => ArgumentKind::Rows,
            Some(aggregate) if *function == Function::Sketch => {
                ArgumentKind::Sketched(Arc::new(Sketcher::new(aggregate, &named, state)?))
            }
            Some(argument) if *function == Function::Distinct => told(argument, shape, state)?,
            Some(Expr::Column(column)) if column.name == "value" => ArgumentKind::Value,
            Some(argument) => ArgumentKind::Expression(physical(argument)?),
        };
        let text = aggregate.input();
        let filter = filter.as_ref().map(physical).transpose()?;
        let respects_nulls = function.respects_nulls();
        let argument = Argument { text, kind, filter, of_series, respects_nulls };
        aggregates.push((*function, argument, data_type.clone()));
    }
    Ok(Parts {
        metric: *metric,
        records: *records,
        window: shape.window,
        layout: Layout::new(aggregates),
        points: points.iter().map(physical).collect::<Result<_>>()?,
        range: *range,
        point_schema,
        labels,
        conditions: asked.conditions(*metric, texts, state)?,
        read: stored_columns(shape.columns_read()),
        group_schema: group_schema(shape, classifier),
    })
}

/// The columns that are no labels, and behind them those that sketches ask for, with the labels' own names, and conditions.
fn columns(shape: &Shape, asked: &Asked) -> Result<(SchemaRef, Vec<Arc<str>>), Obstacle> {
    let Source { points, labels, .. } = &shape.source;
    let sketches = shape.aggregates.iter().filter(|aggregate| aggregate.function == Function::Sketch);
    let columns: Vec<_> =
        sketches.filter_map(|aggregate| aggregate.argument.as_ref()).flat_map(Expr::column_refs).collect();
    let (fields, names) = of_labels(labels, &columns);
    let more = fields.into_iter().chain(asked.fields()).map(Arc::new);
    let fields: Vec<_> = points.fields().iter().cloned().chain(more).collect();
    Ok((Arc::new(Schema::new(fields)), names))
}

/// Those labels that are among some columns, with their own names.
fn of_labels<'c>(
    labels: &[(String, Arc<str>)],
    columns: impl IntoIterator<Item = &'c &'c Column> + Clone,
) -> (Vec<Field>, Vec<Arc<str>>) {
    let is_asked = |(column, _): &&(String, Arc<str>)| columns.clone().into_iter().any(|asked| asked.name == *column);
    let of = |(column, name): &(String, Arc<str>)| (Field::new(column, label_type(), true), Arc::clone(name));
    labels.iter().filter(is_asked).map(of).unzip()
}

/// Whether an expression is over columns of a schema.
fn is_over(expr: &Expr, schema: &Schema) -> bool {
    expr.column_refs().iter().all(|column| schema.index_of(&column.name).is_ok())
}

/// What a predicate on labels is for series.
fn of_series(predicate: &Expr, shape: &Shape, state: &SessionState) -> Result<Arc<SeriesFilter>> {
    let columns = predicate.column_refs();
    let (fields, names) = of_labels(&shape.source.labels, &columns);
    let schema = Arc::new(Schema::new(fields));
    let named = DFSchema::try_from(Arc::clone(&schema))?;
    let predicate = state.create_physical_expr(predicate.clone(), &named)?;
    Ok(Arc::new(SeriesFilter::new(names, schema, predicate)))
}

/// What tells the values of a count of different ones from each other.
fn told(argument: &Expr, shape: &Shape, state: &SessionState) -> Result<ArgumentKind, Obstacle> {
    let Source { points, labels, .. } = &shape.source;
    let keys = |schema: &SchemaRef| -> Result<Keys> {
        let named = DFSchema::try_from(Arc::clone(schema))?;
        Keys::new(state.create_physical_expr(argument.clone(), &named)?, schema)
    };
    let columns: Vec<_> = argument.column_refs().into_iter().collect();
    if is_over(argument, points) {
        return Ok(ArgumentKind::Told(Arc::new(keys(points)?)));
    }
    let (fields, names) = of_labels(labels, &columns);
    let schema = Arc::new(Schema::new(fields));
    let keys = keys(&schema)?;
    Ok(ArgumentKind::OfSeries(Arc::new(SeriesKeys::new(names, schema, keys))))
}
