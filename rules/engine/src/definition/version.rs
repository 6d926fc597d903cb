//! A rule's version: what state of it may be carried over a reload.

use std::hash::Hasher;

use flyball_yaml::format_duration;
use twox_hash::XxHash3_64;

use super::rule::Rule;

/// 8 hex digits of XXH3-64 over every part that changes what the rule means, each preceded by its length.
///
/// The name is left out because it stands beside the version wherever that is used; summary and runbook because they only word what
/// was found: mending a typo must not fire everything again.
pub(super) fn version(rule: &Rule) -> String {
    let mut hasher = XxHash3_64::new();
    let mut part = |text: &str| {
        hasher.write(&(text.len() as u64).to_le_bytes());
        hasher.write(text.as_bytes());
    };
    part(rule.sql.as_str().trim());
    part(&format_duration(rule.for_));
    part(&format_duration(rule.keep_firing_for));
    match rule.no_data {
        Some(no_data) => {
            part(no_data.policy.as_str());
            part(&format_duration(no_data.after));
        }
        None => part(""),
    }
    // Keys that came later stand here only where they are used, so that the versions of rules without them stay.
    if !rule.error_for.is_zero() {
        part("error_for");
        part(&format_duration(rule.error_for));
    }
    if let Some(flaps) = rule.flaps {
        part("flaps");
        part(&flaps.max.to_string());
        part(&format_duration(flaps.within));
    }
    for unless in &rule.unless {
        part("unless");
        part(&unless.rule);
        part(&unless.on.join(","));
    }
    part(&rule.severity);
    part(&rule.labels.len().to_string());
    for (name, value) in &rule.labels {
        part(name);
        part(value);
    }
    if let Some(record) = &rule.record {
        part("record");
        part(&record.metric);
    }
    for step in &rule.remediate {
        part(step.backend.as_str());
        part(step.action.as_str());
        part(&step.target.len().to_string());
        for (name, template) in &step.target {
            part(name);
            part(template.text().as_str());
        }
        part(&serde_json::Value::from_iter(step.params()).to_string());
        part(&format_duration(step.settle));
        part(&step.attempts.to_string());
    }
    format!("{:08x}", hasher.finish() as u32)
}
