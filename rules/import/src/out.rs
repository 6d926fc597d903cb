//! The rule file that is written, and the account of what became of each rule.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use flyball_yaml::{Node, Place, Problem, Source};

use crate::{Imported, RULES_MAX, System};

/// A rule of flyball.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rule {
    /// Of an alert; made unique when it is written.
    pub(crate) name: String,
    /// Whether it records a metric of that name instead.
    pub(crate) records: bool,
    pub(crate) sql: String,
    /// The columns beside the value; `None` for a map of all labels.
    pub(crate) columns: Option<Vec<String>>,
    /// Queries whose rows are recorded together with those of the first.
    pub(crate) more: Vec<String>,
    /// As written: `10m`.
    pub(crate) for_: Option<String>,
    pub(crate) keep_firing_for: Option<String>,
    pub(crate) severity: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) summary: Option<String>,
    pub(crate) runbook: Option<String>,
    /// Steps, each in one line of YAML.
    pub(crate) remediate: Vec<String>,
    /// Lines above it.
    pub(crate) comments: Vec<String>,
}

/// A file under construction.
pub(crate) struct File {
    source: Arc<Source>,
    groups: Vec<(String, String, Vec<Rule>)>,
    names: HashSet<String>,
    /// Who records a metric with these labels: the places of the group and of the rule.
    recorded: HashMap<(String, BTreeMap<String, String>), (usize, usize)>,
    done: Imported,
}

impl File {
    pub(crate) fn new(source: &Arc<Source>) -> Self {
        Self {
            source: Arc::clone(source),
            groups: Vec::new(),
            names: HashSet::new(),
            recorded: HashMap::new(),
            done: Imported::default(),
        }
    }

    /// Where a node stands.
    pub(crate) fn place(&self, node: &Node) -> Place {
        self.source.place(node.range.start)
    }

    /// Begins a group; rules are added to the last one.
    pub(crate) fn group(&mut self, name: &str, every: &str) {
        let unique = unique(name, |name| self.groups.iter().all(|group| group.0 != name));
        self.groups.push((unique, every.to_owned(), Vec::new()));
    }

    /// Adds a rule, or the reason why there is none.
    pub(crate) fn add(&mut self, node: &Node, what: &str, rule: Result<Rule, String>) {
        self.done.total += 1;
        let place = self.place(node);
        let rule = match rule {
            Ok(_) if self.done.translated >= RULES_MAX => Err(format!("the file has more than {RULES_MAX} rules")),
            rule => rule.and_then(|rule| self.record(rule)),
        };
        match (rule, self.groups.last_mut()) {
            (Ok(None), _) => self.done.translated += 1,
            (Ok(Some(mut rule)), Some(group)) => {
                if !rule.records {
                    let wanted = rule.name.clone();
                    rule.name = match &rule.severity {
                        Some(severity) if self.names.contains(&wanted) => format!("{wanted}_{severity}"),
                        _ => wanted.clone(),
                    };
                    rule.name = unique(&rule.name, |name| !self.names.contains(name));
                    self.names.insert(rule.name.clone());
                    if rule.name != wanted {
                        let note = format!("{what} is called '{}': the names of rules are unique", rule.name);
                        self.done.notes.push(Problem::warning(place, note));
                    }
                }
                self.done.translated += 1;
                group.2.push(rule);
            }
            (Ok(Some(_)), None) => {}
            (Err(reason), _) => self.done.refused.push(Problem::error(place, format!("{what}: {reason}"))),
        }
    }

