//! Rules and alerts in the shapes of Prometheus, the check of rule files, and the reload.

mod prometheus;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use flyball_model::UnixNanos;
use flyball_model::event::{State as ViolationState, Transition, runbook_annotation};
use flyball_rules::check::{check_rules, collisions};
use flyball_rules::definition::{Level, RuleSet, dependencies, duplicates, from_str_with_problems, in_order};
use flyball_rules::lifecycle::Health;
use flyball_runtime::RuleEntry;
use serde::Deserialize;
use serde_json::{Value, json};

use self::prometheus::{BadData, Wanted};
use super::Shared;
use super::error::{ApiError, in_words};
use crate::reload::{NotReloaded, Reloaded};

/// `GET /api/v1/rules`
pub(crate) async fn rules(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Result<Json<Value>, BadData> {
    let wanted = Wanted::read(query.as_deref())?;
    let mut groups: BTreeMap<(String, String), Vec<Arc<RuleEntry>>> = BTreeMap::new();
    let entries = shared.runtime.tables.board.rows().into_iter();
    let is_kind = |entry: &RuleEntry| wanted.recording.is_none_or(|recording| recording == entry.rule.record.is_some());
    for entry in entries.filter(|entry| is_kind(entry) && wanted.has(entry)) {
        let key = (entry.rule.place.file.clone(), entry.rule.group.clone());
        groups.entry(key).or_default().push(entry);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    // As they stand in their file.
    let place = |entry: &Arc<RuleEntry>| (entry.rule.place.line, entry.rule.place.column);
    groups.iter_mut().for_each(|(_, entries)| entries.sort_by_key(place));
    groups.sort_by_cached_key(|((file, _), entries)| (file.clone(), entries.first().map(place)));
    let groups: Vec<_> = groups
        .into_iter()
        .map(|((file, name), entries)| {
            let took: f64 = entries.iter().map(|entry| entry.status.last_duration.as_secs_f64()).sum();
            json!({
                "name": name,
                "file": file,
                "rules": entries.iter().map(|entry| rule(entry, &wanted)).collect::<Vec<_>>(),
                "interval": entries.first().map_or(0.0, |entry| entry.every.as_secs_f64()),
                "limit": 0,
                "evaluationTime": took,
                "lastEvaluation": time(entries.iter().filter_map(|entry| entry.status.evaluated_at).max()),
            })
        })
        .collect();
    Ok(Json(json!({"status": "success", "data": {"groups": groups}})))
}

/// An instant as Prometheus writes it; its zero time where there is none.
fn time(at: Option<UnixNanos>) -> String {
    at.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |at| at.to_string())
}

/// A recording rule, as Prometheus shows one; `metric` is flyball's own, since a name may have labels.
fn recording(entry: &RuleEntry, metric: &str) -> Value {
    let RuleEntry { rule, status, .. } = entry;
    let shown = json!({
        "name": rule.name,
        "metric": metric,
        "query": rule.sql.as_str(),
        "labels": rule.labels,
        "health": health(&status.health),
        "evaluationTime": status.last_duration.as_secs_f64(),
        "lastEvaluation": time(status.evaluated_at),
        "type": "recording",
    });
    with_error(shown, entry)
}

/// As in Prometheus `lastError` is not there when all is well.
fn with_error(mut shown: Value, entry: &RuleEntry) -> Value {
    if let Some(error) = &entry.status.last_error {
        shown["lastError"] = error.as_str().into();
    }
    shown
}

fn health(health: &Health) -> &'static str {
    match health {
        Health::Ok => "ok",
        Health::Error { .. } => "err",
        Health::Unknown | Health::Waiting { .. } => "unknown",
    }
}

fn rule(entry: &RuleEntry, wanted: &Wanted) -> Value {
    let RuleEntry { rule, status, active, .. } = entry;
    if let Some(record) = &rule.record {
        return recording(entry, &record.metric);
    }
    let mut labels = rule.labels.clone();
    labels.insert("severity".to_owned(), rule.severity.clone());
    // Prometheus knows three states; flyball's own word stands in flyball.rules.
    let state = match entry.state() {
        state @ ("firing" | "pending") => state,
        "no_data" => "firing",
        _ => "inactive",
    };
    let summary = rule.summary.iter().map(|text| ("summary", text.text().as_str()));
    let annotations: BTreeMap<_, _> = summary.chain(rule.runbook.as_deref().map(runbook_annotation)).collect();
    let shown = json!({
        "state": state,
        "name": rule.name,
        "query": rule.sql.as_str(),
        "duration": rule.for_.as_secs_f64(),
        "keepFiringFor": rule.keep_firing_for.as_secs_f64(),
        "labels": labels,
        "annotations": annotations,
        "alerts": active.iter().filter(|_| !wanted.without_alerts).filter_map(alert).collect::<Vec<_>>(),
        "health": health(&status.health),
        "evaluationTime": status.last_duration.as_secs_f64(),
        "lastEvaluation": time(status.evaluated_at),
        "type": "alerting",
    });
    with_error(shown, entry)
}

