//! Objectives: their two queries, and the templates of the rules that are made of them.

use arrow::datatypes::{DataType, Field, Schema};

use super::codes::FILE;
use super::lints::Lints;
use super::{recording, sql, templates};
use crate::definition::{BURN_COLUMNS, Problem, Rule, Slo};
use crate::query::Database;
use crate::recording::Recorded;

/// Checks what a person wrote of a rule that was made for an objective; the rest was made to be good.
pub(super) async fn check(
    rule: &Rule,
    slo: &Slo,
    mut known: Option<(&Database, &mut Lints<'_>)>,
    recorded: &Recorded,
    problems: &mut Vec<Problem>,
) {
    if rule.record.is_none() {
        let texts = slo.columns.iter().map(|name| Field::new(name, DataType::Utf8, true));
        let burns = BURN_COLUMNS.into_iter().map(|name| Field::new(name, DataType::Float64, true));
        let schema = Schema::new(texts.chain(burns).collect::<Vec<_>>());
        return templates::check(rule, Some(&schema), problems);
    }
    if !rule.is_count_of(slo) {
        return;
    }
    if slo.objective <= 1.0 {
        // As many digits as anybody writes: 0.9995 times 100 has more.
        let meant = if slo.objective < 1.0 { (slo.objective * 1e8).round() / 1e6 } else { 99.9 };
        let message = format!("'objective' is a percentage, and this one is {} %", slo.objective);
        let problem = Problem::warning(slo.place.clone(), message);
        problems.push(problem.hint(format!("{meant} is likely meant")).code(FILE));
    }
    for query in [&slo.good, &slo.total] {
        let rule = Rule { sql: query.clone(), ..rule.clone() };
        match &mut known {
            Some((database, lints)) => {
                let Some(inspected) = sql::plan(&rule, database, recorded, problems) else { continue };
                lints.look(&rule, &inspected, problems).await;
                recording::check(&rule, Some(inspected.schema.as_ref()), problems);
            }
            None => sql::parse(&rule, problems),
        }
    }
}
