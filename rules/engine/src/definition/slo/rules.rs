//! The rules of an objective.
//!
//! Events are counted once a step, as of whole multiples of it, so that the counts lie side by side; of an hour's the sum is kept. The windows up to
//! six hours are sums of steps, the longer ones of whole hours and of the steps since: at most a thousand points a group are looked at, and none
//! of the metrics themselves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flyball_yaml::Text;

use super::{BURN_COLUMNS, BURNS, Burn, Slo};
use crate::definition::read::Told;
use crate::definition::record::{Record, VALUE_COLUMN, recording_rule};
use crate::definition::rule::Rule;
use crate::definition::template::Template;
use crate::definition::version::version;

/// The events of a step, good and all.
pub(crate) const EVENTS: &str = "slo_events";
/// The same of an hour.
const EVENTS_HOUR: &str = "slo_events_1h";
pub(super) const BURN_RATE: &str = "slo_burn_rate";
const REMAINING: &str = "slo_error_budget_remaining";
const HOUR: Duration = Duration::from_secs(3600);
/// How old a burn rate may be; the longest step and some.
const LATEST: &str = "INTERVAL '15 minutes'";

/// The windows that are sums of steps, and those that are sums of hours, with their seconds.
const SHORT: [(&str, u64); 5] = [("5m", 300), ("30m", 1800), ("1h", 3600), ("2h", 7200), ("6h", 21_600)];
const LONG: [(&str, u64); 2] = [("1d", 86_400), ("3d", 259_200)];

/// All rules of an objective, each after those whose metrics it reads. `write` makes a text that stands where the objective stands.
pub(super) fn rules(slo: Arc<Slo>, told: Told, group: &str, write: &impl Fn(String) -> Text) -> Vec<Rule> {
    let record = |metric: &str, value, step, sql| {
        let record = Record { metric: metric.to_owned(), value, step: Some(step) };
        let labels = BTreeMap::from([("slo".to_owned(), slo.name.clone())]);
        recording_rule(record, labels, group, slo.place.clone(), write(sql))
    };
    let mut rules = vec![
        record(EVENTS, VALUE_COLUMN, slo.step, events(&slo)),
        record(EVENTS_HOUR, VALUE_COLUMN, HOUR, hours(&slo)),
        record(BURN_RATE, "burn", slo.step, burn_rates(&slo)),
        record(REMAINING, VALUE_COLUMN, slo.step, remaining(&slo)),
    ];
    rules.extend(BURNS.iter().map(|burn| alert(&slo, burn, &told, group, write)));
    for rule in &mut rules {
        rule.slo = Some(Arc::clone(&slo));
    }
    rules
}

/// What both queries count, as one.
fn events(slo: &Slo) -> String {
    let of = |event: &str, sql: &Text| {
        let columns = columns(slo, |name| format!("CAST({name} AS VARCHAR) AS {name}, "));
        format!(
            "SELECT '{event}' AS event, {columns}sum(\"value\") AS \"value\"\nFROM (\n{}\n) AS {event}{}",
            sql.as_str(),
            group_by(slo, "")
        )
    };
    format!("{}\nUNION ALL\n{}", of("good", &slo.good), of("total", &slo.total))
}

/// Of a group that came only later too, as 0: what reads it need not wait for the first hour to end.
fn hours(slo: &Slo) -> String {
    format!(
        "SELECT event, {}sum(CASE WHEN time <= now() THEN \"value\" ELSE 0.0 END) AS \"value\"
FROM {EVENTS}
WHERE slo = {} AND time > now() - INTERVAL '1 hour'{}",
        columns(slo, |name| format!("{name}, ")),
        quoted(&slo.name),
        group_by(slo, "event"),
    )
}

