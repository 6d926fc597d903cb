//! From SQL text to a logical plan.
//!
//! DataFusion matches names exactly. Where it finds none, and just one name in scope differs in case only, the name is mended in
//! the tokens and the text is planned again; so exact matches win, and what a scope is stays DataFusion's business.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::planner::{ParserOptions, SqlToRel};
use datafusion::sql::sqlparser::ast::{Query, Statement, TableFactor, Visit, Visitor};

use super::diagnose::{during_planning, span_of, span_of_column};
use super::error::{Position, QueryError};
use super::text::{SqlText, is_query};
use super::units::units;
use super::{growth, regexes};
use crate::catalog::context::Context;
use crate::catalog::tables::Tables;

/// From the first character of something to behind its last.
type Span = (Position, Position);

/// A plan before any optimization.
pub(super) struct Planned {
    pub(super) plan: LogicalPlan,
    /// The unit of each column.
    pub(super) units: Vec<Option<String>>,
    /// Whether it is a plain query, and not EXPLAIN, DESCRIBE or SHOW.
    pub(super) is_query: bool,
}

/// Plans one statement that only reads.
pub(super) fn plan(mut text: SqlText, tables: &Arc<Tables>, state: &SessionState) -> Result<Planned, QueryError> {
    let context = Context::new(tables, state);
    // Each round mends at least one word, and a mended word is right, or supposes one; so there are never more rounds than words.
    for _ in 0..=text.words() {
        let statement = text.parse()?;
        let is_query = is_query(&statement);
        let planner = SqlToRel::new_with_options(&context, parser_options(state));
        let error = match planner.sql_statement_to_plan(statement.clone()) {
            Ok(plan) => match check(&plan, &text) {
                Ok(()) => {
                    only_reads(&plan)?;
                    no_placeholders(&plan)?;
                    return Ok(Planned { units: units(&plan), plan, is_query });
                }
                Err(error) => error,
            },
            Err(error) => error,
        };
        if !mend(&error, &mut text, &statement, &context)? {
            return Err(during_planning(error, Some((&text, &context))));
        }
    }
    Err(QueryError::Internal { message: "mending the names of a query did not end".into() })
}

fn parser_options(state: &SessionState) -> ParserOptions {
    ParserOptions::from(&state.config_options().sql_parser)
}

/// The parser lets only reading statements through; this holds for what hides inside one (WITH … AS (DELETE …)) too.
fn only_reads(plan: &LogicalPlan) -> Result<(), QueryError> {
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(plan)
        .map_err(|_| QueryError::NotASelect { found: "a statement that changes data".into() })
}

/// There is nothing to fill `$1` with.
fn no_placeholders(plan: &LogicalPlan) -> Result<(), QueryError> {
    let names = plan.get_parameter_names().map_err(|error| during_planning(error, None))?;
    match names.into_iter().min() {
        None => Ok(()),
        Some(name) => {
            Err(QueryError::Plan { message: format!("'{name}' has no value: write the value itself"), position: None })
        }
    }
}

fn check(plan: &LogicalPlan, text: &SqlText) -> Result<(), DataFusionError> {
    growth::check(plan)?;
    check_columns(plan)?;
    regexes::check(plan, text)
}

