//! The labels of a rule and of its rows, against those that alerts have anyway.

use arrow::datatypes::Schema;

use super::codes::LABEL_TAKEN;
use crate::definition::{Problem, Rule};
use crate::evaluate::ColumnKind;

/// The labels that every alert has.
const OF_ALERTS: [&str; 2] = ["alertname", "severity"];

/// Notes labels and columns that alerts overwrite, and labels that hide what tells violations apart. Of a recording rule labels are meant to win.
pub(super) fn check(rule: &Rule, schema: Option<&Schema>, problems: &mut Vec<Problem>) {
    if rule.record.is_some() {
        return;
    }
    let is_identity = |name: &str| {
        schema
            .and_then(|schema| schema.field_with_name(name).ok())
            .is_some_and(|field| ColumnKind::of_column(field.name(), field.data_type()) == ColumnKind::Identity)
    };
    for name in OF_ALERTS.into_iter().filter(|name| is_identity(name)) {
        let message = format!(
            "alerts have '{name}' of their own in place of this column, and violations that differ in it alone are one alert"
        );
        let problem = Problem::warning(rule.sql.place_of_word(name), message);
        problems.push(problem.hint("name the column otherwise, with AS").code(LABEL_TAKEN));
    }
    for (name, value) in &rule.labels {
        let (message, hint) = match name.as_str() {
            "severity" => (
                format!("alerts say severity '{}', whatever the label 'severity' is", rule.severity),
                format!("write severity: {value} beside 'labels', not in it"),
            ),
            "alertname" => (
                format!("alerts are called '{}', whatever the label 'alertname' is", rule.name),
                "name the rule so, or name the label otherwise".to_owned(),
            ),
            name if is_identity(name) => (
                format!("the label '{name}' hides the column of that name, so that all violations have one '{name}'"),
                "name the label otherwise, or drop it".to_owned(),
            ),
            _ => continue,
        };
        problems.push(Problem::warning(rule.place.clone(), message).hint(hint).code(LABEL_TAKEN));
    }
}
