//! Relabelling as Prometheus does it: rules that rewrite, keep or drop a label set.
//!
//! It lives in the model because receivers relabel the targets they find and `normalize` relabels what was scraped. Rules
//! run once a target or once a new series, never once a sample, so label sets are plain maps here.
//!
//! Source: Prometheus' configuration reference, `relabel_config`. Patterns are of the crate `regex` (linear time, bounded
//! size), which knows nearly all of RE2; `\w`, `\d` and `\b` know Unicode here and ASCII alone there.

use std::borrow::Cow;
use std::collections::BTreeMap;

use md5::{Digest, Md5};
use regex::{Regex, RegexBuilder};

/// Labels by name; a label that is not there is the same as an empty one, and empty ones are never kept.
pub type LabelSet = BTreeMap<String, String>;

/// The longest pattern; what it may grow to when it is compiled is bounded by `regex`.
const PATTERN_BYTES_MAX: usize = 64 * 1024;

/// The separator unless another one is named.
pub const SEPARATOR: &str = ";";

/// The replacement unless another one is named: the first group.
pub const REPLACEMENT: &str = "$1";

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Action {
    /// Sets the target label to the replacement where the pattern matches.
    #[default]
    Replace,
    /// Drops everything whose source does not match.
    Keep,
    /// Drops everything whose source matches.
    Drop,
    /// Drops everything whose source is not the target label's value.
    KeepEqual,
    /// Drops everything whose source is the target label's value.
    DropEqual,
    /// Sets the target label to a hash of the source, modulo the modulus.
    HashMod,
    /// Copies the labels whose names match to names made by the replacement.
    LabelMap,
    /// Removes the labels whose names match.
    LabelDrop,
    /// Removes the labels whose names do not match.
    LabelKeep,
    /// Sets the target label to the source in lower case.
    Lowercase,
    /// Sets the target label to the source in upper case.
    Uppercase,
}

impl Action {
    /// All actions.
    pub const ALL: [Action; 11] = [
        Action::Replace,
        Action::Keep,
        Action::Drop,
        Action::KeepEqual,
        Action::DropEqual,
        Action::HashMod,
        Action::LabelMap,
        Action::LabelDrop,
        Action::LabelKeep,
        Action::Lowercase,
        Action::Uppercase,
    ];

    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Action::Replace => "replace",
            Action::Keep => "keep",
            Action::Drop => "drop",
            Action::KeepEqual => "keepequal",
            Action::DropEqual => "dropequal",
            Action::HashMod => "hashmod",
            Action::LabelMap => "labelmap",
            Action::LabelDrop => "labeldrop",
            Action::LabelKeep => "labelkeep",
            Action::Lowercase => "lowercase",
            Action::Uppercase => "uppercase",
        }
    }

    /// The action of a word, whatever its case.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str().eq_ignore_ascii_case(word))
    }

    const fn sets_target(self) -> bool {
        matches!(self, Action::Replace | Action::HashMod | Action::Lowercase | Action::Uppercase)
    }

    const fn compares(self) -> bool {
        matches!(self, Action::KeepEqual | Action::DropEqual)
    }

    const fn names_only(self) -> bool {
        matches!(self, Action::LabelDrop | Action::LabelKeep)
    }
}

/// A rule as it is written; `None` is the default of Prometheus.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelabelOptions {
    /// Labels whose values are joined to the source.
    pub source_labels: Vec<String>,
    /// What stands between them; [`SEPARATOR`] by default.
    pub separator: Option<String>,
    /// The pattern, which must match all of the source; `(.*)` by default.
    pub regex: Option<String>,
    /// For [`Action::HashMod`].
    pub modulus: Option<u64>,
    /// The label that is set; groups of the pattern may stand in it (`${1}`).
    pub target_label: Option<String>,
    /// What it is set to; [`REPLACEMENT`] by default. Nothing takes the label away.
    pub replacement: Option<String>,
    /// What is done.
    pub action: Action,
}

