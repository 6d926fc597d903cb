//! A rule's query between evaluations.

use std::sync::Arc;

use flyball_model::UnixNanos;
use flyball_model::series::{LOGS, SPANS, TEXTS};

use super::groups::GroupQuery;
use super::rows::{INSTANCES_MAX, rows};
use super::{EVALUATION_LIMITS, Outcome, Reads};
use crate::catalog::TableRead;
use crate::definition::{Rule, SLO_EVENTS, Text};
use crate::incremental::{Found, Obstacle, Place, Shared, Way};
use crate::query::text::SqlText;
use crate::query::{Database, Outline, Prepared, QueryError, QueryLimits, unit_of};

/// Plans a rule's query when that is needed, and keeps what it finds or runs it.
#[derive(Debug)]
pub struct RuleEvaluator {
    pub(super) sql: Text,
    /// It is evaluated as of whole multiples of a step, which lie before what its groups have seen.
    by_steps: bool,
    /// Its columns come with the first event of its objective: until then the metrics that it reads have those of other objectives alone.
    awaits_columns: bool,
    pub(super) plan: Result<Planned, Unplanned>,
    pub(super) groups: GroupQuery,
}

/// A planned query, and the way it goes.
#[derive(Debug)]
pub(super) enum Planned {
    /// Its plan is not needed any longer.
    Kept {
        place: Place,
        outline: Arc<Outline>,
    },
    Plan {
        prepared: Prepared,
        obstacle: Obstacle,
    },
}

/// One evaluation, with all that the state machine has to know of it.
#[derive(Debug)]
pub struct Look {
    /// What it found.
    pub outcome: Outcome,
    /// Whose new points are a reason for the next one.
    pub reads: Reads,
    /// The newest point that it has seen; `None` where that means nothing.
    pub sample_at: Option<UnixNanos>,
}

/// Planning failed, or was not tried.
#[derive(Debug)]
pub(super) struct Unplanned {
    outcome: Outcome,
    /// What the registry held then; until it holds more, planning would fail the same way. `None` before the first try.
    known: Option<Known>,
}

/// How much there is to know about names: every new table or label comes with a new metric, a description or a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    names: u64,
    series: usize,
}

impl Planned {
    pub(super) fn outline(&self) -> &Arc<Outline> {
        match self {
            Planned::Kept { outline, .. } => outline,
            Planned::Plan { prepared, .. } => prepared.outline(),
        }
    }
}

impl RuleEvaluator {
    /// An evaluator that has planned nothing yet.
    pub fn new(rule: &Rule) -> Self {
        let never_tried = Unplanned { outcome: Outcome::Rows(Vec::new()), known: None };
        let by_steps = rule.record.as_ref().is_some_and(|record| record.step.is_some());
        let awaits_columns = rule.slo.as_ref().is_some_and(|slo| !rule.is_count_of(slo));
        Self { sql: rule.sql.clone(), by_steps, awaits_columns, plan: Err(never_tried), groups: GroupQuery::new(rule) }
    }

    /// Goes on for a rule after a reload: the groups that are kept for it stay where its query is the same. What was a plan may be kept now.
    pub fn carried(self, rule: &Rule) -> Self {
        let new = Self::new(rule);
        let is_same = self.sql.as_str() == new.sql.as_str()
            && (self.by_steps, self.awaits_columns) == (new.by_steps, new.awaits_columns);
        match self.plan {
            Ok(plan @ Planned::Kept { .. }) if is_same => Self { plan: Ok(plan), ..new },
            _ => new,
        }
    }

    /// The tables that the query reads; empty until it was planned. New data in one of them is a reason to evaluate.
    pub fn reads(&self) -> &[TableRead] {
        self.plan.as_ref().map_or(&[], |planned| planned.outline().tables())
    }

    /// The table whose first point is awaited, as the query writes it; a new metric is a reason to evaluate.
    pub fn waits_for(&self) -> Option<&str> {
        match &self.plan {
            Err(Unplanned { outcome: Outcome::Waiting { table }, .. }) => Some(table),
            _ => None,
        }
    }

    /// The unit of a column of the result, where it is known.
    pub fn unit(&self, column: &str) -> Option<&str> {
        let schema = self.plan.as_ref().ok()?.outline().output_schema();
        unit_of(schema.field_with_name(column).ok()?)
    }

    /// Plans the query where that is needed, and says whether it is kept now and was not before. Of many rules of which all are planned before
    /// the first is evaluated, those that share groups make them once.
    ///
    /// # Cancel safety
    /// As [`RuleEvaluator::evaluate`].
    pub async fn joins(&mut self, database: &Database) -> bool {
        let token = |evaluator: &Self| evaluator.kept().map(|(_, token)| token);
        let before = token(self);
        // Why it can't be planned is what the evaluation says.
        let planned = self.prepare(database).await.is_ok();
        planned && token(self).is_some_and(|now| before != Some(now))
    }

    /// One evaluation as of `now`, the same live and in tests.
    ///
    /// # Cancel safety
    /// As [`RuleEvaluator::evaluate`].
    pub async fn look(&mut self, database: &Database, now: UnixNanos) -> Look {
        // Before the query runs, so that it is a sample that the query has seen.
        let newest_before = Reads::of(self, database.store()).newest(database.store());
        let outcome = self.evaluate(database, now, &EVALUATION_LIMITS).await;
        let reads = Reads::of(self, database.store());
        let sample_at = newest_before.or_else(|| reads.newest(database.store()));
        Look { outcome, reads, sample_at }
    }

