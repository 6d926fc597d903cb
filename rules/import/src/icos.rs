//! Policies of ICOS: those of the policy manager (PromQL with Jinja), and the short form of application descriptors.
//!
//! An expression states the bad condition, as a rule does. Backends are called `icos`.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use flyball_yaml::{Node, Problem, Reader, Source, Value, parse_duration};
use regex::Regex;

use crate::out::{File, Rule, scalar};
use crate::promql::translate;

const EVERY_DEFAULT: &str = "15s";
/// `metric < 5min`.
static SHORT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\s*([A-Za-z_][A-Za-z0-9_:.]*)\s*(<=|>=|==|!=|<|>)\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z%]*)\s*$")
        .expect("a pattern that is tested")
});
/// Units of the short form, in seconds.
const SECONDS: [(&str, f64); 7] =
    [("", 1.0), ("ms", 1e-3), ("s", 1.0), ("sec", 1.0), ("min", 60.0), ("m", 60.0), ("h", 3600.0)];

pub(super) fn read(root: &Node, source: &Arc<Source>, file: &mut File) -> Vec<Problem> {
    let mut reader = Reader::new(Arc::clone(source));
    let policies = root.get("policies").unwrap_or(root);
    if !policies.one_or_more().iter().all(|node| matches!(node.value, Value::Map(_))) {
        reader.error_with_hint(root, "here are no policies", "a policy, a list of them, or policies: […]");
        return reader.finish();
    }
    for policy in policies.one_or_more() {
        let name = text(policy, "name").unwrap_or("a policy").to_owned();
        let every = policy.get("properties").and_then(|node| text(node, "interval")).unwrap_or(EVERY_DEFAULT);
        file.group(&name, if parse_duration(every).is_ok() { every } else { EVERY_DEFAULT });
        let mut notes = Vec::new();
        let rule = read_policy(policy, &name, &mut notes);
        let good = rule.is_ok();
        file.add(policy, &name, rule);
        if good {
            notes.into_iter().for_each(|note| file.note(policy, format!("{name}: {note}")));
        }
    }
    reader.finish()
}

fn text<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    node.get(key).and_then(Node::as_str)
}

fn read_policy(node: &Node, name: &str, notes: &mut Vec<String>) -> Result<Rule, String> {
    if node.get("fromTemplate").is_some() {
        return Err(
            "its expression is a template of the policy manager's catalogue; import the policy that it makes".into()
        );
    }
    if node.get("security").is_some() {
        return Err("a level of security is no condition on telemetry".into());
    }
    let (expr, for_) = match (text(node, "expression"), node.get("spec")) {
        (Some(expression), None) => (short(expression, notes)?, text(node, "for")),
        (None, Some(spec)) => {
            let pending = node.get("properties").and_then(|node| text(node, "pendingInterval"));
            if spec.get("thresholds").is_some() {
                notes.push("the thresholds' names are left out: a text column 'severity' can say them".into());
            }
            (query(node, spec)?, pending)
        }
        _ => return Err("it has neither 'expression' nor 'spec'".into()),
    };
    let query = translate(&expr).map_err(|refused| refused.0)?;
    let for_ = for_.map(|text| text.trim_end_matches("in")).filter(|text| *text != "0");
    if let Some(Err(error)) = for_.map(parse_duration) {
        return Err(error);
    }
    let mut rule = Rule {
        name: name.to_owned(),
        sql: query.sql,
        for_: for_.filter(|text| parse_duration(text).is_ok_and(|length| !length.is_zero())).map(str::to_owned),
        comments: vec![format!("ICOS: {expr}")],
        summary: Some(
            match node.get("spec").and_then(|spec| text(spec, "description")).filter(|text| !text.is_empty()) {
                Some(description) => description.replace("{{", "{ {").replace("{%", "{ %"),
                None => "{{ rule }}: {{ value }}".to_owned(),
            },
        ),
        ..Rule::default()
    };
    remediate(node, &mut rule, notes);
    Ok(rule)
}

/// The short form as PromQL, its limit in seconds.
fn short(expression: &str, notes: &mut Vec<String>) -> Result<String, String> {
    let Some(parts) = SHORT.captures(expression) else { return Ok(expression.to_owned()) };
    let (metric, op, number, unit) = (&parts[1], &parts[2], &parts[3], &parts[4]);
    let number: f64 = number.parse().map_err(|_| "its limit is no number".to_owned())?;
    let Some((_, seconds)) = SECONDS.iter().find(|entry| entry.0 == unit) else {
        return Err(format!("its limit is in '{unit}'; units of time are known"));
    };
    if !unit.is_empty() {
        notes.push(format!("'{metric}' is taken to be in seconds"));
    }
    Ok(format!("{} {op} {}", metric.replace('.', "_"), number * seconds))
}

