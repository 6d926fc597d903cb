//! Recording rules: `record:` in place of `rule:`.

use std::collections::BTreeMap;
use std::time::Duration;

use flyball_model::name::metric_name;
use flyball_yaml::{Fields, Place, Problem, Reader, Text};

use super::read::{RULE_KEYS, SEVERITY_DEFAULT, name, read_labels, read_sql};
use super::rule::Rule;
use super::version::version;
use crate::catalog::tables::is_fixed;

/// The column of a recording rule's query that is the point's value.
pub const VALUE_COLUMN: &str = "value";

/// What a recording rule may say; the rest is about what fires.
const KEYS: [&str; 3] = ["record", "sql", "labels"];

/// What the rows of a recording rule become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The metric, in Prometheus form.
    pub metric: String,
    /// The numeric column that is the value. It is [`VALUE_COLUMN`] and the only one in what people write.
    pub value: &'static str,
    /// Where it is set, the rule is evaluated as of whole multiples of it, each once, so that windows of that length lie side by side.
    pub step: Option<Duration>,
}

/// Reads a rule that records.
pub(super) fn read_record(reader: &mut Reader, fields: Fields<'_>, group: &str) -> Option<Rule> {
    for key in RULE_KEYS.into_iter().filter(|key| !KEYS.contains(key)) {
        match (fields.get(key), key) {
            (None, _) => {}
            (Some(node), "rule") => {
                reader.error_with_hint(
                    node,
                    "a rule fires ('rule') or records ('record'), not both",
                    "write two rules",
                );
            }
            (Some(node), _) => {
                let hint = "write a rule of its own that reads the metric";
                reader.error_with_hint(node, format!("a recording rule has no '{key}', for it fires nothing"), hint);
            }
        }
    }
    let metric = name(reader, fields, "record").filter(|metric| is_good(reader, metric));
    let sql = read_sql(reader, fields, "sql");
    let labels = fields.get("labels").map(|node| read_labels(reader, node)).unwrap_or_default();
    let metric = metric?;
    let record = Record { metric: metric.as_str().to_owned(), value: VALUE_COLUMN, step: None };
    Some(recording_rule(record, labels, group, metric.place(), sql?))
}

/// A recording rule. Its name is the series that it records as far as the rule alone says it, for that must be unique.
pub(super) fn recording_rule(
    record: Record,
    labels: BTreeMap<String, String>,
    group: &str,
    place: Place,
    sql: Text,
) -> Rule {
    let mut rule = Rule {
        name: series_name(&record.metric, &labels),
        group: group.to_owned(),
        version: String::new(),
        place,
        sql,
        for_: Duration::ZERO,
        keep_firing_for: Duration::ZERO,
        no_data: None,
        error_for: Duration::ZERO,
        flaps: None,
        unless: Vec::new(),
        severity: SEVERITY_DEFAULT.to_owned(),
        labels,
        summary: None,
        runbook: None,
        remediate: Vec::new(),
        record: Some(record),
        slo: None,
    };
    rule.version = version(&rule);
    rule
}

/// `metric` or `metric{label="value"}`.
fn series_name(metric: &str, labels: &BTreeMap<String, String>) -> String {
    if labels.is_empty() {
        return metric.to_owned();
    }
    let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{metric}{{{}}}", labels.join(","))
}

fn is_good(reader: &mut Reader, metric: &Text) -> bool {
    let name = metric.as_str();
    let problem = if metric_name(name) != name {
        let problem = Problem::error(metric.place(), format!("'{name}' is not a metric's name in Prometheus form"));
        problem.hint(format!("letters, digits, '_' and ':', not beginning with a digit: {}", metric_name(name)))
    } else if is_fixed(name) {
        Problem::error(
            metric.place(),
            format!("'{name}' is a table of flyball's own, and no metric can be read by that name"),
        )
    } else {
        return true;
    };
    reader.note(problem);
    false
}
