//! The names in templates, against the columns of the query.

use arrow::datatypes::Schema;
use flyball_yaml::nearest;

use super::codes::TEMPLATE;
use crate::definition::{BUILT_IN, Problem, Rule, Template};
use crate::evaluate::ColumnKind;

/// Notes names that no column has. Without the query's columns nothing can be said; neither with a map of labels among them,
/// whose names only the data knows.
pub(super) fn check(rule: &Rule, schema: Option<&Schema>, problems: &mut Vec<Problem>) {
    let Some(schema) = schema else { return };
    let kind_of = |kind: ColumnKind| {
        let fields =
            schema.fields().iter().filter(move |field| ColumnKind::of_column(field.name(), field.data_type()) == kind);
        fields.map(|field| field.name().as_str())
    };
    if kind_of(ColumnKind::IdentityMap).next().is_some() {
        return;
    }
    let texts: Vec<&str> = kind_of(ColumnKind::Identity).collect();
    let columns: Vec<&str> = texts.iter().copied().chain(kind_of(ColumnKind::Value)).collect();
    let labels: Vec<&str> = texts.into_iter().chain(rule.labels.keys().map(String::as_str)).collect();
    let targets = rule.remediate.iter().flat_map(|step| step.target.values());
    for template in rule.summary.iter().chain(targets) {
        for name in template.variables() {
            let known = columns.iter().chain(&BUILT_IN).any(|known| **known == name);
            if !known {
                problems.push(unknown(template, "column", &name, &columns));
            }
        }
        for name in template.label_variables() {
            if !labels.contains(&name.as_str()) {
                problems.push(unknown(template, "label", &name, &labels));
            }
        }
    }
}

fn unknown(template: &Template, what: &str, name: &str, known: &[&str]) -> Problem {
    let hint = match nearest(name, known.iter().copied()) {
        Some(meant) => format!("did you mean '{meant}'?"),
        None if known.is_empty() => format!("the query gives no {what}s a template can use"),
        None => format!("there are {}", known.join(", ")),
    };
    let place = template.text().place_of_word(name);
    Problem::error(place, format!("the template asks for '{name}', and the query has no such {what}"))
        .hint(hint)
        .code(TEMPLATE)
}
