//! QoS definitions and tasks of Rotterdam, agreements of SLALite.
//!
//! A constraint states the good condition, so the rule's is its opposite. Keys are taken in any case, for their writers do not agree. Where
//! Rotterdam acts after more than `maxAllowed` violations, one of which is counted a minute, the rule waits that many minutes. Backends are
//! called `rotterdam`.

use std::sync::Arc;

use flyball_yaml::{Node, Problem, Reader, Source, Value};

use crate::out::{File, Rule, scalar};
use crate::promql::translate;

/// How often SLALite looks.
const PERIOD_SECONDS: u64 = 60;
/// What Rotterdam takes where nothing is said.
const FACTOR_DEFAULT: f64 = 1.25;
const ALLOWED_DEFAULT: u64 = 2;

/// What is done about a violation, and to what.
#[derive(Debug, Clone, Default)]
struct Remedy {
    action: String,
    factor: Option<f64>,
    min: Option<u64>,
    max: Option<u64>,
    allowed: u64,
    /// Namespace and name.
    target: Option<(Option<String>, String)>,
}

pub(super) fn read(root: &Node, source: &Arc<Source>, file: &mut File) -> Vec<Problem> {
    let mut reader = Reader::new(Arc::clone(source));
    for item in root.one_or_more() {
        if field(item, "guaranteename").is_some() {
            definition(item, file);
        } else if field(item, "details").is_some() {
            agreement(item, file);
        } else if field(item, "qos").is_some() {
            task(item, file);
        } else {
            reader.error_with_hint(
                item,
                "here is no QoS definition, task or agreement",
                "they have guaranteeName, qos or details",
            );
        }
    }
    reader.finish()
}

/// A key in any case.
fn field<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    match &node.value {
        Value::Map(entries) => {
            let found = |name: &Node| name.as_str().is_some_and(|name| name.eq_ignore_ascii_case(key));
            entries.iter().find(|(name, _)| found(name)).map(|(_, value)| value)
        }
        _ => None,
    }
}

fn text<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    field(node, key).and_then(Node::as_str).filter(|text| !text.is_empty())
}

fn number<T: std::str::FromStr>(node: &Node, key: &str) -> Option<T> {
    text(node, key)?.parse().ok()
}

fn items<'a>(node: &'a Node, key: &str) -> &'a [Node] {
    field(node, key).map(Node::one_or_more).unwrap_or_default()
}

fn remedy(node: &Node) -> Remedy {
    Remedy {
        action: text(node, "action").unwrap_or("scale_out").to_owned(),
        factor: number(node, "scalefactor"),
        min: number(node, "minreplicas").or(number(node, "min")),
        max: number(node, "maxreplicas").or(number(node, "max")),
        allowed: number(node, "maxallowed").unwrap_or(ALLOWED_DEFAULT),
        target: None,
    }
}

fn definition(node: &Node, file: &mut File) {
    let name = text(node, "guaranteename").unwrap_or("a definition").to_owned();
    file.group(&name, "15s");
    let remedy = remedy(node);
    for guarantee in items(node, "guarantees") {
        add(guarantee, &name, text(guarantee, "constraint"), &remedy, &[], file);
    }
}

fn task(node: &Node, file: &mut File) {
    let name = text(node, "name").unwrap_or("task").to_owned();
    file.group(&name, "15s");
    let target = Some((text(node, "dock").map(str::to_owned), name.clone()));
    let qos = items(node, "qos");
    // In the full form the list stands one deeper, and each of its items has several guarantees.
    let custom: Vec<&Node> = qos.iter().flat_map(|qos| items(qos, "custom")).collect();
    for item in qos.iter().filter(|item| field(item, "metric").is_some()) {
        let remedy = Remedy { target: target.clone(), ..remedy(item) };
        let constraint = comparison(item, "comparator");
        let called = text(item, "qosid").map_or_else(|| name.clone(), |id| format!("{name}_{id}"));
        add(item, &called, constraint.as_deref(), &remedy, &[], file);
    }
    for item in custom {
        let remedy = Remedy { target: target.clone(), ..remedy(item) };
        let called = text(item, "name").map_or_else(|| name.clone(), |id| format!("{name}_{id}"));
        for guarantee in items(item, "guarantees") {
            let constraint = comparison(guarantee, "condition");
            add(guarantee, &called, constraint.as_deref(), &remedy, &[], file);
        }
    }
}

/// Metric, comparator and value as one constraint.
fn comparison(node: &Node, comparator: &str) -> Option<String> {
    let op = text(node, comparator).unwrap_or("<");
    Some(format!("[{}] {op} {}", text(node, "metric")?, text(node, "value").unwrap_or("2")))
}

