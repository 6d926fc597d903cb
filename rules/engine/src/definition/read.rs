//! From the tree of a file to its groups and rules.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use flyball_model::name::label_name;
use flyball_yaml::{Fields, Node, Problem, Reader, Source, Text, Value, nearest, parse};

use super::flaps::read_flaps;
use super::record::read_record;
use super::rule::{Group, NoData, NoDataPolicy, Rule, RuleFile, Step};
use super::slo::read_slo;
use super::step::read_step;
use super::template::Template;
use super::unless::read_unless;
use super::version::version;

const FILE_KEYS: [&str; 2] = ["groups", "tests"];
const GROUP_KEYS: [&str; 3] = ["name", "every", "rules"];
pub(super) const RULE_KEYS: [&str; 16] = [
    "rule",
    "sql",
    "for",
    "keep_firing_for",
    "no_data",
    "no_data_after",
    "error_for",
    "flaps",
    "unless",
    "severity",
    "labels",
    "summary",
    "runbook",
    "remediate",
    "record",
    "slo",
];
/// The keys of a test.
pub const TEST_KEYS: [&str; 5] = ["name", "start", "rules", "input", "expect"];

const EVERY_DEFAULT: Duration = Duration::from_secs(1);
/// As often as data may wake a rule; a faster tick would only evaluate the same again.
const EVERY_MIN: Duration = Duration::from_millis(100);
const NO_DATA_AFTER_DEFAULT: Duration = Duration::from_secs(60);
pub(super) const SEVERITY_DEFAULT: &str = "warning";
/// A query that a person wrote; planning time grows with its length.
const SQL_BYTES_MAX: usize = 256 * 1024;
/// Names stand in every event, table row and metric.
const NAME_BYTES_MAX: usize = 200;

/// Reads one file; what is good of it, and everything that is wrong with it.
pub(super) fn read_file(source: &Arc<Source>) -> (RuleFile, Vec<Problem>) {
    let mut file = RuleFile { name: source.name().to_owned(), source: Arc::clone(source), groups: Vec::new() };
    let root = match parse(source) {
        Ok(root) => root,
        Err(problem) => return (file, vec![problem]),
    };
    let mut reader = Reader::new(Arc::clone(source));
    // A file of comments alone says nothing, and that is no mistake.
    if !matches!(root.value, Value::Null)
        && let Some(fields) = reader.fields(&root, "a rule file", &FILE_KEYS)
    {
        file.groups = read_groups(&mut reader, fields);
        if let Some(tests) = fields.get("tests") {
            read_tests(&mut reader, tests);
        }
    }
    (file, reader.finish())
}

fn read_groups(reader: &mut Reader, file: Fields<'_>) -> Vec<Group> {
    let Some(node) = file.get("groups") else { return Vec::new() };
    let mut groups: Vec<Group> = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for item in reader.items(node, "'groups'") {
        let Some(fields) = reader.fields(item, "a group", &GROUP_KEYS) else { continue };
        let name = name(reader, fields, "name");
        if let Some(name) = &name {
            let line = name.place().line;
            if let Some(first) = seen.insert(name.as_str().to_owned(), line) {
                let message = format!("the group '{}' stands in this file twice", name.as_str());
                reader.note(Problem::error(name.place(), message).hint(format!("the first is in line {first}")));
            }
        }
        let every = reader.duration(fields, "every", EVERY_DEFAULT);
        if every < EVERY_MIN
            && let Some(node) = fields.get("every")
        {
            reader.error(node, "'every' is at least 100ms; data wakes a rule without it");
        }
        let name = name.map(|name| name.as_str().to_owned()).unwrap_or_default();
        let rules = match fields.get("rules") {
            Some(node) => reader.items(node, "'rules'"),
            None => {
                reader.error(item, "a group needs 'rules'");
                &[]
            }
        };
        let mut slos = Vec::new();
        let rules = rules.iter().filter_map(|node| read_rule(reader, node, &name, &mut slos)).collect();
        groups.push(Group { name, every, rules });
        groups.extend(slos);
    }
    groups
}

/// Reads a rule; an objective becomes a group of its own, since its rules have a tick of their own.
fn read_rule(reader: &mut Reader, node: &Node, group: &str, slos: &mut Vec<Group>) -> Option<Rule> {
    if node.get("expr").is_some() {
        let hint = "flyball rules import --from prometheus FILE translates it";
        reader.error_with_hint(node, "this is a rule of Prometheus, in PromQL", hint);
        return None;
    }
    let fields = reader.fields(node, "a rule", &RULE_KEYS)?;
    if fields.get("record").is_some() {
        return read_record(reader, fields, group);
    }
    if let Some(slo) = fields.get("slo") {
        slos.extend(read_slo(reader, fields, slo, group));
        return None;
    }
    let name = name(reader, fields, "rule");
    let sql = read_sql(reader, fields, "sql");
    let for_ = reader.duration(fields, "for", Duration::ZERO);
    let no_data = read_no_data(reader, fields);
    let error_for = reader.duration(fields, "error_for", Duration::ZERO);
    let flaps = fields.get("flaps").and_then(|node| read_flaps(reader, node));
    let unless = fields.get("unless").map(|node| read_unless(reader, node)).unwrap_or_default();
    let Told { keep_firing_for, severity, labels, summary, runbook, remediate } = read_told(reader, fields);
    let name = name?;
    let mut rule = Rule {
        place: name.place(),
        name: name.as_str().to_owned(),
        group: group.to_owned(),
        version: String::new(),
        sql: sql?,
        for_,
        keep_firing_for,
        no_data,
        error_for,
        flaps,
        unless,
        severity: severity.unwrap_or_else(|| SEVERITY_DEFAULT.to_owned()),
        labels,
        summary,
        runbook,
        remediate,
        record: None,
        slo: None,
    };
    rule.version = version(&rule);
    Some(rule)
}

