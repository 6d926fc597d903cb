//! DataFusion's errors as ours: with the name that was likely meant, and a place.

use std::collections::BTreeSet;

use datafusion::common::{Column, SchemaError, Span};
use datafusion::error::DataFusionError;
use flyball_yaml::nearest;

use super::error::{Position, QueryError};
use super::limits::QueryLimits;
use super::text::SqlText;
use crate::catalog::context::Context;
use crate::functions::RANGE_FUNCTIONS;

/// An error of planning or optimizing; with the text and the catalog, where the planner gives no place or no name.
pub(super) fn during_planning(error: DataFusionError, asked: Option<(&SqlText, &Context<'_>)>) -> QueryError {
    let place = span_of(&error).map(|span| span.0);
    let find = |name: &str| asked.and_then(|(text, _)| text.find(name));
    match error.find_root() {
        DataFusionError::External(source) => match source.downcast_ref::<QueryError>() {
            Some(ours) => {
                let named = match ours {
                    QueryError::UnknownTable { name, .. }
                    | QueryError::UnknownFunction { name, .. }
                    | QueryError::AmbiguousName { name, .. } => find(name),
                    QueryError::Argument { function, .. } => find(function),
                    _ => None,
                };
                ours.clone().at(place).at(named)
            }
            None => match regex_fault(&source.to_string()) {
                Some(message) => QueryError::Plan { message, position: place },
                None => QueryError::Internal { message: source.to_string() },
            },
        },
        DataFusionError::SchemaError(schema, _) => {
            let in_quotes = |name: &str| asked.is_some_and(|(text, _)| text.has_in_quotes(name));
            schema_error(schema, place, possible_columns(&error), find, in_quotes)
        }
        DataFusionError::Plan(message) => match (message.strip_prefix("Invalid function '"), asked) {
            (Some(rest), Some((_, context))) => {
                let name = rest.split('\'').next().unwrap_or_default();
                unknown_function(name, context).at(place).at(find(name))
            }
            _ => QueryError::Plan {
                message: outside_group_by(message).or_else(|| in_words(message)).unwrap_or_else(|| tidy(message)),
                position: place,
            },
        },
        DataFusionError::Internal(message) => match regex_fault(message).or_else(|| in_words(message)) {
            Some(message) => QueryError::Plan { message, position: place },
            None => QueryError::Internal { message: tidy(message) },
        },
        other => {
            let message = other.strip_backtrace();
            QueryError::Plan { message: in_words(&message).unwrap_or_else(|| tidy(&message)), position: place }
        }
    }
}

/// What is wrong with a regular expression, if an error is about one: the engine takes it for a fault of its own.
pub(super) fn regex_fault(message: &str) -> Option<String> {
    const HEADS: [&str; 2] = ["Regular expression did not compile: ", "regex parse error:"];
    let (_, fault) = HEADS.iter().find_map(|head| message.split_once(head))?;
    let fault = match fault.strip_prefix("CompiledTooBig(") {
        Some(bytes) => {
            let bytes = bytes.split(')').next().unwrap_or_default();
            format!("it would take more than {bytes} bytes when compiled; repeat less")
        }
        // Behind the picture of the expression, with the place marked.
        None => match fault.rsplit_once("error: ") {
            Some((_, fault)) => fault.trim_end_matches(['"', ')', '\n']).to_owned(),
            None => fault.to_owned(),
        },
    };
    Some(format!("a regular expression can't be used: {fault}"))
}

/// What is said in the place of the engine's words, where these name no fix.
fn in_words(message: &str) -> Option<String> {
    cast_fault(message).or_else(|| time_fault(message)).or_else(|| wrong_arguments(message))
}

/// What is said in the place of arrow's words when a text is no number.
fn cast_fault(message: &str) -> Option<String> {
    let (text, to) = message.split_once("Cannot cast string '")?.1.split_once("' to value of ")?;
    let to = to.split(' ').next()?;
    Some(format!(
        "the text '{text}' can't be read as {to}: compare texts with a text, as in label = '5', or write try_cast(label AS DOUBLE), which is NULL for such a text"
    ))
}

/// What is said of a function whose arguments have types that it does not take: the engine takes that for a fault of its own.
fn wrong_arguments(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("Function '")?;
    let (function, rest) = rest.split_once("' failed to match any signature")?;
    let is_text = rest.contains("String") || rest.contains("Utf8");
    let hint =
        if is_text { "; of a text, such as a label, take count, min or max, or try_cast(label AS DOUBLE)" } else { "" };
    Some(format!("{function}() does not take arguments of these types{hint}"))
}

/// What is said of a time that is written as a text.
fn time_fault(message: &str) -> Option<String> {
    if message.contains("Cannot coerce arithmetic expression Timestamp") {
        return Some("a time takes only an interval more or less: write now() - INTERVAL '5 minutes'".to_owned());
    }
    message
        .contains("Invalid input syntax for type interval")
        .then(|| "this is no interval: write INTERVAL '5 minutes', '1 hour 30 minutes', '2 days'".to_owned())
}

/// An error of execution.
pub(crate) fn while_running(error: DataFusionError, limits: &QueryLimits) -> QueryError {
    if let Some(message) = regex_fault(&error.find_root().to_string()) {
        return QueryError::Execution { message };
    }
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => QueryError::MemoryLimit { limit_bytes: limits.memory_bytes },
        DataFusionError::External(source) => match source.downcast_ref::<QueryError>() {
            Some(ours) => ours.clone(),
            None => QueryError::Internal { message: source.to_string() },
        },
        DataFusionError::Internal(message) => QueryError::Internal { message: tidy(message) },
        DataFusionError::ExecutionJoin(error) => QueryError::Internal { message: error.to_string() },
        DataFusionError::IoError(error) => QueryError::Internal { message: error.to_string() },
        DataFusionError::ArrowError(error, _) => {
            let message = error.to_string();
            QueryError::Execution { message: cast_fault(&message).unwrap_or_else(|| tidy(&message)) }
        }
        DataFusionError::Execution(message) => QueryError::Execution { message: tidy(message) },
        other => QueryError::Execution { message: tidy(&other.strip_backtrace()) },
    }
}