fn agreement(node: &Node, file: &mut File) {
    let Some(details) = field(node, "details") else { return };
    let name = text(node, "name").or(text(node, "id")).unwrap_or("agreement").to_owned();
    file.group(&name, "15s");
    let variables: Vec<(String, String)> = items(details, "variables")
        .iter()
        .filter_map(|variable| {
            let name = text(variable, "name")?;
            let metric = text(variable, "metric").unwrap_or(name);
            let aggregation = field(variable, "aggregation");
            let window: Option<u64> = aggregation.and_then(|node| number(node, "window")).filter(|window| *window > 0);
            let average = aggregation.and_then(|node| text(node, "type")) == Some("average");
            let query = match window {
                Some(window) if average => format!("avg_over_time({metric}[{window}s])"),
                _ => metric.to_owned(),
            };
            Some((name.to_owned(), query))
        })
        .collect();
    for guarantee in items(details, "guarantees") {
        let called = text(guarantee, "name").map_or_else(|| name.clone(), |guarantee| format!("{name}_{guarantee}"));
        if field(guarantee, "penalties").is_some_and(|node| !node.one_or_more().is_empty()) {
            file.note(guarantee, format!("{called}: penalties are left out"));
        }
        // SLALite tells of a violation at once.
        let remedy = Remedy { action: "notify".into(), ..Remedy::default() };
        add(guarantee, &called, text(guarantee, "constraint"), &remedy, &variables, file);
    }
}

/// A rule for each part of a constraint that must hold.
fn add(
    node: &Node,
    name: &str,
    constraint: Option<&str>,
    remedy: &Remedy,
    variables: &[(String, String)],
    file: &mut File,
) {
    let Some(constraint) = constraint else {
        file.add(node, name, Err("it has no constraint".into()));
        return;
    };
    for part in constraint.split("&&") {
        let rule = broken(part, variables).and_then(|expr| {
            let query = translate(&expr).map_err(|refused| refused.0)?;
            let wait = remedy.allowed.saturating_mul(PERIOD_SECONDS).min(365 * 86_400);
            Ok(Rule {
                name: name.to_owned(),
                sql: query.sql,
                for_: (wait > 0).then(|| flyball_yaml::format_duration(std::time::Duration::from_secs(wait))),
                comments: vec![format!("CLASS promises: {}", part.trim())],
                summary: Some(format!(
                    "{{{{ rule }}}}: {} does not hold, it is {{{{ value }}}}",
                    part.trim().replace(['{', '}'], "")
                )),
                remediate: steps(remedy),
                ..Rule::default()
            })
        });
        let told = rule.as_ref().is_ok_and(|rule| rule.remediate.len() == 1) && remedy.action != "notify";
        file.add(node, name, rule);
        if told {
            let why = if remedy.target.is_none() {
                "a definition names no target"
            } else {
                "it is no scaling that a rule can ask for"
            };
            file.note(node, format!("{name}: '{}' is told and not asked for: {why}", remedy.action));
        }
    }
}

fn steps(remedy: &Remedy) -> Vec<String> {
    let mut steps = Vec::new();
    let factor = remedy.factor.unwrap_or(FACTOR_DEFAULT);
    let good = match remedy.action.as_str() {
        "scale_out" => factor > 1.0 && factor.is_finite(),
        "scale_in" => factor > 0.0 && factor < 1.0,
        _ => false,
    };
    if let Some((namespace, name)) = remedy.target.as_ref().filter(|_| good) {
        let namespace = namespace.as_ref().map(|text| format!("namespace: {}, ", scalar(text))).unwrap_or_default();
        let bound = |key: &str, value: Option<u64>| value.map(|value| format!(", {key}: {value}")).unwrap_or_default();
        steps.push(format!(
            "{{backend: rotterdam, action: {}, target: {{kind: Deployment, {namespace}name: {}}}, factor: {factor}{}{}}}",
            remedy.action,
            scalar(name),
            bound("min", remedy.min),
            bound("max", remedy.max),
        ));
    }
    steps.push("{backend: rotterdam, action: notify}".to_owned());
    steps
}

/// The opposite of `[variable] < number`, as PromQL.
fn broken(part: &str, variables: &[(String, String)]) -> Result<String, String> {
    const OPPOSITES: [(&str, &str); 6] =
        [("<=", ">"), (">=", "<"), ("==", "!="), ("!=", "=="), ("<", ">="), (">", "<=")];
    const TURNED: [(&str, &str); 6] = [("<=", ">="), (">=", "<="), ("==", "=="), ("!=", "!="), ("<", ">"), (">", "<")];
    let wrong =
        || format!("'{}' is not one variable compared with one number; constraints joined by && are", part.trim());
    let (op, at) = OPPOSITES
        .iter()
        .filter_map(|(op, _)| Some((*op, part.find(op)?)))
        .min_by_key(|(op, at)| (*at, usize::MAX - op.len()))
        .ok_or_else(wrong)?;
    let (left, right) = (part[..at].trim(), part[at + op.len()..].trim());
    let is_number = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
    let (variable, op, number) = match (is_number(left), is_number(right)) {
        (false, true) => (left, op, right),
        (true, false) => (right, TURNED.iter().find(|turned| turned.0 == op).map_or(op, |turned| turned.1), left),
        _ => return Err(wrong()),
    };
    let name = variable.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(variable);
    let word = |c: char| c.is_ascii_alphanumeric() || "_:.-".contains(c);
    if name.is_empty() || !name.chars().all(word) {
        return Err(wrong());
    }
    let opposite = OPPOSITES.iter().find(|opposite| opposite.0 == op).map_or(op, |opposite| opposite.1);
    let query = variables.iter().find(|variable| variable.0 == name).map_or(name, |variable| variable.1.as_str());
    Ok(format!("({query}) {opposite} {number}"))
}