/// What is told of a violation, whom it is told, and for how long.
pub(super) struct Told {
    pub(super) keep_firing_for: Duration,
    pub(super) severity: Option<String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) summary: Option<Template>,
    pub(super) runbook: Option<String>,
    pub(super) remediate: Vec<Step>,
}

pub(super) fn read_told(reader: &mut Reader, fields: Fields<'_>) -> Told {
    let keep_firing_for = reader.duration(fields, "keep_firing_for", Duration::ZERO);
    let severity = fields.get("severity").and_then(|node| reader.text(node, "'severity'")).filter(|severity| {
        let is_word = !severity.as_str().contains("{{");
        if !is_word {
            let problem = Problem::error(severity.place(), "'severity' is a template, and is taken as it is");
            reader.note(problem.hint("what varies is a string column 'severity' of the query"));
        }
        is_word
    });
    let labels = fields.get("labels").map(|node| read_labels(reader, node)).unwrap_or_default();
    let summary = fields.get("summary").and_then(|node| reader.text(node, "'summary'"));
    let summary = summary.and_then(|text| template(reader, text));
    let runbook = fields.get("runbook").and_then(|node| reader.text(node, "'runbook'"));
    let steps = fields.get("remediate").map(|node| reader.items(node, "'remediate'")).unwrap_or_default();
    Told {
        keep_firing_for,
        severity: severity.map(|text| text.as_str().to_owned()),
        labels,
        summary,
        runbook: runbook.map(|text| text.as_str().trim().to_owned()),
        remediate: steps.iter().filter_map(|step| read_step(reader, step)).collect(),
    }
}

/// A query that is not too long; one that is is noted.
pub(super) fn read_sql(reader: &mut Reader, fields: Fields<'_>, key: &str) -> Option<Text> {
    let sql = reader.required(fields, key)?;
    if sql.as_str().len() > SQL_BYTES_MAX {
        reader.note(Problem::error(sql.place(), format!("the query is longer than {} KiB", SQL_BYTES_MAX / 1024)));
        return None;
    }
    Some(sql)
}

pub(super) fn name(reader: &mut Reader, fields: Fields<'_>, key: &str) -> Option<Text> {
    let name = reader.required(fields, key)?;
    let text = name.as_str();
    if text.len() > NAME_BYTES_MAX || text.contains(char::is_control) || text.trim() != text {
        let message = format!("'{key}' is one line of at most {NAME_BYTES_MAX} bytes without space around it");
        reader.note(Problem::error(name.place(), message));
        return None;
    }
    Some(name)
}

fn read_no_data(reader: &mut Reader, fields: Fields<'_>) -> Option<NoData> {
    let after = reader.duration(fields, "no_data_after", NO_DATA_AFTER_DEFAULT);
    let Some(node) = fields.get("no_data") else {
        if let Some(node) = fields.get("no_data_after") {
            reader.error_with_hint(node, "'no_data_after' means nothing without 'no_data'", "add no_data: keep");
        }
        return None;
    };
    let word = reader.text(node, "'no_data'")?;
    let Some(policy) = NoDataPolicy::ALL.into_iter().find(|policy| policy.as_str() == word.as_str()) else {
        let hint = nearest(word.as_str(), NoDataPolicy::ALL.map(NoDataPolicy::as_str))
            .map_or_else(|| "write keep, resolve or fire".to_owned(), |meant| format!("did you mean '{meant}'?"));
        reader.error_with_hint(node, format!("'no_data' can't be '{}'", word.as_str()), hint);
        return None;
    };
    Some(NoData { policy, after })
}

pub(super) fn read_labels(reader: &mut Reader, node: &Node) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for (name, value) in reader.texts(node, "'labels'") {
        let good = label_name(name.as_str());
        if good != name.as_str() || good.is_empty() {
            let message = format!("'{}' is not a label name", name.as_str());
            let hint = format!("letters, digits and '_', not beginning with a digit: {good}");
            reader.note(Problem::error(name.place(), message).hint(hint));
        } else if value.as_str().contains("{{") {
            let message = format!("the label '{}' is a template, and labels are taken as they are", name.as_str());
            reader.note(Problem::error(value.place(), message).hint("what varies is a string column of the query"));
        } else {
            labels.insert(name.as_str().to_owned(), value.as_str().to_owned());
        }
    }
    labels
}

/// The text as a template, unless it is wrong.
pub(super) fn template(reader: &mut Reader, text: Text) -> Option<Template> {
    let place = text.clone();
    Template::parse(text)
        .map_err(|error| reader.note(Problem::error(place.place_of(error.line, 1), error.message)))
        .ok()
}

/// Tests are read in full where they are run; a file that has some must have their outline right, so that none is lost to a typo.
fn read_tests(reader: &mut Reader, node: &Node) {
    for item in reader.items(node, "'tests'") {
        let Some(fields) = reader.fields(item, "a test", &TEST_KEYS) else { continue };
        reader.required(fields, "name");
        for key in ["input", "expect"] {
            match fields.get(key) {
                Some(node) => {
                    reader.items(node, &format!("'{key}'"));
                }
                None => reader.error(item, format!("a test needs '{key}'")),
            }
        }
    }
}