/// The policy manager's expression, its variables filled in.
fn query(node: &Node, spec: &Node) -> Result<String, String> {
    match text(spec, "type") {
        Some("telemetryQuery") | None => {}
        Some(other) => return Err(format!("its spec is of type '{other}', which is no query")),
    }
    let (expr, violated) = match (text(spec, "expr"), text(spec, "violatedIf")) {
        (Some(expr), Some(violated)) => (expr, violated),
        _ => return Err("its spec needs 'expr' and 'violatedIf'".into()),
    };
    let template = format!("{expr} {violated}");
    if template.contains("{%") {
        return Err("its expression decides or repeats ({% … %})".into());
    }
    let subject = subject(node.get("subject"));
    let matcher = |(name, value): &(String, String)| match value.as_str() {
        "*" => format!("{name}=~\".+\""),
        value => match value.strip_prefix('/').and_then(|value| value.strip_suffix('/')) {
            Some(pattern) => format!("{name}=~{}", serde_json::Value::from(pattern)),
            None => format!("{name}={}", serde_json::Value::from(value)),
        },
    };
    let names: Vec<_> = subject.iter().map(|label| label.0.as_str()).collect();
    let selector: Vec<_> = subject.iter().map(matcher).collect();
    let mut context: BTreeMap<String, String> = fields(node.get("variables")).into_iter().collect();
    context.insert("subject_label_list".into(), names.join(", "));
    context.insert("subject_label_selector".into(), selector.join(", "));
    let mut environment = minijinja::Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    let rendered = environment.render_str(&template, &context);
    rendered.map_err(|error| format!("its expression can't be filled in: {error}"))
}

/// Labels that tell the subject.
fn subject(node: Option<&Node>) -> Vec<(String, String)> {
    let Some(node) = node else { return Vec::new() };
    let named = |names: &[(&str, &str)]| {
        let labels = names.iter().filter_map(|(key, label)| Some(((*label).to_owned(), text(node, key)?.to_owned())));
        labels.collect()
    };
    match text(node, "type") {
        Some("app") => named(&[
            ("appName", "icos_app_name"),
            ("appInstance", "icos_app_instance"),
            ("appComponent", "icos_app_component"),
        ]),
        Some("host") => named(&[("hostId", "icos_host_id"), ("agentId", "icos_agent_id")]),
        _ => fields(Some(node)).into_iter().filter(|field| field.0 != "type").collect(),
    }
}

fn fields(node: Option<&Node>) -> Vec<(String, String)> {
    let Some(Node { value: Value::Map(entries), .. }) = node else { return Vec::new() };
    entries.iter().filter_map(|(key, value)| Some((key.as_str()?.to_owned(), value.as_str()?.to_owned()))).collect()
}

/// What ICOS would do, as far as a rule can ask for it; it is told in any case.
fn remediate(node: &Node, rule: &mut Rule, notes: &mut Vec<String>) {
    let list = |key: &str| -> Vec<String> {
        node.get(key)
            .map(|node| node.one_or_more().iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
            .unwrap_or_default()
    };
    let mut asked = list("remediations");
    asked.extend(list("remediation"));
    let parameters = node.get("action").and_then(|action| action.get("extraParams"));
    asked.extend(parameters.and_then(|node| text(node, "remediation")).map(str::to_owned));
    let mut components = list("apply_to");
    components.extend(list("apply-to"));
    let component =
        node.get("subject").and_then(|node| text(node, "appComponent")).filter(|name| !name.contains(['*', '/']));
    components.extend(component.map(str::to_owned));
    for word in asked {
        let action = match word.as_str() {
            "scale-out" | "scale_out" | "scale_pod" => "scale_out",
            "scale-in" | "scale_in" => "scale_in",
            "none" => continue,
            other => {
                notes.push(format!("'{other}' is told and not asked for: rules can't ask for it"));
                continue;
            }
        };
        match components.as_slice() {
            [one] => rule.remediate.push(format!(
                "{{backend: icos, action: {action}, target: {{kind: Deployment, name: {}}}, by: 1}}",
                scalar(one)
            )),
            _ => notes.push(format!("'{word}' is told and not asked for: it needs one component to act on")),
        }
    }
    rule.remediate.push("{backend: icos, action: notify}".to_owned());
}