fn burn_rates(slo: &Slo) -> String {
    let range = slo.range();
    let mut long = LONG.to_vec();
    if long.iter().all(|(name, _)| *name != range) {
        long.push((&range, slo.window.as_secs()));
    }
    let (name, columns) = (quoted(&slo.name), columns(slo, |name| format!("{name}, ")));
    let budget = slo.budget();
    // An hour belongs to a window that holds the whole of it.
    format!(
        "WITH steps AS (
  SELECT event, {columns}\"value\", time, extract(epoch FROM now()) - extract(epoch FROM time) AS age
  FROM {EVENTS} WHERE slo = {name} AND time > now() - INTERVAL '6 hours' AND time <= now()
), hours AS (
  SELECT event, {columns}\"value\", extract(epoch FROM now()) - extract(epoch FROM time) AS age
  FROM {EVENTS_HOUR} WHERE slo = {name} AND time > now() - INTERVAL '{days} seconds' AND time <= now()
), parts AS (
  SELECT w.name AS \"range\", event, {columns}\"value\"
  FROM steps JOIN (VALUES {short}) AS w(name, seconds) ON age < w.seconds
  UNION ALL
  SELECT w.name AS \"range\", event, {columns}\"value\"
  FROM hours JOIN (VALUES {long}) AS w(name, seconds) ON age + 3600 <= w.seconds
  UNION ALL
  SELECT w.name AS \"range\", event, {columns}\"value\"
  FROM steps CROSS JOIN (VALUES {long}) AS w(name, seconds) WHERE time > date_trunc('hour', now())
), sums AS (
  SELECT \"range\", {columns}
    sum(CASE WHEN event = 'good' THEN \"value\" ELSE 0.0 END) AS good,
    sum(CASE WHEN event = 'total' THEN \"value\" ELSE 0.0 END) AS total
  FROM parts{group}
)
SELECT \"range\", {columns}good, total, greatest(0.0, 1.0 - good / nullif(total, 0.0)) / {budget:?} AS burn
FROM sums WHERE total > 0.0",
        days = slo.window.as_secs().max(259_200),
        short = values(&SHORT),
        long = values(&long),
        group = group_by(slo, "\"range\""),
    )
}

fn remaining(slo: &Slo) -> String {
    format!(
        "SELECT {}1.0 - \"value\" AS \"value\" FROM latest({BURN_RATE}, {LATEST}) WHERE slo = {} AND \"range\" = '{}'",
        columns(slo, |name| format!("{name}, ")),
        quoted(&slo.name),
        slo.range(),
    )
}

fn alert(slo: &Slo, burn: &Burn, told: &Told, group: &str, write: &impl Fn(String) -> Text) -> Rule {
    let Burn { long, short, factor, severity } = *burn;
    let over = |range: &str| format!("max(CASE WHEN \"range\" = '{range}' THEN \"value\" END)");
    let [burn_long, burn_short] = BURN_COLUMNS;
    let sql = format!(
        "SELECT {columns}{long_burn} AS {burn_long}, {short_burn} AS {burn_short}
FROM latest({BURN_RATE}, {LATEST})
WHERE slo = {name} AND \"range\" IN ('{long}', '{short}'){group_by}
HAVING {long_burn} > {factor:?} AND {short_burn} > {factor:?}",
        columns = columns(slo, |name| format!("{name}, ")),
        long_burn = over(long),
        short_burn = over(short),
        name = quoted(&slo.name),
        group_by = group_by(slo, ""),
    );
    let mut labels = told.labels.clone();
    labels.insert("slo".to_owned(), slo.name.clone());
    labels.insert("burn_window".to_owned(), long.to_owned());
    let summary = told.summary.clone().or_else(|| {
        let text = format!(
            "{{{{ labels.slo }}}} burns its error budget {{{{ burn_long | round(1) }}}} times as fast as it may, over {long} (objective {} %)",
            slo.objective
        );
        Template::parse(write(text)).ok()
    });
    let mut rule = Rule {
        name: format!("{}_{long}", slo.name),
        group: group.to_owned(),
        version: String::new(),
        place: slo.place.clone(),
        sql: write(sql),
        for_: Duration::ZERO,
        keep_firing_for: told.keep_firing_for,
        no_data: None,
        error_for: Duration::ZERO,
        flaps: None,
        unless: Vec::new(),
        severity: told.severity.clone().unwrap_or_else(|| severity.to_owned()),
        labels,
        summary,
        runbook: told.runbook.clone(),
        remediate: told.remediate.clone(),
        record: None,
        slo: None,
    };
    rule.version = version(&rule);
    rule
}

/// Each column as `write` makes it of its quoted name.
fn columns(slo: &Slo, write: impl Fn(&str) -> String) -> String {
    slo.columns.iter().map(|name| write(&format!("\"{name}\""))).collect()
}

/// `GROUP BY` these columns, and one more where it is named; nothing where there are none.
fn group_by(slo: &Slo, first: &str) -> String {
    let first = (!first.is_empty()).then(|| first.to_owned());
    let columns: Vec<_> = first.into_iter().chain(slo.columns.iter().map(|name| format!("\"{name}\""))).collect();
    if columns.is_empty() { String::new() } else { format!("\nGROUP BY {}", columns.join(", ")) }
}

fn values(windows: &[(&str, u64)]) -> String {
    let rows: Vec<_> = windows.iter().map(|(name, seconds)| format!("('{name}', {seconds})")).collect();
    rows.join(", ")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