    /// What several rules of one group record with the same labels, one rule of flyball does. `None` when the rule was put to another.
    fn record(&mut self, rule: Rule) -> Result<Option<Rule>, String> {
        let place = (self.groups.len(), self.groups.last().map_or(0, |group| group.2.len()));
        if !rule.records {
            return Ok(Some(rule));
        }
        let (group, at) = match self.recorded.entry((rule.name.clone(), rule.labels.clone())) {
            Entry::Vacant(entry) => {
                entry.insert(place);
                return Ok(Some(rule));
            }
            Entry::Occupied(entry) => *entry.get(),
        };
        let first = self.groups.get_mut(group - 1).and_then(|group| group.2.get_mut(at));
        match first.filter(|first| group == place.0 && first.columns == rule.columns) {
            Some(first) => {
                first.more.push(rule.sql);
                Ok(None)
            }
            None => {
                Err("a rule of another group, or with other columns, records the same metric with the same labels"
                    .into())
            }
        }
    }

    /// Says something of a rule that is translated.
    pub(crate) fn note(&mut self, node: &Node, note: String) {
        let place = self.place(node);
        self.done.notes.push(Problem::warning(place, note));
    }

    pub(crate) fn finish(mut self, system: System) -> Imported {
        let from = match system {
            System::Prometheus => "Prometheus",
            System::Icos => "ICOS",
            System::Class => "CLASS",
        };
        if self.done.translated > 0 {
            let file = self.source.name().rsplit(['/', '\\']).next().unwrap_or_default();
            let mut yaml = format!("# From {}: {}.\ngroups:\n", comment(file), from);
            for (name, every, rules) in self.groups.iter().filter(|group| !group.2.is_empty()) {
                yaml.push_str(&format!("- name: {}\n  every: {every}\n  rules:\n", scalar(name)));
                for rule in rules {
                    write(&mut yaml, rule);
                }
            }
            self.done.yaml = yaml;
        }
        self.done.refused.sort_by(|a, b| a.place.cmp(&b.place));
        self.done.notes.sort_by(|a, b| a.place.cmp(&b.place));
        self.done
    }
}

fn unique(name: &str, free: impl Fn(&str) -> bool) -> String {
    if free(name) {
        return name.to_owned();
    }
    let mut number = 2u64;
    loop {
        let numbered = format!("{name}_{number}");
        if free(&numbered) {
            return numbered;
        }
        number += 1;
    }
}

fn write(yaml: &mut String, rule: &Rule) {
    for line in &rule.comments {
        yaml.push_str(&format!("  # {}\n", comment(line)));
    }
    yaml.push_str(&format!("  - {}: {}\n", if rule.records { "record" } else { "rule" }, scalar(&rule.name)));
    yaml.push_str("    sql: |\n");
    for line in sql(rule).lines() {
        yaml.push_str(&format!("      {line}\n"));
    }
    let mut field = |name: &str, value: Option<&str>, plain: bool| {
        if let Some(value) = value {
            let value = if plain { value.to_owned() } else { scalar(value) };
            yaml.push_str(&format!("    {name}: {value}\n"));
        }
    };
    field("for", rule.for_.as_deref(), true);
    field("keep_firing_for", rule.keep_firing_for.as_deref(), true);
    field("severity", rule.severity.as_deref(), false);
    if !rule.labels.is_empty() {
        let labels: Vec<_> = rule.labels.iter().map(|(name, value)| format!("{name}: {}", scalar(value))).collect();
        field("labels", Some(&format!("{{{}}}", labels.join(", "))), true);
    }
    field("summary", rule.summary.as_deref(), false);
    field("runbook", rule.runbook.as_deref(), false);
    if !rule.remediate.is_empty() {
        yaml.push_str("    remediate:\n");
        for step in &rule.remediate {
            yaml.push_str(&format!("    - {step}\n"));
        }
    }
}

fn sql(rule: &Rule) -> String {
    if rule.more.is_empty() {
        return rule.sql.clone();
    }
    let parts: Vec<_> = std::iter::once(&rule.sql).chain(&rule.more).map(|sql| format!("({sql})")).collect();
    parts.join("\nUNION ALL\n")
}

/// A word as it is, anything else in double quotes, whose escapes YAML shares with JSON.
pub(crate) fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

/// A text that stays within the line of its comment.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect()
}