    /// Runs the query with `now()` being `now`.
    ///
    /// # Cancel safety
    /// Dropping the future stops the query; the next evaluation is as good as any.
    pub async fn evaluate(&mut self, database: &Database, now: UnixNanos, limits: &QueryLimits) -> Outcome {
        if let Err(outcome) = self.prepare(database).await {
            return outcome;
        }
        match &self.plan {
            Err(unplanned) => unplanned.outcome.clone(),
            Ok(Planned::Plan { prepared, .. }) => self.run(database, prepared, now, limits).await,
            Ok(Planned::Kept { place, .. }) => match place.find(database.store(), now).await {
                Found::Rows(rows) => Outcome::Rows(rows),
                Found::Error(error) => Outcome::Error(error),
                Found::Obstacle(obstacle) => match database.prepare(self.sql.as_str()).await {
                    Ok(prepared) => {
                        let outcome = self.run(database, &prepared, now, limits).await;
                        self.plan = Ok(Planned::Plan { prepared, obstacle });
                        outcome
                    }
                    Err(error) => self.outcome_of(&error, database),
                },
            },
        }
    }

    async fn run(&self, database: &Database, prepared: &Prepared, now: UnixNanos, limits: &QueryLimits) -> Outcome {
        let limits = QueryLimits { rows: limits.rows.min(INSTANCES_MAX), ..limits.clone() };
        match database.run(prepared, now, &limits).await {
            Ok(result) => rows(&result.schema, &result.batches).map_or_else(Outcome::Error, Outcome::Rows),
            Err(error) => Outcome::Error(self.explain(&error)),
        }
    }

    async fn prepare(&mut self, database: &Database) -> Result<(), Outcome> {
        let known = Some(known(database));
        let outdated = match &self.plan {
            Ok(planned) => !planned.outline().is_current(database),
            Err(unplanned) => unplanned.known != known,
        };
        if outdated {
            // The place before stays until the new one is taken, so that a table of groups that both look at stays.
            self.plan = match database.prepare(self.sql.as_str()).await {
                Ok(prepared) if self.by_steps => Ok(Planned::Plan { prepared, obstacle: Obstacle::by_steps() }),
                Ok(prepared) => Ok(match database.keep(&prepared) {
                    Ok(place) => Planned::Kept { place, outline: Arc::clone(prepared.outline()) },
                    Err(obstacle) => Planned::Plan { prepared, obstacle },
                }),
                Err(error) => Err(Unplanned { outcome: self.outcome_of(&error, database), known }),
            };
        }
        self.plan.as_ref().map(|_| ()).map_err(|unplanned| unplanned.outcome.clone())
    }

    /// How the rule is evaluated.
    pub fn way(&self) -> Way {
        match &self.plan {
            Err(_) => Way::Unknown,
            Ok(Planned::Kept { place, .. }) => place.way(),
            Ok(Planned::Plan { obstacle, .. }) => Way::Plan(obstacle.clone()),
        }
    }

    /// The groups that the rule is kept in, and how it is called there.
    pub fn kept(&self) -> Option<(&Arc<Shared>, u64)> {
        let Ok(Planned::Kept { place, .. }) = &self.plan else { return None };
        Some((place.shared(), place.token()))
    }

    fn outcome_of(&self, error: &QueryError, database: &Database) -> Outcome {
        match (awaited_table(error, self.sql.as_str(), database), error) {
            (Some(table), _) => Outcome::Waiting { table: table.to_owned() },
            (None, QueryError::UnknownColumn { .. }) if self.awaits_columns => {
                Outcome::Waiting { table: SLO_EVENTS.to_owned() }
            }
            (None, error) => Outcome::Error(self.explain(error)),
        }
    }

    fn explain(&self, error: &QueryError) -> String {
        match error.position() {
            Some((line, column)) => format!("{}: {error}", self.sql.place_of(line, column)),
            None => error.to_string(),
        }
    }
}

/// The table that an error says does not exist, if it is one that a first point can bring: a metric, and not a table of the
/// twin or of flyball itself. The labels of log records, spans and texts come with the first of these.
pub(crate) fn awaited_table<'e>(error: &'e QueryError, sql: &str, database: &Database) -> Option<&'e str> {
    match error {
        QueryError::UnknownTable { name, .. } => {
            let schema = name.split_once('.').map(|(schema, _)| schema.trim_matches('"').to_lowercase());
            let of_flyball = matches!(schema.as_deref(), Some("twin" | "flyball" | "information_schema"));
            (!of_flyball).then_some(name)
        }
        QueryError::UnknownColumn { .. } => {
            let text = SqlText::new(sql).ok()?;
            let registry = database.store().registry().read();
            let has_come = |name: &str| registry.metric(name).is_some_and(|streams| registry.label_count(streams) > 0);
            [LOGS, SPANS, TEXTS].into_iter().find(|name| text.find(name).is_some() && !has_come(name))
        }
        _ => None,
    }
}

fn known(database: &Database) -> Known {
    let registry = database.store().registry().read();
    Known { names: registry.names_version(), series: registry.series_count() }
}
