//! `unless`: rules that say more than this one, so that a dead node does not page for each of its pods.

use std::collections::{HashMap, HashSet};

use flyball_model::name::label_name;
use flyball_yaml::{Level, Node, Place, Problem, Reader, Value, nearest};

use super::rule::{Rule, RuleSet};
use crate::check::codes::UNKNOWN_RULE;

const KEYS: [&str; 2] = ["rule", "on"];

/// The most items of one `unless`: each is a set of labels to be looked through at each evaluation.
const ITEMS_MAX: usize = 20;

/// While the other rule has a firing instance with equal labels, this rule's instances do not fire.
#[derive(Debug, Clone)]
pub struct Unless {
    /// The other rule's name.
    pub rule: String,
    /// Where the item stands.
    pub place: Place,
    /// The labels that must be equal, in the order of the file; with none, any firing instance will do.
    pub on: Vec<String>,
}

/// `unless: [Other on host]`, or `{rule: Other, on: [cluster, host]}` as an item, or a single one of them without a list.
pub(super) fn read_unless(reader: &mut Reader, node: &Node) -> Vec<Unless> {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    if items.len() > ITEMS_MAX {
        reader.error(node, format!("'unless' names at most {ITEMS_MAX} rules"));
        return Vec::new();
    }
    items.iter().filter_map(|item| read_item(reader, item)).collect()
}

fn read_item(reader: &mut Reader, node: &Node) -> Option<Unless> {
    if matches!(node.value, Value::Map(_)) {
        let fields = reader.fields(node, "an item of 'unless'", &KEYS)?;
        let rule = reader.required(fields, "rule")?;
        let labels = match fields.get("on").map(|node| (node, &node.value)) {
            None => Vec::new(),
            Some((_, Value::List(items))) => items.iter().filter_map(|item| reader.text(item, "'on'")).collect(),
            Some((node, _)) => reader.text(node, "'on'").into_iter().collect(),
        };
        let on = labels.iter().filter_map(|label| checked(reader, label.as_str(), label.place())).collect();
        return Some(Unless { rule: rule.as_str().to_owned(), place: rule.place(), on });
    }
    let text = reader.text(node, "an item of 'unless'")?;
    let (name, labels) = text.as_str().rsplit_once(" on ").unwrap_or((text.as_str(), ""));
    let labels: Vec<String> = labels.split(',').map(|label| label.trim().to_owned()).collect();
    let named = labels.iter().filter(|label| !label.is_empty());
    let on: Vec<String> = named.filter_map(|label| checked(reader, label, text.place_of_word(label))).collect();
    Some(Unless { rule: name.trim().to_owned(), place: text.place(), on })
}

fn checked(reader: &mut Reader, label: &str, place: Place) -> Option<String> {
    let good = label_name(label);
    if good == label && !good.is_empty() {
        return Some(good.into_owned());
    }
    let problem = Problem::error(place, format!("'{label}' is not a label name"));
    reader.note(problem.hint("write unless: ['OtherRule on host, cluster']"));
    None
}

/// What is wrong with the rules that rules name under `unless`: they must be there, and none may wait for itself. `absent` is how bad it is
/// that one is not there: an error where these are all rules that there will be, a warning where others may come to them.
pub fn dependencies(set: &RuleSet, absent: Level) -> Vec<Problem> {
    let rules: HashMap<&str, &Rule> = set.rules().map(|(_, rule)| (rule.name.as_str(), rule)).collect();
    let mut search = Search { rules: &rules, done: HashSet::new(), problems: Vec::new() };
    for (_, rule) in set.rules() {
        search.problems.extend(rule.unless.iter().filter_map(|unless| unknown(unless, &rules, absent)));
        search.look_from(rule);
    }
    search.problems
}

fn unknown(unless: &Unless, rules: &HashMap<&str, &Rule>, absent: Level) -> Option<Problem> {
    let name = unless.rule.as_str();
    if rules.contains_key(name) {
        return None;
    }
    let problem = Problem::error(unless.place.clone(), format!("there is no rule '{name}' for 'unless'"));
    let problem = Problem { level: absent, ..problem.code(UNKNOWN_RULE) };
    Some(match nearest(name, rules.keys().copied()) {
        Some(meant) => problem.hint(format!("did you mean '{meant}'?")),
        // In a list between brackets the comma between labels begins a new item.
        None => problem
            .hint("'unless' names rules of these files; several labels stand between quotes: 'OtherRule on a, b'"),
    })
}

/// The search for circles, depth first; every rule is looked at once.
struct Search<'a> {
    rules: &'a HashMap<&'a str, &'a Rule>,
    done: HashSet<&'a str>,
    problems: Vec<Problem>,
}

