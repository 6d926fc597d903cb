//! From the tree of a rule file to its tests, with every problem at once.

mod expect;
mod input;
mod power;
mod twin;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use flyball_model::name::label_name;
use flyball_rules::definition::{Group, Rule, RuleFile, RuleSet, TEST_KEYS};
use flyball_yaml::{Fields, Node, Problem, Reader, Text, Value, nearest, parse};

use crate::notation::{NotationError, POINTS_MAX};
use crate::test::{START, Test};

/// The most tests of a file.
const TESTS_MAX: usize = 10_000;

/// The last time that a test may speak of.
const AT_MAX: Duration = Duration::from_secs(366 * 86_400);

/// The rules that a file's tests are about, each with its group: the file's own; of a file that has tests alone, all rules of the set.
pub fn in_scope<'a>(file: &'a RuleFile, all: &'a RuleSet) -> Vec<(&'a Group, &'a Rule)> {
    let own = file.groups.iter().flat_map(|group| group.rules.iter().map(move |rule| (group, rule)));
    if file.groups.is_empty() { all.rules().collect() } else { own.collect() }
}

/// The tests of a file, and everything that is wrong with them. What is wrong with the file's outline is told by whoever read the file
/// too, in the same words.
pub fn read(file: &RuleFile, all: &RuleSet) -> (Vec<Test>, Vec<Problem>) {
    // What is not YAML was told when the rules were read.
    let Ok(root) = parse(&file.source) else { return Default::default() };
    let Some(node) = root.get("tests") else { return Default::default() };
    let mut reader = Reader::new(Arc::clone(&file.source));
    let rules = in_scope(file, all).into_iter().map(|(_, rule)| rule).collect();
    let mut scope = Scope { rules, names: HashMap::new(), points: 0 };
    let items = reader.items(node, "'tests'");
    if let Some(beyond) = items.get(TESTS_MAX) {
        reader.error(beyond, format!("a file has at most {TESTS_MAX} tests; put the others into another file"));
    }
    let tests = items.iter().take(TESTS_MAX).filter_map(|item| scope.test(&mut reader, item)).collect();
    (tests, reader.finish())
}

/// What is known while the tests of a file are read.
struct Scope<'a> {
    rules: Vec<&'a Rule>,
    /// The line of each test by its name: reports are read by names.
    names: HashMap<String, usize>,
    /// Values of all tests together.
    points: usize,
}

impl Scope<'_> {
    fn test(&mut self, reader: &mut Reader, node: &Node) -> Option<Test> {
        let fields = reader.fields(node, "a test", &TEST_KEYS)?;
        let name = reader.required(fields, "name");
        if let Some(name) = &name {
            let line = name.place().line;
            if let Some(first) = self.names.insert(name.as_str().to_owned(), line) {
                let message = format!("the test '{}' stands in this file twice", name.as_str());
                reader.note(Problem::error(name.place(), message).hint(format!("the first is in line {first}")));
            }
        }
        let start = reader.parse(fields, "start", str::parse).unwrap_or(START);
        let rules = self.named_rules(reader, fields);
        for key in ["input", "expect"] {
            if fields.get(key).is_none() {
                reader.error(node, format!("a test needs '{key}'"));
            }
        }
        let mut inputs = input::Inputs::new();
        if let Some(items) = fields.get("input").map(|node| reader.items(node, "'input'")) {
            for item in items {
                inputs.read(reader, item);
                self.points += std::mem::take(&mut inputs.points);
                if self.points > POINTS_MAX {
                    reader.error(item, format!("the tests of this file have more than {POINTS_MAX} values up to here"));
                    return None;
                }
            }
        }
        let expect = fields.get("expect").map(|node| reader.items(node, "'expect'")).unwrap_or_default();
        if let Some(node) = fields.get("expect").filter(|_| expect.is_empty()) {
            reader.error_with_hint(
                node,
                "a test that expects nothing can't fail",
                "write expect: [{at: 1m, alerts: []}]",
            );
        }
        let mut expectations: Vec<_> = expect.iter().filter_map(|item| self.expectation(reader, item)).collect();
        expectations.sort_by_key(|expectation| expectation.at);
        let (inputs, mapping) = inputs.finish();
        let name = name?;
        Some(Test {
            name: name.as_str().to_owned(),
            place: reader.place(node),
            start,
            rules,
            inputs,
            mapping,
            expectations,
        })
    }

    fn named_rules(&self, reader: &mut Reader, fields: Fields<'_>) -> Vec<String> {
        let Some(node) = fields.get("rules") else { return Vec::new() };
        let names: Vec<_> =
            node.one_or_more().iter().filter_map(|node| reader.text(node, "an item of 'rules'")).collect();
        names.into_iter().filter_map(|name| self.rule(reader, &name)).collect()
    }

    /// The name of a rule in scope.
    fn rule(&self, reader: &mut Reader, name: &Text) -> Option<String> {
        let names = || self.rules.iter().map(|rule| rule.name.as_str());
        if names().any(|known| known == name.as_str()) {
            return Some(name.as_str().to_owned());
        }
        let hint = match nearest(name.as_str(), names()) {
            Some(meant) => format!("did you mean '{meant}'?"),
            None if self.rules.is_empty() => "no rules are given; name their file too".to_owned(),
            None => "the rules of this file take part; those of all files where this one has none".to_owned(),
        };
        reader.note(Problem::error(name.place(), format!("there is no rule '{}' here", name.as_str())).hint(hint));
        None
    }
}

/// Notes a problem inside a value at its own place.
fn note_inside(reader: &mut Reader, text: &Text, error: &NotationError) {
    // Of what is missing at the end the last character is shown.
    let last = text.as_str().trim_end().char_indices().next_back().map_or(0, |(at, _)| at);
    let before = &text.as_str()[..error.offset.min(last)];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    reader.note(Problem::error(text.place_of(line, column), error.message.clone()));
}

/// Labels, whose names must be in Prometheus form.
fn labels(reader: &mut Reader, node: &Node, what: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    if matches!(node.value, Value::Null) {
        return labels;
    }
    for (name, value) in reader.entries(node, what) {
        let good = label_name(name.as_str());
        if good != name.as_str() || good.is_empty() {
            let message = format!("'{}' is not a label's name in Prometheus form; write '{good}'", name.as_str());
            reader.note(Problem::error(name.place(), message));
        } else if let Some(value) = reader.text(value, &format!("'{}'", name.as_str())) {
            labels.insert(name.as_str().to_owned(), value.as_str().to_owned());
        }
    }
    labels
}

/// A time of the test, which counts from its beginning.
fn at(text: &str) -> Result<Duration, String> {
    let at = flyball_yaml::parse_duration(text)?;
    if at > AT_MAX { Err("a test lasts at most 366d".to_owned()) } else { Ok(at) }
}
