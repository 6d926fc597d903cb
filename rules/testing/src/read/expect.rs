//! One item of `expect`: what must hold at a time.

use std::collections::BTreeMap;

use flyball_model::action::ActionKind;
use flyball_model::event::State;
use flyball_yaml::{Fields, Node, Problem, Reader, Value, nearest};

use super::{Scope, at, labels};
use crate::test::{Action, Alert, Cell, Cells, Expectation, Query};

const EXPECT_KEYS: [&str; 4] = ["at", "alerts", "actions", "values"];
const ALERT_KEYS: [&str; 6] = ["rule", "labels", "state", "values", "summary", "severity"];
const ACTION_KEYS: [&str; 9] = ["backend", "action", "rule", "target", "factor", "by", "min", "max", "state"];
const QUERY_KEYS: [&str; 2] = ["sql", "rows"];

/// States of an alert that a rule can come into.
const STATES: [State; 5] = [State::Pending, State::Firing, State::NoData, State::Resolved, State::Error];

impl Scope<'_> {
    pub(super) fn expectation(&self, reader: &mut Reader, node: &Node) -> Option<Expectation> {
        let fields = reader.fields(node, "an item of 'expect'", &EXPECT_KEYS)?;
        let time = reader.parse_required(fields, "at", at);
        let list = |reader: &mut Reader, key: &str| -> Option<&[Node]> {
            fields.get(key).map(|node| reader.items(node, &format!("'{key}'")))
        };
        let alerts = list(reader, "alerts");
        let alerts = alerts.map(|items| items.iter().filter_map(|item| self.alert(reader, item)).collect());
        let actions = list(reader, "actions");
        let actions = actions.map(|items| items.iter().filter_map(|item| self.action(reader, item)).collect());
        let values = list(reader, "values").unwrap_or_default();
        let values = values.iter().filter_map(|item| query(reader, item)).collect();
        if EXPECT_KEYS[1..].iter().all(|key| fields.get(key).is_none()) {
            let hint = "write alerts: [] where nothing may be pending or fire";
            reader.error_with_hint(node, "an item of 'expect' needs 'alerts', 'actions' or 'values'", hint);
        }
        Some(Expectation { at: time?, alerts, actions, values })
    }

    fn alert(&self, reader: &mut Reader, node: &Node) -> Option<Alert> {
        let fields = reader.fields(node, "an alert", &ALERT_KEYS)?;
        let rule = reader.required(fields, "rule").and_then(|name| self.rule(reader, &name));
        let labels = fields.get("labels").map(|node| labels(reader, node, "'labels'")).unwrap_or_default();
        let state = reader.parse(fields, "state", state).unwrap_or(State::Firing);
        let values = fields.get("values").map(|node| numbers(reader, node, "'values'")).unwrap_or_default();
        let mut text = |key: &str| {
            let text = fields.get(key).and_then(|node| reader.text(node, &format!("'{key}'")));
            text.map(|text| text.as_str().to_owned())
        };
        let (summary, severity) = (text("summary"), text("severity"));
        Some(Alert { rule: rule?, labels, state, values, summary, severity })
    }

    fn action(&self, reader: &mut Reader, node: &Node) -> Option<Action> {
        let fields = reader.fields(node, "an action", &ACTION_KEYS)?;
        let backend = reader.required(fields, "backend").and_then(|name| {
            let names: Vec<_> =
                self.rules.iter().flat_map(|rule| &rule.remediate).map(|step| step.backend.as_str()).collect();
            if names.contains(&name.as_str()) {
                return Some(name.as_str().to_owned());
            }
            let hint = match nearest(name.as_str(), names.iter().copied()) {
                Some(meant) => format!("did you mean '{meant}'?"),
                None => "a backend is asked for what a rule names it for under 'remediate'".to_owned(),
            };
            let message = format!("no rule here names the backend '{}'", name.as_str());
            reader.note(Problem::error(name.place(), message).hint(hint));
            None
        });
        let action = reader.parse_required(fields, "action", action);
        let rule = fields.get("rule").and_then(|node| reader.text(node, "'rule'"));
        let rule = rule.and_then(|name| self.rule(reader, &name));
        let target = fields.get("target").map(|node| reader.texts(node, "'target'")).unwrap_or_default();
        let mut params = BTreeMap::new();
        for key in ["factor", "by", "min", "max"] {
            if let Some(node) = fields.get(key) {
                params.extend(reader.number(node, &format!("'{key}'")).map(|number| (key.to_owned(), number)));
            }
        }
        self.refuse_mixed(reader, fields, action);
        Some(Action {
            backend: backend?,
            action: action?,
            rule,
            target: target.into_iter().map(|(key, text)| (key.as_str().to_owned(), text.as_str().to_owned())).collect(),
            params,
            state: reader.parse(fields, "state", state).unwrap_or(State::Firing),
        })
    }

    /// What is asked has a target and an amount, what is told a state.
    fn refuse_mixed(&self, reader: &mut Reader, fields: Fields<'_>, action: Option<ActionKind>) {
        let Some(action) = action else { return };
        let wrong: &[&str] =
            if action == ActionKind::Notify { &["target", "factor", "by", "min", "max"] } else { &["state"] };
        for key in wrong {
            if let Some(node) = fields.get(key) {
                reader.error(node, format!("'{}' has no '{key}'", action.as_str()));
            }
        }
    }
}

