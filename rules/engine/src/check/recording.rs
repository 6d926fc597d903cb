//! What recording rules record.

use arrow::datatypes::Schema;
use flyball_yaml::nearest;

use super::codes::{RECEIVED, RECORDED};
use crate::definition::{Problem, Rule, RuleSet, VALUE_COLUMN};
use crate::evaluate::ColumnKind;
use crate::query::Database;
use crate::recording::{HELP, SEVERITY, too_many};

/// Notes numbers of the query that are no value, and its absence.
pub(super) fn check(rule: &Rule, schema: Option<&Schema>, problems: &mut Vec<Problem>) {
    let (Some(record), Some(schema)) = (&rule.record, schema) else { return };
    if record.value != VALUE_COLUMN {
        return;
    }
    let of_kind = |kind| {
        let fields = schema.fields().iter();
        fields.filter(move |field| ColumnKind::of_column(field.name(), field.data_type()) == kind)
    };
    let numbers = of_kind(ColumnKind::Value);
    if of_kind(ColumnKind::Severity).next().is_some() {
        problems.push(Problem::error(rule.sql.place_of_word("severity"), SEVERITY).code(RECORDED));
    }
    let (values, others): (Vec<_>, Vec<_>) =
        numbers.map(|field| field.name().as_str()).partition(|name| *name == VALUE_COLUMN);
    if values.is_empty() {
        let message = "a recording rule's query gives a number named 'value', and this one has none";
        let names = schema.fields().iter().map(|field| field.name().as_str());
        let hint = match others.first().copied().or_else(|| nearest(VALUE_COLUMN, names)) {
            Some(other) => format!("write AS value behind what is '{other}' now"),
            None => "write AS value behind what is to be recorded".to_owned(),
        };
        problems.push(Problem::error(rule.sql.place(), message).hint(hint).code(RECORDED));
    } else if let Some(other) = others.first() {
        problems.push(Problem::error(rule.sql.place_of_word(other), too_many(other)).code(RECORDED));
    }
}

/// Recording rules whose metric is received too: its points would be of both. A metric that was recorded before is none of these.
///
/// Not a part of [`super::check_rules`], since whoever sends points could keep flyball from starting by it.
pub fn collisions(rules: &RuleSet, database: &Database) -> Vec<Problem> {
    let registry = database.store().registry().read();
    let received = rules.rules().filter_map(|(_, rule)| {
        let metric = &rule.record.as_ref()?.metric;
        let known = registry.metric(metric)?;
        let is_received = !registry.series_of(known).is_empty() && !registry.info(known).help.starts_with(HELP);
        is_received.then(|| {
            Problem::error(
                rule.place.clone(),
                format!("the metric '{metric}' is received already, and can't be recorded too"),
            )
            .hint("choose a name that nobody sends, like job:name:sum")
            .code(RECEIVED)
        })
    });
    received.collect()
}
