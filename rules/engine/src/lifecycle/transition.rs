//! Wording a change of state: labels put together, templates filled in.

use std::collections::BTreeMap;

use flyball_model::UnixNanos;
use flyball_model::action::{ActionKind, ActionStep};
use flyball_model::event::{Identity, State, Transition, identity_text};

use super::failing::Failing;
use super::id::error_id;
use super::instance::Instance;
use crate::definition::{Context, Rule, Step, format_duration};

/// When a change was seen, and what was known then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: UnixNanos,
    pub(super) sample_at: Option<UnixNanos>,
}

/// An instance came into `state`, which it had been told to be in `before` times.
pub(super) fn instance_transition(
    rule: &Rule,
    identity: &Identity,
    instance: &Instance,
    state: State,
    before: u32,
    moment: Moment,
) -> Transition {
    let labels: BTreeMap<String, String> =
        identity.iter().chain(&rule.labels).map(|(name, value)| (name.clone(), value.clone())).collect();
    let severity = instance.severity(rule);
    let context = Context { rule: &rule.name, severity, labels: &labels, identity, values: &instance.values };
    let mut summary = match rule.summary.as_ref().map(|summary| summary.render(context)) {
        Some(Ok(summary)) => summary.trim().to_owned(),
        Some(Err(error)) => format!("{} (the summary can't be written: {error})", plain_summary(rule, identity)),
        None => plain_summary(rule, identity),
    };
    if state == State::NoData {
        summary = format!("no data: {summary}");
    }
    let flapping = instance.calm_since.is_some();
    if let Some(flaps) = rule.flaps.filter(|_| flapping) {
        summary.push_str(&format!(
            " (flapping: it changed more than {} times within {})",
            flaps.max,
            format_duration(flaps.within)
        ));
    }
    let mut steps = Vec::with_capacity(rule.remediate.len());
    for (number, step) in rule.remediate.iter().enumerate() {
        match render_step(step, context) {
            Ok(step) => steps.push(step),
            Err(fault) => {
                // A half-known target must not be acted on; the backend still hears of the violation, and people why.
                summary.push_str(&format!(" (step {number} does not act: {fault})"));
                steps.push(tell(step));
            }
        }
    }
    Transition {
        violation: instance.id.clone(),
        rule: rule.name.clone(),
        version: rule.version.clone(),
        identity: identity.clone(),
        labels,
        state,
        before,
        flapping,
        failure: false,
        severity: severity.to_owned(),
        values: instance.values.clone(),
        summary,
        runbook: rule.runbook.clone(),
        active_at: instance.active_at,
        fired_at: instance.fired_at,
        // The clock may have been set back since; nothing ends before it began.
        resolved_at: (state == State::Resolved)
            .then(|| moment.now.max(instance.fired_at.unwrap_or(instance.active_at))),
        evaluated_at: moment.now,
        sample_at: moment.sample_at,
        steps,
    }
}

/// The rule's evaluation began to fail ([`State::Error`]), or works again ([`State::Resolved`], never having fired).
pub(super) fn error_transition(rule: &Rule, failing: &Failing, state: State, moment: Moment) -> Transition {
    let resolved = state == State::Resolved;
    Transition {
        version: rule.version.clone(),
        labels: rule.labels.clone(),
        failure: true,
        severity: rule.severity.clone(),
        summary: if resolved { format!("works again after: {}", failing.message) } else { failing.message.clone() },
        runbook: rule.runbook.clone(),
        active_at: failing.active_at,
        resolved_at: resolved.then(|| moment.now.max(failing.active_at)),
        sample_at: moment.sample_at,
        // An error is told to everybody whom the rule names, and nothing is done about it.
        steps: rule.remediate.iter().map(tell).collect(),
        ..Transition::bare(error_id(&rule.version, &rule.name, failing.active_at), &rule.name, state, moment.now)
    }
}

fn plain_summary(rule: &Rule, identity: &Identity) -> String {
    plain_summary_of(&rule.name, identity)
}

pub(super) fn plain_summary_of(rule: &str, identity: &Identity) -> String {
    if identity.is_empty() { rule.to_owned() } else { format!("{rule}: {}", identity_text(identity)) }
}

fn render_step(step: &Step, context: Context<'_>) -> Result<ActionStep, String> {
    let mut target = BTreeMap::new();
    for (key, template) in &step.target {
        let text = template.render(context).map_err(|error| format!("the target's '{key}': {error}"))?;
        let text = text.trim();
        if text.is_empty() {
            return Err(format!("the target's '{key}' is empty"));
        }
        target.insert(key.clone(), text.to_owned());
    }
    Ok(ActionStep {
        backend: step.backend.as_str().to_owned(),
        action: step.action,
        target,
        params: step.params(),
        settle: step.settle,
        attempts: step.attempts,
    })
}

/// The step as one that only tells; it keeps its place, because a step's number is part of a remediation's id.
pub(super) fn tell(step: &Step) -> ActionStep {
    ActionStep {
        backend: step.backend.as_str().to_owned(),
        action: ActionKind::Notify,
        target: BTreeMap::new(),
        params: BTreeMap::new(),
        settle: step.settle,
        attempts: step.attempts,
    }
}
