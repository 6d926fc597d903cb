//! Reading one step of `remediate`.

use std::collections::BTreeMap;
use std::time::Duration;

use flyball_model::action::ActionKind;
use flyball_yaml::{Fields, Node, Problem, Reader, Text, nearest};

use super::read::template;
use super::rule::{Amount, Step};
use super::template::Template;

const KEYS: [&str; 9] = ["backend", "action", "target", "factor", "by", "min", "max", "settle", "attempts"];
/// Actions that rule files may name one day; a rule that names one now must not look as if it acted.
const LATER: [&str; 6] = ["scale_up", "scale_down", "patch", "migrate", "redeploy", "cordon"];
const SETTLE_DEFAULT: Duration = Duration::from_secs(60);

/// A step, unless it is wrong.
pub(super) fn read_step(reader: &mut Reader, node: &Node) -> Option<Step> {
    let fields = reader.fields(node, "a step of 'remediate'", &KEYS)?;
    let backend = reader.required(fields, "backend");
    let action_text = reader.required(fields, "action");
    let action = action_text.as_ref().and_then(|text| action(reader, text));
    let target = fields.get("target").map(|target| read_target(reader, target)).unwrap_or_default();
    let amount = match action {
        Some(ActionKind::Notify) => {
            refuse_for_notify(reader, fields);
            None
        }
        Some(scale @ (ActionKind::ScaleOut | ActionKind::ScaleIn)) => {
            let amount = read_amount(reader, fields, scale);
            require_target(reader, fields, &target, scale);
            amount
        }
        None => None,
    };
    let min = reader.whole(fields, "min", 0);
    let max = reader.whole(fields, "max", 1);
    if let (Some(least), Some(most), Some(node)) = (min, max, fields.get("min"))
        && least > most
    {
        reader.error(node, format!("'min' is {least} and 'max' is {most}: the least is more than the most"));
    }
    let settle = reader.duration(fields, "settle", SETTLE_DEFAULT);
    let attempts = reader.whole(fields, "attempts", 1).unwrap_or(1);
    Some(Step {
        backend: backend?,
        action: action?,
        action_place: action_text?.place(),
        target,
        amount,
        min,
        max,
        settle,
        attempts,
    })
}

fn action(reader: &mut Reader, text: &Text) -> Option<ActionKind> {
    let word = text.as_str();
    let known = ActionKind::ALL.into_iter().find(|action| action.as_str() == word);
    if known.is_none() {
        let names: Vec<&str> = ActionKind::ALL.iter().map(|action| action.as_str()).collect();
        let actions = format!("the actions are {}", names.join(", "));
        reader.note(if LATER.contains(&word) {
            Problem::error(text.place(), format!("the action '{word}' is not supported by this version")).hint(actions)
        } else {
            let hint = nearest(word, names).map_or(actions, |meant| format!("did you mean '{meant}'?"));
            Problem::error(text.place(), format!("there is no action '{word}'")).hint(hint)
        });
    }
    known
}

fn read_target(reader: &mut Reader, node: &Node) -> BTreeMap<String, Template> {
    let texts = reader.texts(node, "'target'");
    texts.into_iter().filter_map(|(name, text)| Some((name.as_str().to_owned(), template(reader, text)?))).collect()
}

fn require_target(reader: &mut Reader, fields: Fields<'_>, target: &BTreeMap<String, Template>, action: ActionKind) {
    let missing: Vec<&str> = ["kind", "name"].into_iter().filter(|key| !target.contains_key(*key)).collect();
    if !missing.is_empty() {
        let node = fields.get("target").unwrap_or(fields.node());
        reader.error_with_hint(
            node,
            format!("'{}' needs a target with '{}'", action.as_str(), missing.join("' and '")),
            "write target: {kind: Deployment, namespace: shop, name: web}",
        );
    }
}

fn read_amount(reader: &mut Reader, fields: Fields<'_>, action: ActionKind) -> Option<Amount> {
    let word = action.as_str();
    match (fields.get("factor"), fields.get("by")) {
        (Some(node), None) => {
            let factor = reader.number(node, "'factor'")?;
            let good = match action {
                ActionKind::ScaleOut => factor > 1.0,
                ActionKind::ScaleIn => factor > 0.0 && factor < 1.0,
                ActionKind::Notify => false,
            };
            if !good {
                let range =
                    if action == ActionKind::ScaleOut { "above 1, like 1.5" } else { "between 0 and 1, like 0.5" };
                reader.error(node, format!("the replicas are multiplied by 'factor': for '{word}' it is {range}"));
            }
            Some(Amount::Factor(factor))
        }
        (None, Some(_)) => reader.whole(fields, "by", 1).map(Amount::By),
        (None, None) => {
            reader.error(fields.node(), format!("'{word}' needs 'factor' or 'by': by how much it scales"));
            None
        }
        (Some(_), Some(by)) => {
            reader.error(by, format!("'{word}' has both 'factor' and 'by'; keep one"));
            None
        }
    }
}

fn refuse_for_notify(reader: &mut Reader, fields: Fields<'_>) {
    for key in ["target", "factor", "by", "min", "max", "settle", "attempts"] {
        if let Some(node) = fields.get(key) {
            reader.error(node, format!("'notify' changes nothing and takes no '{key}'"));
        }
    }
}