/// Why a rule can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelabelError {
    /// The pattern is not one.
    #[error("regex: '{pattern}' is not a pattern: {problem}")]
    Regex {
        /// As it was written.
        pattern: String,
        /// What is wrong.
        problem: String,
    },
    /// A key that the action needs.
    #[error("the action {} needs '{key}'", .action.as_str())]
    Needs {
        /// The action.
        action: Action,
        /// The key.
        key: &'static str,
    },
    /// A key that the action does not look at: the rule is not what its author meant.
    #[error("the action {} does not look at '{key}'; leave it out", .action.as_str())]
    Idle {
        /// The action.
        action: Action,
        /// The key.
        key: &'static str,
    },
    /// Not a label's name.
    #[error("{key}: '{name}' is not a label's name; write letters, digits and _, not a digit first")]
    Name {
        /// The key.
        key: &'static str,
        /// As it was written.
        name: String,
    },
}

/// One relabelling rule, checked and compiled.
#[derive(Debug, Clone)]
pub struct Relabel {
    source_labels: Vec<String>,
    separator: String,
    regex: Regex,
    modulus: u64,
    target_label: String,
    replacement: String,
    action: Action,
}

impl PartialEq for Relabel {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Relabel {
    /// Checks and compiles a rule.
    ///
    /// # Errors
    /// What Prometheus would refuse in its configuration too.
    pub fn new(options: RelabelOptions) -> Result<Self, RelabelError> {
        let RelabelOptions { source_labels, separator, regex, modulus, target_label, replacement, action } = options;
        let idle = |key| RelabelError::Idle { action, key };
        let needs = |key| RelabelError::Needs { action, key };
        if (action.sets_target() || action.compares()) && target_label.is_none() {
            return Err(needs("target_label"));
        }
        if action == Action::HashMod && modulus.unwrap_or(0) == 0 {
            return Err(needs("modulus"));
        }
        if action.compares() || action.names_only() {
            for (key, there) in [
                ("regex", regex.is_some() && action.compares()),
                ("source_labels", !source_labels.is_empty() && action.names_only()),
                ("target_label", target_label.is_some() && action.names_only()),
                ("modulus", modulus.is_some()),
                ("separator", separator.is_some()),
                ("replacement", replacement.is_some()),
            ] {
                if there {
                    return Err(idle(key));
                }
            }
        }
        if matches!(action, Action::Lowercase | Action::Uppercase) && replacement.is_some() {
            return Err(idle("replacement"));
        }
        let replacement = replacement.unwrap_or_else(|| REPLACEMENT.to_owned());
        let target_label = target_label.unwrap_or_default();
        let (key, name) = match action {
            Action::LabelMap => ("replacement", &replacement),
            _ => ("target_label", &target_label),
        };
        let template = matches!(action, Action::Replace | Action::LabelMap) && name.contains('$');
        let wanted = action.sets_target() || action.compares() || action == Action::LabelMap;
        if wanted && !template && !is_label_name(name) {
            return Err(RelabelError::Name { key, name: name.clone() });
        }
        Ok(Self {
            source_labels,
            separator: separator.unwrap_or_else(|| SEPARATOR.to_owned()),
            regex: compile(&regex.unwrap_or_else(|| "(.*)".to_owned()))?,
            modulus: modulus.unwrap_or(0),
            target_label,
            replacement,
            action,
        })
    }

    /// A rule that sets a label whatever was there before; an empty value takes it away.
    ///
    /// # Errors
    /// When it is not a label's name.
    pub fn set(label: &str, value: &str) -> Result<Self, RelabelError> {
        Self::new(RelabelOptions {
            target_label: Some(label.to_owned()),
            replacement: Some(value.replace('$', "$$")),
            ..RelabelOptions::default()
        })
    }

    /// All that makes the rule what it is, for telling sets of rules apart.
    pub fn identity(&self) -> String {
        let Self { source_labels, separator, regex, modulus, target_label, replacement, action } = self;
        format!("{source_labels:?}{separator:?}{:?}{modulus}{target_label:?}{replacement:?}{action:?}", regex.as_str())
    }

    /// Runs the rules in their order. `false` when one of them drops the whole; then the labels are of no use.
    pub fn apply(rules: &[Relabel], labels: &mut LabelSet) -> bool {
        rules.iter().all(|rule| rule.apply_one(labels))
    }