fn schema_error(
    error: &SchemaError,
    place: Option<Position>,
    candidates: Vec<String>,
    find: impl Fn(&str) -> Option<Position>,
    in_quotes: impl Fn(&str) -> bool,
) -> QueryError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let table = field.relation.as_ref().map(|relation| relation.table().to_string());
            let qualified = |column: &&Column| {
                table.is_none()
                    || column.relation.as_ref().is_some_and(|relation| Some(relation.table()) == table.as_deref())
            };
            let in_table: BTreeSet<_> =
                valid_fields.iter().filter(qualified).map(|column| column.name.as_str()).collect();
            let all: Vec<_> = valid_fields.iter().map(Column::flat_name).collect();
            // A wrong qualifier: what is near is a column of another table, or any of them.
            let elsewhere = || valid_fields.iter().find(|column| column.name == field.name).map(Column::flat_name);
            let (near, available) = if in_table.is_empty() {
                let near = || nearest(&field.flat_name(), all.iter().map(String::as_str)).map(str::to_owned);
                (elsewhere().or_else(near), all)
            } else {
                let near = nearest(&field.name, valid_fields.iter().map(|column| column.name.as_str()));
                (near.map(str::to_owned), in_table.into_iter().map(str::to_string).collect())
            };
            let text = || in_quotes(&field.name).then(|| format!("the text '{}', in single quotes", field.name));
            QueryError::UnknownColumn {
                nearest: near.or_else(text),
                table,
                available,
                position: place.or_else(|| span_of_column(field).map(|span| span.0)).or_else(|| find(&field.name)),
                name: field.name.clone(),
            }
        }
        SchemaError::AmbiguousReference { field } => QueryError::AmbiguousName {
            name: field.name.clone(),
            candidates: if candidates.is_empty() { vec![format!("<table>.{}", field.name)] } else { candidates },
            position: place.or_else(|| find(&field.name)),
        },
        other => {
            QueryError::Plan { message: format!("{other}: give one of them another name with AS"), position: place }
        }
    }
}

fn unknown_function(name: &str, context: &Context<'_>) -> QueryError {
    let like = if RANGE_FUNCTIONS.contains(&name) {
        Some(format!("FROM {name}(metric, INTERVAL '5 minutes'), a table"))
    } else {
        nearest(name, context.function_names()).map(str::to_owned)
    };
    QueryError::UnknownFunction { name: name.to_string(), nearest: like, position: None }
}

/// The columns that an ambiguous name may mean; DataFusion gives them as notes only.
fn possible_columns(error: &DataFusionError) -> Vec<String> {
    match error {
        DataFusionError::Diagnostic(diagnostic, _) => {
            let notes = diagnostic.notes.iter();
            notes.filter_map(|note| note.message.strip_prefix("possible column ")).map(str::to_string).collect()
        }
        _ => Vec::new(),
    }
}

/// The first place that an error's diagnostics name.
pub(super) fn span_of(error: &DataFusionError) -> Option<(Position, Position)> {
    match error {
        DataFusionError::Diagnostic(diagnostic, inner) => span_of(inner).or_else(|| diagnostic.span.map(positions)),
        DataFusionError::Context(_, inner) => span_of(inner),
        DataFusionError::Shared(inner) => span_of(inner),
        DataFusionError::Collection(errors) => errors.first().and_then(span_of),
        _ => None,
    }
}

/// The first place where a column is written.
pub(super) fn span_of_column(column: &Column) -> Option<(Position, Position)> {
    column.spans().first().map(positions)
}

fn positions(span: Span) -> (Position, Position) {
    let position = |line: u64, column: u64| Position { line: line as usize, column: column as usize };
    (position(span.start.line, span.start.column), position(span.end.line, span.end.column))
}

/// A plain form of the planner's longest message.
fn outside_group_by(message: &str) -> Option<String> {
    let (before, _) = message.split_once("\" must appear in the GROUP BY clause")?;
    let column = before.rsplit('"').next()?;
    Some(format!("'{column}' stands outside GROUP BY: add it there, or put it in an aggregate such as avg({column})"))
}

/// A message without the prefixes and the remarks on bugs of the engine.
fn tidy(message: &str) -> String {
    const PREFIXES: [&str; 6] = [
        "Error during planning: ",
        "Execution error: ",
        "Arrow error: ",
        "Schema error: ",
        "type_coercion",
        "caused by",
    ];
    let mut text = message.split("\n\nbacktrace:").next().unwrap_or(message).trim();
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)) {
        text = rest.trim_start();
    }
    text.to_string()
}
