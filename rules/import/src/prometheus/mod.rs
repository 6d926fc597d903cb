//! Rule files of Prometheus: `groups` of alerting and recording rules, also inside of a PrometheusRule object.

mod template;

use std::collections::BTreeMap;
use std::sync::Arc;

use flyball_yaml::{Node, Problem, Reader, Source, Value, parse_duration};

use crate::out::{File, Rule};
use crate::promql::{Query, translate};

const GROUP_KEYS: [&str; 7] =
    ["name", "interval", "query_offset", "limit", "labels", "rules", "partial_response_strategy"];
const RULE_KEYS: [&str; 7] = ["record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"];
/// The tick of a group that says none; Prometheus takes it from its configuration. New data wakes a rule without it.
const EVERY_DEFAULT: &str = "15s";
/// The annotations that a summary is made from, the most telling first.
const TELLING: [&str; 3] = ["description", "message", "summary"];

pub(super) fn read(root: &Node, source: &Arc<Source>, file: &mut File) -> Vec<Problem> {
    let mut reader = Reader::new(Arc::clone(source));
    // What stands around `spec` is Kubernetes' own.
    let body = root.get("spec").filter(|_| root.get("kind").is_some()).unwrap_or(root);
    match body.get("groups") {
        Some(groups) => {
            for group in reader.items(groups, "'groups'") {
                read_group(&mut reader, group, file);
            }
        }
        None => reader.error_with_hint(root, "here are no 'groups'", "a rule file of Prometheus begins with groups:"),
    }
    reader.finish()
}

fn read_group(reader: &mut Reader, node: &Node, file: &mut File) {
    let Some(fields) = reader.fields(node, "a group", &GROUP_KEYS) else { return };
    let Some(name) = reader.required(fields, "name") else { return };
    let every = fields.get("interval").and_then(Node::as_str).unwrap_or(EVERY_DEFAULT);
    let every = match parse_duration(every) {
        Ok(length) if length.as_millis() >= 100 => every,
        _ => EVERY_DEFAULT,
    };
    file.group(name.as_str(), every);
    for (key, why) in [
        ("limit", "flyball bounds every rule by 10000 instances"),
        ("query_offset", "flyball evaluates as of now and corrects windows when late points come"),
        ("partial_response_strategy", "it is Thanos' own"),
    ] {
        if let Some(node) = fields.get(key) {
            file.note(node, format!("'{key}' is left out: {why}"));
        }
    }
    let shared = fields.get("labels").map(|node| labels(reader, node)).unwrap_or_default();
    let Some(rules) = fields.get("rules") else { return };
    for rule in reader.items(rules, "'rules'") {
        let Some(fields) = reader.fields(rule, "a rule", &RULE_KEYS) else { continue };
        let what = fields.get("alert").or(fields.get("record")).and_then(Node::as_str).unwrap_or("a rule").to_owned();
        let mut notes = Vec::new();
        let read = read_rule(reader, rule, &shared, &mut notes);
        let good = read.is_ok();
        file.add(rule, &what, read);
        if good {
            notes.into_iter().for_each(|note| file.note(rule, format!("{what}: {note}")));
        }
    }
}

fn read_rule(
    reader: &mut Reader,
    node: &Node,
    shared: &BTreeMap<String, String>,
    notes: &mut Vec<String>,
) -> Result<Rule, String> {
    let text = |key: &str| node.get(key).and_then(Node::as_str);
    let (name, records) = match (text("alert"), text("record")) {
        (Some(alert), None) => (alert, false),
        (None, Some(record)) => (record, true),
        _ => return Err("it has neither 'alert' nor 'record', or both".into()),
    };
    if name.trim() != name || name.is_empty() || name.len() > 200 || name.contains(char::is_control) {
        return Err("its name is not one line of at most 200 bytes".into());
    }
    let query = translate(text("expr").ok_or("it has no 'expr'")?).map_err(|refused| refused.0)?;
    let mut all = shared.clone();
    all.extend(node.get("labels").map(|node| labels(reader, node)).unwrap_or_default());
    if let Some((label, _)) = all.iter().find(|(_, value)| value.contains("{{")) {
        return Err(format!("the label '{label}' is a template; labels of flyball are taken as they are"));
    }
    all.retain(|_, value| !value.is_empty());
    if let Some(label) = all.keys().find(|label| !is_label_name(label)) {
        return Err(format!("the label '{label}': labels of flyball are of letters, digits and '_'"));
    }
    let mut rule = Rule {
        name: name.to_owned(),
        records,
        sql: query.sql.clone(),
        columns: query.columns.clone(),
        ..Rule::default()
    };
    if !records {
        rule.severity = all.remove("severity");
        rule.for_ = duration(text("for"), "for")?;
        rule.keep_firing_for = duration(text("keep_firing_for"), "keep_firing_for")?;
        annotate(node.get("annotations"), &query, &all, &mut rule, notes);
    }
    rule.labels = all;
    Ok(rule)
}

/// Whether flyball takes it as the name of a label. Prometheus 3 takes any text.
fn is_label_name(name: &str) -> bool {
    let word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    word && name.starts_with(|c: char| !c.is_ascii_digit())
}

/// A duration as flyball writes it; Prometheus knows weeks and years beside.
fn duration(text: Option<&str>, key: &str) -> Result<Option<String>, String> {
    let Some(text) = text else { return Ok(None) };
    const LONG: [(char, u64); 2] = [('y', 365), ('w', 7)];
    let mut days = 0u64;
    let mut rest = text;
    for (unit, length) in LONG {
        if let Some((count, after)) = rest.split_once(unit) {
            let count: u64 = count.parse().map_err(|_| format!("'{key}' is '{text}', which is no duration"))?;
            days = count
                .checked_mul(length)
                .and_then(|more| days.checked_add(more))
                .ok_or("a duration that is too long")?;
            rest = after;
        }
    }
    let rest = if rest.is_empty() { "0" } else { rest };
    let length = parse_duration(rest).map_err(|error| format!("'{key}': {error}"))?;
    if length.is_zero() && days == 0 {
        return Ok(None);
    }
    let length = length + std::time::Duration::from_secs(days.saturating_mul(86_400).min(36_500 * 86_400));
    Ok(Some(flyball_yaml::format_duration(length)))
}

fn labels(reader: &mut Reader, node: &Node) -> BTreeMap<String, String> {
    if matches!(node.value, Value::Null) {
        return BTreeMap::new();
    }
    let entries = reader.entries(node, "'labels'").into_iter();
    entries.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.as_str()?.to_owned()))).collect()
}

/// The summary, from the annotation that tells most and can be translated; the rest in notes.
fn annotate(
    node: Option<&Node>,
    query: &Query,
    labels: &BTreeMap<String, String>,
    rule: &mut Rule,
    notes: &mut Vec<String>,
) {
    let Some(node) = node else { return };
    let scope = template::Scope { columns: query.columns.as_deref(), labels };
    for key in TELLING {
        let Some(text) = node.get(key).and_then(Node::as_str) else { continue };
        match template::translate(text.trim(), &scope) {
            Ok(summary) if !summary.is_empty() => {
                rule.summary = Some(summary);
                break;
            }
            Ok(_) => {}
            Err(reason) => notes.push(format!("the annotation '{key}' is left out: {reason}")),
        }
    }
    rule.runbook = node.get("runbook_url").and_then(Node::as_str).map(|text| text.trim().to_owned());
}