impl<'a> Search<'a> {
    fn look_from(&mut self, start: &'a Rule) {
        // The way from the start, each rule with the next of its items; without recursion, for a way may be as long as there are rules.
        let mut way: Vec<(&Rule, usize)> = Vec::new();
        let mut on_way: HashSet<&str> = HashSet::new();
        if self.done.insert(&start.name) {
            on_way.insert(&start.name);
            way.push((start, 0));
        }
        while let Some((rule, next)) = way.last_mut() {
            let rule: &'a Rule = rule;
            let Some(unless) = rule.unless.get(*next) else {
                on_way.remove(rule.name.as_str());
                way.pop();
                continue;
            };
            *next += 1;
            let Some(&other) = self.rules.get(unless.rule.as_str()) else { continue };
            if on_way.contains(other.name.as_str()) {
                self.note_circle(unless, other, way.iter().map(|(rule, _)| rule.name.as_str()));
            } else if self.done.insert(&other.name) {
                on_way.insert(&other.name);
                way.push((other, 0));
            }
        }
    }

    fn note_circle<'w>(&mut self, closed_by: &Unless, begin: &Rule, way: impl Iterator<Item = &'w str>) {
        let mut names: Vec<&str> = way.skip_while(|name| *name != begin.name).collect();
        names.push(&begin.name);
        // A message is a line, and a circle may go through ten thousand rules.
        if names.len() > 10 {
            names.splice(5..names.len() - 4, ["…"]);
        }
        let message = format!("the rules wait for each other: {}", names.join(" → "));
        let hint = "take one of these out of 'unless': if all were broken, none would fire";
        self.problems.push(Problem::error(closed_by.place.clone(), message).hint(hint));
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::from_str_with_problems;
    use super::*;

    fn check(rules: &str, expected: &str) {
        let text = format!("groups:\n- name: g\n  rules:\n{rules}");
        let (file, mut problems) = from_str_with_problems("f", &text);
        problems.extend(dependencies(&RuleSet { files: vec![file] }, Level::Error));
        let found: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(found.join("\n"), expected, "{rules}");
    }

    #[test]
    fn items_are_read_in_every_form() {
        let text = "groups:\n- name: g\n  rules:\n  - rule: P\n    sql: x\n    unless: [A, B on host, 'C on x, y', {rule: D on it, on: [p, q]}]\n  - {rule: Q, sql: x, unless: A on b}\n";
        let (file, problems) = from_str_with_problems("f", text);
        assert!(problems.is_empty(), "{problems:?}");
        let items: Vec<_> = file.groups[0].rules[0].unless.iter().map(|u| (u.rule.as_str(), u.on.join("+"))).collect();
        let expected = [("A", ""), ("B", "host"), ("C", "x+y"), ("D on it", "p+q")];
        assert_eq!(items, expected.map(|(rule, on)| (rule, on.to_owned())));
        assert_eq!(file.groups[0].rules[1].unless[0].on, ["b"]);
    }

    #[test]
    fn rules_that_are_not_there_and_circles_are_told_with_their_place() {
        check("  - {rule: A, sql: x}\n  - {rule: B, sql: x, unless: [A on host]}\n", "");
        check(
            "  - {rule: Alpha, sql: x}\n  - {rule: B, sql: x, unless: [Alpah]}\n",
            "f:5:32: there is no rule 'Alpah' for 'unless' (did you mean 'Alpha'?) [FB005]",
        );
        check(
            "  - {rule: A, sql: x}\n  - {rule: B, sql: x, unless: [A on host, cluster]}\n",
            "f:5:43: there is no rule 'cluster' for 'unless' ('unless' names rules of these files; several labels stand between quotes: 'OtherRule on a, b') [FB005]",
        );
        check(
            "  - {rule: A, sql: x, unless: [A]}\n",
            "f:4:32: the rules wait for each other: A → A (take one of these out of 'unless': if all were broken, none would fire)",
        );
        check(
            "  - {rule: A, sql: x, unless: [B]}\n  - {rule: B, sql: x, unless: [C]}\n  - {rule: C, sql: x, unless: [D, A]}\n  - {rule: D, sql: x}\n",
            "f:6:35: the rules wait for each other: A → B → C → A (take one of these out of 'unless': if all were broken, none would fire)",
        );
        check(
            "  - {rule: A, sql: x}\n  - {rule: B, sql: x, unless: ['A on a-b']}\n",
            "f:5:38: 'a-b' is not a label name (write unless: ['OtherRule on host, cluster'])",
        );
    }

    #[test]
    fn a_long_row_of_rules_is_no_circle_until_it_is_closed() {
        let one = |n: usize| format!("  - {{rule: R{n}, sql: x, unless: [R{}]}}\n", n + 1);
        let rules: String = (0..5000).map(one).collect();
        check(&format!("{rules}  - {{rule: R5000, sql: x}}\n"), "");
        check(
            &format!("{rules}  - {{rule: R5000, sql: x, unless: R0}}\n"),
            "f:5004:35: the rules wait for each other: R0 → R1 → R2 → R3 → R4 → … → R4998 → R4999 → R5000 → R0 (take one of these out of 'unless': if all were broken, none would fire)",
        );
    }
}
