//! The query of a rule.

use arrow::datatypes::SchemaRef;

use crate::definition::{Problem, Rule};
use crate::evaluate::{awaited_table, column_faults};
use crate::query::text::{SqlText, is_query};
use crate::query::{Database, QueryError};

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

/// Notes what is wrong with the query where this is known; gives the columns of its result, if it can be planned.
pub(super) async fn plan(rule: &Rule, database: &Database, problems: &mut Vec<Problem>) -> Option<SchemaRef> {
    match database.prepare(rule.sql.as_str()).await {
        Ok(prepared) => {
            let schema = prepared.output_schema();
            problems.extend(column_faults(schema).into_iter().map(|fault| Problem::error(rule.sql.place(), fault)));
            Some(schema.clone())
        }
        Err(error) => {
            problems.push(problem(rule, &error));
            None
        }
    }
}

fn problem(rule: &Rule, error: &QueryError) -> Problem {
    let place = error.position().map_or_else(|| rule.sql.place(), |(line, column)| rule.sql.place_of(line, column));
    match (awaited_table(error), error) {
        (Some(table), QueryError::UnknownTable { nearest, .. }) => {
            let problem = Problem::warning(place, format!("there is no table '{table}' yet"));
            problem.hint(match nearest {
                Some(nearest) => format!("did you mean {nearest}? If not, the rule waits for the first point"),
                None => "the rule waits for the first point".to_owned(),
            })
        }
        _ => Problem::error(place, error.to_string()),
    }
}