/// `GET /api/v1/alerts`
pub(crate) async fn alerts(State(shared): State<Shared>) -> Json<Value> {
    let entries = shared.runtime.tables.board.rows();
    let alerts: Vec<_> = entries.iter().flat_map(|entry| &entry.active).filter_map(alert).collect();
    Json(json!({"status": "success", "data": {"alerts": alerts}}))
}

/// An alert as Prometheus shows it; its `value` is the column of that name, or the first number by name.
fn alert(transition: &Transition) -> Option<Value> {
    // Under `no_data: fire` silence is as good as a broken promise.
    let state = match transition.state {
        state @ (ViolationState::Pending | ViolationState::Firing) => state,
        ViolationState::NoData => ViolationState::Firing,
        ViolationState::Resolved | ViolationState::Error => return None,
    };
    let mut labels = transition.labels.clone();
    labels.insert("alertname".to_owned(), transition.rule.clone());
    labels.insert("severity".to_owned(), transition.severity.clone());
    let values = &transition.values;
    let value = values.get("value").or_else(|| values.values().next()).map_or(f64::NAN, |&value| value);
    Some(json!({
        "labels": labels,
        "annotations": transition.annotations(),
        "state": state.as_str(),
        "activeAt": transition.active_at.to_string(),
        "value": prometheus::float(value),
    }))
}

/// `{"files": [{"name": "…", "text": "…"}]}`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Files {
    files: Vec<File>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    text: String,
}

/// `{"name": "rules.yaml", "text": "…", "rule": "HighLatency"}`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleOfFile {
    name: String,
    text: String,
    rule: String,
}

/// `POST /api/v1/rules/explain`
pub(crate) async fn explain(
    State(shared): State<Shared>,
    asked: Result<Json<RuleOfFile>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(RuleOfFile { name, text, rule }) = asked.map_err(|rejection| {
        ApiError::bad_request(in_words(&rejection.body_text()))
            .hint(r#"send {"name": "rules.yaml", "text": "…", "rule": "HighLatency"}"#)
    })?;
    let (file, _) = from_str_with_problems(&name, &text);
    let found = file.groups.iter().flat_map(|group| &group.rules).find(|known| known.name == rule);
    let found = found.ok_or_else(|| ApiError::bad_request(format!("'{name}' has no good rule '{rule}'")))?;
    let explanation = flyball_rules::incremental::explain(&shared.runtime.database, &found.sql).await;
    Ok(Json(json!(explanation.map_err(|error| ApiError::bad_request(error.to_string()))?)))
}

/// `POST /api/v1/rules/check`
pub(crate) async fn check(
    State(shared): State<Shared>,
    files: Result<Json<Files>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(files) = files.map_err(|rejection| {
        ApiError::bad_request(in_words(&rejection.body_text()))
            .hint(r#"send {"files": [{"name": "rules.yaml", "text": "…"}]}"#)
    })?;
    let mut rules = RuleSet::default();
    let mut problems = Vec::new();
    for file in &files.files {
        let (file, found) = from_str_with_problems(&file.name, &file.text);
        rules.files.push(file);
        problems.extend(found);
    }
    problems.extend(duplicates(&rules));
    problems.extend(dependencies(&rules, Level::Warning));
    let database = &shared.runtime.database;
    problems.extend(check_rules(&rules, Some(database), Some(shared.reloader.backends())).await);
    problems.extend(collisions(&rules, database));
    Ok(Json(json!({"problems": in_order(problems)})))
}

/// `POST /api/v1/reload`
pub(crate) async fn reload(State(shared): State<Shared>) -> Result<Json<Value>, ApiError> {
    match shared.reloader.reload().await {
        Ok(Reloaded { rules, warnings, needs_restart }) => {
            Ok(Json(json!({"rules": rules, "warnings": warnings, "needs_restart": needs_restart})))
        }
        Err(NotReloaded { code, lines }) => {
            Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, lines.join("\n"))
                .hint("the old rules and configuration stay in force"))
        }
    }
}