    fn apply_one(&self, labels: &mut LabelSet) -> bool {
        match self.action {
            Action::Keep => return self.regex.is_match(&self.source(labels)),
            Action::Drop => return !self.regex.is_match(&self.source(labels)),
            Action::KeepEqual => return self.source(labels) == get(labels, &self.target_label),
            Action::DropEqual => return self.source(labels) != get(labels, &self.target_label),
            Action::Replace => self.replace(labels),
            Action::HashMod => {
                let remainder = md5_tail(&self.source(labels)) % self.modulus;
                put(labels, &self.target_label, remainder.to_string());
            }
            Action::Lowercase => {
                let value = self.source(labels).to_lowercase();
                put(labels, &self.target_label, value);
            }
            Action::Uppercase => {
                let value = self.source(labels).to_uppercase();
                put(labels, &self.target_label, value);
            }
            Action::LabelMap => self.map_names(labels),
            Action::LabelDrop => labels.retain(|name, _| !self.regex.is_match(name)),
            Action::LabelKeep => labels.retain(|name, _| self.regex.is_match(name)),
        }
        true
    }

    fn source<'l>(&self, labels: &'l LabelSet) -> Cow<'l, str> {
        match self.source_labels.as_slice() {
            [] => Cow::Borrowed(""),
            [one] => Cow::Borrowed(get(labels, one)),
            several => {
                let values: Vec<_> = several.iter().map(|name| get(labels, name)).collect();
                Cow::Owned(values.join(&self.separator))
            }
        }
    }

    fn replace(&self, labels: &mut LabelSet) {
        let source = self.source(labels);
        let Some(groups) = self.regex.captures(&source) else { return };
        let (mut name, mut value) = (String::new(), String::new());
        groups.expand(&self.target_label, &mut name);
        groups.expand(&self.replacement, &mut value);
        // A template may make what is no name; such a match changes nothing.
        if is_label_name(&name) {
            put(labels, &name, value);
        }
    }

    fn map_names(&self, labels: &mut LabelSet) {
        let mapped: Vec<_> = labels
            .iter()
            .filter_map(|(name, value)| {
                let mut new = String::new();
                self.regex.captures(name)?.expand(&self.replacement, &mut new);
                Some((new, value.clone()))
            })
            .collect();
        for (name, value) in mapped {
            if is_label_name(&name) {
                put(labels, &name, value);
            }
        }
    }
}

/// A pattern that must match the whole. As in Prometheus 3, a dot matches a line break too.
fn compile(pattern: &str) -> Result<Regex, RelabelError> {
    let wrong = |problem: String| RelabelError::Regex { pattern: pattern.chars().take(100).collect(), problem };
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(wrong(format!("it is longer than {PATTERN_BYTES_MAX} bytes")));
    }
    // By itself first: `a)|(b` would be a pattern between the brackets that anchor it.
    for text in [pattern.to_owned(), format!("^(?s:{pattern})$")] {
        let built = RegexBuilder::new(&text).build();
        match built {
            Ok(regex) if text.len() != pattern.len() => return Ok(regex),
            Ok(_) => {}
            Err(error) => {
                let error = error.to_string();
                let last = error.lines().last().unwrap_or_default();
                return Err(wrong(last.trim_start_matches("error: ").to_owned()));
            }
        }
    }
    unreachable!("the second text is always longer")
}

/// The last eight bytes of the MD5, as Prometheus takes them, so that shards of a fleet of both agree.
fn md5_tail(text: &str) -> u64 {
    let digest = Md5::digest(text.as_bytes());
    digest[8..].iter().fold(0, |number, &byte| (number << 8) | u64::from(byte))
}

fn get<'l>(labels: &'l LabelSet, name: &str) -> &'l str {
    labels.get(name).map_or("", String::as_str)
}

fn put(labels: &mut LabelSet, name: &str, value: String) {
    if value.is_empty() {
        labels.remove(name);
    } else {
        labels.insert(name.to_owned(), value);
    }
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`
fn is_label_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests;