fn state(word: &str) -> Result<State, String> {
    let words = || STATES.into_iter().map(State::as_str);
    STATES.into_iter().find(|state| state.as_str() == word).ok_or_else(|| match nearest(word, words()) {
        Some(meant) => format!("'{word}' is no state of an alert; did you mean '{meant}'?"),
        None => format!("'{word}' is no state of an alert; there are {}", words().collect::<Vec<_>>().join(", ")),
    })
}

fn action(word: &str) -> Result<ActionKind, String> {
    let words = || ActionKind::ALL.into_iter().map(ActionKind::as_str);
    ActionKind::ALL.into_iter().find(|action| action.as_str() == word).ok_or_else(|| match nearest(word, words()) {
        Some(meant) => format!("there is no action '{word}'; did you mean '{meant}'?"),
        None => format!("there is no action '{word}'; there are {}", words().collect::<Vec<_>>().join(", ")),
    })
}

fn numbers(reader: &mut Reader, node: &Node, what: &str) -> BTreeMap<String, f64> {
    let entries = reader.entries(node, what).into_iter();
    let numbers = entries.filter_map(|(name, node)| {
        let number = reader.number(node, &format!("'{}'", name.as_str()))?;
        Some((name.as_str().to_owned(), number))
    });
    numbers.collect()
}

fn query(reader: &mut Reader, node: &Node) -> Option<Query> {
    let fields = reader.fields(node, "an item of 'values'", &QUERY_KEYS)?;
    let sql = reader.required(fields, "sql");
    reader.require(fields, "rows");
    let rows = reader.items(fields.get("rows")?, "'rows'");
    let rows = rows.iter().map(|row| cells(reader, row)).collect();
    Some(Query { sql: sql?, rows })
}

fn cells(reader: &mut Reader, node: &Node) -> Cells {
    let entries = reader.entries(node, "a row").into_iter();
    let cells = entries.filter_map(|(name, node)| {
        let cell = match &node.value {
            // As it was written: a number, or a truth value, which is text to a rule.
            Value::Plain(text) => match text.parse::<f64>() {
                Ok(number) => Cell::Number(number),
                Err(_) => Cell::Text(text.clone()),
            },
            _ => Cell::Text(reader.text(node, &format!("'{}'", name.as_str()))?.as_str().to_owned()),
        };
        Some((name.as_str().to_owned(), cell))
    });
    cells.collect()
}
