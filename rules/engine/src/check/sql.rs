//! The query of a rule.

use flyball_yaml::Place;

use super::{arguments, codes};
use crate::definition::{Problem, Rule};
use crate::evaluate::{awaited_table, column_faults};
use crate::query::inspect::Inspected;
use crate::query::text::{SqlText, is_query};
use crate::query::{Database, QueryError};
use crate::recording::Recorded;

/// Notes what is wrong with the text alone.
pub(super) fn parse(rule: &Rule, problems: &mut Vec<Problem>) {
    let parsed = SqlText::new(rule.sql.as_str()).and_then(|text| text.parse()).and_then(|statement| {
        if is_query(&statement) {
            Ok(())
        } else {
            Err(QueryError::NotASelect { found: "EXPLAIN, DESCRIBE or SHOW".into() })
        }
    });
    if let Err(error) = parsed {
        problems.push(problem(rule, &error));
    }
}

/// Notes what is wrong with the query where this is known; gives its plans, if it can be planned. What other rules record need not be there yet.
pub(super) fn plan(
    rule: &Rule,
    database: &Database,
    recorded: &Recorded,
    problems: &mut Vec<Problem>,
) -> Option<Inspected> {
    match database.inspect(rule.sql.as_str()) {
        Ok(inspected) => {
            let faults = column_faults(&inspected.schema).into_iter();
            problems.extend(faults.map(|fault| Problem::error(rule.sql.place(), fault).code(codes::COLUMN)));
            arguments::check(rule, &inspected, problems);
            Some(inspected)
        }
        Err(error) => {
            let awaited = awaited_table(&error, rule.sql.as_str(), database);
            if awaited.is_some_and(|table| recorded.has(table)) {
                return None;
            }
            problems.push(match awaited {
                Some(table) => not_there_yet(rule, &error, table),
                None => problem(rule, &error),
            });
            None
        }
    }
}

fn problem(rule: &Rule, error: &QueryError) -> Problem {
    Problem::error(place(rule, error.position()), error.to_string()).code(code(error))
}

/// What is said of a rule that waits for the first point of a table.
fn not_there_yet(rule: &Rule, error: &QueryError, table: &str) -> Problem {
    let (message, nearest) = match error {
        QueryError::UnknownColumn { name, nearest, .. } => {
            (format!("there is no column '{name}' yet, since nothing has come into {table}"), nearest)
        }
        QueryError::UnknownTable { nearest, .. } => (format!("there is no table '{table}' yet"), nearest),
        other => (other.to_string(), &None),
    };
    let problem = Problem::warning(place(rule, error.position()), message).code(code(error));
    problem.hint(match nearest {
        Some(nearest) => format!("did you mean {nearest}? If not, the rule waits for the first point"),
        None => "the rule waits for the first point".to_owned(),
    })
}

/// The place in the file of a place in the query.
pub(super) fn place(rule: &Rule, position: Option<(usize, usize)>) -> Place {
    position.map_or_else(|| rule.sql.place(), |(line, column)| rule.sql.place_of(line, column))
}

fn code(error: &QueryError) -> &'static str {
    match error {
        QueryError::Syntax { .. } => codes::SYNTAX,
        QueryError::NotASelect { .. } => codes::NOT_A_SELECT,
        QueryError::UnknownTable { .. } => codes::UNKNOWN_TABLE,
        QueryError::UnknownColumn { .. } => codes::UNKNOWN_COLUMN,
        QueryError::UnknownFunction { .. } => codes::UNKNOWN_FUNCTION,
        QueryError::AmbiguousName { .. } => codes::AMBIGUOUS,
        QueryError::Argument { .. } => codes::ARGUMENTS,
        _ => codes::PLAN,
    }
}