/// Finds columns that no input has. The planner checks most itself; ORDER BY it leaves for later, when the place is lost.
fn check_columns(plan: &LogicalPlan) -> Result<(), DataFusionError> {
    plan.apply_with_subqueries(|node| {
        let inputs = node.inputs();
        if inputs.is_empty() {
            return Ok(TreeNodeRecursion::Continue);
        }
        node.apply_expressions(|expr| {
            for column in expr.column_refs() {
                if !inputs.iter().any(|input| input.schema().is_column_from_schema(column)) {
                    let valid_fields = inputs.iter().flat_map(|input| input.schema().columns()).collect();
                    let missing = SchemaError::FieldNotFound { field: Box::new(column.clone()), valid_fields };
                    return Err(DataFusionError::SchemaError(Box::new(missing), Box::new(None)));
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(())
}

/// Puts right the name that `error` is about. Gives false if it is about something else, or if nothing similar is in scope.
fn mend(
    error: &DataFusionError,
    text: &mut SqlText,
    statement: &Statement,
    context: &Context<'_>,
) -> Result<bool, QueryError> {
    match error.find_root() {
        DataFusionError::SchemaError(error_of, _) => match error_of.as_ref() {
            SchemaError::FieldNotFound { field, valid_fields } => {
                let span = span_of(error).or_else(|| span_of_column(field));
                Ok(mend_column(field, valid_fields, span, text)?
                    || mend_outer(field, span, text, statement, context)
                    || suppose(field, valid_fields, context))
            }
            _ => Ok(false),
        },
        DataFusionError::External(source) => match source.downcast_ref::<QueryError>() {
            Some(QueryError::UnknownTable { name, .. }) => Ok(mend_cte(name, text, statement)),
            _ => Ok(false),
        },
        _ => Ok(false),
    }
}

/// A label that only the query knows, of a table that is `absent` of what never came. A qualifier says whether it is that table.
fn suppose(field: &Column, valid: &[Column], context: &Context<'_>) -> bool {
    let qualifier = field.relation.as_ref().map(|relation| relation.table());
    let beside = valid.iter().filter(|column| column.relation.as_ref().map(|relation| relation.table()) == qualifier);
    (qualifier.is_none() || beside.into_iter().all(|column| context.may_be_supposed(&column.name)))
        && context.suppose(&field.name)
}

/// A column of the scope that the planner looked in.
fn mend_column(field: &Column, valid: &[Column], span: Option<Span>, text: &mut SqlText) -> Result<bool, QueryError> {
    let qualifier = field.relation.as_ref().map(|relation| relation.table());
    let mut candidates: Vec<(Option<&str>, &str)> = valid
        .iter()
        .filter(|column| column.name.eq_ignore_ascii_case(&field.name))
        .map(|column| (column.relation.as_ref().map(|relation| relation.table()), column.name.as_str()))
        .filter(|(relation, _)| match (qualifier, relation) {
            (Some(wanted), Some(relation)) => relation.eq_ignore_ascii_case(wanted),
            (Some(_), None) => false,
            (None, _) => true,
        })
        // Without a qualifier only the name is mended, and the same name from two tables is for DataFusion to refuse.
        .map(|(relation, name)| (qualifier.and(relation), name))
        .collect();
    candidates.sort_unstable();
    candidates.dedup();
    match candidates.as_slice() {
        [] => Ok(false),
        [(relation, name)] => {
            let wrong: Vec<_> = qualifier.into_iter().chain([field.name.as_str()]).collect();
            let right: Vec<_> = relation.iter().copied().chain([*name]).collect();
            Ok(wrong.len() == right.len() && text.mend(&wrong, &right, span))
        }
        several => Err(QueryError::AmbiguousName {
            name: field.name.clone(),
            candidates: several.iter().map(|(_, name)| format!("\"{name}\"")).collect(),
            position: span.map(|span| span.0).or_else(|| text.find(&field.name)),
        }),
    }
}

/// A column of an outer query, of which the planner names none: any table of the text may be meant.
fn mend_outer(
    field: &Column,
    span: Option<Span>,
    text: &mut SqlText,
    statement: &Statement,
    context: &Context<'_>,
) -> bool {
    let Some(qualifier) = field.relation.as_ref().map(|relation| relation.table()) else {
        let name = unique(&field.name, context.columns_seen(None));
        return name.is_some_and(|name| text.mend(&[&field.name], &[&name], span));
    };
    let tables = Names::of(statement).tables;
    let Some(known_as) = unique(qualifier, tables.iter().map(|table| table.0.clone())) else { return false };
    let table = tables.into_iter().find(|table| table.0 == known_as).and_then(|table| table.1);
    let name = unique(&field.name, context.columns_seen(table.as_deref()));
    name.is_some_and(|name| text.mend(&[qualifier, &field.name], &[&known_as, &name], span))
}

/// The one name that is `name`, or else the only one that differs from it in case only.
fn unique(name: &str, names: impl IntoIterator<Item = String>) -> Option<String> {
    let mut like: Vec<_> = names.into_iter().filter(|candidate| candidate.eq_ignore_ascii_case(name)).collect();
    like.sort_unstable();
    like.dedup();
    if like.iter().any(|candidate| candidate == name) {
        return Some(name.to_string());
    }
    (like.len() == 1).then(|| like.swap_remove(0))
}

/// `WITH Totals AS (…) SELECT … FROM totals`.
fn mend_cte(name: &str, text: &mut SqlText, statement: &Statement) -> bool {
    unique(name, Names::of(statement).ctes).is_some_and(|right| text.mend(&[name], &[&right], None))
}

/// The names that a statement gives.
#[derive(Default)]
struct Names {
    /// Of WITH.
    ctes: Vec<String>,
    /// By which columns may be qualified, and the table that is meant if it is a plain one.
    tables: Vec<(String, Option<String>)>,
}

impl Names {
    fn of(statement: &Statement) -> Self {
        let mut names = Names::default();
        let _ = statement.visit(&mut names);
        names
    }
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.ctes.extend(query.with.iter().flat_map(|with| &with.cte_tables).map(|cte| cte.alias.name.value.clone()));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
        let (alias, table) = match table {
            TableFactor::Table { name, alias, args: None, .. } => {
                (alias, name.0.last().and_then(|part| part.as_ident()).map(|name| name.value.clone()))
            }
            TableFactor::Table { alias, .. } | TableFactor::Derived { alias, .. } => (alias, None),
            _ => return ControlFlow::Continue(()),
        };
        let known_as = alias.as_ref().map(|alias| alias.name.value.clone()).or_else(|| table.clone());
        self.tables.extend(known_as.map(|known_as| (known_as, table)));
        ControlFlow::Continue(())
    }
}
