//! For programs.

use serde_json::{Value, json as value};

use super::{FailOn, request_text};
use crate::backtest::{Change, Report, RuleDifference, RuleOutcome, Spell};

/// All of it as one document:
///
/// ```json
/// {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "every_seconds": 15.0, "evaluations": 5761, "points": 57600,
///  "seconds": 12.5, "times_real_time": 6912.0, "notes": [],
///  "rules": [{"rule": "HighLatency", "group": "edge", "version": "b1946ac9", "file": "rules.yaml", "line": 4, "column": 5,
///             "good": true, "reasons": [], "evaluations": 5761, "instances": 1, "firing_seconds": 330.0, "more": 0, "pending": 0,
///             "waits_for": null, "told": {"ops": 2}, "failing": [],
///             "spells": [{"labels": {"deployment": "web"}, "violation": "…", "severity": "critical", "active_at": "…", "fired_at": "…",
///                         "resolved_at": null, "seconds": 330.0, "no_data": false, "values": {"latency_s": 0.41}, "summary": "…",
///                         "would_ask": [{"at": "…", "backend": "k8s", "action": "scale_out", "target": {}, "params": {},
///                                        "held_back": null, "text": "…"}]}]}],
///  "differences": [{"rule": "HighLatency", "only": null, "same": 3,
///                   "changes": [{"change": "added", "new": {}, "old": null}]}]}
/// ```
///
/// `differences` is null without `--against`; `change` is `added`, `removed` or `moved`, `only` is `old`, `new` or null.
pub fn json(report: &Report, fail_on: FailOn) -> Value {
    value!({
        "from": report.from.to_string(),
        "to": report.to.to_string(),
        "every_seconds": report.every.as_secs_f64(),
        "evaluations": report.evaluations,
        "points": report.points,
        "seconds": report.took.as_secs_f64(),
        "times_real_time": report.speed(),
        "notes": report.notes,
        "rules": report.rules.iter().map(|outcome| rule(outcome, report, fail_on)).collect::<Vec<_>>(),
        "differences": report.old.as_ref().map(|_| report.differences().iter().map(difference).collect::<Vec<_>>()),
    })
}

fn rule(rule: &RuleOutcome, report: &Report, fail_on: FailOn) -> Value {
    let reasons = fail_on.reasons(rule, report);
    let failing = rule.failing.iter().map(|failing| {
        value!({
            "from": failing.from.to_string(),
            "until": failing.until.map(|until| until.to_string()),
            "message": failing.message,
        })
    });
    value!({
        "rule": rule.rule,
        "group": rule.group,
        "version": rule.version,
        "file": rule.place.file,
        "line": rule.place.line,
        "column": rule.place.column,
        "good": reasons.is_empty(),
        "reasons": reasons,
        "evaluations": rule.evaluations,
        "instances": rule.instances(),
        "firing_seconds": rule.firing_for().as_secs_f64(),
        "more": rule.more,
        "pending": rule.pending,
        "waits_for": rule.waits_for,
        "told": rule.told,
        "failing": failing.collect::<Vec<_>>(),
        "spells": rule.spells.iter().map(spell).collect::<Vec<_>>(),
    })
}

fn spell(spell: &Spell) -> Value {
    let requests = spell.requests.iter().map(|request| {
        value!({
            "at": request.at.to_string(),
            "backend": request.backend,
            "action": request.action.as_str(),
            "target": request.target,
            "params": request.params,
            "held_back": request.held_back,
            "text": request_text(request),
        })
    });
    value!({
        "labels": spell.identity,
        "violation": spell.violation,
        "severity": spell.severity,
        "active_at": spell.active_at.to_string(),
        "fired_at": spell.fired_at.to_string(),
        "resolved_at": spell.resolved_at.map(|at| at.to_string()),
        "seconds": spell.lasted().as_secs_f64(),
        "no_data": spell.no_data,
        "values": spell.values,
        "summary": spell.summary,
        "would_ask": requests.collect::<Vec<_>>(),
    })
}

fn difference(difference: &RuleDifference) -> Value {
    let changes = difference.changes.iter().map(|change| {
        let (word, old, new) = match change {
            Change::Added(new) => ("added", None, Some(new)),
            Change::Removed(old) => ("removed", Some(old), None),
            Change::Moved { old, new } => ("moved", Some(old), Some(new)),
        };
        value!({"change": word, "old": old.map(spell), "new": new.map(spell)})
    });
    value!({
        "rule": difference.rule,
        "only": difference.only,
        "same": difference.same,
        "changes": changes.collect::<Vec<_>>(),
    })
}
