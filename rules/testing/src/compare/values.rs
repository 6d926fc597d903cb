//! Values: the rows of a query at the time of the test.

use std::collections::BTreeSet;
use std::time::Duration;

use flyball_rules::evaluate::EVALUATION_LIMITS;
use flyball_rules::query::{QueryError, QueryResult, output};
use serde_json::Value;

use super::pair::{nearest, pair};
use super::words::{number, same_number};
use super::{Failure, Line, Mark, failure};
use crate::run::Stage;
use crate::test::{Cell, Cells, Query};

/// A row as found: its columns in their order.
type Row = Vec<(String, Value)>;

pub(super) async fn compare(at: Duration, query: &Query, stage: &Stage) -> Option<Failure> {
    let found = match stage.database().query_limited(query.sql.as_str(), stage.time(), &EVALUATION_LIMITS).await {
        Ok(result) => rows(&result),
        Err(error) => {
            let line = Line { mark: Mark::Missing, expected: "an answer".to_owned(), found: explain(query, &error) };
            return failure(at, "values", vec![line], BTreeSet::new(), vec![note(query)]);
        }
    };
    let pairs = pair(query.rows.len(), found.len(), &|one, other| fits(&query.rows[one], &found[other]));
    let mut left: Vec<usize> = (0..found.len()).filter(|place| !pairs.contains(&Some(*place))).collect();
    let mut lines = Vec::new();
    for (row, pair) in query.rows.iter().zip(pairs) {
        let beside = pair.or_else(|| nearest(&left, |place| likeness(row, &found[place])));
        let mark = match (pair, beside) {
            (Some(_), _) => Mark::Same,
            (None, Some(_)) => Mark::Differs,
            (None, None) => Mark::Missing,
        };
        left.retain(|place| Some(*place) != beside);
        let found = beside.map(|place| found_text(&found[place])).unwrap_or_default();
        lines.push(Line { mark, expected: wanted_text(row), found });
    }
    lines.extend(left.into_iter().map(|place| Line {
        mark: Mark::Unexpected,
        expected: String::new(),
        found: found_text(&found[place]),
    }));
    failure(at, "values", lines, BTreeSet::new(), vec![note(query)])
}

fn note(query: &Query) -> String {
    format!("the query is that of {}", query.sql.place())
}

fn explain(query: &Query, error: &QueryError) -> String {
    match error.position() {
        Some((line, column)) => format!("{}: {error}", query.sql.place_of(line, column)),
        None => error.to_string(),
    }
}

fn rows(result: &QueryResult) -> Vec<Row> {
    let answer = output::json(result);
    let names: Vec<String> = result.schema.fields().iter().map(|field| field.name().clone()).collect();
    let rows = answer["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    let row = |row: &Value| {
        let cells = row.as_array().map(Vec::as_slice).unwrap_or_default();
        names.iter().cloned().zip(cells.iter().cloned()).collect()
    };
    rows.iter().map(row).collect()
}

fn same(wanted: &Cell, found: &Value) -> bool {
    match (wanted, found) {
        (Cell::Number(wanted), Value::Number(found)) => found.as_f64().is_some_and(|found| same_number(*wanted, found)),
        // A pid is text, and people write it without quotes.
        (Cell::Number(wanted), Value::String(found)) => found.parse() == Ok(*wanted),
        (Cell::Text(wanted), Value::String(found)) => wanted == found,
        (Cell::Text(wanted), Value::Bool(found)) => *wanted == found.to_string(),
        _ => false,
    }
}

fn has(row: &Row, name: &str, wanted: &Cell) -> bool {
    row.iter().any(|(column, found)| column == name && same(wanted, found))
}

fn fits(wanted: &Cells, found: &Row) -> bool {
    wanted.iter().all(|(name, cell)| has(found, name, cell))
}

fn likeness(wanted: &Cells, found: &Row) -> Option<usize> {
    Some(wanted.iter().filter(|(name, cell)| has(found, name, cell)).count())
}

fn wanted_text(wanted: &Cells) -> String {
    let cells = wanted.iter().map(|(name, cell)| match cell {
        Cell::Number(value) => format!("{name}={}", number(*value)),
        Cell::Text(text) => format!("{name}={text}"),
    });
    cells.collect::<Vec<_>>().join(" ")
}

fn found_text(found: &Row) -> String {
    let cells = found.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| match value {
        Value::String(text) => format!("{name}={text}"),
        Value::Number(value) => format!("{name}={}", value.as_f64().map_or_else(|| value.to_string(), number)),
        other => format!("{name}={other}"),
    });
    cells.collect::<Vec<_>>().join(" ")
}
