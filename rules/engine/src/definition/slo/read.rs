//! From the tree of a file to an objective and its rules.

use std::sync::Arc;
use std::time::Duration;

use flyball_yaml::{Fields, Node, Problem, Reader, Text, parse_duration};

use super::columns::columns;
use super::rules::rules;
use super::{BURNS, Slo};
use crate::definition::read::{RULE_KEYS, name, read_sql, read_told};
use crate::definition::rule::Group;

const KEYS: [&str; 5] = ["objective", "good", "total", "window", "step"];
/// What else a rule with an objective may say.
const RULE_KEYS_TOO: [&str; 8] =
    ["rule", "slo", "keep_firing_for", "severity", "labels", "summary", "runbook", "remediate"];

const WINDOW_DEFAULT: Duration = Duration::from_secs(30 * 86_400);
/// The longest window of a burn rate.
const WINDOW_MIN: Duration = Duration::from_secs(3 * 86_400);
const WINDOW_MAX: Duration = Duration::from_secs(366 * 86_400);

const STEP_DEFAULT: Duration = Duration::from_secs(60);
const STEP_MIN: Duration = Duration::from_secs(10);
/// The shortest window of a burn rate; steps lie side by side in it.
const STEP_MAX: Duration = Duration::from_secs(300);

/// Reads an objective, and gives the group of its rules.
pub(in crate::definition) fn read_slo(
    reader: &mut Reader,
    fields: Fields<'_>,
    node: &Node,
    group: &str,
) -> Option<Group> {
    for key in RULE_KEYS.into_iter().filter(|key| !RULE_KEYS_TOO.contains(key)) {
        if let Some(node) = fields.get(key) {
            let hint = "what is counted stands in 'good' and 'total', and when it fires is given by the burn rates";
            reader.error_with_hint(node, format!("a rule with an objective ('slo') has no '{key}'"), hint);
        }
    }
    let name = name(reader, fields, "rule");
    let told = read_told(reader, fields);
    let slo = reader.fields(node, "an objective", &KEYS)?;
    let objective = read_objective(reader, slo);
    let window = reader.parse(slo, "window", |text| within(text, WINDOW_MIN, WINDOW_MAX, "it is 3d to 366d"));
    let step = reader.parse(slo, "step", read_step_length).unwrap_or(STEP_DEFAULT);
    let good = counted(reader, slo, "good", step);
    let total = counted(reader, slo, "total", step);
    let (name, objective, (good, columns), (total, of_total)) = (name?, objective?, good?, total?);
    if columns != of_total {
        let message = format!("'good' counts by {}, and 'total' by {}", listed(&columns), listed(&of_total));
        reader.note(Problem::error(good.place(), message).hint("let both give the same columns beside 'value'"));
        return None;
    }
    let slo = Slo {
        name: name.as_str().to_owned(),
        place: name.place(),
        objective,
        window: window.unwrap_or(WINDOW_DEFAULT),
        step,
        good,
        total,
        columns,
    };
    let written = fields.get("rule").map(|node| node.range.clone()).unwrap_or_default();
    let write = |text: String| Text::new(text, Arc::clone(reader.source()), written.clone());
    Some(Group { name: group.to_owned(), every: step, rules: rules(Arc::new(slo), told, group, &write) })
}

fn read_objective(reader: &mut Reader, slo: Fields<'_>) -> Option<f64> {
    reader.require(slo, "objective");
    let node = slo.get("objective")?;
    let objective = reader.number(node, "'objective'")?;
    if objective <= 0.0 || objective >= 100.0 {
        reader.error_with_hint(node, "'objective' is a percentage between 0 and 100", "write 99.9");
        return None;
    }
    let fastest = 100.0 / (100.0 - objective);
    if let Some(burn) = BURNS.iter().find(|burn| burn.factor >= fastest) {
        reader.warning(
            node,
            format!(
                "with an objective of {objective} % the budget burns at most {fastest:.1} times as fast as it may, so the rule of {} and {} (above \
                 {}) never fires",
                burn.short, burn.long, burn.factor
            ),
        );
    }
    Some(objective)
}

fn within(text: &str, min: Duration, max: Duration, bounds: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if duration < min || duration > max { Err(bounds.to_owned()) } else { Ok(duration) }
}

fn read_step_length(text: &str) -> Result<Duration, String> {
    let bounds = "it is 10s to 5m, and a part of 5 minutes: 10s, 30s, 1m, 5m";
    let step = within(text, STEP_MIN, STEP_MAX, bounds)?;
    if STEP_MAX.as_millis().is_multiple_of(step.as_millis()) { Ok(step) } else { Err(bounds.to_owned()) }
}

/// A query with its window filled in, and what it groups by.
fn counted(reader: &mut Reader, slo: Fields<'_>, key: &str, step: Duration) -> Option<(Text, Vec<String>)> {
    let sql = read_sql(reader, slo, key)?;
    let Some(filled) = fill(sql.as_str(), step) else {
        let problem = Problem::error(sql.place(), format!("'{key}' does not say over which window it counts"));
        reader.note(problem.hint("write increase(metric, INTERVAL '{{ window }}'); flyball fills it in"));
        return None;
    };
    let range = slo.get(key)?.range.clone();
    let columns = columns(&filled).map_err(|message| reader.note(Problem::error(sql.place(), message))).ok()?;
    Some((Text::new(filled, Arc::clone(reader.source()), range), columns))
}

/// The query over windows of one step; `None` where it has no place for it.
fn fill(sql: &str, step: Duration) -> Option<String> {
    let mut filled = String::with_capacity(sql.len());
    let (mut rest, mut found) = (sql, false);
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        match after.split_once("}}") {
            Some((name, after)) if name.trim() == "window" => {
                filled.push_str(&format!("{} seconds", step.as_secs()));
                (rest, found) = (after, true);
            }
            _ => {
                filled.push_str("{{");
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    // It becomes a part of a query.
    found.then(|| filled.trim_end().trim_end_matches(';').to_owned())
}

fn listed(columns: &[String]) -> String {
    if columns.is_empty() { "nothing".to_owned() } else { columns.join(", ") }
}
